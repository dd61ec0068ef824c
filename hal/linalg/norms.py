"""Norms of vectors and matrices.

Source: https://data-apis.org/array-api/latest/extensions/linear_algebra_functions.html
"""

from __future__ import annotations

from math import inf
from typing import Any

from hal.array_api.operands import check_tensor, run
from hal.dispatch import evaluator
from hal.dtypes import COMPLEX, FLOATING, real_counterpart
from hal.errors import ShapeError, ValueRangeError
from hal.linalg.factorization import svdvals
from hal.ops.operator import normalize_axes
from hal.ops.rules import check_dtype
from hal.ops.widening import narrow, widen
from hal.tensor import Tensor

__all__ = ["matrix_norm", "vector_norm"]

_ORDERS = ("fro", "nuc", 1, -1, 2, -2, inf, -inf)


def vector_norm(
    x: Tensor,
    /,
    *,
    axis: int | tuple[int, ...] | None = None,
    keepdims: bool = False,
    ord: float = 2,
) -> Tensor:
    """Return the norm of vectors along an axis, along several, or of all elements.

    Parameters
    ----------
    x : Tensor
        Of a real or complex floating-point dtype.
    axis : int or tuple of int, optional
        Along which axes the vectors lie; all of them when left out.
    keepdims : bool
        Whether to keep the axes with size 1.
    ord : int or float
        p of the p-norm: 1 adds the sizes, 2 is the length, infinity the largest size, minus
        infinity the smallest, 0 counts what is not zero.

    Returns
    -------
    Tensor
        Of the real dtype of the same precision.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.vector_norm(hal.asarray([3.0, 4.0], device="cpu:0")).item()
    5.0
    """
    check_tensor("vector_norm", x)
    check_dtype("vector_norm", x.dtype, FLOATING + COMPLEX)
    if isinstance(ord, bool) or not isinstance(ord, int | float):
        raise ValueRangeError(f"vector_norm: ord must be a number, not {ord!r}")
    axes = normalize_axes("vector_norm", axis, x.ndim)
    F = evaluator(x.device)
    sizes = F.abs(widen(F, x))
    result: Tensor = narrow(F, _norm(F, sizes, axes, keepdims, ord), real_counterpart(x.dtype))
    return result


def _norm(F: Any, sizes: Any, axes: tuple[int, ...], keepdims: bool, order: float) -> Any:
    """Return the norm of numbers that are zero or more."""
    if order == inf and any(sizes.shape[a] == 0 for a in axes):
        order = 1  # The largest of no sizes is 0, as is their sum.
    if abs(order) == inf:
        extreme = F.max if order > 0 else F.min
        return extreme(sizes, axis=axes, keepdims=keepdims)
    if order == 0:
        count = F.count_nonzero(sizes, axis=axes, keepdims=keepdims)
        return F.cast(count, dtype=sizes.dtype)
    if order == 1:
        return F.sum(sizes, axis=axes, keepdims=keepdims)
    if order == 2:
        return F.sqrt(F.sum(F.multiply(sizes, sizes), axis=axes, keepdims=keepdims))
    total = F.sum(F.power(sizes, float(order)), axis=axes, keepdims=keepdims)
    return F.power(total, 1.0 / order)


def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: float | str | None = "fro") -> Tensor:
    """Return a norm of each matrix.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, N)`` of a real or complex floating-point dtype.
    keepdims : bool
        Whether to keep the last two axes with size 1.
    ord : {"fro", "nuc", 1, -1, 2, -2, inf, -inf}
        Root of the sum of squares (also for None); sum of the singular values; largest or
        smallest sum of a column's sizes; largest or smallest singular value; largest or smallest
        sum of a row's sizes.

    Returns
    -------
    Tensor
        Of the real dtype of the same precision.

    Raises
    ------
    ValueRangeError
        For another ``ord``.
    LinAlgError
        When singular values are needed and their calculation does not converge, as with NaN.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.matrix_norm(hal.asarray([[1.0, -2.0], [3.0, 4.0]], device="cpu:0"), ord=1).item()
    6.0
    """
    check_tensor("matrix_norm", x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_norm: a matrix has two or more axes, the shape is {x.shape}")
    order: Any = "fro" if ord is None else ord
    if order not in _ORDERS or isinstance(order, bool):
        raise ValueRangeError(f"matrix_norm: ord is {ord!r}; it must be one of {_ORDERS}")
    if order == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if order in ("nuc", 2, -2):
        found = vector_norm(svdvals(x), axis=-1, ord={"nuc": 1, 2: inf, -2: -inf}[order])
    else:
        sums = vector_norm(x, axis=-2 if abs(order) == 1 else -1, ord=1)
        found = vector_norm(sums, axis=-1, ord=inf if order > 0 else -inf)
    return run("reshape", found, shape=(*found.shape, 1, 1)) if keepdims else found
