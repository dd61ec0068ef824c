"""Along which axes a transform goes, and how many elements it takes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hal.array_api.operands import as_integer, check_tensor
from hal.dispatch import evaluator
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops.operator import normalize_axis
from hal.tensor import Tensor

__all__ = ["axes_and_sizes", "axis_and_size", "integer", "resized"]


def integer(name: str, what: str, value: Any, low: int = 1) -> int:
    """Return an argument as an integer.

    Raises
    ------
    DTypeError
        When it is none.
    ValueRangeError
        When it is less than ``low``.
    """
    found = as_integer(name, what, value)
    if found < low:
        raise ValueRangeError(f"{name}: {what} is {found}; it must be {low} or more")
    return found


def axis_and_size(name: str, x: Tensor, axis: int, n: int | None) -> tuple[int, int]:
    """Return the axis counted from the front, and ``n`` or else the axis' size."""
    check_tensor(name, x)
    found = normalize_axis(name, axis, x.ndim)
    return found, x.shape[found] if n is None else integer(name, "n", n)


def axes_and_sizes(
    name: str, x: Tensor, axes: Sequence[int] | None, s: Sequence[int] | None
) -> list[tuple[int, int]]:
    """Return each axis counted from the front with its size: that of ``s``, else its own."""
    check_tensor(name, x)
    if axes is None and s is not None:
        raise ValueRangeError(f"{name}: s={s!r} needs axes that it is for; give axes too")
    if axes is None:
        return list(enumerate(x.shape))
    for what, given in (("axes", axes), ("s", s)):
        if not isinstance(given, list | tuple | None):
            raise DTypeError(f"{name}: {what} must be a list or tuple of integers, not {given!r}")
    found = [normalize_axis(name, a, x.ndim) for a in axes]
    if s is None:
        return [(a, x.shape[a]) for a in found]
    if len(s) != len(found):
        raise ShapeError(
            f"{name}: {len(s)} sizes {s!r} do not fit {len(found)} axes {axes!r}; give one for each"
        )
    return [
        (a, x.shape[a] if n == -1 else integer(name, "a size in s", n))
        for a, n in zip(found, s, strict=True)
    ]


def resized(x: Tensor, axis: int, size: int) -> Tensor:
    """Return the tensor with its end along an axis cut off, or filled up with zeros."""
    have = x.shape[axis]
    if size == have:
        return x
    F = evaluator(x.device)
    zero = (0,) * x.ndim
    result: Tensor
    if size < have:
        stop = (*x.shape[:axis], size, *x.shape[axis + 1 :])
        result = F.slice(x, start=zero, stop=stop, step=(1,) * x.ndim)
    else:
        after = (*zero[:axis], size - have, *zero[axis + 1 :])
        result = F.pad(x, F.cast(0, dtype=x.dtype), before=zero, after=after)
    return result
