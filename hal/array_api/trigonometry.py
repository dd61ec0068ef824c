"""Elementwise functions of the standard: trigonometric and hyperbolic functions.

Source: https://data-apis.org/array-api/latest/API_specification/elementwise_functions.html
"""

from __future__ import annotations

from hal.array_api.operands import binary, unary
from hal.tensor import Tensor

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


def sin(x: Tensor, /) -> Tensor:
    """Return the sine of each element, an angle in radians.

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
    >>> hal.sin(x)
    Tensor([0.      , 0.841471], dtype=float32, device='cpu:0')
    """
    return unary("sin", x)


def cos(x: Tensor, /) -> Tensor:
    """Return the cosine of each element, an angle in radians.

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
    >>> hal.cos(x)
    Tensor([1.       , 0.5403023], dtype=float32, device='cpu:0')
    """
    return unary("cos", x)


def tan(x: Tensor, /) -> Tensor:
    """Return the tangent of each element, an angle in radians.

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
    >>> hal.tan(x)
    Tensor([0.       , 1.5574077], dtype=float32, device='cpu:0')
    """
    return unary("tan", x)


def asin(x: Tensor, /) -> Tensor:
    """Return the angle in radians, from -pi/2 to pi/2, whose sine each element is.

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
    >>> hal.asin(x)
    Tensor([0.       , 1.5707964], dtype=float32, device='cpu:0')
    """
    return unary("asin", x)


def acos(x: Tensor, /) -> Tensor:
    """Return the angle in radians, from 0 to pi, whose cosine each element is.

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
    >>> hal.acos(x)
    Tensor([0.       , 1.5707964], dtype=float32, device='cpu:0')
    """
    return unary("acos", x)


def atan(x: Tensor, /) -> Tensor:
    """Return the angle in radians, from -pi/2 to pi/2, whose tangent each element is.

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
    >>> hal.atan(x)
    Tensor([0.       , 0.7853982], dtype=float32, device='cpu:0')
    """
    return unary("atan", x)


def atan2(x1: Tensor | int | float, x2: Tensor | int | float, /) -> Tensor:
    """Return the angle in radians of the points (x2, x1), in the right quadrant.

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
    >>> x = hal.asarray([1.0, -1.0], device="cpu:0")
    >>> y = hal.asarray([1.0, -1.0], device="cpu:0")
    >>> hal.atan2(x, y)
    Tensor([ 0.7853981, -2.3561945], dtype=float32, device='cpu:0')
    """
    return binary("atan2", x1, x2)


def sinh(x: Tensor, /) -> Tensor:
    """Return the hyperbolic sine of each element.

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
    >>> hal.sinh(x)
    Tensor([0.       , 1.1752012], dtype=float32, device='cpu:0')
    """
    return unary("sinh", x)


def cosh(x: Tensor, /) -> Tensor:
    """Return the hyperbolic cosine of each element.

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
    >>> hal.cosh(x)
    Tensor([1.       , 1.5430807], dtype=float32, device='cpu:0')
    """
    return unary("cosh", x)


def tanh(x: Tensor, /) -> Tensor:
    """Return the hyperbolic tangent of each element.

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
    >>> x = hal.asarray([0.0, 50.0], device="cpu:0")
    >>> hal.tanh(x)
    Tensor([0., 1.], dtype=float32, device='cpu:0')
    """
    return unary("tanh", x)


def asinh(x: Tensor, /) -> Tensor:
    """Return the inverse hyperbolic sine of each element.

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
    >>> hal.asinh(x)
    Tensor([0.       , 0.8813736], dtype=float32, device='cpu:0')
    """
    return unary("asinh", x)


def acosh(x: Tensor, /) -> Tensor:
    """Return the inverse hyperbolic cosine of each element, NaN for real numbers below 1.

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
    >>> x = hal.asarray([1.0, 2.0], device="cpu:0")
    >>> hal.acosh(x)
    Tensor([0.      , 1.316958], dtype=float32, device='cpu:0')
    """
    return unary("acosh", x)


def atanh(x: Tensor, /) -> Tensor:
    """Return the inverse hyperbolic tangent of each element, NaN for real numbers beyond 1.

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
    >>> x = hal.asarray([0.0, 0.5], device="cpu:0")
    >>> hal.atanh(x)
    Tensor([0.        , 0.54930615], dtype=float32, device='cpu:0')
    """
    return unary("atanh", x)
