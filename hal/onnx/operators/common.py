"""Small steps that many operators share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import DType
from hal.errors import HalIndexError, ShapeError
from hal.onnx.values import dtype_of

__all__ = [
    "axes_of", "axis_of", "cast", "cut", "flat_size", "flip", "grids", "integers", "move_axis",
    "narrow", "positions", "reshape", "squeeze", "transpose", "unsqueeze", "widen",
]  # fmt: skip


def axis_of(axis: int, ndim: int) -> int:
    """Return an axis counted from the front.

    Examples
    --------
    >>> axis_of(-1, 3)
    2
    """
    if not -ndim <= axis < ndim:
        raise HalIndexError(f"there is no axis {axis} among {ndim}")
    return axis % ndim


def axes_of(axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return axes counted from the front, in the order given; none may be named twice."""
    found = tuple(axis_of(int(a), ndim) for a in axes)
    if len(set(found)) != len(found):
        raise ShapeError(f"the axes {tuple(axes)} name an axis twice")
    return found


def integers(array: Any) -> tuple[int, ...]:
    """Return the elements of a host array, or of a sequence, as Python integers.

    Examples
    --------
    >>> import numpy as np
    >>> integers(np.array([1, 2]))
    (1, 2)
    """
    return tuple(int(v) for v in np.asarray(array).reshape(-1).tolist())


def cast(F: Any, x: Any, dtype: DType) -> Any:
    """Return a value converted to a dtype; itself when it has it."""
    return x if dtype_of(x) is dtype else F.cast(x, dtype=dtype)


def widen(F: Any, x: Any) -> Any:
    """Return a value in the dtype it is calculated with: at least float32; None for None."""
    if x is None:
        return None
    dtype = dtype_of(x)
    narrow_float = dtype.kind == "float" and dtype.bits < 32
    return F.cast(x, dtype=dtypes.float32) if narrow_float else x


def narrow(F: Any, x: Any, like: Any) -> Any:
    """Return a value rounded to the dtype of another."""
    return cast(F, x, dtype_of(like))


def reshape(F: Any, x: Any, *shape: int) -> Any:
    """Return a value in another shape; itself when it has it."""
    return x if tuple(x.shape) == shape else F.reshape(x, shape=shape)


def unsqueeze(F: Any, x: Any, axes: Sequence[int]) -> Any:
    """Return a value with axes of size 1 added, named as in the result."""
    ndim = len(x.shape) + len(axes)
    added = set(axes_of(axes, ndim))
    sizes = iter(x.shape)
    return F.reshape(x, shape=tuple(1 if a in added else next(sizes) for a in range(ndim)))


def squeeze(F: Any, x: Any, axes: Sequence[int]) -> Any:
    """Return a value without the named axes, which must have size 1."""
    gone = set(axes_of(axes, len(x.shape)))
    for a in gone:
        if x.shape[a] != 1:
            raise ShapeError(f"axis {a} of shape {tuple(x.shape)} has not size 1")
    return F.reshape(x, shape=tuple(n for a, n in enumerate(x.shape) if a not in gone))


def transpose(F: Any, x: Any, axes: Sequence[int]) -> Any:
    """Return a value with its axes in another order."""
    return x if tuple(axes) == tuple(range(len(x.shape))) else F.permute(x, axes=tuple(axes))


def move_axis(F: Any, x: Any, source: int, target: int) -> Any:
    """Return a value with one axis moved to another place."""
    ndim = len(x.shape)
    order = [a for a in range(ndim) if a != source % ndim]
    order.insert(target % ndim, source % ndim)
    return transpose(F, x, order)


def cut(F: Any, x: Any, ranges: Mapping[int, tuple[int, int]], step: int = 1) -> Any:
    """Return the part of a value between start and stop on the named axes."""
    ndim = len(x.shape)
    known = {a % ndim: r for a, r in ranges.items()}
    bounds = [(0, n, 1) for n in x.shape]
    for a, (start, stop) in known.items():
        bounds[a] = slice(start, stop, step).indices(x.shape[a])
    starts, stops, steps = (tuple(b[i] for b in bounds) for i in range(3))
    return F.slice(x, start=starts, stop=stops, step=steps)


def flip(F: Any, x: Any, axis: int) -> Any:
    """Return a value with the elements along an axis in reverse order."""
    axis = axis_of(axis, len(x.shape))
    ends = [(n - 1, -1, -1) if a == axis else (0, n, 1) for a, n in enumerate(x.shape)]
    starts, stops, steps = (tuple(e[i] for e in ends) for i in range(3))
    return F.slice(x, start=starts, stop=stops, step=steps)


def positions(F: Any, count: int, ndim: int = 1, axis: int = 0) -> Any:
    """Return 0, 1, ... along one of several axes, as int64."""
    line = F.arange(start=0, stop=count, step=1, dtype=dtypes.int64)
    return F.reshape(line, shape=tuple(count if a == axis else 1 for a in range(ndim)))


def grids(F: Any, shape: Sequence[int]) -> list[Any]:
    """Return, for each axis, an array of that shape with the position along the axis."""
    return [
        F.broadcast_to(positions(F, n, len(shape), a), shape=tuple(shape))
        for a, n in enumerate(shape)
    ]


def flat_size(shape: Sequence[int]) -> int:
    """Return the number of elements of a shape.

    Examples
    --------
    >>> flat_size((2, 3))
    6
    """
    return prod(int(n) for n in shape)
