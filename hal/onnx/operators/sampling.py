"""Sampling at positions between elements: grids and deformable windows."""

from __future__ import annotations

from itertools import product
from typing import Any

from hal import dtypes
from hal.errors import ShapeError, Unsupported, ValueRangeError
from hal.onnx.operators.common import (
    cast,
    cut,
    flat_size,
    integers,
    narrow,
    positions,
    transpose,
    unsqueeze,
    widen,
)
from hal.onnx.operators.convolution import placed
from hal.onnx.registry import operator


def _reflected(F: Any, x: Any, size: int, align_corners: bool) -> Any:
    """Return coordinates mirrored at the borders until they lie inside."""
    low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
    span = high - low
    if span <= 0:
        return F.multiply(x, 0.0)
    # A walk there and back has twice the length of the axis.
    phase = F.remainder(F.subtract(x, low), F.like(2 * span, x))
    return F.add(F.minimum(phase, F.subtract(F.like(2 * span, x), phase)), low)


def _inside(F: Any, x: Any, size: int, padding: str, align_corners: bool) -> Any:
    if padding == "reflection":
        x = _reflected(F, x, size, align_corners)
    if padding in ("border", "reflection"):
        x = F.minimum(F.maximum(x, 0.0), size - 1.0)
    return x


def _cubic_weights(F: Any, t: Any) -> list[Any]:
    a = -0.75

    def inner(d: Any) -> Any:
        return F.add(F.multiply(F.multiply(F.subtract(F.multiply(d, a + 2), a + 3), d), d), 1.0)

    def outer(d: Any) -> Any:
        poly = F.subtract(F.multiply(d, a), 5 * a)
        return F.subtract(F.multiply(F.add(F.multiply(poly, d), 8 * a), d), 4 * a)

    rest = F.subtract(F.like(1, t), t)
    return [outer(F.add(t, 1.0)), inner(t), inner(rest), outer(F.add(rest, 1.0))]


def _taps(
    F: Any, x: Any, size: int, mode: str, padding: str, align_corners: bool
) -> list[tuple[Any, Any]]:
    """Return, for each neighbour along an axis, its index and its weight."""
    if mode != "cubic":
        x = _inside(F, x, size, padding, align_corners)
    if mode == "nearest":
        found: list[tuple[Any, Any]] = [(F.round(x), None)]
    else:
        floor = F.floor(x)
        t = F.subtract(x, floor)
        if mode == "linear":
            weights = [F.subtract(F.like(1, t), t), t]
            offsets = [0.0, 1.0]
        else:
            weights, offsets = _cubic_weights(F, t), [-1.0, 0.0, 1.0, 2.0]
        found = [(F.add(floor, o), w) for o, w in zip(offsets, weights, strict=True)]
    result = []
    for place, weight in found:
        if mode == "cubic":
            place = _inside(F, place, size, padding, align_corners)
            place = F.round(place) if padding == "reflection" else place
        valid = F.logical_and(F.greater_equal(place, 0.0), F.less_equal(place, size - 1.0))
        factor = F.cast(valid, dtype=dtypes.as_dtype(x.dtype))
        weight = factor if weight is None else F.multiply(weight, factor)
        kept = F.minimum(F.maximum(place, 0.0), size - 1.0)
        # A coordinate that is no number reads the first element, as weight it stays none.
        kept = F.where(F.isnan(kept), F.like(0, kept), kept)
        result.append((F.cast(kept, dtype=dtypes.int64), weight))
    return result


@operator("GridSample")
def _grid_sample(
    F: Any, x: Any, grid: Any, *, align_corners: int = 0, mode: str = "linear",
    padding_mode: str = "zeros",
) -> Any:  # fmt: skip
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    if mode not in ("linear", "nearest", "cubic"):
        raise ValueRangeError(f"mode is {mode!r}; it may be linear, nearest or cubic")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueRangeError(
            f"padding_mode is {padding_mode!r}; it may be zeros, border or reflection"
        )
    spatial, count = tuple(x.shape[2:]), len(x.shape) - 2
    if grid.shape[-1] != count or len(grid.shape) != count + 2 or grid.shape[0] != x.shape[0]:
        raise ShapeError(f"a grid {tuple(grid.shape)} does not fit {tuple(x.shape)}")
    places = tuple(grid.shape[1:-1])
    batch, channels = x.shape[:2]
    points = flat_size(places)
    flat_grid = F.reshape(widen(F, grid), shape=(batch, points, count))
    axes = []
    for axis, size in enumerate(spatial):
        # The grid names the last axis first.
        last = count - 1 - axis
        g = F.reshape(cut(F, flat_grid, {2: (last, last + 1)}), shape=(batch, points))
        g = F.multiply(F.add(g, 1.0), (size - 1) / 2 if align_corners else size / 2)
        g = g if align_corners else F.subtract(g, 0.5)
        axes.append(_taps(F, g, size, mode, padding_mode, bool(align_corners)))
    flat = F.reshape(widen(F, x), shape=(batch, channels, flat_size(spatial)))
    total = None
    for corner in product(*axes):
        index, weight = corner[0]
        for size, (more, factor) in zip(spatial[1:], corner[1:], strict=True):
            index = F.add(F.multiply(index, size), more)
            weight = F.multiply(weight, factor)
        met = _picked(F, flat, index)
        part = F.multiply(met, unsqueeze(F, cast(F, weight, dtypes.as_dtype(flat.dtype)), (1,)))
        total = part if total is None else F.add(total, part)
    return narrow(F, F.reshape(total, shape=(batch, channels, *places)), x)


def _picked(F: Any, flat: Any, index: Any) -> Any:
    """Return the elements of (batch, channels, size) at (batch, points), for each channel."""
    shape = (*flat.shape[:2], index.shape[-1])
    spread = F.copy(F.broadcast_to(unsqueeze(F, index, (1,)), shape=shape))
    return F.take_along_axis(flat, spread, axis=2)


@operator("AffineGrid", host=(1,))
def _affine_grid(F: Any, theta: Any, size: Any, *, align_corners: int = 0) -> Any:
    sizes = integers(size)
    batch, spatial = sizes[0], sizes[2:]
    count = len(spatial)
    if count not in (2, 3) or tuple(theta.shape) != (batch, count, count + 1):
        raise ShapeError(f"theta {tuple(theta.shape)} does not fit the size {sizes}")
    F.check((*spatial, count + 1), dtypes.float32)
    wide = widen(F, theta)
    parts = []
    for axis in reversed(range(count)):
        n = spatial[axis]
        line = F.cast(positions(F, n, count, axis), dtype=dtypes.as_dtype(wide.dtype))
        if align_corners:
            line = F.subtract(F.multiply(line, 2 / max(n - 1, 1)), 1.0 if n > 1 else 0.0)
        else:
            line = F.subtract(F.multiply(F.add(line, 0.5), 2 / n), 1.0)
        parts.append(F.reshape(F.broadcast_to(line, shape=spatial), shape=(flat_size(spatial), 1)))
    parts.append(F.full(F.like(1, wide), shape=(flat_size(spatial), 1)))
    base = F.concat(*parts, axis=1)
    found = F.matmul(base, transpose(F, wide, (0, 2, 1)))
    return narrow(F, F.reshape(found, shape=(batch, *spatial, count)), theta)


@operator("DeformConv")
def _deform_conv(
    F: Any, x: Any, weight: Any, offset: Any, bias: Any = None, mask: Any = None, *,
    dilations: Any = None, group: int = 1, kernel_shape: Any = None, offset_group: int = 1,
    pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    if len(x.shape) != 4:
        raise Unsupported(f"DeformConv has two spatial axes in hal; the input is {tuple(x.shape)}")
    window = placed(tuple(x.shape[2:]), tuple(weight.shape[2:]), strides, dilations, pads, "NOTSET")
    batch, channels, height, width = x.shape
    taps, points = flat_size(window.sizes), flat_size(window.outputs)
    outputs, inner = weight.shape[:2]
    if channels % offset_group or outputs % group or inner * group != channels:
        raise ShapeError(f"{group} and {offset_group} groups do not fit {tuple(weight.shape)}")
    shift = F.reshape(widen(F, offset), shape=(batch * offset_group, taps, 2, *window.outputs))
    axes = []
    for axis, size in enumerate((height, width)):
        start = F.subtract(
            F.multiply(positions(F, window.outputs[axis], 2, axis), window.strides[axis]),
            window.before[axis],
        )
        tap = F.multiply(positions(F, window.sizes[axis], 2, axis), window.dilations[axis])
        tap = F.reshape(F.broadcast_to(tap, shape=window.sizes), shape=(taps, 1, 1))
        base = F.cast(F.add(start, tap), dtype=dtypes.as_dtype(shift.dtype))
        moved = F.reshape(
            cut(F, shift, {2: (axis, axis + 1)}),
            shape=(batch * offset_group, taps, *window.outputs),
        )
        where = F.reshape(F.add(moved, base), shape=(batch * offset_group, taps * points))
        axes.append(_taps(F, where, size, "linear", "zeros", False))
    flat = F.reshape(
        widen(F, x), shape=(batch * offset_group, channels // offset_group, height * width)
    )
    total = None
    for (row, first), (column, second) in product(*axes):
        met = _picked(F, flat, F.add(F.multiply(row, width), column))
        part = F.multiply(met, unsqueeze(F, F.multiply(first, second), (1,)))
        total = part if total is None else F.add(total, part)
    if mask is not None:
        factor = F.reshape(widen(F, mask), shape=(batch * offset_group, 1, taps * points))
        total = F.multiply(total, factor)
    columns = F.reshape(total, shape=(batch, group, inner * taps, points))
    kernel = F.reshape(widen(F, weight), shape=(group, outputs // group, inner * taps))
    found = F.reshape(F.matmul(kernel, columns), shape=(batch, outputs, *window.outputs))
    if bias is not None:
        found = F.add(found, F.reshape(widen(F, bias), shape=(outputs, 1, 1)))
    return narrow(F, found, x)
