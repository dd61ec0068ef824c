"""Manipulation functions of the standard: broadcasting, joining, splitting, repeating.

Source: https://data-apis.org/array-api/latest/API_specification/manipulation_functions.html
"""

from __future__ import annotations

from collections.abc import Sequence

from hal.array_api.operands import as_integer, as_shape, check_tensor, run
from hal.dispatch import evaluator
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops.operator import normalize_axis
from hal.plugin.layout import broadcast_shapes as broadcast
from hal.tensor import Tensor

__all__ = [
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "concat",
    "repeat",
    "stack",
    "tile",
    "unstack",
]


def broadcast_arrays(*arrays: Tensor) -> tuple[Tensor, ...]:
    """Return tensors seen with the shape they broadcast to, as views.

    Parameters
    ----------
    *arrays : Tensor

    Returns
    -------
    tuple of Tensor
        As many as were given, all of one shape, each with its own dtype.

    Raises
    ------
    ShapeError
        When the shapes do not broadcast.

    Examples
    --------
    >>> import hal
    >>> x, y = hal.ones((2, 1), device="cpu:0"), hal.ones(3, device="cpu:0")
    >>> [z.shape for z in hal.broadcast_arrays(x, y)]
    [(2, 3), (2, 3)]
    """
    for x in arrays:
        check_tensor("broadcast_arrays", x)
    shape = broadcast(*[x.shape for x in arrays])
    return tuple([run("broadcast_to", x, shape=shape) for x in arrays])


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that several shapes broadcast to.

    Parameters
    ----------
    *shapes : tuple of int

    Returns
    -------
    tuple of int

    Raises
    ------
    ShapeError
        When two sizes of an axis differ and neither is 1.

    Examples
    --------
    >>> import hal
    >>> hal.broadcast_shapes((2, 1), (3,), ())
    (2, 3)
    """
    return broadcast(*[as_shape("broadcast_shapes", shape) for shape in shapes])


def broadcast_to(x: Tensor, /, shape: tuple[int, ...]) -> Tensor:
    """Return a tensor seen with a larger shape, as a view.

    Parameters
    ----------
    x : Tensor
    shape : tuple of int
        The wanted shape.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        When the tensor's shape does not broadcast to it.

    Examples
    --------
    >>> import hal
    >>> hal.broadcast_to(hal.arange(2, device="cpu:0"), (2, 2))
    Tensor([[0, 1],
            [0, 1]], dtype=int64, device='cpu:0')
    """
    return run("broadcast_to", x, shape=as_shape("broadcast_to", shape))


def concat(arrays: Sequence[Tensor], /, *, axis: int | None = 0) -> Tensor:
    """Return tensors joined along an axis that they have.

    Parameters
    ----------
    arrays : sequence of Tensor
        At least one; all sizes but that of the axis are equal.
    axis : int or None
        Which axis; None joins the flattened tensors.

    Returns
    -------
    Tensor
        Of the promoted dtype.

    Raises
    ------
    ShapeError, DTypeError
        When the tensors do not fit.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[1, 2]], device="cpu:0")
    >>> hal.concat([x, x])
    Tensor([[1, 2],
            [1, 2]], dtype=int64, device='cpu:0')
    """
    parts = _several("concat", arrays)
    if axis is None:
        return run("concat", *[run("reshape", x, shape=(-1,)) for x in parts], axis=0)
    return run("concat", *parts, axis=axis)


def stack(arrays: Sequence[Tensor], /, *, axis: int = 0) -> Tensor:
    """Return tensors of one shape joined along a new axis.

    Parameters
    ----------
    arrays : sequence of Tensor
        At least one.
    axis : int
        Where the result has the new axis.

    Returns
    -------
    Tensor
        Of the promoted dtype.

    Raises
    ------
    ShapeError, DTypeError
        When the tensors do not fit.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2], device="cpu:0")
    >>> hal.stack([x, x], axis=1)
    Tensor([[1, 1],
            [2, 2]], dtype=int64, device='cpu:0')
    """
    parts = _several("stack", arrays)
    shape = parts[0].shape
    for x in parts:
        if x.shape != shape:
            raise ShapeError(f"stack: the shapes {shape} and {x.shape} differ; they must be equal")
    place = normalize_axis("stack", axis, len(shape) + 1)
    opened = (*shape[:place], 1, *shape[place:])
    return run("concat", *[run("reshape", x, shape=opened) for x in parts], axis=place)


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """Return the parts of a tensor along an axis, as views without that axis.

    Parameters
    ----------
    x : Tensor
        Of one or more axes.
    axis : int
        Which axis to split.

    Returns
    -------
    tuple of Tensor
        As many as the axis has elements.

    Examples
    --------
    >>> import hal
    >>> hal.unstack(hal.asarray([[1, 2], [3, 4]], device="cpu:0"), axis=1)[0]
    Tensor([1, 3], dtype=int64, device='cpu:0')
    """
    check_tensor("unstack", x)
    place = normalize_axis("unstack", axis, x.ndim)
    before = (slice(None),) * place
    return tuple([x[(*before, i)] for i in range(x.shape[place])])


def repeat(x: Tensor, repeats: int | Tensor, /, *, axis: int | None = None) -> Tensor:
    """Return a tensor with each element repeated.

    Parameters
    ----------
    x : Tensor
    repeats : int or Tensor
        How often; a tensor of integers says it for each element of the axis.
    axis : int, optional
        Along which axis; the flattened tensor's when left out.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError, ValueRangeError
        When the repeats do not fit the axis, or are negative.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([7, 8], device="cpu:0")
    >>> hal.repeat(x, 2)
    Tensor([7, 7, 8, 8], dtype=int64, device='cpu:0')
    >>> hal.repeat(x, hal.asarray([1, 3], device="cpu:0"))
    Tensor([7, 8, 8, 8], dtype=int64, device='cpu:0')
    """
    check_tensor("repeat", x)
    if axis is None:
        x, axis = run("reshape", x, shape=(-1,)), 0
    place = normalize_axis("repeat", axis, x.ndim)
    if not isinstance(repeats, Tensor):
        return run("repeat", x, repeats=as_integer("repeat", "repeats", repeats), axis=place)
    size = x.shape[place]
    if repeats.dtype.kind not in ("int", "uint"):
        raise DTypeError(f"repeat: repeats are integers, not {repeats.dtype}")
    if repeats.shape not in ((size,), (1,)):
        raise ShapeError(f"repeat: repeats have shape {repeats.shape}; use ({size},) or (1,)")
    F = evaluator(x.device)
    counts = F.cast(run("broadcast_to", repeats, shape=(size,)), dtype="int64")
    if size and int(F.min(counts, axis=None)) < 0:
        raise ValueRangeError("repeat: a number of repeats is negative; use 0 or more")
    # The element at position p of the result is the first whose repeats end behind p.
    ends = F.cumulative_sum(counts, axis=0)
    total = int(ends[-1]) if size else 0
    positions = F.arange(start=0, stop=total, step=1, dtype="int64")
    return run("take", x, F.searchsorted(ends, positions, side="right"), axis=place)


def tile(x: Tensor, repetitions: tuple[int, ...], /) -> Tensor:
    """Return a tensor repeated as a whole along its axes.

    Parameters
    ----------
    x : Tensor
    repetitions : tuple of int
        How often along each axis; the shorter of this and the shape is filled with ones in front.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueRangeError
        When a number is negative.

    Examples
    --------
    >>> import hal
    >>> hal.tile(hal.asarray([1, 2], device="cpu:0"), (2, 2))
    Tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]], dtype=int64, device='cpu:0')
    """
    check_tensor("tile", x)
    counts = as_shape("tile", repetitions, "a number of repetitions")
    if min(counts, default=0) < 0:
        raise ValueRangeError(f"tile: {counts} has a negative number; use 0 or more")
    ndim = max(len(counts), x.ndim)
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - x.ndim) + x.shape
    # Each axis gets one in front of it, is spread along that, and both become one.
    opened = [n for size in shape for n in (1, size)]
    spread = [n for pair in zip(counts, shape, strict=True) for n in pair]
    repeated = run("broadcast_to", run("reshape", x, shape=opened), shape=spread)
    tiled = run("copy", repeated)
    sizes = [count * size for count, size in zip(counts, shape, strict=True)]
    return run("reshape", tiled, shape=sizes)


def _several(name: str, arrays: Sequence[Tensor]) -> list[Tensor]:
    if isinstance(arrays, Tensor) or not isinstance(arrays, Sequence):
        raise DTypeError(f"{name} takes a list or tuple of tensors, not {type(arrays).__name__}")
    if not arrays:
        raise ValueRangeError(f"{name} needs at least one tensor")
    for x in arrays:
        check_tensor(name, x)
    return list(arrays)
