"""Operators that move elements: views of memory, copies, joining, padding, triangles."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from hal.dtypes import ALL, COMPLEX, real_counterpart
from hal.errors import HalIndexError, ShapeError, ValueRangeError
from hal.ops.operator import (
    REQUIRED,
    Attributes,
    Evaluator,
    Inference,
    Inputs,
    define,
    normalize_axis,
)
from hal.ops.rules import as_shape, check_dtype, check_ndim, present, promoted, same_as_input
from hal.plugin.layout import Layout, Shape, broadcast_strides, reshape_strides

FAMILY = "movement"

# Views: hal looks at the same memory in another way, no kernel runs.


def _reshape_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    shape = as_shape(name, attributes["shape"])
    if shape.count(-1) == 1:
        known = prod(s for s in shape if s != -1)
        if known == 0 or x.size % known:
            raise ShapeError(f"{name}: {x.shape} has {x.size} elements, which do not fill {shape}")
        shape = tuple(x.size // known if s == -1 else s for s in shape)
    if any(s < 0 for s in shape) or prod(shape) != x.size:
        raise ShapeError(
            f"{name}: {x.shape} has {x.size} elements, {shape} would need another number; "
            "at most one size may be -1"
        )
    return Inference((x.dtype,), ((x.dtype, shape),), {"shape": shape})


def _reshape_view(x: Layout, attributes: Attributes) -> tuple[Shape, int] | None:
    strides = reshape_strides(x.shape, x.strides, attributes["shape"])
    return None if strides is None else (strides, 0)


define(
    "reshape",
    FAMILY,
    lambda x, shape: np.reshape(x, shape),
    _reshape_rule,
    view=_reshape_view,
    shape=REQUIRED,
)


def _permute_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    axes = tuple(normalize_axis(name, a, x.ndim) for a in attributes["axes"])
    if sorted(axes) != list(range(x.ndim)):
        raise ShapeError(
            f"{name}: axes {attributes['axes']} do not name each of the {x.ndim} axes once"
        )
    return Inference((x.dtype,), ((x.dtype, tuple(x.shape[a] for a in axes)),), {"axes": axes})


define(
    "permute",
    FAMILY,
    lambda x, axes: np.transpose(x, axes),
    _permute_rule,
    view=lambda x, attributes: (tuple(x.strides[a] for a in attributes["axes"]), 0),
    axes=REQUIRED,
)


def _broadcast_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    shape = as_shape(name, attributes["shape"])
    if min(shape, default=0) < 0:
        raise ShapeError(f"{name}: the shape {shape} has a negative size; sizes are 0 or more")
    lead = len(shape) - x.ndim
    if lead < 0 or any(n not in (1, t) for n, t in zip(x.shape, shape[lead:], strict=True)):
        raise ShapeError(f"{name}: {x.shape} does not broadcast to {shape}")
    return Inference((x.dtype,), ((x.dtype, shape),), {"shape": shape})


define(
    "broadcast_to",
    FAMILY,
    lambda x, shape: np.broadcast_to(x, shape),
    _broadcast_rule,
    view=lambda x, attributes: (broadcast_strides(x.shape, x.strides, attributes["shape"]), 0),
    shape=REQUIRED,
)


def _slice_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    triples = list(zip(attributes["start"], attributes["stop"], attributes["step"], strict=True))
    if len(triples) != x.ndim:
        raise ShapeError(f"{name}: {len(triples)} slices do not fit a tensor of {x.ndim} axes")
    shape = []
    for axis, ((start, stop, step), size) in enumerate(zip(triples, x.shape, strict=True)):
        if step == 0:
            raise ValueRangeError(f"{name}: the step of axis {axis} is 0; it must not be")
        count = len(range(start, stop, step))
        if count and not (0 <= start < size and 0 <= start + (count - 1) * step < size):
            raise HalIndexError(
                f"{name}: {start}:{stop}:{step} leaves axis {axis} of size {size}; "
                "use canonical values as slice.indices(size) gives them"
            )
        shape.append(count)
    return Inference((x.dtype,), ((x.dtype, tuple(shape)),), attributes)


def _slice_view(x: Layout, attributes: Attributes) -> tuple[Shape, int]:
    strides = tuple(s * k for s, k in zip(x.strides, attributes["step"], strict=True))
    offset = sum(
        start * s
        for start, stop, k, s in zip(
            attributes["start"], attributes["stop"], attributes["step"], x.strides, strict=True
        )
        if len(range(start, stop, k))
    )
    return strides, offset


def _slice(x: Any, start: Shape, stop: Shape, step: Shape) -> Any:
    return x[
        tuple(slice(a, None if b < 0 else b, k) for a, b, k in zip(start, stop, step, strict=True))
    ]


define(
    "slice",
    FAMILY,
    _slice,
    _slice_rule,
    view=_slice_view,
    start=REQUIRED,
    stop=REQUIRED,
    step=REQUIRED,
)


def _part_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    check_dtype(name, x.dtype, COMPLEX)
    return Inference((x.dtype,), ((real_counterpart(x.dtype), x.shape),), attributes)


define(
    "real",
    FAMILY,
    lambda x: x.real,
    _part_rule,
    view=lambda x, attributes: (tuple(2 * s for s in x.strides), 0),
)
define(
    "imag",
    FAMILY,
    lambda x: x.imag,
    _part_rule,
    view=lambda x, attributes: (tuple(2 * s for s in x.strides), 1),
)


def _diagonal_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    check_ndim(name, "the tensor", x, 2)
    offset = attributes["offset"].__index__()
    rows, columns = x.shape[-2:]
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    return Inference((x.dtype,), ((x.dtype, (*x.shape[:-2], count)),), {"offset": offset})


def _diagonal_view(x: Layout, attributes: Attributes) -> tuple[Shape, int]:
    offset = attributes["offset"]
    row, column = x.strides[-2:]
    return (*x.strides[:-2], row + column), max(offset, 0) * column + max(-offset, 0) * row


define(
    "diagonal",
    FAMILY,
    lambda x, offset: np.diagonal(x, offset, -2, -1),
    _diagonal_rule,
    view=_diagonal_view,
    offset=0,
)


def _windows_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    axes = tuple(normalize_axis(name, a, x.ndim) for a in attributes["axes"])
    shape = list(x.shape)
    for axis, size, step, dilation in zip(
        axes, attributes["sizes"], attributes["steps"], attributes["dilations"], strict=True
    ):
        reach = (size - 1) * dilation + 1
        if size < 1 or step < 1 or dilation < 1 or reach > shape[axis]:
            raise ShapeError(
                f"{name}: windows of {size} elements, every {dilation}-th, starting every {step}, "
                f"do not fit axis {axis} of size {shape[axis]}"
            )
        shape[axis] = (shape[axis] - reach) // step + 1
    canonical = {**attributes, "axes": axes}
    return Inference((x.dtype,), ((x.dtype, (*shape, *attributes["sizes"])),), canonical)


def _windows_view(x: Layout, attributes: Attributes) -> tuple[Shape, int]:
    strides = list(x.strides)
    for axis, step in zip(attributes["axes"], attributes["steps"], strict=True):
        strides[axis] *= step
    inner = [
        x.strides[a] * d for a, d in zip(attributes["axes"], attributes["dilations"], strict=True)
    ]
    return (*strides, *inner), 0


def _windows(x: Any, axes: Shape, sizes: Shape, steps: Shape, dilations: Shape) -> Any:
    reach = tuple((n - 1) * d + 1 for n, d in zip(sizes, dilations, strict=True))
    # NumPy knows no strides of float8: it looks at the bytes.
    raw = x.view(np.uint8) if x.dtype.itemsize == 1 else x
    windows = np.lib.stride_tricks.sliding_window_view(raw, reach, axes).view(x.dtype)
    index: list[Any] = [slice(None)] * windows.ndim
    for position, (axis, step, dilation) in enumerate(zip(axes, steps, dilations, strict=True)):
        index[axis] = slice(None, None, step)
        index[x.ndim + position] = slice(None, None, dilation)
    return windows[tuple(index)]


define(
    "as_windows",
    FAMILY,
    _windows,
    _windows_rule,
    view=_windows_view,
    axes=REQUIRED,
    sizes=REQUIRED,
    steps=REQUIRED,
    dilations=REQUIRED,
)

# Copies

define("copy", FAMILY, lambda x: np.array(x, copy=True), same_as_input(ALL))


def _concat_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    layouts = present(name, inputs, max(len(inputs), 1))
    first = layouts[0]
    if first.ndim == 0:
        raise ShapeError(f"{name}: a tensor without axes cannot be joined; reshape it to (1,)")
    axis = normalize_axis(name, attributes["axis"], first.ndim)
    for x in layouts[1:]:
        if (
            x.ndim != first.ndim
            or x.shape[:axis] + x.shape[axis + 1 :] != first.shape[:axis] + first.shape[axis + 1 :]
        ):
            raise ShapeError(
                f"{name}: shapes {first.shape} and {x.shape} do not join along axis {axis}: "
                "all other sizes must be equal"
            )
    dtype = first.dtype if len(layouts) == 1 else promoted(name, layouts)
    shape = list(first.shape)
    shape[axis] = sum(x.shape[axis] for x in layouts)
    return Inference((dtype,) * len(layouts), ((dtype, tuple(shape)),), {"axis": axis})


define("concat", FAMILY, lambda *xs, axis: np.concatenate(xs, axis), _concat_rule, axis=REQUIRED)


def _pad_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, value = present(name, inputs, 2)
    if value.shape != ():
        raise ShapeError(f"{name}: the padding value has shape {value.shape}; it must be ()")
    before, after = attributes["before"], attributes["after"]
    if len(before) != x.ndim or len(after) != x.ndim or min((*before, *after), default=0) < 0:
        raise ShapeError(
            f"{name}: before={before} and after={after} must give one size of 0 or more "
            f"for each of the {x.ndim} axes"
        )
    shape = tuple(n + b + a for n, b, a in zip(x.shape, before, after, strict=True))
    return Inference((x.dtype, x.dtype), ((x.dtype, shape),), attributes)


def _pad(x: Any, value: Any, before: Shape, after: Shape) -> Any:
    result = np.full(
        tuple(n + b + a for n, b, a in zip(x.shape, before, after, strict=True)), value, x.dtype
    )
    result[tuple(slice(b, b + n) for n, b in zip(x.shape, before, strict=True))] = x
    return result


def _decompose_pad(F: Evaluator, x: Any, value: Any, before: Shape, after: Shape) -> Any:
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        parts = [x]
        if b:
            parts.insert(0, F.full(value, shape=(*x.shape[:axis], b, *x.shape[axis + 1 :])))
        if a:
            parts.append(F.full(value, shape=(*x.shape[:axis], a, *x.shape[axis + 1 :])))
        if len(parts) > 1:
            x = F.concat(*parts, axis=axis)
    return F.copy(x) if not any((*before, *after)) else x


define("pad", FAMILY, _pad, _pad_rule, _decompose_pad, before=REQUIRED, after=REQUIRED)


def _repeat_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    axis = normalize_axis(name, attributes["axis"], x.ndim)
    repeats = attributes["repeats"].__index__()
    if repeats < 0:
        raise ValueRangeError(f"{name}: repeats is {repeats}; it must be 0 or more")
    shape = (*x.shape[:axis], x.shape[axis] * repeats, *x.shape[axis + 1 :])
    return Inference((x.dtype,), ((x.dtype, shape),), {"repeats": repeats, "axis": axis})


def _decompose_repeat(F: Evaluator, x: Any, repeats: int, axis: int) -> Any:
    shape = x.shape
    x = F.reshape(x, shape=(*shape[: axis + 1], 1, *shape[axis + 1 :]))
    x = F.broadcast_to(x, shape=(*shape[: axis + 1], repeats, *shape[axis + 1 :]))
    return F.copy(F.reshape(x, shape=(*shape[:axis], shape[axis] * repeats, *shape[axis + 1 :])))


define(
    "repeat",
    FAMILY,
    lambda x, repeats, axis: np.repeat(x, repeats, axis),
    _repeat_rule,
    _decompose_repeat,
    repeats=REQUIRED,
    axis=REQUIRED,
)


def _roll_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    axes = tuple(normalize_axis(name, a, x.ndim) for a in attributes["axes"])
    canonical = {"shifts": tuple(attributes["shifts"]), "axes": axes}
    if len(canonical["shifts"]) != len(axes):
        raise ShapeError(f"{name}: {canonical['shifts']} shifts do not fit the axes {axes}")
    return Inference((x.dtype,), ((x.dtype, x.shape),), canonical)


def _decompose_roll(F: Evaluator, x: Any, shifts: Shape, axes: Shape) -> Any:
    moved = False
    for shift, axis in zip(shifts, axes, strict=True):
        size = x.shape[axis]
        split = (-shift) % size if size else 0
        if split:
            x = F.concat(_part(F, x, axis, split, size), _part(F, x, axis, 0, split), axis=axis)
            moved = True
    return x if moved else F.copy(x)


def _part(F: Evaluator, x: Any, axis: int, start: int, stop: int) -> Any:
    starts, stops = [0] * len(x.shape), list(x.shape)
    starts[axis], stops[axis] = start, stop
    return F.slice(x, start=tuple(starts), stop=tuple(stops), step=(1,) * len(x.shape))


define(
    "roll",
    FAMILY,
    lambda x, shifts, axes: np.roll(x, shifts, axes),
    _roll_rule,
    _decompose_roll,
    shifts=REQUIRED,
    axes=REQUIRED,
)


def _triangle_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    check_ndim(name, "the tensor", x, 2)
    return Inference((x.dtype,), ((x.dtype, x.shape),), {"k": attributes["k"].__index__()})


def _triangle(compare: str) -> Any:
    def decompose(F: Evaluator, x: Any, k: int) -> Any:
        rows, columns = x.shape[-2:]
        from hal import dtypes

        row = F.reshape(F.arange(start=0, stop=rows, step=1, dtype=dtypes.int64), shape=(rows, 1))
        column = F.arange(start=0, stop=columns, step=1, dtype=dtypes.int64)
        kept = getattr(F, compare)(F.subtract(column, row), k)
        return F.where(kept, x, F.cast(0, dtype=x.dtype))

    return decompose


define("tril", FAMILY, lambda x, k: np.tril(x, k), _triangle_rule, _triangle("less_equal"), k=0)
define("triu", FAMILY, lambda x, k: np.triu(x, k), _triangle_rule, _triangle("greater_equal"), k=0)
