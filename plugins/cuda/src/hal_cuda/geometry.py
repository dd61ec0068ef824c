"""Layouts made simple: axes that lie behind each other become one, and grids to cover them."""

from __future__ import annotations

from collections.abc import Sequence

from hal.plugin import Layout, broadcast_strides, extent
from hal_cuda.source import BLOCK

__all__ = ["Axis", "blocks", "collapse", "join_axes", "needs_wide_index", "spread"]

Axis = tuple[int, tuple[int, ...]]
"""A size, and the stride each array has along it."""

_LIMIT = 2**31 - 2**24  # Leaves room for one grid's stride above the last index.


def spread(shape: Sequence[int], layouts: Sequence[Layout]) -> list[Axis]:
    """Return the axes of an operation over ``shape``, to which every layout broadcasts."""
    strides = [broadcast_strides(x.shape, x.strides, tuple(shape)) for x in layouts]
    return [(n, tuple(s[axis] for s in strides)) for axis, n in enumerate(shape)]


def join_axes(axes: Sequence[Axis]) -> list[Axis]:
    """Return the axes without those of size 1, and with neighbours that act as one joined.

    Examples
    --------
    >>> join_axes([(2, (12,)), (1, (5,)), (3, (4,)), (4, (1,))])
    [(24, (1,))]
    """
    joined: list[Axis] = []
    for size, strides in axes:
        if size == 1:
            continue
        if joined:
            before, outer = joined[-1]
            if all(o == s * size for o, s in zip(outer, strides, strict=True)):
                joined[-1] = (before * size, strides)
                continue
        joined.append((size, strides))
    return joined


def collapse(shape: Sequence[int], layouts: Sequence[Layout]) -> list[Axis]:
    """Return the fewest axes under which one loop visits every element of all layouts in order.

    Examples
    --------
    >>> import hal
    >>> from hal.plugin import Layout
    >>> x, row = Layout(hal.float32, (2, 3)), Layout(hal.float32, (3,))
    >>> collapse((2, 3), [x, x]), collapse((2, 3), [x, row])
    ([(6, (1, 1))], [(2, (3, 0)), (3, (1, 1))])
    """
    return join_axes(spread(shape, layouts))


def needs_wide_index(*layouts: Layout | None) -> bool:
    """Return whether some position in these layouts does not fit 32 bits."""
    for layout in layouts:
        if layout is None:
            continue
        low, high = extent(layout)
        if layout.size > _LIMIT or high > _LIMIT or low < -_LIMIT:
            return True
    return False


def blocks(threads: int, multiprocessors: int, most: int = 16) -> int:
    """Return how many blocks start ``threads`` threads, at most ``most`` for a multiprocessor.

    A kernel whose threads go on with a later element needs no more than fill the device.

    Examples
    --------
    >>> blocks(1000, 132), blocks(10**9, 132)
    (4, 2112)
    """
    return max(1, min(-(-threads // BLOCK), multiprocessors * most))
