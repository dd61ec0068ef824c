"""Eigenvalues and eigenvectors.

Source: https://data-apis.org/array-api/latest/extensions/linear_algebra_functions.html
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hal.array_api.operands import run
from hal.tensor import Tensor

__all__ = ["EigResult", "EighResult", "eig", "eigh", "eigvals", "eigvalsh"]


class EigResult(NamedTuple):
    """What :func:`eig` returns: complex values, and the vectors in columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class EighResult(NamedTuple):
    """What :func:`eigh` returns: real values, and orthonormal vectors in columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def eig(x: Tensor, /) -> EigResult:
    """Return the eigenvalues and eigenvectors of each square matrix, both complex.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, M)`` of float32, float64, complex64 or complex128.

    Returns
    -------
    EigResult
        The fields ``eigenvalues`` ``(..., M)``, in no particular order, and ``eigenvectors``
        ``(..., M, M)`` with ``x @ eigenvectors = eigenvectors * eigenvalues``.

    Raises
    ------
    LinAlgError
        When the calculation does not converge, or a matrix is not finite.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.eig(hal.asarray([[2.0, 0.0], [0.0, 3.0]], device="cpu:0")).eigenvalues
    Tensor([2.+0.j, 3.+0.j], dtype=complex64, device='cpu:0')
    """
    result: Any = run("eig", x)
    return EigResult(*result)


def eigh(x: Tensor, /) -> EighResult:
    """Return the eigenvalues and eigenvectors of each symmetric (Hermitian, if complex) matrix.

    Only the lower triangle is read; that the matrix is symmetric is not checked.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, M)`` of float32, float64, complex64 or complex128.

    Returns
    -------
    EighResult
        The fields ``eigenvalues`` ``(..., M)``, real and ascending, and ``eigenvectors``
        ``(..., M, M)``.

    Raises
    ------
    LinAlgError
        When the calculation does not converge.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.eigh(hal.asarray([[2.0, 1.0], [1.0, 2.0]], device="cpu:0")).eigenvalues
    Tensor([1., 3.], dtype=float32, device='cpu:0')
    """
    result: Any = run("eigh", x)
    return EighResult(*result)


def eigvals(x: Tensor, /) -> Tensor:
    """Return the eigenvalues of each square matrix, complex and in no particular order.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, M)`` of float32, float64, complex64 or complex128.

    Returns
    -------
    Tensor
        Complex, ``(..., M)``.

    Raises
    ------
    LinAlgError
        When the calculation does not converge, or a matrix is not finite.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.eigvals(hal.asarray([[2.0, 0.0], [0.0, 3.0]], device="cpu:0"))
    Tensor([2.+0.j, 3.+0.j], dtype=complex64, device='cpu:0')
    """
    return run("eigvals", x)


def eigvalsh(x: Tensor, /) -> Tensor:
    """Return the eigenvalues of each symmetric (Hermitian, if complex) matrix, ascending.

    Only the lower triangle is read; that the matrix is symmetric is not checked.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, M)`` of float32, float64, complex64 or complex128.

    Returns
    -------
    Tensor
        Real, ``(..., M)``.

    Raises
    ------
    LinAlgError
        When the calculation does not converge.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.eigvalsh(hal.asarray([[2.0, 1.0], [1.0, 2.0]], device="cpu:0"))
    Tensor([1., 3.], dtype=float32, device='cpu:0')
    """
    return run("eigvalsh", x)
