"""Linear algebra functions of the standard's main namespace.

Source: https://data-apis.org/array-api/latest/API_specification/linear_algebra_functions.html
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from hal.array_api.operands import as_integer, check_tensor, run
from hal.dispatch import evaluator
from hal.errors import DTypeError, HalIndexError, ShapeError
from hal.ops.operator import normalize_axis
from hal.plugin.layout import broadcast_shapes
from hal.precision import current_precision
from hal.tensor import Tensor

__all__ = ["matmul", "matrix_transpose", "tensordot", "vecdot"]


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """Return the matrix product, of stacks of matrices those of each pair: ``x1 @ x2``.

    Parameters
    ----------
    x1, x2 : Tensor
        Numeric, of one or more axes; one axis is a row on the left, a column on the right.

    Returns
    -------
    Tensor
        Of the promoted dtype.

    Raises
    ------
    ShapeError
        When the shapes do not multiply.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[1, 2], [3, 4]], device="cpu:0")
    >>> hal.matmul(x, x)
    Tensor([[ 7, 10],
            [15, 22]], dtype=int64, device='cpu:0')
    """
    return run("matmul", x1, x2, precision=current_precision())


def matrix_transpose(x: Tensor, /) -> Tensor:
    """Return a tensor with its last two axes exchanged, as a view.

    Parameters
    ----------
    x : Tensor
        Of two or more axes.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.matrix_transpose(hal.ones((4, 2, 3), device="cpu:0")).shape
    (4, 3, 2)
    """
    check_tensor("matrix_transpose", x)
    return x.mT


def tensordot(
    x1: Tensor, x2: Tensor, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> Tensor:
    """Return the sum of products over several axes of two tensors.

    Parameters
    ----------
    x1, x2 : Tensor
        Numeric.
    axes : int or pair of sequences of int
        How many axes, the last of ``x1`` with the first of ``x2``; or which ones of each.

    Returns
    -------
    Tensor
        With the remaining axes of ``x1``, then those of ``x2``.

    Raises
    ------
    ShapeError
        When the axes' sizes differ.

    Examples
    --------
    >>> import hal
    >>> x = hal.ones((2, 3, 4), device="cpu:0")
    >>> hal.tensordot(x, x, axes=((1, 2), (1, 2)))
    Tensor([[12., 12.],
            [12., 12.]], dtype=float32, device='cpu:0')
    """
    check_tensor("tensordot", x1)
    check_tensor("tensordot", x2)
    first, second = _contracted(x1, x2, axes)
    for a, b in zip(first, second, strict=True):
        if x1.shape[a] != x2.shape[b]:
            raise ShapeError(
                f"tensordot: axis {a} of {x1.shape} and axis {b} of {x2.shape} differ in size"
            )
    rows = [a for a in range(x1.ndim) if a not in first]
    columns = [b for b in range(x2.ndim) if b not in second]
    inner = prod(x1.shape[a] for a in first)
    left = run("permute", x1, axes=(*rows, *first))
    right = run("permute", x2, axes=(*second, *columns))
    shape = (*[x1.shape[a] for a in rows], *[x2.shape[b] for b in columns])
    product = matmul(
        run("reshape", left, shape=(prod(x1.shape[a] for a in rows), inner)),
        run("reshape", right, shape=(inner, prod(x2.shape[b] for b in columns))),
    )
    return run("reshape", product, shape=shape)


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Return the dot products of vectors along an axis, the first conjugated if it is complex.

    Parameters
    ----------
    x1, x2 : Tensor
        Numeric; the axis has the same size in both, the others broadcast.
    axis : int
        Which axis, counted from the end.

    Returns
    -------
    Tensor
        Of the promoted dtype, without the axis.

    Raises
    ------
    ShapeError
        When the axis' sizes differ.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[1, 2], [3, 4]], device="cpu:0")
    >>> hal.vecdot(x, x)
    Tensor([ 5, 25], dtype=int64, device='cpu:0')
    """
    check_tensor("vecdot", x1)
    check_tensor("vecdot", x2)
    ndim = min(x1.ndim, x2.ndim)
    place = as_integer("vecdot", "axis", axis)
    if not -ndim <= place < 0:
        if max(x1.ndim, x2.ndim) != ndim or not 0 <= place < ndim:
            raise HalIndexError(
                f"vecdot: there is no axis {axis}; allowed are {-ndim} to -1, counted from the end"
            )
        place -= ndim
    if x1.shape[place] != x2.shape[place]:
        raise ShapeError(f"vecdot: axis {axis} of {x1.shape} and of {x2.shape} differ in size")
    F = evaluator(x1.device)
    if x1.dtype.kind == "complex":
        x1 = F.conj(x1)
    elif x1.dtype.kind == "bool" and x2.dtype.kind == "bool":
        raise DTypeError("vecdot is not defined for bool; convert with astype(...)")
    ndim = max(x1.ndim, x2.ndim)
    shape = broadcast_shapes(x1.shape, x2.shape)
    left, right = (F.broadcast_to(x, shape=shape) for x in (x1, x2))
    last = [a for a in range(ndim) if a != ndim + place] + [ndim + place]
    left, right = (F.permute(x, axes=tuple(last)) for x in (left, right))
    size, batch = shape[place], tuple(shape[a] for a in last[:-1])
    row = F.reshape(left, shape=(*batch, 1, size))
    column = F.reshape(right, shape=(*batch, size, 1))
    return run("reshape", matmul(row, column), shape=batch)


def _contracted(
    x1: Tensor, x2: Tensor, axes: int | tuple[Sequence[int], Sequence[int]]
) -> tuple[list[int], list[int]]:
    if isinstance(axes, int):
        if not 0 <= axes <= min(x1.ndim, x2.ndim):
            raise ShapeError(
                f"tensordot: {axes} axes; {x1.shape} and {x2.shape} allow 0 to "
                f"{min(x1.ndim, x2.ndim)}"
            )
        return list(range(x1.ndim - axes, x1.ndim)), list(range(axes))
    pair = isinstance(axes, tuple | list) and len(axes) == 2
    if not pair or not all(isinstance(part, Sequence) for part in axes):
        raise DTypeError(
            f"tensordot: axes are a number, or a sequence of axes for each tensor, not {axes!r}"
        )
    first, second = axes
    if len(first) != len(second):
        raise ShapeError(f"tensordot: the axes {first} and {second} differ in number")
    return (
        [normalize_axis("tensordot", a, x1.ndim) for a in first],
        [normalize_axis("tensordot", b, x2.ndim) for b in second],
    )
