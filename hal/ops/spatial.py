"""Attributes of operators that slide a window over spatial axes: sizes, padding, outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.plugin.layout import Layout, Shape

__all__ = [
    "Pairs",
    "check_group",
    "padding_pairs",
    "reach",
    "spatial_sizes",
    "taps",
    "windows_along",
]

Pairs = tuple[tuple[int, int], ...]


def _integer(name: str, what: str, value: Any, low: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise DTypeError(f"{name}: {what} is made of integers, not {value!r}")
    found = int(value.__index__())
    if found < low:
        raise ValueRangeError(f"{name}: {what} holds {found}; it must be {low} or more")
    return found


def spatial_sizes(name: str, what: str, value: Any, count: int, low: int = 1) -> Shape:
    """Return one integer per spatial axis from an integer or a sequence of them.

    Raises
    ------
    DTypeError
        When something else is given.
    ShapeError
        When there are too few or too many.
    ValueRangeError
        When one is smaller than ``low``.
    """
    if not isinstance(value, tuple | list):
        return (_integer(name, what, value, low),) * count
    if len(value) == 1:
        value = tuple(value) * count
    if len(value) != count:
        raise ShapeError(
            f"{name}: {what}={tuple(value)} has {len(value)} entries; it needs one integer, or "
            f"one for each of the {count} spatial axes"
        )
    return tuple(_integer(name, what, v, low) for v in value)


def padding_pairs(name: str, value: Any, count: int) -> Pairs:
    """Return (before, after) per spatial axis from an integer, integers or pairs of them.

    Raises
    ------
    DTypeError, ShapeError, ValueRangeError
        As :func:`spatial_sizes`.
    """
    entries = list(value) if isinstance(value, tuple | list) else [value]
    if len(entries) == 1:
        entries = entries * count
    if len(entries) != count:
        raise ShapeError(
            f"{name}: padding={value} has {len(entries)} entries; it needs one, or one for each "
            f"of the {count} spatial axes, each an integer or a pair (before, after)"
        )
    pairs = []
    for entry in entries:
        pair = tuple(entry) if isinstance(entry, tuple | list) else (entry, entry)
        if len(pair) != 2:
            raise ShapeError(
                f"{name}: the padding of an axis is an integer or (before, after), not {entry}"
            )
        before, after = (_integer(name, "padding", p, 0) for p in pair)
        pairs.append((before, after))
    return tuple(pairs)


def reach(sizes: Shape, dilation: Shape) -> Shape:
    """Return how many elements a dilated window spans on each axis.

    Examples
    --------
    >>> reach((3, 1), (2, 2))
    (5, 1)
    """
    return tuple((n - 1) * d + 1 for n, d in zip(sizes, dilation, strict=True))


def taps(
    window: Shape, dilation: Shape, stride: Shape, out: Shape
) -> Iterator[tuple[Shape, tuple[slice, ...]]]:
    """Yield each position in a window with the slices of the input that it meets.

    Examples
    --------
    >>> list(taps((2,), (3,), (1,), (4,)))
    [((0,), (slice(0, 4, 1),)), ((1,), (slice(3, 7, 1),))]
    """
    for tap in product(*map(range, window)):
        starts = (t * d for t, d in zip(tap, dilation, strict=True))
        yield (
            tap,
            tuple(
                slice(a, a + (n - 1) * s + 1, s)
                for a, n, s in zip(starts, out, stride, strict=True)
            ),
        )


def windows_along(name: str, x: Layout, spans: Shape, stride: Shape, padding: Pairs) -> Shape:
    """Return how many whole windows fit each spatial axis.

    Raises
    ------
    ShapeError
        When not even one fits.
    """
    counts = []
    for axis, (span, step, (before, after)) in enumerate(
        zip(spans, stride, padding, strict=True), x.ndim - len(spans)
    ):
        room = x.shape[axis] + before + after
        if span > room:
            raise ShapeError(
                f"{name}: a window that spans {span} elements does not fit axis {axis} of shape "
                f"{x.shape}, which has {room} with padding; use a smaller window or more padding"
            )
        counts.append((room - span) // step + 1)
    return tuple(counts)


def check_group(name: str, groups: Any, sizes: Sequence[tuple[str, int]]) -> int:
    """Return the number of groups, which must divide each of the named sizes.

    Raises
    ------
    DTypeError, ValueRangeError
        When it is no positive integer.
    ShapeError
        When it does not divide a size.
    """
    count = _integer(name, "groups", groups, 1)
    for what, size in sizes:
        if size % count:
            raise ShapeError(f"{name}: groups={count} does not divide the {size} {what}; it must")
    return count
