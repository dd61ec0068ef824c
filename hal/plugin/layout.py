"""How a tensor's elements lie in memory, and the arithmetic of views on it."""

from __future__ import annotations

from math import prod

from hal.dtypes import DType
from hal.errors import ShapeError

__all__ = [
    "Layout",
    "broadcast_shapes",
    "broadcast_strides",
    "contiguous_strides",
    "extent",
    "reshape_strides",
]

Shape = tuple[int, ...]


def contiguous_strides(shape: Shape) -> Shape:
    """Return the strides, in elements, of a C-contiguous tensor.

    Examples
    --------
    >>> contiguous_strides((2, 3, 4))
    (12, 4, 1)
    """
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


class Layout:
    """A dtype, a shape and strides in elements; two are equal when all three are.

    Strides are kept in one canonical form, so that equal memory means equal layouts: an axis of
    size 1 has the stride it would have if the tensor were contiguous, and an empty tensor is
    contiguous.

    Parameters
    ----------
    dtype : DType
    shape : tuple of int
    strides : tuple of int, optional
        In elements; contiguous when left out.

    Attributes
    ----------
    size : int
        Number of elements.
    nbytes : int
        ``size`` times the dtype's ``itemsize``.
    contiguous : bool
        Whether the elements lie in C order without gaps.

    Examples
    --------
    >>> import hal
    >>> Layout(hal.float32, (2, 3)).strides, Layout(hal.float32, (2, 3), (1, 2)).contiguous
    ((3, 1), False)
    """

    __slots__ = ("contiguous", "dtype", "nbytes", "shape", "size", "strides")

    size: int
    nbytes: int

    def __init__(self, dtype: DType, shape: Shape, strides: Shape | None = None) -> None:
        packed = contiguous_strides(shape)
        size = prod(shape)
        if strides is None or size == 0:
            strides = packed
        else:
            strides = tuple(
                p if n == 1 else s for n, s, p in zip(shape, strides, packed, strict=True)
            )
        self.dtype = dtype
        self.shape = shape
        self.strides = strides
        self.size = size
        self.nbytes = size * dtype.itemsize
        self.contiguous = strides == packed

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layout):
            return NotImplemented
        return (
            self.dtype is other.dtype
            and self.shape == other.shape
            and self.strides == other.strides
        )

    def __hash__(self) -> int:
        return hash((self.dtype, self.shape, self.strides))

    def __repr__(self) -> str:
        strides = "" if self.contiguous else f", strides={self.strides}"
        return f"{self.dtype}{list(self.shape)}{strides}"


def broadcast_shapes(*shapes: Shape) -> Shape:
    """Return the shape that all given shapes broadcast to, by NumPy's rule.

    Raises
    ------
    ShapeError
        When two sizes of an axis differ and neither is 1.

    Examples
    --------
    >>> broadcast_shapes((3, 1), (4,))
    (3, 4)
    """
    ndim = max(map(len, shapes), default=0)
    result = [1] * ndim
    for shape in shapes:
        for axis, size in enumerate(shape, ndim - len(shape)):
            if size != 1 and result[axis] != size:
                if result[axis] != 1:
                    listed = " and ".join(str(s) for s in shapes)
                    raise ShapeError(
                        f"shapes {listed} do not broadcast: axis {axis - ndim} has sizes "
                        f"{result[axis]} and {size}; sizes must be equal or 1"
                    )
                result[axis] = size
    return tuple(result)


def broadcast_strides(shape: Shape, strides: Shape, to: Shape) -> Shape:
    """Return the strides under which a tensor looks like the larger shape ``to``.

    Examples
    --------
    >>> broadcast_strides((3, 1), (1, 1), (2, 3, 4))
    (0, 1, 0)
    """
    lead = len(to) - len(shape)
    return (0,) * lead + tuple(
        0 if n == 1 and t != 1 else s for n, s, t in zip(shape, strides, to[lead:], strict=True)
    )


def reshape_strides(shape: Shape, strides: Shape, to: Shape) -> Shape | None:
    """Return the strides of a view with shape ``to``, or None when only a copy can have it.

    Both shapes must have the same number of elements.

    Examples
    --------
    >>> reshape_strides((2, 6), (6, 1), (2, 2, 3)), reshape_strides((2, 3), (1, 2), (6,))
    ((6, 3, 1), None)
    """
    if prod(shape) == 0:
        return contiguous_strides(to)
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    result = [1] * len(to)
    axis = len(to) - 1
    while old:
        size, stride = old.pop()
        block = size
        inner = stride
        # Old axes that lie behind each other like one axis are one block.
        while old and old[-1][1] == stride * size:
            size, stride = old.pop()
            block *= size
        while block > 1:
            if axis < 0:
                return None
            if to[axis] == 1:
                axis -= 1
                continue
            if block % to[axis]:
                return None
            result[axis] = inner
            inner *= to[axis]
            block //= to[axis]
            axis -= 1
    return tuple(result)


def extent(layout: Layout) -> tuple[int, int]:
    """Return the lowest element offset a layout touches, and one past the highest.

    Examples
    --------
    >>> import hal
    >>> extent(Layout(hal.float32, (3,), (-2,)))
    (-4, 1)
    """
    if layout.size == 0:
        return 0, 0
    low = high = 0
    for size, stride in zip(layout.shape, layout.strides, strict=True):
        if stride < 0:
            low += (size - 1) * stride
        else:
            high += (size - 1) * stride
    return low, high + 1
