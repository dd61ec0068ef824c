"""Elementwise functions of the standard: rounding.

Source: https://data-apis.org/array-api/latest/API_specification/elementwise_functions.html
"""

from __future__ import annotations

from hal.array_api.operands import unary
from hal.tensor import Tensor

__all__ = [
    "ceil",
    "floor",
    "round",
    "trunc",
]


def ceil(x: Tensor, /) -> Tensor:
    """Return the smallest whole number that is not below each element.

    Parameters
    ----------
    x : Tensor
        Real.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1.2, -1.2], device="cpu:0")
    >>> hal.ceil(x)
    Tensor([ 2., -1.], dtype=float32, device='cpu:0')
    """
    return unary("ceil", x)


def floor(x: Tensor, /) -> Tensor:
    """Return the largest whole number that is not above each element.

    Parameters
    ----------
    x : Tensor
        Real.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1.2, -1.2], device="cpu:0")
    >>> hal.floor(x)
    Tensor([ 1., -2.], dtype=float32, device='cpu:0')
    """
    return unary("floor", x)


def trunc(x: Tensor, /) -> Tensor:
    """Return each element without its fraction.

    Parameters
    ----------
    x : Tensor
        Real.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1.7, -1.7], device="cpu:0")
    >>> hal.trunc(x)
    Tensor([ 1., -1.], dtype=float32, device='cpu:0')
    """
    return unary("trunc", x)


def round(x: Tensor, /) -> Tensor:
    """Return the nearest whole number of each element; halves go to the even one.

    Parameters
    ----------
    x : Tensor
        Numeric.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([0.5, 1.5, -2.7], device="cpu:0")
    >>> hal.round(x)
    Tensor([ 0.,  2., -3.], dtype=float32, device='cpu:0')
    """
    return unary("round", x)
