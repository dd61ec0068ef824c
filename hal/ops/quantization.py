"""Products with weights of 8 or 4 bits.

A weight is kept as whole numbers, the codes, with a scale and a zero point for each group of
``group_size`` neighbouring columns of a row: ``weight = (code - zero_point) * scale``. The dtype
that holds the codes says whether they have a sign: in ``int8`` they do, and their zero point is 0
where none is given; in ``uint8`` they do not, and it is the middle of their range, 128 or 8.

Codes of 4 bits lie two in a byte, the first one in the low half, as ONNX Runtime's MatMulNBits
keeps them. With a sign, a half byte is a number in two's complement. A row of an odd number of
columns ends in a half byte without meaning.

Whether a device rounds the weights to the dtype of the input before it multiplies is left open:
kernels do either.
"""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import FLOATING, as_dtype
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops.operator import Attributes, Evaluator, Inference, Inputs, define
from hal.ops.product import check_precision
from hal.ops.rules import check_dtype, check_ndim, compute_dtype, present, promoted
from hal.plugin.layout import Layout

__all__ = ["dequantized", "unpacked"]

BITS = (4, 8)


def _group(name: str, given: Any, features: int) -> int:
    """Return how many columns share a scale; all of a row where nothing is given."""
    if given is None:
        return max(features, 1)
    try:
        size = index(given)
    except TypeError:
        raise DTypeError(f"{name}: group_size is an integer or None, not {given!r}") from None
    if size < 1:
        raise ValueRangeError(f"{name}: group_size is {size}; it must be at least 1")
    return min(size, max(features, 1))


def _rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, weight, scales = present(name, inputs, 3)
    zeros, bias = (*inputs[3:5], None, None)[:2]
    bits = attributes["bits"]
    if bits not in BITS or isinstance(bits, bool):
        raise ValueRangeError(f"{name}: bits is {bits!r}; it must be one of {BITS}")
    inexact = [i for i in (x, scales, bias) if i is not None]
    inexact += [zeros] if zeros is not None and zeros.dtype.kind == "float" else []
    dtype = promoted(name, inexact)
    for what, given in (("the input", x), ("the scales", scales), ("the bias", bias)):
        if given is not None:
            check_dtype(f"{name}: {what}", given.dtype, FLOATING)
    if zeros is not None:
        check_dtype(f"{name}: zero_points", zeros.dtype, (dtypes.int8, dtypes.uint8, *FLOATING))
    check_dtype(f"{name}: the weight", weight.dtype, (dtypes.int8, dtypes.uint8))
    check_ndim(name, "the input", x, 1)
    check_ndim(name, "the weight", weight, 2, 2)
    features, rows = x.shape[-1], weight.shape[0]
    group = _group(name, attributes["group_size"], features)
    _check_shapes(name, x, weight, {"scales": scales, "zero_points": zeros}, bits, group)
    if bias is not None and bias.shape != (rows,):
        raise ShapeError(f"{name}: the bias has shape {bias.shape}; it must be {(rows,)}")
    cast = tuple(
        [None if i is None else i.dtype if i is weight else dtype for i in inputs],
    )
    canonical = {**attributes, "bits": int(bits), "group_size": group}
    return Inference(cast, ((dtype, (*x.shape[:-1], rows)),), check_precision(name, canonical))


def _check_shapes(
    name: str, x: Layout, weight: Layout, groups: dict[str, Layout | None], bits: int, group: int
) -> None:
    features, rows = x.shape[-1], weight.shape[0]
    columns = -(-features * bits // 8)
    if weight.shape[1] != columns:
        raise ShapeError(
            f"{name}: the input has {features} features, of {bits} bits each in the weight, whose "
            f"shape must be ({rows}, {columns}); it is {weight.shape}"
        )
    wanted = (rows, -(-features // group))
    for what, given in groups.items():
        if given is not None and given.shape != wanted:
            raise ShapeError(
                f"{name}: {what} has shape {given.shape}; {rows} rows of {features} columns in "
                f"groups of {group} need {wanted}"
            )


def unpacked(weight: Any, bits: int, features: int) -> Any:
    """Return the codes of a host weight, one in each element.

    Examples
    --------
    >>> import numpy as np
    >>> unpacked(np.array([[0x21, 0xF3]], np.uint8), 4, 3)
    array([[1, 2, 3]], dtype=uint8)
    >>> unpacked(np.array([[-2]], np.int8), 4, 2)
    array([[-2, -1]], dtype=int8)
    """
    if bits == 8:
        return weight
    low = (weight << 4) >> 4 if weight.dtype == np.int8 else weight & 15
    pairs = np.stack([low, weight >> 4], axis=-1)
    return pairs.reshape(len(weight), 2 * weight.shape[1])[:, :features]


def dequantized(
    weight: Any, scales: Any, zero_points: Any, *, features: int, bits: int, group_size: int
) -> Any:
    """Return a host weight as numbers, in the dtype a reference calculates in.

    Examples
    --------
    >>> import numpy as np
    >>> scales = np.array([[0.5, 10.0]], np.float32)
    >>> codes = np.array([[1, 2, 3]], np.int8)
    >>> dequantized(codes, scales, None, features=3, bits=8, group_size=2)
    array([[ 0.5,  1. , 30. ]], dtype=float32)
    """
    wide = compute_dtype(as_dtype(scales.dtype))
    codes = unpacked(weight, bits, features).astype(wide)

    def spread(values: Any) -> Any:
        return np.repeat(values.astype(wide, copy=False), group_size, 1)[:, :features]

    zero = _middle(weight.dtype, bits) if zero_points is None else spread(zero_points)
    return (codes - wide.type(zero) if zero_points is None else codes - zero) * spread(scales)


def _middle(dtype: Any, bits: int) -> int:
    """Return the zero point of codes that are given none."""
    return int(2 ** (bits - 1)) if as_dtype(dtype).kind == "uint" else 0


def _reference(
    x: Any, weight: Any, scales: Any, zero_points: Any = None, bias: Any = None, *,
    bits: int, group_size: int, precision: str,
) -> Any:  # fmt: skip
    wide = compute_dtype(as_dtype(x.dtype))
    numbers = dequantized(
        weight, scales, zero_points, features=x.shape[-1], bits=bits, group_size=group_size
    )
    result = np.matmul(x.astype(wide, copy=False), numbers.T)
    if bias is not None:
        result = result + bias.astype(wide, copy=False)
    return result.astype(x.dtype, copy=False)


def _decompose(
    F: Evaluator, x: Any, weight: Any, scales: Any, zero_points: Any = None, bias: Any = None, *,
    bits: int, group_size: int, precision: str,
) -> Any:  # fmt: skip
    features = x.shape[-1]
    rows = weight.shape[0]
    codes = F.cast(_codes(F, weight, bits, features), dtype=as_dtype(x.dtype))
    groups = scales.shape[1]
    even = groups * group_size == features
    codes = F.reshape(codes, shape=(rows, groups, group_size)) if even else codes

    def spread(values: Any) -> Any:
        if even:
            return F.reshape(values, shape=(rows, groups, 1))
        return _first(F, F.repeat(values, repeats=group_size, axis=1), features)

    if zero_points is not None:
        codes = F.subtract(codes, spread(zero_points))
    elif middle := _middle(weight.dtype, bits):
        codes = F.subtract(codes, float(middle))
    numbers = F.reshape(F.multiply(codes, spread(scales)), shape=(rows, features))
    return F.linear(x, numbers, bias, precision=precision)


def _codes(F: Evaluator, weight: Any, bits: int, features: int) -> Any:
    if bits == 8:
        return weight
    if as_dtype(weight.dtype).kind == "int":
        low = F.bitwise_right_shift(F.bitwise_left_shift(weight, 4), 4)
    else:
        low = F.bitwise_and(weight, 15)
    rows, count = weight.shape
    halves = [
        F.reshape(half, shape=(rows, count, 1)) for half in (low, F.bitwise_right_shift(weight, 4))
    ]
    whole = F.reshape(F.concat(*halves, axis=2), shape=(rows, 2 * count))
    return _first(F, whole, features)


def _first(F: Evaluator, x: Any, columns: int) -> Any:
    if x.shape[1] == columns:
        return x
    return F.copy(F.slice(x, start=(0, 0), stop=(x.shape[0], columns), step=(1, 1)))


define(
    "quantized_linear",
    "product",
    _reference,
    _rule,
    _decompose,
    bits=8,
    group_size=None,
    precision="highest",
)
