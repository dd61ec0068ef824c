"""Elementwise functions of the standard: exponentials, logarithms and roots.

Source: https://data-apis.org/array-api/latest/API_specification/elementwise_functions.html
"""

from __future__ import annotations

from hal.array_api.operands import binary, unary
from hal.tensor import Tensor

__all__ = [
    "exp",
    "expm1",
    "hypot",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "sqrt",
]


def exp(x: Tensor, /) -> Tensor:
    """Return e to the power of each element.

    Parameters
    ----------
    x : Tensor
        Real or complex; integers and booleans are calculated in float32.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([0.0, 1.0], device="cpu:0")
    >>> hal.exp(x)
    Tensor([1.      , 2.718282], dtype=float32, device='cpu:0')
    """
    return unary("exp", x)


def expm1(x: Tensor, /) -> Tensor:
    """Return ``exp(x) - 1`` of each element, exact also near 0.

    Parameters
    ----------
    x : Tensor
        Real or complex; integers and booleans are calculated in float32.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([0.0, 1e-08], device="cpu:0")
    >>> hal.expm1(x)
    Tensor([0.e+00, 1.e-08], dtype=float32, device='cpu:0')
    """
    return unary("expm1", x)


def log(x: Tensor, /) -> Tensor:
    """Return the natural logarithm of each element.

    Parameters
    ----------
    x : Tensor
        Real or complex; integers and booleans are calculated in float32.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1.0, 0.0], device="cpu:0")
    >>> hal.log(x)
    Tensor([  0., -inf], dtype=float32, device='cpu:0')
    """
    return unary("log", x)


def log1p(x: Tensor, /) -> Tensor:
    """Return ``log(1 + x)`` of each element, exact also near 0.

    Parameters
    ----------
    x : Tensor
        Real or complex; integers and booleans are calculated in float32.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([0.0, 1e-08], device="cpu:0")
    >>> hal.log1p(x)
    Tensor([0.e+00, 1.e-08], dtype=float32, device='cpu:0')
    """
    return unary("log1p", x)


def log2(x: Tensor, /) -> Tensor:
    """Return the logarithm to base 2 of each element.

    Parameters
    ----------
    x : Tensor
        Real or complex; integers and booleans are calculated in float32.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1.0, 8.0], device="cpu:0")
    >>> hal.log2(x)
    Tensor([0., 3.], dtype=float32, device='cpu:0')
    """
    return unary("log2", x)


def log10(x: Tensor, /) -> Tensor:
    """Return the logarithm to base 10 of each element.

    Parameters
    ----------
    x : Tensor
        Real or complex; integers and booleans are calculated in float32.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1.0, 1000.0], device="cpu:0")
    >>> hal.log10(x)
    Tensor([0.       , 3.0000002], dtype=float32, device='cpu:0')
    """
    return unary("log10", x)


def logaddexp(x1: Tensor | int | float, x2: Tensor | int | float, /) -> Tensor:
    """Return ``log(exp(x1) + exp(x2))``, element by element, without overflow.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Real; integers and booleans are calculated in float32. At least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1000.0, 0.0], device="cpu:0")
    >>> y = hal.asarray([0.0, 0.0], device="cpu:0")
    >>> hal.logaddexp(x, y)
    Tensor([1.000000e+03, 6.931472e-01], dtype=float32, device='cpu:0')
    """
    return binary("logaddexp", x1, x2)


def sqrt(x: Tensor, /) -> Tensor:
    """Return the square root of each element; that of a negative real number is NaN.

    Parameters
    ----------
    x : Tensor
        Real or complex; integers and booleans are calculated in float32.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([4.0, 2.25], device="cpu:0")
    >>> hal.sqrt(x)
    Tensor([2. , 1.5], dtype=float32, device='cpu:0')
    """
    return unary("sqrt", x)


def hypot(x1: Tensor | int | float, x2: Tensor | int | float, /) -> Tensor:
    """Return the length of the hypotenuse over two sides, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Real; integers and booleans are calculated in float32. At least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([3.0, 5.0], device="cpu:0")
    >>> y = hal.asarray([4.0, 12.0], device="cpu:0")
    >>> hal.hypot(x, y)
    Tensor([ 5., 13.], dtype=float32, device='cpu:0')
    """
    return binary("hypot", x1, x2)
