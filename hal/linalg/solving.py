"""Systems of equations: solutions, inverses, determinants, ranks.

Source: https://data-apis.org/array-api/latest/extensions/linear_algebra_functions.html
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hal.array_api.creation import zeros
from hal.array_api.operands import run
from hal.dispatch import evaluator
from hal.dtypes import real_counterpart
from hal.errors import DTypeError, ShapeError
from hal.linalg.factorization import svd, svdvals
from hal.plugin.layout import broadcast_shapes
from hal.precision import current_precision
from hal.tensor import Tensor

__all__ = ["SlogdetResult", "det", "inv", "matrix_rank", "pinv", "slogdet", "solve"]


class SlogdetResult(NamedTuple):
    """What :func:`slogdet` returns: the determinant as ``sign * exp(logabsdet)``."""

    sign: Tensor
    logabsdet: Tensor


def det(x: Tensor, /) -> Tensor:
    """Return the determinant of each square matrix.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, M)`` of float32, float64, complex64 or complex128.

    Returns
    -------
    Tensor
        ``(...)``, of the same dtype.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.det(hal.asarray([[2.0, 1.0], [0.0, 4.0]], device="cpu:0")).item()
    8.0
    """
    return run("det", x)


def slogdet(x: Tensor, /) -> SlogdetResult:
    """Return the sign of each determinant, and the logarithm of its size, which may be extreme.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, M)`` of float32, float64, complex64 or complex128.

    Returns
    -------
    SlogdetResult
        The fields ``sign`` (0 for a singular matrix, of size 1 in the complex plane otherwise)
        and ``logabsdet`` (real; minus infinity for a singular matrix), both ``(...)``.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.slogdet(hal.asarray([[-1.0, 0.0], [0.0, 1.0]], device="cpu:0")).sign.item()
    -1.0
    """
    result: Any = run("slogdet", x)
    return SlogdetResult(*result)


def inv(x: Tensor, /) -> Tensor:
    """Return the inverse of each square matrix.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, M)`` of float32, float64, complex64 or complex128.

    Returns
    -------
    Tensor

    Raises
    ------
    LinAlgError
        When a matrix is singular.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.inv(hal.asarray([[2.0, 0.0], [0.0, 4.0]], device="cpu:0"))
    Tensor([[0.5 , 0.  ],
            [0.  , 0.25]], dtype=float32, device='cpu:0')
    """
    return run("inv", x)


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """Return the solution of each square system of linear equations.

    Parameters
    ----------
    x1 : Tensor
        Coefficients ``(..., M, M)`` of float32, float64, complex64 or complex128.
    x2 : Tensor
        Right-hand sides: ``(M,)`` for one that all systems share, else ``(..., M, K)``.

    Returns
    -------
    Tensor
        Of the promoted dtype: ``(..., M)`` for one right-hand side, else ``(..., M, K)``.

    Raises
    ------
    LinAlgError
        When a matrix is singular.

    Examples
    --------
    >>> import hal
    >>> a = hal.asarray([[2.0, 0.0], [0.0, 4.0]], device="cpu:0")
    >>> hal.linalg.solve(a, hal.asarray([2.0, 2.0], device="cpu:0"))
    Tensor([1. , 0.5], dtype=float32, device='cpu:0')
    """
    return run("solve", x1, x2)


def matrix_rank(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """Return how many singular values of each matrix are not close to zero.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, N)`` of float32, float64, complex64 or complex128.
    rtol : float or Tensor, optional
        What part of the largest singular value is close to zero; a tensor broadcasts with
        ``(...)``. ``max(M, N)`` times the dtype's epsilon when left out.

    Returns
    -------
    Tensor
        Of dtype int64, ``(...)``.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.matrix_rank(hal.ones((3, 3), device="cpu:0")).item()
    1
    """
    values = svdvals(x)
    if values.shape[-1] == 0:
        return run("count_nonzero", values, axis=-1)
    kept = run("greater", values, _cutoff("matrix_rank", x, values, rtol))
    return run("count_nonzero", kept, axis=-1)


def pinv(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """Return the pseudo-inverse of each matrix: least-squares solutions by multiplication.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, N)`` of float32, float64, complex64 or complex128.
    rtol : float or Tensor, optional
        As in :func:`matrix_rank`; what is close to zero counts as zero.

    Returns
    -------
    Tensor
        ``(..., N, M)``, of the same dtype.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.pinv(hal.asarray([[2.0, 0.0]], device="cpu:0"))
    Tensor([[0.5],
            [0. ]], dtype=float32, device='cpu:0')
    """
    left, values, right = svd(x, full_matrices=False)
    F = evaluator(x.device)
    if values.shape[-1] == 0:
        return zeros(x.mT.shape, dtype=x.dtype, device=x.device)
    kept = F.greater(values, _cutoff("pinv", x, values, rtol))
    inverse = F.divide(F.cast(kept, dtype=values.dtype), F.where(kept, values, 1.0))
    row = F.reshape(inverse, shape=(*inverse.shape[:-1], 1, inverse.shape[-1]))
    columns = F.multiply(F.conj(right.mT), row)
    return run("matmul", columns, F.conj(left.mT), precision=current_precision())


def _cutoff(name: str, x: Tensor, values: Tensor, rtol: Any) -> Tensor:
    """Return up to which value each matrix' singular values count as zero, with an axis of 1."""
    F = evaluator(x.device)
    if rtol is None:
        rtol = max(x.shape[-2:]) * float(np.finfo(real_counterpart(x.dtype).numpy).eps)
    top = F.max(values, axis=-1, keepdims=True)
    if isinstance(rtol, bool) or not isinstance(rtol, int | float | Tensor):
        raise DTypeError(f"{name}: rtol must be a number or a tensor, not {type(rtol).__name__}")
    if isinstance(rtol, Tensor):
        if rtol.dtype.kind != "float":
            raise DTypeError(f"{name}: rtol is {rtol.dtype}; it must be of a real floating dtype")
        try:
            fits = broadcast_shapes(rtol.shape, x.shape[:-2]) == x.shape[:-2]
        except ShapeError:
            fits = False
        if not fits:
            raise ShapeError(
                f"{name}: rtol has shape {rtol.shape}; it must broadcast to {x.shape[:-2]}"
            )
        rtol = F.reshape(rtol, shape=(*rtol.shape, 1))
    return run("multiply", top, rtol if isinstance(rtol, Tensor) else F.cast(rtol, dtype=top.dtype))
