"""Operators that move elements: order of axes, joining, splitting, repeating, blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal import dtypes
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import axis_of, cut, integers, positions, unsqueeze
from hal.onnx.operators.common import transpose as permuted
from hal.onnx.registry import operator


@operator("Transpose", moves=True)
def _transpose(F: Any, x: Any, *, perm: Any = None) -> Any:
    order = tuple(reversed(range(len(x.shape)))) if perm is None else perm
    return F.permute(x, axes=tuple(order))


@operator("Concat", moves=True)
def _concat(F: Any, *inputs: Any, axis: int = 1) -> Any:
    return F.concat(*inputs, axis=axis_of(axis, len(inputs[0].shape)))


@operator("Split", host=(1,), moves=True)
def _split(
    F: Any,
    x: Any,
    given: Any = None,
    *,
    axis: int = 0,
    split: Any = None,
    num_outputs: int | None = None,
) -> Any:
    axis = axis_of(axis, len(x.shape))
    size = x.shape[axis]
    if given is not None or split:
        sizes = integers(given) if given is not None else tuple(split)
    else:
        count = num_outputs or F.outputs
        # The last parts need no name, but there cannot be more parts than elements.
        if not F.outputs <= count <= max(size, F.outputs):
            raise ShapeError(f"num_outputs is {count}; the node names {F.outputs} results")
        each = -(-size // count)
        sizes = tuple(max(0, min(each, size - each * i)) for i in range(count))
    if sum(sizes) != size or min(sizes, default=0) < 0:
        raise ShapeError(f"the parts {sizes} do not add up to axis {axis} of {tuple(x.shape)}")
    ends = np.cumsum(sizes).tolist()
    return tuple(F.copy(cut(F, x, {axis: (e - n, e)})) for e, n in zip(ends, sizes, strict=True))


@operator("Slice", moves=True)
def _slice_1(F: Any, x: Any, *, starts: Any, ends: Any, axes: Any = None) -> Any:
    return _sliced(F, x, starts, ends, axes, None)


@operator("Slice", 10, host=(1, 2, 3, 4), moves=True)
def _slice_10(F: Any, x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    listed = [None if v is None else integers(v) for v in (starts, ends, axes, steps)]
    return _sliced(F, x, *listed)


def _sliced(F: Any, x: Any, starts: Any, ends: Any, axes: Any, steps: Any) -> Any:
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise ShapeError("starts, ends, axes and steps must be equally long")
    bounds = [(0, n, 1) for n in x.shape]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step == 0:
            raise ValueRangeError("a step is 0; it must not be")
        a = axis_of(axis, len(x.shape))
        bounds[a] = slice(start, end, step).indices(x.shape[a])
        if step < 0 and end < -x.shape[a]:
            bounds[a] = (bounds[a][0], -1, step)
    first, last, by = (tuple(b[i] for b in bounds) for i in range(3))
    return F.copy(F.slice(x, start=first, stop=last, step=by))


@operator("Tile", 6, host=(1,), moves=True)
def _tile_6(F: Any, x: Any, repeats: Any) -> Any:
    counts = integers(repeats)
    if len(counts) != len(x.shape) or min(counts, default=0) < 0:
        raise ShapeError(f"the repeats {counts} do not fit the shape {tuple(x.shape)}")
    spread = unsqueeze(F, x, tuple(range(0, 2 * len(counts), 2)))
    shape = tuple(n for pair in zip(counts, x.shape, strict=True) for n in pair)
    whole = F.copy(F.broadcast_to(spread, shape=shape))
    sizes = tuple(c * n for c, n in zip(counts, x.shape, strict=True))
    return F.reshape(whole, shape=sizes)


@operator("DepthToSpace")
def _depth_to_space(F: Any, x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    n, c, h, w = x.shape
    b = blocksize
    if b < 1 or c % (b * b):
        raise ShapeError(f"{c} channels do not split into blocks of {b} by {b}")
    if mode == "DCR":
        parts = F.reshape(x, shape=(n, b, b, c // (b * b), h, w))
        order = (0, 3, 4, 1, 5, 2)
    else:
        parts = F.reshape(x, shape=(n, c // (b * b), b, b, h, w))
        order = (0, 1, 4, 2, 5, 3)
    return F.reshape(permuted(F, parts, order), shape=(n, c // (b * b), h * b, w * b))


@operator("SpaceToDepth")
def _space_to_depth(F: Any, x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    n, c, h, w = x.shape
    b = blocksize
    if b < 1 or h % b or w % b:
        raise ShapeError(f"{h} by {w} does not split into blocks of {b} by {b}")
    parts = F.reshape(x, shape=(n, c, h // b, b, w // b, b))
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return F.reshape(permuted(F, parts, order), shape=(n, c * b * b, h // b, w // b))


@operator("ReverseSequence")
def _reverse_sequence(
    F: Any, x: Any, lengths: Any, *, batch_axis: int = 1, time_axis: int = 0
) -> Any:
    ndim = len(x.shape)
    batch, time = axis_of(batch_axis, ndim), axis_of(time_axis, ndim)
    if batch == time or len(lengths.shape) != 1 or lengths.shape[0] != x.shape[batch]:
        raise ShapeError(
            f"{tuple(lengths.shape)} lengths on axes {batch} and {time} do not fit {tuple(x.shape)}"
        )
    place = tuple(x.shape[batch] if a == batch else 1 for a in range(ndim))
    length = F.reshape(F.cast(lengths, dtype=dtypes.int64), shape=place)
    line = positions(F, x.shape[time], ndim, time)
    mirrored = F.subtract(F.subtract(length, 1), line)
    index = F.where(F.less(line, length), mirrored, line)
    return F.take_along_axis(x, F.copy(F.broadcast_to(index, shape=tuple(x.shape))), axis=time)
