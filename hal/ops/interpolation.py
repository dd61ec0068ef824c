"""Resampling of the spatial axes of (batch, channels, spatial...), with PyTorch's meaning.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from hal import dtypes
from hal.dtypes import COMPUTE, FLOATING, DType
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops.operator import Attributes, Evaluator, Inference, Inputs, define
from hal.ops.rules import check_dtype, check_ndim, present
from hal.ops.spatial import spatial_sizes
from hal.ops.widening import narrow, wide, wide_dtype, widen
from hal.plugin.layout import Layout, Shape

FAMILY = "interpolation"
MODES = ("nearest", "nearest-exact", "linear", "cubic")

# The parameter of Keys' cubic convolution kernel (https://doi.org/10.1109/TASSP.1981.1163711)
# that PyTorch uses.
CUBIC = -0.75


class Axis(NamedTuple):
    """How coordinates along one axis map: input = output * step + shift."""

    size: int
    out: int
    step: float
    shift: float


def _axis(size: int, out: int, scale: float | None, mode: str, align_corners: bool) -> Axis:
    if align_corners:
        return Axis(size, out, (size - 1) / (out - 1) if out > 1 else 0.0, 0.0)
    step = size / out if scale is None else 1 / scale
    if mode == "nearest":
        return Axis(size, out, step, 0.0)
    return Axis(size, out, step, step * 0.5 - (0.0 if mode == "nearest-exact" else 0.5))


def _axes(sizes: Shape, size: Shape, scale: Any, mode: str, align_corners: bool) -> list[Axis]:
    scales = scale or (None,) * len(size)
    return [
        _axis(n, out, s, mode, align_corners) for n, out, s in zip(sizes, size, scales, strict=True)
    ]


# Rule


def _scales(name: str, given: Any, count: int) -> tuple[float, ...]:
    entries = tuple(given) if isinstance(given, tuple | list) else (given,) * count
    if len(entries) != count:
        raise ShapeError(
            f"{name}: scale={given} has {len(entries)} entries; it needs one number, or one for "
            f"each of the {count} spatial axes"
        )
    for entry in entries:
        if isinstance(entry, bool) or not isinstance(entry, int | float | np.number):
            raise DTypeError(f"{name}: scale is made of real numbers, not {entry!r}")
        if not 0 < entry < math.inf:
            raise ValueRangeError(f"{name}: scale holds {entry}; it must be above 0 and finite")
    return tuple(float(e) for e in entries)


def _sizes(name: str, x: Layout, attributes: Attributes) -> tuple[Shape, Any]:
    count = x.ndim - 2
    size, scale = attributes["size"], attributes["scale"]
    if size is None and scale is None:
        raise ValueRangeError(f"{name}: give size, the output's spatial sizes, or scale, factors")
    if scale is not None:
        scale = _scales(name, scale, count)
    if size is None:
        size = tuple(math.floor(n * s) for n, s in zip(x.shape[2:], scale, strict=True))
    return spatial_sizes(name, "the output size", size, count), scale


def _interpolate_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    mode, align_corners = attributes["mode"], bool(attributes["align_corners"])
    if mode not in MODES:
        raise ValueRangeError(f"{name}: mode is {mode!r}; it must be one of {MODES}")
    nearest = mode.startswith("nearest")
    if nearest and align_corners:
        raise ValueRangeError(f"{name}: align_corners has no meaning for mode={mode!r}; leave it")
    check_dtype(name, x.dtype, COMPUTE if nearest else FLOATING)
    check_ndim(name, "the tensor", x, 3)
    if 0 in x.shape[2:]:
        raise ShapeError(f"{name}: {x.shape} has an empty spatial axis; each needs an element")
    size, scale = _sizes(name, x, attributes)
    canonical = {
        "size": size,
        "scale": None if align_corners else scale,
        "mode": mode,
        "align_corners": align_corners,
    }
    return Inference((x.dtype,), ((x.dtype, (*x.shape[:2], *size)),), canonical)


# Reference: the weighted sum of the neighbours in all axes at once. Coordinates are calculated in
# the dtype of the values, those of the nearest neighbour always in float32, as PyTorch does.


def _neighbours(axis: Axis, mode: str, align_corners: bool, dtype: Any) -> list[tuple[Any, Any]]:
    """Return index and weight of every neighbour along an axis."""
    if mode.startswith("nearest"):
        source = np.arange(axis.out, dtype=np.float32) * axis.step + axis.shift
        return [(np.minimum(np.floor(source).astype(np.int64), axis.size - 1), 1)]
    source = np.arange(axis.out, dtype=dtype) * axis.step + axis.shift
    if mode == "linear":
        source = np.maximum(source, 0)
    floor = np.floor(source)
    t = source - floor
    if mode == "linear":
        weights = [1 - t, t]
        offsets = [0, 1]
    else:
        weights = [_outer(1 + t), _inner(t), _inner(1 - t), _outer(2 - t)]
        offsets = [-1, 0, 1, 2]
    low = floor.astype(np.int64)
    return [(np.clip(low + o, 0, axis.size - 1), w) for o, w in zip(offsets, weights, strict=True)]


def _inner(t: Any) -> Any:
    """Return the cubic kernel for distances up to 1."""
    return ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1


def _outer(t: Any) -> Any:
    """Return the cubic kernel for distances from 1 to 2."""
    return ((CUBIC * t - 5 * CUBIC) * t + 8 * CUBIC) * t - 4 * CUBIC


def _interpolate(x: Any, size: Shape, scale: Any, mode: str, align_corners: bool) -> Any:
    nearest = mode.startswith("nearest")
    values = x if nearest else wide(x)
    axes = _axes(x.shape[2:], size, scale, mode, align_corners)
    neighbours = [_neighbours(a, mode, align_corners, values.dtype) for a in axes]
    if nearest:
        return values[(slice(None), slice(None), *np.ix_(*[n[0][0] for n in neighbours]))]
    result = np.zeros((*x.shape[:2], *size), values.dtype)
    for corner in product(*neighbours):
        part = values[(slice(None), slice(None), *np.ix_(*[index for index, _ in corner]))]
        for axis, (_, weight) in enumerate(corner):
            part = part * weight.reshape(-1, *(1,) * (len(size) - 1 - axis))
        result += part
    return result.astype(x.dtype, copy=False)


# Decomposition: one axis after another.


def _decompose_interpolate(
    F: Evaluator, x: Any, size: Shape, scale: Any, mode: str, align_corners: bool
) -> Any:
    nearest = mode.startswith("nearest")
    values = x if nearest else widen(F, x)
    changed = False
    for position, axis in enumerate(_axes(x.shape[2:], size, scale, mode, align_corners), 2):
        if axis.size == axis.out and axis.step == 1:
            continue
        changed = True
        source = _source(F, axis, dtypes.float32 if nearest else wide_dtype(x.dtype))
        if nearest:
            index = F.minimum(F.cast(F.floor(source), dtype=dtypes.int64), axis.size - 1)
            values = F.take(values, index, axis=position)
        elif mode == "linear":
            values = _linear(F, values, position, F.maximum(source, 0.0))
        else:
            values = _cubic(F, values, position, source)
    return narrow(F, values, x.dtype) if changed else F.copy(x)


def _source(F: Evaluator, axis: Axis, dtype: DType) -> Any:
    index = F.arange(start=0, stop=axis.out, step=1, dtype=dtype)
    return F.add(F.multiply(index, axis.step), axis.shift)


def _neighbour(F: Evaluator, x: Any, axis: int, floor: Any, offset: int) -> Any:
    index = F.add(F.cast(floor, dtype=dtypes.int64), offset)
    return F.take(x, F.minimum(F.maximum(index, 0), x.shape[axis] - 1), axis=axis)


def _linear(F: Evaluator, x: Any, axis: int, source: Any) -> Any:
    floor = F.floor(source)
    t = F.reshape(F.subtract(source, floor), shape=(-1, *(1,) * (len(x.shape) - 1 - axis)))
    low, high = (_neighbour(F, x, axis, floor, o) for o in (0, 1))
    return F.add(F.multiply(low, F.subtract(1.0, t)), F.multiply(high, t))


def _cubic(F: Evaluator, x: Any, axis: int, source: Any) -> Any:
    floor = F.floor(source)
    t = F.reshape(F.subtract(source, floor), shape=(-1, *(1,) * (len(x.shape) - 1 - axis)))

    def polynomial(t: Any, *coefficients: float) -> Any:
        result = F.multiply(t, coefficients[0])
        for c in coefficients[1:-1]:
            result = F.multiply(F.add(result, c), t)
        return F.add(result, coefficients[-1])

    inner = (CUBIC + 2, -(CUBIC + 3), 0.0, 1.0)
    outer = (CUBIC, -5 * CUBIC, 8 * CUBIC, -4 * CUBIC)
    weights = (
        polynomial(F.add(t, 1.0), *outer),
        polynomial(t, *inner),
        polynomial(F.subtract(1.0, t), *inner),
        polynomial(F.subtract(2.0, t), *outer),
    )
    result = None
    for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
        part = F.multiply(_neighbour(F, x, axis, floor, offset), weight)
        result = part if result is None else F.add(result, part)
    return result


define(
    "interpolate",
    FAMILY,
    _interpolate,
    _interpolate_rule,
    _decompose_interpolate,
    size=None,
    scale=None,
    mode="nearest",
    align_corners=False,
)
