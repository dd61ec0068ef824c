"""Every function of CANN that the plugin calls, with the kind of each argument, in one table.

The kinds are those of the C interface: a pointer, a C string, an integer of given width, a
floating-point number, a boolean. Enumerations are 32-bit integers. The operators are in
``aclnn.txt`` beside this module, a line each: name, arguments, and the dtypes of the main tensor
on the families that have them all. Behind a semicolon follows what CANN's documentation says of the
310P: ``no`` where it lacks the operator, ``without`` dtypes, ``undocumented`` where the operator's
page does not name the product. ``T`` is a tensor, ``O`` one that is written, ``R`` one that is read
and written, ``L`` a list of tensors, ``S`` a scalar, ``A`` an array of integers.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

__all__ = [
    "KINDS",
    "LIBRARIES",
    "OPTIONAL",
    "RUNTIME",
    "OperatorPrototype",
    "operator_prototypes",
]

KINDS: dict[str, Any] = {
    "pointer": ctypes.c_void_p,
    "text": ctypes.c_char_p,
    "bool": ctypes.c_bool,
    "i8": ctypes.c_int8,
    "i32": ctypes.c_int32,
    "u32": ctypes.c_uint32,
    "i64": ctypes.c_int64,
    "u64": ctypes.c_uint64,
    "f32": ctypes.c_float,
    "f64": ctypes.c_double,
}

LIBRARIES = {
    "runtime": "libascendcl.so",
    "objects": "libnnopbase.so",
    "operators": "libopapi.so",
    "collectives": "libhccl.so",
}
"""The libraries by what the plugin calls them; newer releases split the operators' in several."""

RUNTIME: dict[str, dict[str, str]] = {
    "runtime": {
        "aclInit": "i32: text",
        "aclFinalize": "i32:",
        "aclGetRecentErrMsg": "text:",
        "aclrtGetSocName": "text:",
        "aclrtGetVersion": "i32: pointer pointer pointer",
        "aclsysGetCANNVersion": "i32: i32 pointer",
        "aclrtGetDeviceCount": "i32: pointer",
        "aclrtGetDeviceInfo": "i32: u32 i32 pointer",
        "aclrtSetDevice": "i32: i32",
        "aclrtResetDevice": "i32: i32",
        "aclrtGetCurrentContext": "i32: pointer",
        "aclrtSetCurrentContext": "i32: pointer",
        "aclrtDeviceCanAccessPeer": "i32: pointer i32 i32",
        "aclrtGetMemInfo": "i32: i32 pointer pointer",
        "aclrtMalloc": "i32: pointer u64 i32",
        "aclrtFree": "i32: pointer",
        "aclrtMallocHost": "i32: pointer u64",
        "aclrtFreeHost": "i32: pointer",
        "aclrtMemcpyAsync": "i32: pointer u64 pointer u64 i32 pointer",
        "aclrtCreateStream": "i32: pointer",
        "aclrtDestroyStream": "i32: pointer",
        "aclrtSynchronizeStreamWithTimeout": "i32: pointer i32",
        "aclrtCreateEvent": "i32: pointer",
        "aclrtDestroyEvent": "i32: pointer",
        "aclrtRecordEvent": "i32: pointer pointer",
        "aclrtStreamWaitEvent": "i32: pointer pointer",
        "aclrtQueryEventStatus": "i32: pointer pointer",
        "aclrtSynchronizeEventWithTimeout": "i32: pointer i32",
        "aclrtEventElapsedTime": "i32: pointer pointer pointer",
        "aclmdlRICaptureBegin": "i32: pointer i32",
        "aclmdlRICaptureEnd": "i32: pointer pointer",
        "aclmdlRIExecuteAsync": "i32: pointer pointer",
        "aclmdlRIDestroy": "i32: pointer",
    },
    "objects": {
        "aclCreateTensor": "pointer: pointer u64 i32 pointer i64 i32 pointer u64 pointer",
        "aclCreateScalar": "pointer: pointer i32",
        "aclCreateIntArray": "pointer: pointer u64",
        "aclCreateTensorList": "pointer: pointer u64",
        "aclDestroyTensor": "i32: pointer",
        "aclDestroyScalar": "i32: pointer",
        "aclDestroyIntArray": "i32: pointer",
        "aclDestroyTensorList": "i32: pointer",
        "aclSetAclOpExecutorRepeatable": "i32: pointer",
        "aclDestroyAclOpExecutor": "i32: pointer",
        "aclSetTensorAddr": "i32: pointer u64 pointer pointer",
        "aclSetInputTensorAddr": "i32: pointer u64 pointer pointer",
        "aclSetOutputTensorAddr": "i32: pointer u64 pointer pointer",
        "aclSetDynamicInputTensorAddr": "i32: pointer u64 u64 pointer pointer",
    },
    "collectives": {
        "HcclGetRootInfo": "i32: pointer",
        "HcclCommInitRootInfo": "i32: u32 pointer u32 pointer",
        "HcclCommDestroy": "i32: pointer",
        "HcclGetErrorString": "text: i32",
        "HcclAllReduce": "i32: pointer pointer u64 i32 i32 pointer pointer",
        "HcclAllGather": "i32: pointer pointer u64 i32 pointer pointer",
        "HcclReduceScatter": "i32: pointer pointer u64 i32 i32 pointer pointer",
        "HcclBroadcast": "i32: pointer u64 i32 u32 pointer pointer",
        "HcclSend": "i32: pointer u64 i32 u32 pointer pointer",
        "HcclRecv": "i32: pointer u64 i32 u32 pointer pointer",
    },
}
"""By library: function, what it returns, and its arguments."""

OPTIONAL = frozenset(
    {
        "aclsysGetCANNVersion", "aclrtGetDeviceInfo", "aclmdlRICaptureBegin",
        "aclmdlRICaptureEnd", "aclmdlRIExecuteAsync", "aclmdlRIDestroy",
    }
)  # fmt: skip
"""What a CANN of the lowest version may lack; the plugin then does without."""

_ARGUMENTS = {
    "T": "pointer",
    "O": "pointer",
    "R": "pointer",
    "L": "pointer",
    "S": "pointer",
    "A": "pointer",
    "c": "text",
    "b": "bool",
    "d": "i32",
    "i8": "i8",
    "i32": "i32",
    "i64": "i64",
    "f32": "f32",
    "f64": "f64",
}


@dataclass(frozen=True)
class OperatorPrototype:
    """One operator of CANN.

    Attributes
    ----------
    name : str
        Without the prefix ``aclnn``.
    arguments : tuple of (code, name)
        The first phase's, without the workspace's size and the executor that follow.
    dtypes : frozenset of str
        hal's names of the dtypes its main tensor may have.
    notes : dict
        By chip, what is not so there: ``"no"``, ``"without ..."``, ``"undocumented"``.
    """

    name: str
    arguments: tuple[tuple[str, str], ...]
    dtypes: frozenset[str]
    notes: dict[str, str]

    def dtypes_on(self, chip: str) -> frozenset[str]:
        """Return the dtypes that the main tensor may have on a chip that notes are about."""
        note = self.notes.get(chip, "")
        if note == "no":
            return frozenset()
        return self.dtypes - set(note.removeprefix("without ").split(" "))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of every argument of the first phase, the last two included."""
        return (*(_ARGUMENTS[code] for code, _ in self.arguments), "pointer", "pointer")


@cache
def operator_prototypes() -> dict[str, OperatorPrototype]:
    """Return every operator that the plugin knows, by name."""
    found = {}
    text = resources.files("hal_ascend").joinpath("aclnn.txt").read_text()
    for line in text.splitlines():
        match = re.fullmatch(r"(\w+)\((.*)\): ([^;]*)(?:; (\w+): (.*))?", line)
        assert match is not None, line
        name, arguments, dtypes, chip, note = match.groups()
        pairs = [a.split(" ") for a in arguments.split(", ")]
        found[name] = OperatorPrototype(
            name,
            tuple((code, given) for code, given in pairs),
            frozenset(dtypes.split(" ")),
            {chip: note} if chip else {},
        )
    return found
