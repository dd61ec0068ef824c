"""Quantised numbers: conversion both ways, and exact products of them."""

from __future__ import annotations

from typing import Any

from hal import dtypes
from hal.dtypes import DType, integer_range
from hal.errors import DTypeError, ShapeError
from hal.onnx.operators.common import axis_of, cast, cut, flat_size, unsqueeze, widen
from hal.onnx.operators.conversion import converted
from hal.onnx.operators.convolution import centred_weight, integer_convolution, placed
from hal.onnx.operators.product import shifted
from hal.onnx.registry import operator
from hal.onnx.tensors import element_dtype
from hal.onnx.values import dtype_of


def spread(F: Any, value: Any, x: Any, axis: int, block_size: int) -> Any:
    """Return a scale or zero point in the shape in which it meets x: whole, by axis or by block."""
    if flat_size(value.shape) == 1 and len(value.shape) < 2:
        return F.reshape(value, shape=())
    ndim = len(x.shape)
    axis = axis_of(axis, ndim)
    if not block_size:
        if tuple(value.shape) != (x.shape[axis],):
            raise ShapeError(
                f"{tuple(value.shape)} scales do not fit axis {axis} of shape {tuple(x.shape)}"
            )
        return F.reshape(value, shape=tuple(-1 if a == axis else 1 for a in range(ndim)))
    blocks = -(-x.shape[axis] // block_size) if block_size > 0 else -1
    wanted = tuple(blocks if a == axis else n for a, n in enumerate(x.shape))
    if tuple(value.shape) != wanted:
        raise ShapeError(
            f"blocks of {block_size} on axis {axis} of {tuple(x.shape)} need scales of shape "
            f"{wanted}, not {tuple(value.shape)}"
        )
    shape = (*wanted[: axis + 1], block_size, *wanted[axis + 1 :])
    whole = F.copy(F.broadcast_to(unsqueeze(F, value, (axis + 1,)), shape=shape))
    sizes = (*wanted[:axis], blocks * block_size, *wanted[axis + 1 :])
    return cut(F, F.reshape(whole, shape=sizes), {axis: (0, x.shape[axis])})


def rounded(F: Any, x: Any, zero: Any, dtype: DType) -> Any:
    """Return x rounded to integers, moved by a zero point, within the range of the dtype."""
    low, high = integer_range(dtype)
    whole = F.round(x)
    if zero is not None:
        number = F.cast(F.cast(zero, dtype=dtypes.int32), dtype=dtype_of(whole))
        whole = F.add(whole, number)
    whole = F.minimum(F.maximum(whole, float(low)), float(high))
    return F.cast(F.cast(whole, dtype=dtypes.int32), dtype=dtype)


@operator("QuantizeLinear")
def _quantize_linear(
    F: Any, x: Any, scale: Any, zero: Any = None, *, axis: int = 1, block_size: int = 0,
    output_dtype: int = 0, precision: int = 0, saturate: int = 1,
) -> Any:  # fmt: skip
    dtype = element_dtype(output_dtype) if output_dtype else dtypes.uint8
    if zero is not None:
        if output_dtype and dtype_of(zero) is not dtype:
            raise DTypeError(f"output_dtype is {dtype}, the zero point has {dtype_of(zero)}")
        dtype = dtype_of(zero)
        zero = spread(F, zero, x, axis, block_size)
    factor = spread(F, scale, x, axis, block_size)
    if dtype_of(factor).storage_only:
        factor = F.cast(factor, dtype=dtypes.float32)
    if precision:
        ratio = F.divide(
            F.cast(x, dtype=element_dtype(precision)),
            F.cast(factor, dtype=element_dtype(precision)),
        )
    else:
        ratio = F.divide(x, cast(F, factor, dtype_of(x)) if dtype_of(x).kind == "float" else factor)
    if dtype.kind in ("int", "uint"):
        return rounded(F, widen(F, ratio), zero, dtype)
    return converted(F, widen(F, ratio), dtype, bool(saturate))


@operator("DequantizeLinear")
def _dequantize_linear(
    F: Any, x: Any, scale: Any, zero: Any = None, *, axis: int = 1, block_size: int = 0,
    output_dtype: int = 0,
) -> Any:  # fmt: skip
    factor = spread(F, scale, x, axis, block_size)
    factor = widen(F, factor) if not dtype_of(factor).storage_only else F.cast(
        factor, dtype=dtypes.float32
    )  # fmt: skip
    if dtype_of(x).kind == "float":
        values = F.cast(x, dtype=dtype_of(factor))
    else:
        whole = F.cast(x, dtype=dtypes.int32)
        if zero is not None:
            zero = F.cast(spread(F, zero, x, axis, block_size), dtype=dtypes.int32)
            whole = F.subtract(whole, zero)
        values = F.cast(whole, dtype=dtype_of(factor))
    out = element_dtype(output_dtype) if output_dtype else dtype_of(scale)
    return cast(F, F.multiply(values, factor), out)


@operator("DynamicQuantizeLinear")
def _dynamic_quantize_linear(F: Any, x: Any) -> Any:
    axes = tuple(range(len(x.shape)))
    low = F.minimum(F.min(x, axis=axes, keepdims=False), 0.0)
    high = F.maximum(F.max(x, axis=axes, keepdims=False), 0.0)
    scale = F.divide(F.subtract(high, low), 255.0)
    # All zeros have no range: any scale maps them to zero.
    scale = F.where(F.equal(scale, 0.0), F.like(1, scale), scale)
    zero = F.minimum(F.maximum(F.round(F.divide(F.negative(low), scale)), 0.0), 255.0)
    whole = F.add(F.round(F.divide(x, scale)), zero)
    whole = F.minimum(F.maximum(whole, 0.0), 255.0)
    return F.cast(whole, dtype=dtypes.uint8), scale, F.cast(zero, dtype=dtypes.uint8)


@operator("QLinearMatMul")
def _qlinear_matmul(
    F: Any, a: Any, a_scale: Any, a_zero: Any, b: Any, b_scale: Any, b_zero: Any, y_scale: Any,
    y_zero: Any,
) -> Any:  # fmt: skip
    total = F.matmul(shifted(F, a, a_zero, True), shifted(F, b, b_zero, False))

    def column(scale: Any) -> Any:
        wide = widen(F, scale)
        many = len(scale.shape) == 1 and scale.shape[0] > 1
        if flat_size(scale.shape) == 1:
            return F.reshape(wide, shape=())
        return unsqueeze(F, wide, (1,)) if many else wide

    right = widen(F, b_scale)
    right = F.reshape(right, shape=()) if flat_size(b_scale.shape) == 1 else right
    factor = F.divide(F.multiply(column(a_scale), right), column(y_scale))
    zero = (
        F.reshape(y_zero, shape=()) if flat_size(y_zero.shape) == 1 else unsqueeze(F, y_zero, (1,))
    )
    return rounded(F, F.multiply(F.cast(total, dtype=dtype_of(factor)), factor), zero,
                   dtype_of(y_zero))  # fmt: skip


@operator("QLinearConv")
def _qlinear_conv(
    F: Any, x: Any, x_scale: Any, x_zero: Any, w: Any, w_scale: Any, w_zero: Any, y_scale: Any,
    y_zero: Any, bias: Any = None, *, auto_pad: str = "NOTSET", dilations: Any = None,
    group: int = 1, kernel_shape: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    window = placed(tuple(x.shape[2:]), tuple(w.shape[2:]), strides, dilations, pads, auto_pad)
    values = F.subtract(
        F.cast(x, dtype=dtypes.int32), F.reshape(F.cast(x_zero, dtype=dtypes.int32), shape=())
    )
    total = integer_convolution(F, values, centred_weight(F, w, w_zero), window, group)
    spatial = (1,) * (len(x.shape) - 2)
    if bias is not None:
        total = F.add(total, F.reshape(bias, shape=(-1, *spatial)))
    factor = F.divide(
        F.multiply(F.reshape(x_scale, shape=()), w_scale), F.reshape(y_scale, shape=())
    )
    factor = F.reshape(factor, shape=(-1, *spatial) if flat_size(factor.shape) > 1 else ())
    scaled = F.multiply(F.cast(total, dtype=dtype_of(factor)), factor)
    return rounded(F, scaled, F.reshape(y_zero, shape=()), dtype_of(y_zero))
