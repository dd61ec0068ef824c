"""Factorisations of matrices: Cholesky, QR, singular values.

Source: https://data-apis.org/array-api/latest/extensions/linear_algebra_functions.html
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hal.array_api.operands import run
from hal.tensor import Tensor

__all__ = ["QRResult", "SVDResult", "cholesky", "qr", "svd", "svdvals"]


class QRResult(NamedTuple):
    """What :func:`qr` returns: columns that are orthonormal, and an upper triangle."""

    Q: Tensor
    R: Tensor


class SVDResult(NamedTuple):
    """What :func:`svd` returns: left vectors in columns, values, right vectors in rows."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """Return the triangle whose product with its conjugate transpose is the matrix.

    Only the triangle that is asked for is read; that the matrix is symmetric is not checked.

    Parameters
    ----------
    x : Tensor
        Symmetric (Hermitian, if complex) positive-definite matrices, ``(..., M, M)``, of
        float32, float64, complex64 or complex128.
    upper : bool
        Whether to return the upper triangle ``U`` with ``x = U^H U`` instead of the lower one
        ``L`` with ``x = L L^H``.

    Returns
    -------
    Tensor

    Raises
    ------
    LinAlgError
        When a matrix is not positive definite.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.cholesky(hal.asarray([[4.0, 2.0], [2.0, 10.0]], device="cpu:0"))
    Tensor([[2., 0.],
            [1., 3.]], dtype=float32, device='cpu:0')
    """
    return run("cholesky", x, upper=bool(upper))


def qr(x: Tensor, /, *, mode: str = "reduced") -> QRResult:
    """Return an orthonormal basis of each matrix' columns, and the columns in that basis.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, N)`` of float32, float64, complex64 or complex128.
    mode : {"reduced", "complete"}
        Whether ``Q`` has ``min(M, N)`` columns or all ``M``.

    Returns
    -------
    QRResult
        The fields ``Q`` and ``R`` with ``x = Q R``.

    Raises
    ------
    ValueRangeError
        For another mode.

    Examples
    --------
    >>> import hal
    >>> q, r = hal.linalg.qr(hal.ones((3, 2), device="cpu:0"))
    >>> q.shape, r.shape
    ((3, 2), (2, 2))
    """
    result: Any = run("qr", x, mode=mode)
    return QRResult(*result)


def svd(x: Tensor, /, *, full_matrices: bool = True) -> SVDResult:
    """Return the singular values of each matrix, with its left and right singular vectors.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, N)`` of float32, float64, complex64 or complex128.
    full_matrices : bool
        Whether ``U`` and ``Vh`` are square, or have ``min(M, N)`` columns and rows.

    Returns
    -------
    SVDResult
        The fields ``U``, ``S`` (descending) and ``Vh`` with ``x = U diag(S) Vh``.

    Raises
    ------
    LinAlgError
        When the calculation does not converge, as with NaN.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.svd(hal.asarray([[3.0, 0.0], [0.0, 4.0]], device="cpu:0")).S
    Tensor([4., 3.], dtype=float32, device='cpu:0')
    """
    result: Any = run("svd", x, full_matrices=bool(full_matrices))
    return SVDResult(*result)


def svdvals(x: Tensor, /) -> Tensor:
    """Return the singular values of each matrix, the largest first.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, N)`` of float32, float64, complex64 or complex128.

    Returns
    -------
    Tensor
        Real, ``(..., min(M, N))``.

    Raises
    ------
    LinAlgError
        When the calculation does not converge, as with NaN.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.svdvals(hal.asarray([[3.0, 0.0], [0.0, 4.0]], device="cpu:0"))
    Tensor([4., 3.], dtype=float32, device='cpu:0')
    """
    return run("svdvals", x)
