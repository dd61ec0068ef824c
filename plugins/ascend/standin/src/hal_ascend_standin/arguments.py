"""What the libraries hand to the arithmetic: arguments as NumPy arrays and Python values."""

from __future__ import annotations

import ctypes
from typing import Any

import ml_dtypes
import numpy as np

__all__ = ["DTYPES", "Argument", "Refusal", "values"]

DTYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype(np.float32),
    1: np.dtype(np.float16),
    2: np.dtype(np.int8),
    3: np.dtype(np.int32),
    4: np.dtype(np.uint8),
    6: np.dtype(np.int16),
    7: np.dtype(np.uint16),
    8: np.dtype(np.uint32),
    9: np.dtype(np.int64),
    10: np.dtype(np.uint64),
    11: np.dtype(np.float64),
    12: np.dtype(np.bool_),
    16: np.dtype(np.complex64),
    17: np.dtype(np.complex128),
    27: np.dtype(ml_dtypes.bfloat16),
    29: np.dtype(ml_dtypes.int4),
}
"""NumPy's dtypes by ``aclDataType``."""


_INT4 = 29


class Refusal(Exception):
    """An operator does not take its arguments: what its first phase says."""


class Argument(ctypes.Structure):
    """One argument of an operator, as the C side lays it out."""

    _fields_ = (
        ("kind", ctypes.c_int32),
        ("dtype", ctypes.c_int32),
        ("count", ctypes.c_int64),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("data", ctypes.c_void_p),
        ("integer", ctypes.c_int64),
        ("real", ctypes.c_double),
    )


def values(arguments: Any, count: int) -> list[Any]:
    """Return the arguments as Python sees them: arrays over the memory, numbers, tuples, text."""
    return [_value(arguments[i]) for i in range(count)]


def _value(given: Argument) -> Any:
    kind = given.kind
    if kind == 1:
        return _array(given)
    if kind == 2:
        dtype = DTYPES[given.dtype]
        return np.frombuffer(_bytes(given.data, dtype.itemsize), dtype)[0]
    if kind == 3:
        return tuple(np.frombuffer(_bytes(given.data, 8 * given.count), np.int64).tolist())
    if kind == 4:
        return given.integer
    if kind == 5:
        return given.real
    if kind == 6:
        return ctypes.string_at(given.data).decode()
    if kind == 7:
        members = ctypes.cast(given.data, ctypes.POINTER(Argument))
        return [_array(members[i]) for i in range(given.count)]
    return None


def _bytes(address: int | None, nbytes: int) -> bytes:
    return ctypes.string_at(address, nbytes) if address and nbytes else b""


def _array(given: Argument) -> Any:
    """Return an array over the tensor's memory; without memory, one of its shape and dtype."""
    dtype = DTYPES[given.dtype]
    shape = tuple(given.shape[: given.count])
    if not given.data or 0 in shape:
        # Only shape and dtype are looked at.
        return np.broadcast_to(np.zeros((), dtype), shape)
    if given.dtype == _INT4:
        return _halves(given, shape)
    strides = tuple(s * dtype.itemsize for s in given.strides[: given.count])
    reach = sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + dtype.itemsize
    memory = (ctypes.c_char * reach).from_address(given.data)
    return np.ndarray(shape, dtype, memory, 0, strides)


def _halves(given: Argument, shape: tuple[int, ...]) -> Any:
    """Return numbers of 4 bits, two in a byte of the tensor's memory, as an array to read."""
    strides = given.strides[: given.count]
    last = sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    packed = np.frombuffer(_bytes(given.data, last // 2 + 1), np.int8)
    flat = np.stack([(packed << 4) >> 4, packed >> 4], axis=-1).reshape(-1)
    found = np.lib.stride_tricks.as_strided(flat, shape, strides, writeable=False)
    return found.astype(ml_dtypes.int4)
