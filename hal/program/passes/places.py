"""Where a view of a value lies once the value itself lies elsewhere in memory."""

from __future__ import annotations

from collections.abc import Sequence

from hal.plugin import Array, Layout

__all__ = ["moved"]


def moved(view: Array, made: Array, lies: Array) -> Array | None:
    """Return where a view finds its elements when the array it looks into lies elsewhere.

    Parameters
    ----------
    view : Array
        Looks into the memory of ``made``.
    made : Array
        All of a range of memory, without gaps, its axes in whatever order.
    lies : Array
        Where the same elements are now: of the same shape.

    Returns
    -------
    Array or None
        None where no strides describe it, for example when it joins axes that lie apart.

    Examples
    --------
    >>> import hal
    >>> made = Array(0, Layout(hal.float32, (2, 3, 4)))
    >>> lies = Array(1, Layout(hal.float32, (2, 3, 4), (12, 1, 3)))
    >>> moved(Array(0, Layout(hal.float32, (2, 4, 3), (12, 1, 4))), made, lies).layout.contiguous
    True
    >>> moved(Array(0, Layout(hal.float32, (2, 12))), made, lies)
    """
    if view.layout.dtype is not made.layout.dtype or not view.layout.size:
        return None
    axes = _Axes(made, lies)
    start = axes.start(view.offset - made.offset)
    if start is None:
        return None
    strides = [
        axes.stride(size, step)
        for size, step in zip(view.layout.shape, view.layout.strides, strict=True)
    ]
    found = [s for s in strides if s is not None]
    if len(found) < len(strides) or not axes.within:
        return None
    layout = Layout(view.layout.dtype, view.layout.shape, tuple(found))
    return Array(lies.buffer, layout, lies.offset + start)


class _Axes:
    """The axes of an array from the outermost in memory to the innermost, and how far each is used.

    Each is its size, its stride, and its stride in the new place. Those that lie behind one another
    there too are one.
    """

    def __init__(self, made: Array, lies: Array) -> None:
        given = zip(made.layout.shape, made.layout.strides, lies.layout.strides, strict=True)
        self._axes = list[tuple[int, int, int]]()
        for size, stride, new in sorted(given, key=lambda a: -a[1]):
            if size == 1:
                continue
            if self._axes and self._axes[-1][2] == new * size:
                size *= self._axes.pop()[0]
            self._axes.append((size, stride, new))
        self._used = [0] * len(self._axes)

    @property
    def within(self) -> bool:
        """Return whether no view's index goes beyond the end of an axis."""
        return all(n < size for n, (size, _, _) in zip(self._used, self._axes, strict=True))

    def start(self, offset: int) -> int | None:
        """Return the new offset of an element."""
        if offset < 0:
            return None
        found = 0
        for place, (_, stride, new) in enumerate(self._axes):
            index, offset = divmod(offset, stride)
            self._used[place] += index
            found += index * new
        return found if offset == 0 else None

    def stride(self, size: int, step: int) -> int | None:
        """Return the new stride of a view's axis."""
        if size == 1 or step == 0:
            return 0
        pieces = list[tuple[int, int]]()
        for place in range(len(self._axes) - 1, -1, -1):
            length, stride, new = self._axes[place]
            if step < stride or step >= stride * length:
                continue
            if step % stride:
                return None
            by = step // stride
            if by * (size - 1) < length:
                self._used[place] += by * (size - 1)
                return _joined([*pieces, (size, by * new)])
            # The view goes on along the next axis: this one it has to walk to the end.
            count = length // by
            if length % by or size % count:
                return None
            self._used[place] += by * (count - 1)
            pieces.append((count, by * new))
            size, step = size // count, stride * length
        return None


def _joined(pieces: Sequence[tuple[int, int]]) -> int | None:
    """Return the stride of axes, the innermost first, as one."""
    wanted = first = pieces[0][1]
    for size, stride in pieces:
        if size > 1 and stride != wanted:
            return None
        wanted = stride * size
    return first
