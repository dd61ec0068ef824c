"""What hal's dtypes are called in the device's source, and how numbers are written there."""

from __future__ import annotations

import math

from hal import dtypes
from hal.dtypes import DType

__all__ = ["SUPPORTED", "ctype", "literal", "wide_ctype"]

_NAMES = {
    dtypes.bool: "bool",
    dtypes.int8: "i8",
    dtypes.int16: "i16",
    dtypes.int32: "i32",
    dtypes.int64: "i64",
    dtypes.uint8: "u8",
    dtypes.uint16: "u16",
    dtypes.uint32: "u32",
    dtypes.uint64: "u64",
    dtypes.float16: "f16",
    dtypes.bfloat16: "bf16",
    dtypes.float32: "f32",
    dtypes.float64: "f64",
    dtypes.complex64: "c64",
    dtypes.complex128: "c128",
    dtypes.float8_e4m3fn: "f8e4",
    dtypes.float8_e5m2: "f8e5",
    dtypes.int4: "i4",
    dtypes.uint4: "u4",
}
SUPPORTED = tuple(_NAMES)
"""The dtypes that tensors on the device can have."""

_WIDE = {"f16": "f32", "bf16": "f32", "f8e4": "f32", "f8e5": "f32", "i4": "i8", "u4": "u8"}


def ctype(dtype: DType) -> str:
    """Return the name of a dtype in the device's source.

    Examples
    --------
    >>> import hal
    >>> ctype(hal.bfloat16), ctype(hal.uint8)
    ('bf16', 'u8')
    """
    return _NAMES[dtype]


def wide_ctype(dtype: DType) -> str:
    """Return the type a dtype's values are calculated in.

    Examples
    --------
    >>> import hal
    >>> wide_ctype(hal.bfloat16), wide_ctype(hal.float64)
    ('f32', 'f64')
    """
    name = _NAMES[dtype]
    return _WIDE.get(name, name)


def literal(value: float) -> str:
    """Return a number as source text that reads back as exactly that number.

    Examples
    --------
    >>> literal(0.1), literal(float("inf"))
    ('0x1.999999999999ap-4', 'bits_f64(0x7ff0000000000000ull)')
    """
    if math.isnan(value):
        return "bits_f64(0x7ff8000000000000ull)"
    if math.isinf(value):
        return f"bits_f64(0x{'7' if value > 0 else 'f'}ff0000000000000ull)"
    return float(value).hex()
