"""Quantised operators of the domain com.microsoft."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hal import dtypes
from hal.errors import ShapeError, Unsupported, ValueRangeError
from hal.onnx.operators.common import axis_of, cast, cut, flat_size, unsqueeze, widen
from hal.onnx.operators.contrib import MICROSOFT
from hal.onnx.operators.product import shifted
from hal.onnx.operators.quantization import rounded, spread
from hal.onnx.registry import find_definition, operator
from hal.onnx.values import dtype_of
from hal.precision import current_precision

for _name in ("QuantizeLinear", "DequantizeLinear"):
    _plain = find_definition("", _name, 21)
    assert _plain is not None
    operator(_name, domain=MICROSOFT)(_plain.function)


def unpacked(F: Any, x: Any, bits: int) -> Any:
    """Return the numbers of ``bits`` bits in bytes, the lowest bits first, along the last axis."""
    if bits not in (1, 2, 4, 8):
        raise ValueRangeError(f"bits is {bits}; it may be 1, 2, 4 or 8")
    each = 8 // bits
    if each == 1:
        return x
    shifts = F.place(np.arange(each, dtype=np.uint8) * bits)
    parts = F.bitwise_and(F.bitwise_right_shift(unsqueeze(F, x, (-1,)), shifts), 2**bits - 1)
    return F.reshape(parts, shape=(*x.shape[:-1], x.shape[-1] * each))


@operator("MatMulNBits", domain=MICROSOFT)
def _matmul_n_bits(
    F: Any,
    a: Any,
    b: Any,
    scales: Any,
    zeros: Any = None,
    groups: Any = None,
    bias: Any = None,
    *,
    K: int,
    N: int,
    bits: int = 4,
    block_size: int,
    accuracy_level: int = 0,
) -> Any:
    if groups is not None:
        raise Unsupported("g_idx of MatMulNBits is not in use in exported models")
    if block_size < 1 or a.shape[-1] != K:
        raise ShapeError(f"K={K} and block_size={block_size} do not fit {tuple(a.shape)}")
    blocks = -(-K // block_size)
    if zeros is not None and dtype_of(zeros) is dtypes.uint8:
        rows = F.reshape(zeros, shape=(N, flat_size(zeros.shape) // N))
        zeros = cut(F, unpacked(F, rows, bits), {1: (0, blocks)})
    if bits in (4, 8):
        packed = cut(
            F, F.reshape(b, shape=(N, flat_size(b.shape) // N)), {1: (0, -(-K * bits // 8))}
        )
        each = [v if v is None else F.reshape(v, shape=(N, blocks)) for v in (scales, zeros)]
        how = {"bits": bits, "group_size": block_size, "precision": current_precision()}
        return F.quantized_linear(a, F.copy(packed), *each, bias, **how)
    values = unpacked(F, F.reshape(b, shape=(N, blocks, flat_size(b.shape) // (N * blocks))), bits)
    factor = widen(F, F.reshape(scales, shape=(N, blocks, 1)))
    wide = F.cast(values, dtype=dtype_of(factor))
    if zeros is None:
        wide = F.subtract(wide, float(2 ** (bits - 1)))
    else:
        zero = F.cast(F.reshape(zeros, shape=(N, blocks, 1)), dtype=dtype_of(factor))
        wide = F.subtract(wide, zero)
    weight = F.reshape(F.multiply(wide, factor), shape=(N, blocks * values.shape[2]))
    weight = cast(F, cut(F, weight, {1: (0, K)}), dtype_of(a))
    return F.linear(a, F.copy(weight), bias, precision=current_precision())


@operator("GatherBlockQuantized", domain=MICROSOFT)
def _gather_block_quantized(
    F: Any,
    data: Any,
    indices: Any,
    scales: Any,
    zeros: Any = None,
    *,
    bits: int = 4,
    block_size: int = 128,
    gather_axis: int = 0,
    quantize_axis: int = 1,
) -> Any:
    packed = dtype_of(data) is dtypes.uint8
    ndim = len(data.shape)
    gathered, along = axis_of(gather_axis, ndim), axis_of(quantize_axis, ndim)

    def taken(x: Any) -> Any:
        x = x if not packed or dtype_of(x) is not dtypes.uint8 else unpacked(F, x, bits)
        return F.take(x, indices, axis=gathered)

    # Axes behind the one that is gathered move by as many as the indices add.
    shift = len(indices.shape) - 1 if along > gathered else 0
    values, factor = taken(data), taken(scales)
    if zeros is not None:
        zero = F.cast(taken(zeros), dtype=dtypes.int32)
        # Packed zero points may be followed by filler.
        zero = cut(F, zero, {along + shift: (0, factor.shape[along + shift])})
        zero = spread(F, zero, values, along + shift, block_size)
    else:
        zero = F.place(np.int32(2 ** (bits - 1) if packed else 0))
    whole = F.subtract(F.cast(values, dtype=dtypes.int32), zero)
    factor = spread(F, factor, values, along + shift, block_size)
    return F.multiply(F.cast(whole, dtype=dtype_of(factor)), factor)


def _dequantized(F: Any, x: Any, scale: Any, zero: Any) -> Any:
    wide = F.cast(x, dtype=dtypes.int32)
    if zero is not None:
        wide = F.subtract(wide, F.reshape(F.cast(zero, dtype=dtypes.int32), shape=()))
    return F.multiply(F.cast(wide, dtype=dtype_of(scale)), F.reshape(scale, shape=()))


def _quantized(F: Any, x: Any, scale: Any, zero: Any) -> Any:
    ratio = F.divide(x, F.reshape(scale, shape=()))
    return rounded(F, ratio, F.reshape(zero, shape=()), dtype_of(zero))


def _binary(name: str) -> Callable[..., Any]:
    def function(
        F: Any, a: Any, a_scale: Any, a_zero: Any, b: Any, b_scale: Any, b_zero: Any,
        y_scale: Any, y_zero: Any = None,
    ) -> Any:  # fmt: skip
        first, second = _dequantized(F, a, a_scale, a_zero), _dequantized(F, b, b_scale, b_zero)
        zero = F.like(0, a) if y_zero is None else y_zero
        return _quantized(F, getattr(F, name)(first, second), y_scale, zero)

    return function


operator("QLinearAdd", domain=MICROSOFT)(_binary("add"))
operator("QLinearMul", domain=MICROSOFT)(_binary("multiply"))


@operator("QLinearSigmoid", domain=MICROSOFT)
def _qlinear_sigmoid(
    F: Any, x: Any, x_scale: Any, x_zero: Any, y_scale: Any, y_zero: Any = None
) -> Any:
    zero = F.like(0, x) if y_zero is None else y_zero
    return _quantized(F, F.sigmoid(_dequantized(F, x, x_scale, x_zero)), y_scale, zero)


@operator("QLinearLeakyRelu", domain=MICROSOFT)
def _qlinear_leaky_relu(
    F: Any, x: Any, x_scale: Any, x_zero: Any, y_scale: Any, y_zero: Any = None, *,
    alpha: float = 0.01,
) -> Any:  # fmt: skip
    wide = _dequantized(F, x, x_scale, x_zero)
    zero = F.like(0, x) if y_zero is None else y_zero
    return _quantized(F, F.leaky_relu(wide, negative_slope=alpha), y_scale, zero)


@operator("QLinearGlobalAveragePool", domain=MICROSOFT)
def _qlinear_global_average_pool(
    F: Any, x: Any, x_scale: Any, x_zero: Any, y_scale: Any, y_zero: Any, *, channels_last: int = 0
) -> Any:
    ndim = len(x.shape)
    axes = tuple(range(1, ndim - 1)) if channels_last else tuple(range(2, ndim))
    mean = F.mean(_dequantized(F, x, x_scale, x_zero), axis=axes, keepdims=True)
    return _quantized(F, mean, y_scale, y_zero)


@operator("QLinearConcat", domain=MICROSOFT)
def _qlinear_concat(F: Any, y_scale: Any, y_zero: Any, *inputs: Any, axis: int) -> Any:
    if not inputs or len(inputs) % 3:
        raise ShapeError(f"{len(inputs)} inputs are not a tensor, a scale and a zero point each")
    parts = [_dequantized(F, *inputs[n : n + 3]) for n in range(0, len(inputs), 3)]
    whole = F.concat(*parts, axis=axis_of(axis, len(parts[0].shape)))
    return _quantized(F, whole, y_scale, y_zero)


def _scaled(F: Any, total: Any, a_scale: Any, b_scale: Any, bias: Any) -> Any:
    factor = F.multiply(F.reshape(a_scale, shape=()), b_scale)
    factor = F.reshape(factor, shape=()) if flat_size(factor.shape) == 1 else factor
    found = F.multiply(F.cast(total, dtype=dtype_of(factor)), factor)
    return found if bias is None else F.add(found, bias)


@operator("MatMulIntegerToFloat", domain=MICROSOFT)
def _matmul_integer_to_float(
    F: Any, a: Any, b: Any, a_scale: Any, b_scale: Any, a_zero: Any = None, b_zero: Any = None,
    bias: Any = None,
) -> Any:  # fmt: skip
    total = F.matmul(shifted(F, a, a_zero, True), shifted(F, b, b_zero, False))
    return _scaled(F, total, a_scale, b_scale, bias)


@operator("DynamicQuantizeMatMul", domain=MICROSOFT)
def _dynamic_quantize_matmul(
    F: Any, a: Any, b: Any, b_scale: Any, b_zero: Any = None, bias: Any = None
) -> Any:
    dynamic = find_definition("", "DynamicQuantizeLinear", 11)
    assert dynamic is not None
    whole, scale, zero = dynamic.function(F, a)
    total = F.matmul(shifted(F, whole, zero, True), shifted(F, b, b_zero, False))
    return _scaled(F, total, scale, b_scale, bias)
