"""Reads an index expression: which part is a view, which part gathers."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index as integer
from typing import Any

import numpy as np

from hal.dispatch import call, operands, write
from hal.dtypes import as_dtype, promote
from hal.errors import DTypeError, HalIndexError
from hal.memory import from_host, to_host
from hal.ops import operators
from hal.plugin.layout import Shape, broadcast_shapes
from hal.storage import Value

__all__ = ["assign_item", "broadcast_to", "get_item", "set_item"]


@dataclass
class _Index:
    """An index in two steps: a basic view, then index tensors on some of its axes."""

    start: list[int]
    stop: list[int]
    step: list[int]
    shape: list[int]
    arrays: dict[int, Value]


def get_item(x: Value, key: Any) -> Value:
    """Return ``x[key]``: a view for slices and integers, a copy where index tensors gather.

    Raises
    ------
    HalIndexError
        When an index lies outside its axis, or there are more indices than axes.
    """
    index = _parse(x, key)
    view = _basic(x, index)
    if not index.arrays:
        return view
    moved, arrays, front = _gathered(view, index.arrays)
    found: Value = call(operators["gather_nd"], moved, *arrays)
    count = arrays[0].ndim
    if front:
        order = [*range(count, count + front), *range(count), *range(count + front, found.ndim)]
        found = call(operators["permute"], found, axes=tuple(order))
    return found


def set_item(x: Value, key: Any, value: Any) -> None:
    """Carry out ``x[key] = value``.

    Raises
    ------
    HalIndexError, ShapeError, DTypeError
        When the index, the value's shape or its dtype does not fit.
    """
    if isinstance(key, Value) and key.dtype.kind == "bool" and key.shape == x.shape and x.ndim:
        new = _as_source(x, value)
        if new.ndim == 0:
            write(x, call(operators["where"], key, new, x))
            return
    index = _parse(x, key)
    view = _basic(x, index)
    if not index.arrays:
        assign_item(view, value)
        return
    moved, arrays, front = _gathered(view, index.arrays)
    count = arrays[0].ndim
    rest = moved.shape[len(arrays) :]
    # Where index tensors are adjacent, their axes stand between those before and after them.
    shape = rest[:front] + arrays[0].shape + rest[front:]
    updates = broadcast_to(_as_source(x, value), shape)
    if front:
        order = [*range(front, front + count), *range(front), *range(front + count, len(shape))]
        updates = call(operators["permute"], updates, axes=tuple(order))
    write(moved, call(operators["scatter_nd"], moved, updates, *arrays))


def assign_item(view: Value, value: Any) -> None:
    """Write a value, broadcast, into every element of a view."""
    write(view, broadcast_to(_as_source(view, value), view.shape))


def broadcast_to(x: Value, shape: Shape) -> Value:
    """Return the tensor seen with a larger shape."""
    if x.shape == shape:
        return x
    if x.ndim > len(shape) and all(n == 1 for n in x.shape[: x.ndim - len(shape)]):
        x = call(operators["reshape"], x, shape=x.shape[x.ndim - len(shape) :])
    result: Value = call(operators["broadcast_to"], x, shape=shape)
    return result


def _as_source(target: Value, value: Any) -> Value:
    """Return a value as a tensor of the target's dtype, or raise where that would lose kind."""
    device = target.device
    if isinstance(value, bool | int | float | complex) and not target.dtype.storage_only:
        found = operands(device, (target, value))[1]
        assert found is not None
    elif isinstance(value, Value):
        found = value
    else:
        found = from_host(_host_array(value), device)
    if found.dtype is not target.dtype:
        if promote(target.dtype, found.dtype) is not target.dtype:
            raise DTypeError(
                f"a value of {found.dtype} cannot be stored in a tensor of {target.dtype} without "
                f"loss; convert it first with astype(hal.{target.dtype})"
            )
        found = call(operators["cast"], found, dtype=target.dtype)
    return found


def _host_array(value: Any) -> Any:
    try:
        array = np.asarray(value)
        as_dtype(array.dtype)
    except Exception as error:
        raise DTypeError(
            f"{type(value).__name__} {str(value)[:60]!r} is no tensor and holds no numbers that "
            "hal has a dtype for"
        ) from error
    return array


def _basic(x: Value, index: _Index) -> Value:
    result: Value = x
    start, stop, step = tuple(index.start), tuple(index.stop), tuple(index.step)
    if stop != x.shape or any(start) or any(k != 1 for k in step):
        result = call(operators["slice"], x, start=start, stop=stop, step=step)
    else:
        # A whole view is still another tensor object over the same memory.
        result = call(operators["reshape"], x, shape=x.shape)
    if tuple(index.shape) != result.shape:
        result = call(operators["reshape"], result, shape=tuple(index.shape))
    return result


def _gathered(view: Value, arrays: dict[int, Value]) -> tuple[Value, list[Value], int]:
    """Return the view with indexed axes first, the index tensors, and how many axes precede."""
    axes = sorted(arrays)
    shape = broadcast_shapes(*[arrays[a].shape for a in axes])
    spread = [broadcast_to(arrays[a], shape) for a in axes]
    rest = [a for a in range(view.ndim) if a not in arrays]
    adjacent = axes[-1] - axes[0] + 1 == len(axes)
    moved = call(operators["permute"], view, axes=(*axes, *rest))
    return moved, spread, axes[0] if adjacent else 0


def _parse(x: Value, key: Any) -> _Index:
    parts = list(key) if isinstance(key, tuple) else [key]
    parts = [_tensor_index(x, p) for p in parts]
    gathers = any(isinstance(p, Value) for p in parts)
    taken = sum(
        p.ndim if isinstance(p, Value) and p.dtype.kind == "bool" else 1
        for p in parts
        if p is not None and p is not Ellipsis
    )
    if taken > x.ndim:
        raise HalIndexError(
            f"{taken} indices are too many for a tensor of shape {x.shape}, which has {x.ndim} axes"
        )
    dots = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(dots) > 1:
        raise HalIndexError("an index has more than one '...'; use it once")
    if dots:
        parts[dots[0] : dots[0] + 1] = [slice(None)] * (x.ndim - taken)
    else:
        parts += [slice(None)] * (x.ndim - taken)
    index = _Index([], [], [], [], {})
    for part in parts:
        axis = len(index.start)
        if part is None:
            index.shape.append(1)
        elif isinstance(part, slice):
            _slice(x, axis, part, index)
        elif isinstance(part, Value):
            if part.ndim == 0 and part.dtype.kind == "bool":
                # A single boolean chooses one or none along a new axis.
                chosen = np.zeros(int(to_host(part)), np.int64)
                index.arrays[len(index.shape)] = from_host(chosen, x.device)
                index.shape.append(1)
                continue
            for array in _index_arrays(x, axis, part):
                index.arrays[len(index.shape)] = array
                _slice(x, len(index.start), slice(None), index)
        else:
            _integer(x, axis, part, index, gathers)
    return index


def _tensor_index(x: Value, part: Any) -> Any:
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, bool | np.bool_):
        return from_host(np.asarray(part), x.device)
    if isinstance(part, Value):
        if part.dtype.kind not in ("bool", "int", "uint"):
            raise HalIndexError(
                f"a tensor of {part.dtype} is no index; use integers or a boolean mask"
            )
        return part
    if isinstance(part, list | np.ndarray):
        array = _host_array(part)
        if array.size == 0 and isinstance(part, list):
            array = array.astype(np.int64)
        return _tensor_index(x, from_host(array, x.device))
    try:
        return integer(part)
    except TypeError:
        raise HalIndexError(
            f"{part!r} of type {type(part).__name__} is no index; use integers, slices, '...', "
            "None, or tensors of integers or booleans"
        ) from None


def _slice(x: Value, axis: int, part: slice, index: _Index) -> None:
    size = x.shape[axis]
    try:
        start, stop, step = part.indices(size)
    except (TypeError, ValueError) as error:
        raise HalIndexError(f"axis {axis}: {part} is no slice: {error}") from None
    count = len(range(start, stop, step))
    if count == 0:
        start, stop, step = 0, 0, 1
    index.start.append(start)
    index.stop.append(stop)
    index.step.append(step)
    index.shape.append(count)


def _integer(x: Value, axis: int, part: int, index: _Index, gathers: bool) -> None:
    size = x.shape[axis]
    if not -size <= part < size:
        raise HalIndexError(f"index {part} is outside axis {axis} of size {size}")
    part %= size
    if gathers:
        # Beside index tensors an integer is an index tensor without axes, as in NumPy.
        index.arrays[len(index.shape)] = from_host(np.asarray(part, np.int64), x.device)
        _slice(x, axis, slice(None), index)
        return
    index.start.append(part)
    index.stop.append(part + 1)
    index.step.append(1)


def _index_arrays(x: Value, axis: int, part: Value) -> list[Value]:
    """Return one integer tensor per axis that the part indexes."""
    if part.dtype.kind != "bool":
        return [part]
    sizes = x.shape[axis : axis + part.ndim]
    if any(n not in (size, 0) for n, size in zip(part.shape, sizes, strict=True)):
        raise HalIndexError(
            f"a mask of shape {part.shape} does not fit the axes from {axis} on of a tensor of "
            f"shape {x.shape}; their sizes must be equal"
        )
    if part.shape != sizes:  # The standard lets a mask without elements choose nothing.
        return [from_host(np.empty(0, np.int64), x.device)] * part.ndim
    size = int(to_host(call(operators["count_nonzero"], part)))
    found = call(operators["nonzero"], part, size=size)
    columns = []
    for column in range(part.ndim):
        stripe = call(
            operators["slice"], found, start=(0, column), stop=(size, column + 1), step=(1, 1)
        )
        columns.append(call(operators["reshape"], stripe, shape=(size,)))
    return columns
