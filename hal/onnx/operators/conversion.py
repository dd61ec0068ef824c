"""Conversion between dtypes, by value and by bits, and to and from text."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from hal import dtypes
from hal.dtypes import DType
from hal.errors import DTypeError, ValueRangeError
from hal.onnx.registry import operator
from hal.onnx.tensors import STRING, element_dtype
from hal.onnx.values import dtype_of, is_text, to_host

__all__ = ["converted"]

_SATURATED = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")


def converted(F: Any, x: Any, dtype: DType, saturate: bool = True, round_mode: str = "up") -> Any:
    """Return x in a dtype, as ONNX converts."""
    source = dtype_of(x)
    if source is dtype:
        return F.copy(x)
    if source.storage_only and dtype.storage_only:
        x = F.cast(x, dtype=dtypes.float32)
        source = dtypes.float32
    if dtype is dtypes.float8_e8m0fnu:
        return _power_of_two(F, x, saturate, round_mode)
    if dtype.name in _SATURATED and saturate:
        most = _largest(dtype)
        x = x if source.kind == "float" else F.cast(x, dtype=dtypes.float32)
        if dtype_of(x).bits < 32:
            x = F.cast(x, dtype=dtypes.float32)
        # Written so that NaN stays NaN.
        x = F.where(F.greater(x, most), F.like(most, x), x)
        x = F.where(F.less(x, -most), F.like(-most, x), x)
    elif dtype.bits < 8 and source.kind == "bool":
        x = F.cast(x, dtype=dtypes.int8)
    return F.cast(x, dtype=dtype)


def _largest(dtype: DType) -> float:
    info: Any = ml_dtypes.finfo
    return float(info(dtype.numpy).max)


def _power_of_two(F: Any, x: Any, saturate: bool, round_mode: str) -> Any:
    """Return the exponent of x alone, rounded as asked: the format has no other bits."""
    if round_mode not in ("up", "down", "nearest"):
        raise ValueRangeError(f"round_mode is {round_mode!r}; it may be up, down or nearest")
    bits = F.bitcast(F.cast(x, dtype=dtypes.float32), dtype=dtypes.uint32)
    # The shift by the width of the mantissa, without the sign.
    exponent = F.bitwise_and(F.bitwise_right_shift(bits, 23), 0xFF)
    mantissa = F.bitwise_and(bits, 0x7FFFFF)
    special = F.equal(exponent, 0xFF)
    if round_mode == "up":
        # The smallest exponent stands for 2**-127, in float32 a half of the smallest normal.
        higher = F.where(
            F.equal(exponent, 0), F.greater(mantissa, 0x400000), F.greater(mantissa, 0)
        )
    elif round_mode == "nearest":
        higher = F.where(
            F.equal(exponent, 0), F.greater(mantissa, 0x400000),
            F.greater_equal(mantissa, 0x400000),
        )  # fmt: skip
    else:
        higher = F.logical_and(special, F.logical_not(special))
    raised = F.add(exponent, F.cast(higher, dtype=dtypes.uint32))
    if saturate:
        raised = F.minimum(raised, 0xFE)
    found = F.where(special, F.like(0xFF, raised), raised)
    return F.bitcast(F.cast(found, dtype=dtypes.uint8), dtype=dtypes.float8_e8m0fnu)


def _texts(x: Any) -> Any:
    array = to_host(x)
    if array.dtype.kind == "b":
        listed = ["True" if v else "False" for v in array.ravel().tolist()]
    elif dtype_of(array).kind == "float":
        if dtype_of(array).storage_only or dtype_of(array) is dtypes.bfloat16:
            array = array.astype(np.float32)
        listed = [_number_text(v) for v in array.ravel()]
    else:
        listed = [str(v) for v in array.ravel().tolist()]
    result = np.empty(len(listed), object)
    result[:] = listed
    return result.reshape(array.shape)


def _number_text(value: Any) -> str:
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "INF" if value > 0 else "-INF"
    return str(value.item() if value.dtype == np.float64 else value)


def _numbers(texts: Any, dtype: DType) -> Any:
    try:
        if dtype.kind in ("int", "uint"):
            values: list[Any] = [int(t) for t in texts.ravel()]
        elif dtype.kind == "bool":
            values = [t.strip().lower() in ("true", "1") for t in texts.ravel()]
        else:
            values = [float(t) for t in texts.ravel()]
        return np.asarray(values).astype(dtype.numpy).reshape(texts.shape)
    except (ValueError, OverflowError) as error:
        raise ValueRangeError(f"a text is no number of dtype {dtype}: {error}") from None


def _cast_to(F: Any, x: Any, number: int, saturate: int, round_mode: str) -> Any:
    if number == STRING:
        return x if is_text(x) else _texts(x)
    dtype = element_dtype(number)
    if is_text(x):
        return _numbers(x, dtype)
    return converted(F, x, dtype, bool(saturate), round_mode)


@operator("Cast")
def _cast(F: Any, x: Any, *, to: int, saturate: int = 1, round_mode: str = "up") -> Any:
    return _cast_to(F, x, to, saturate, round_mode)


@operator("CastLike")
def _cast_like(F: Any, x: Any, like: Any, *, saturate: int = 1, round_mode: str = "up") -> Any:
    if is_text(like):
        return x if is_text(x) else _texts(x)
    if is_text(x):
        return _numbers(x, dtype_of(like))
    return converted(F, x, dtype_of(like), bool(saturate), round_mode)


@operator("BitCast")
def _bit_cast(F: Any, x: Any, *, to: int) -> Any:
    if is_text(x):
        raise DTypeError("the bits of strings cannot be read as another type")
    dtype = element_dtype(to)
    if dtype_of(x).bits == dtype.bits:
        return F.bitcast(x, dtype=dtype)
    raise DTypeError(f"{dtype_of(x)} and {dtype} differ in size")
