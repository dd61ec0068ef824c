"""DLPack's C structures: made from a tensor's description, and read from another library's capsule.

NumPy makes the capsules, so that releasing them is its own compiled code, which may run at any time
and without Python's lock. hal then corrects what NumPy cannot express: device and dtype.
Source: https://dmlc.github.io/dlpack/latest/c_api.html
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import DType
from hal.errors import ExchangeError
from hal.plugin.layout import Shape, contiguous_strides

__all__ = ["HOST", "Foreign", "host_array", "pack"]

HOST = (1, 0)
"""DLPack's device type and number of host memory."""

_READ_ONLY = 1
_COPIED = 2
_MAJOR = 1

_FLOAT8 = {
    dtypes.float8_e4m3fn: 10,
    dtypes.float8_e4m3fnuz: 11,
    dtypes.float8_e5m2: 12,
    dtypes.float8_e5m2fnuz: 13,
    dtypes.float8_e8m0fnu: 14,
}
_KINDS = {"int": 0, "uint": 1, "float": 2, "complex": 5, "bool": 6}
_CODES = {(_KINDS[d.kind], d.bits): d for d in dtypes.COMPUTE if d is not dtypes.bfloat16}
_CODES[4, 16] = dtypes.bfloat16
_CODES |= {(code, 8): dtype for dtype, code in _FLOAT8.items()}
_BY_DTYPE = {dtype: code for code, dtype in _CODES.items()}


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


class _Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    ]


# A capsule points at its name, so these must outlive every capsule.
_NAMES = {
    name: (ctypes.create_string_buffer(name), ctypes.create_string_buffer(b"used_" + name))
    for name in (b"dltensor_versioned", b"dltensor")
}
_STRUCTURES: dict[bytes, type[_Managed] | type[_Versioned]] = {
    b"dltensor_versioned": _Versioned,
    b"dltensor": _Managed,
}
_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.argtypes, _is_valid.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_int
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.argtypes, _pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
_rename = ctypes.pythonapi.PyCapsule_SetName
_rename.argtypes, _rename.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_int
_deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Memory:
    """What NumPy takes an array's memory from: an address that is never read here."""

    def __init__(self, interface: dict[str, Any], keep: Any) -> None:
        self.__array_interface__ = interface
        self.keep = keep


def host_array(
    address: int, dtype: np.dtype[Any], shape: Shape, strides: Shape, keep: Any
) -> np.ndarray[Any, Any]:
    """Return a writable NumPy array over memory at an address; ``keep`` lives as long as it.

    Parameters
    ----------
    address : int
        Of the element at index 0.
    dtype : numpy.dtype
        One that NumPy itself defines.
    shape : tuple of int
    strides : tuple of int
        In elements.
    keep : object
        What owns the memory.
    """
    interface = {
        "data": (address, False),
        "typestr": dtype.str,
        "shape": shape,
        "strides": tuple([s * dtype.itemsize for s in strides]),
        "version": 3,
    }
    return np.asarray(_Memory(interface, keep))


def pack(
    address: int,
    device: tuple[int, int],
    dtype: DType,
    shape: Shape,
    strides: Shape,
    owner: Any,
    versioned: bool,
    copied: bool,
) -> Any:
    """Return a capsule that describes a tensor and keeps ``owner`` alive until it is released.

    Parameters
    ----------
    address : int
        Of the element at index 0.
    device : tuple of int
        DLPack's device type and number.
    dtype : DType
    shape : tuple of int
    strides : tuple of int
        In elements.
    owner : object
        What owns the memory.
    versioned : bool
        Whether the consumer knows DLPack 1.0, in which a capsule says its version and flags.
    copied : bool
        Whether the memory is a copy made for this capsule.

    Raises
    ------
    ExchangeError
        When DLPack has no such dtype.
    """
    if dtype not in _BY_DTYPE:
        raise ExchangeError(f"DLPack cannot carry {dtype}; convert it with astype(...) first")
    code, bits = _BY_DTYPE[dtype]
    like = dtype.numpy if code in _KINDS.values() else np.dtype(f"u{dtype.itemsize}")
    array = host_array(address, like, shape, strides, owner)
    capsule = array.__dlpack__(max_version=(_MAJOR, 0) if versioned else None)
    name = b"dltensor_versioned" if versioned else b"dltensor"
    managed = _STRUCTURES[name].from_address(_pointer(capsule, _NAMES[name][0]))
    managed.tensor.code, managed.tensor.bits = code, bits
    managed.tensor.device_type, managed.tensor.device_id = device
    if isinstance(managed, _Versioned):
        managed.flags = _COPIED if copied else 0
    return capsule


class Foreign:
    """The tensor that a capsule describes; releases the memory when it goes.

    Parameters
    ----------
    capsule : object
        What ``__dlpack__`` returned; it is used up.

    Attributes
    ----------
    address : int
        Of the element at index 0.
    device : tuple of int
        DLPack's device type and number.
    dtype : DType
    shape : tuple of int
    strides : tuple of int
        In elements.
    read_only : bool
        Whether the owner forbids writing.
    copied : bool
        Whether the memory is a copy made for this capsule.

    Raises
    ------
    ExchangeError
        When it is no capsule of DLPack, was used before, is of a version or a dtype that hal does
        not know.
    """

    def __init__(self, capsule: Any) -> None:
        self._release: Any = None
        name = next((n for n, (fresh, _) in _NAMES.items() if _is_valid(capsule, fresh)), None)
        if name is None:
            raise ExchangeError(
                f"{capsule!r} is no unused DLPack capsule; each can be imported only once"
            )
        fresh, used = _NAMES[name]
        pointer = _pointer(capsule, fresh)
        managed = _STRUCTURES[name].from_address(pointer)
        _rename(capsule, used)
        # From here on the memory is this object's to release, also when a check below fails.
        if managed.deleter:
            self._release, self._managed = _deleter(managed.deleter), pointer
        if isinstance(managed, _Versioned) and managed.major != _MAJOR:
            raise ExchangeError(
                f"the capsule is of DLPack {managed.major}.{managed.minor}; hal reads version "
                f"{_MAJOR} and unversioned ones"
            )
        flags = managed.flags if isinstance(managed, _Versioned) else 0
        self.read_only = bool(flags & _READ_ONLY)
        self.copied = bool(flags & _COPIED)
        tensor = managed.tensor
        self.address = (tensor.data or 0) + tensor.byte_offset
        self.device = (tensor.device_type, tensor.device_id)
        self.dtype = _known(tensor.code, tensor.bits, tensor.lanes)
        self.shape = tuple(tensor.shape[: tensor.ndim]) if tensor.ndim else ()
        self.strides = (
            tuple(tensor.strides[: tensor.ndim])
            if tensor.strides and tensor.ndim
            else contiguous_strides(self.shape)
        )

    def __del__(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release(self._managed)


def _known(code: int, bits: int, lanes: int) -> DType:
    dtype = _CODES.get((code, bits))
    if dtype is None or lanes != 1:
        known = ", ".join(d.name for d in _CODES.values())
        raise ExchangeError(
            f"hal has no dtype for DLPack's type code {code} with {bits} bits and {lanes} lanes; "
            f"it takes: {known}"
        )
    return dtype
