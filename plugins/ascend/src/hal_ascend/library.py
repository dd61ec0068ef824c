"""CANN's libraries, loaded, with every function's prototype set and every failure an error."""

from __future__ import annotations

import ctypes
import threading
from functools import cached_property
from typing import Any

from hal.errors import DeviceError, Unsupported
from hal_ascend.codes import ENUMS, error_class, meaning
from hal_ascend.locate import LOWEST, Installation, Missing, check_version
from hal_ascend.prototypes import KINDS, OPTIONAL, RUNTIME, operator_prototypes

__all__ = ["Cann"]

_REPEAT_INITIALIZE = 100002
_INTERNAL = 500000
_VERSION_BYTES = 512  # sizeof(aclCANNPackageVersion), which begins with the version's text.


class Cann:
    """The loaded libraries: functions by CANN's own names, and what goes with them.

    Functions are called as they are, so that a call costs no more than it must; a result that is
    not 0 goes to :meth:`error`, in the same thread.

    Parameters
    ----------
    installation : Installation

    Attributes
    ----------
    version : str
        CANN's, as it says itself or as its files do; empty where neither tells.

    Raises
    ------
    Missing
        When a library cannot be loaded, lacks a function or is too old.
    """

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._operators: dict[str, tuple[Any, Any]] = {}
        self._lock = threading.Lock()
        # The operators' libraries find the runtime's functions among those loaded for all.
        for name in ("runtime", "objects"):
            library = _load(installation.libraries[name], ctypes.RTLD_GLOBAL)
            for function, prototype in RUNTIME[name].items():
                setattr(self, function, self._function(library, function, prototype))
        self.version = self._own_version() or installation.version
        check_version(self.version, str(installation.libraries["runtime"]))
        self._operator_libraries = [_load(p, ctypes.RTLD_GLOBAL) for p in installation.operators]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"CANN's function {name} is not in the plugin's table")

    def _own_version(self) -> str:
        if self.aclsysGetCANNVersion is None:
            return ""
        told = ctypes.create_string_buffer(_VERSION_BYTES)
        if self.aclsysGetCANNVersion(ENUMS["ACL_PKG_NAME_CANN"], told):
            self.aclGetRecentErrMsg()
            return ""
        return told.value.decode(errors="replace")

    def _function(self, library: Any, name: str, prototype: str) -> Any:
        result, _, arguments = prototype.partition(":")
        try:
            function = getattr(library, name)
        except AttributeError:
            if name in OPTIONAL:
                return None
            lowest = ".".join(map(str, LOWEST))
            raise Missing(
                f"CANN {self.installation.version} has no {name} in {library._name}; the plugin "
                f"needs it, and CANN {lowest} has it",
                f"install CANN {lowest} or newer: https://www.hiascend.com/cann",
            ) from None
        function.restype = KINDS[result]
        function.argtypes = [KINDS[a] for a in arguments.split()]
        return function

    @cached_property
    def collectives(self) -> Any:
        """The functions of the collectives' library, loaded when first needed.

        Raises
        ------
        Unsupported
            When the library is not there.
        """
        path = self.installation.libraries.get("collectives")
        try:
            if path is None:
                raise Missing(
                    "CANN was installed without libhccl.so", "install CANN's HCCL package"
                )
            library = _load(path, ctypes.RTLD_GLOBAL)
            functions = type("Collectives", (), {})()
            for name, prototype in RUNTIME["collectives"].items():
                setattr(functions, name, self._function(library, name, prototype))
        except Missing as missing:
            raise Unsupported(f"no collectives: {missing.reason}; {missing.remedy}") from missing
        return functions

    def operator(self, name: str) -> tuple[Any, Any] | None:
        """Return both phases of an operator, or None where this CANN has it not."""
        found = self._operators.get(name)
        if found is not None:
            return found
        for library in self._operator_libraries:
            try:
                first = getattr(library, f"aclnn{name}GetWorkspaceSize")
                second = getattr(library, f"aclnn{name}")
            except AttributeError:
                continue
            first.restype = second.restype = ctypes.c_int32
            first.argtypes = [KINDS[k] for k in operator_prototypes()[name].kinds]
            second.argtypes = [KINDS[k] for k in ("pointer", "u64", "pointer", "pointer")]
            with self._lock:
                return self._operators.setdefault(name, (first, second))
        return None

    def error(self, code: int, function: str) -> DeviceError:
        """Return the error for a result of a function, with CANN's text for this thread."""
        text = self.aclGetRecentErrMsg()
        return error_class(code)(
            f"{function} failed: {meaning(code)}",
            code=code,
            text=text.decode(errors="replace").strip() if text else None,
        )

    def null_error(self, function: str) -> DeviceError:
        """Return the error for a function that returned nothing, and so no code either."""
        error = self.error(_INTERNAL, function)
        free, total = ctypes.c_uint64(), ctypes.c_uint64()
        # A device that is lost answers nothing at all.
        code = self.aclrtGetMemInfo(ENUMS["ACL_HBM_MEM"], ctypes.byref(free), ctypes.byref(total))
        if code:
            self.aclGetRecentErrMsg()
            kind = error_class(code)
            return kind(f"{function} failed: {meaning(code)}", code=code, text=error.text)
        return error

    def check(self, code: int, function: str) -> None:
        """Raise unless a result is 0."""
        if code:
            raise self.error(code, function)

    def initialize(self) -> None:
        """Start the runtime, once in a process; another library may have done so."""
        code = self.aclInit(None)
        if code not in (0, _REPEAT_INITIALIZE):
            raise self.error(code, "aclInit")


def _load(path: Any, mode: int) -> Any:
    try:
        return ctypes.CDLL(str(path), mode=mode)
    except OSError as error:
        raise Missing(
            f"{path} cannot be loaded: {error}",
            "run `source set_env.sh` of the CANN installation before Python, so that the libraries "
            "it depends on are found, and check that the driver is installed (`npu-smi info`)",
        ) from error
