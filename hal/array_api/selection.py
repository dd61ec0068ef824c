"""Elementwise functions of the standard: clipping, and the parts of complex numbers.

Source: https://data-apis.org/array-api/latest/API_specification/elementwise_functions.html
"""

from __future__ import annotations

from hal.array_api.operands import check_tensor, number_or_tensor, run, unary
from hal.dispatch import evaluator
from hal.errors import DTypeError
from hal.tensor import Tensor

__all__ = ["clip", "conj", "imag", "real"]


def clip(
    x: Tensor,
    /,
    min: Tensor | int | float | None = None,
    max: Tensor | int | float | None = None,
) -> Tensor:
    """Return each element, or the bound that it lies beyond; NaN where a bound is NaN.

    Parameters
    ----------
    x : Tensor
        Real.
    min, max : Tensor or number, optional
        The bounds, of the tensor's dtype or one that promotes to it; None for no bound.

    Returns
    -------
    Tensor
        Of the broadcast shape and the tensor's dtype.

    Raises
    ------
    DTypeError
        When a bound does not fit the tensor's dtype.

    Examples
    --------
    >>> import hal
    >>> hal.clip(hal.asarray([-5, 1, 9], device="cpu:0"), 0, 4)
    Tensor([0, 1, 4], dtype=int64, device='cpu:0')
    """
    check_tensor("clip", x)
    low, high = (None if b is None else number_or_tensor("clip", b, x) for b in (min, max))
    return run("clip", x, low, high)


def conj(x: Tensor, /) -> Tensor:
    """Return the complex conjugate of each element; real numbers are copied.

    Parameters
    ----------
    x : Tensor
        Numeric.

    Returns
    -------
    Tensor
        Of the same shape and dtype.

    Examples
    --------
    >>> import hal
    >>> hal.conj(hal.asarray([1 + 2j], device="cpu:0"))
    Tensor([1.-2.j], dtype=complex64, device='cpu:0')
    """
    return unary("conj", x)


def real(x: Tensor, /) -> Tensor:
    """Return the real part of each element: of complex numbers a view, of real ones themselves.

    Parameters
    ----------
    x : Tensor
        Numeric.

    Returns
    -------
    Tensor
        Of the same shape, and of the dtype of the parts.

    Examples
    --------
    >>> import hal
    >>> hal.real(hal.asarray([1 + 2j], device="cpu:0"))
    Tensor([1.], dtype=float32, device='cpu:0')
    """
    check_tensor("real", x)
    _check_numeric("real", x)
    return unary("real" if x.dtype.kind == "complex" else "copy", x)


def imag(x: Tensor, /) -> Tensor:
    """Return the imaginary part of each element: of complex numbers a view, of real ones zeros.

    Parameters
    ----------
    x : Tensor
        Numeric.

    Returns
    -------
    Tensor
        Of the same shape, and of the dtype of the parts.

    Examples
    --------
    >>> import hal
    >>> hal.imag(hal.asarray([1 + 2j], device="cpu:0"))
    Tensor([2.], dtype=float32, device='cpu:0')
    """
    check_tensor("imag", x)
    _check_numeric("imag", x)
    if x.dtype.kind == "complex":
        return unary("imag", x)
    F = evaluator(x.device)
    zeros: Tensor = F.full(F.cast(0, dtype=x.dtype), shape=x.shape)
    return zeros


def _check_numeric(name: str, x: Tensor) -> None:
    if x.dtype.kind == "bool":
        raise DTypeError(f"{name} is not defined for bool; it takes numbers")
