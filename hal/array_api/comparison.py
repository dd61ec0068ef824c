"""Elementwise functions of the standard: comparison, extremes and properties of numbers.

Source: https://data-apis.org/array-api/latest/API_specification/elementwise_functions.html
"""

from __future__ import annotations

from hal.array_api.operands import binary, unary
from hal.tensor import Tensor

__all__ = [
    "copysign",
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "maximum",
    "minimum",
    "nextafter",
    "not_equal",
    "signbit",
]


def equal(
    x1: Tensor | bool | int | float | complex, x2: Tensor | bool | int | float | complex, /
) -> Tensor:
    """Return whether two operands are equal, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Any dtype; at least one must be a tensor.

    Returns
    -------
    Tensor
        Boolean, of the broadcast shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2], device="cpu:0")
    >>> hal.equal(x, 2)
    Tensor([False,  True], dtype=bool, device='cpu:0')
    """
    return binary("equal", x1, x2)


def not_equal(
    x1: Tensor | bool | int | float | complex, x2: Tensor | bool | int | float | complex, /
) -> Tensor:
    """Return whether two operands differ, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Any dtype; at least one must be a tensor.

    Returns
    -------
    Tensor
        Boolean, of the broadcast shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2], device="cpu:0")
    >>> hal.not_equal(x, 2)
    Tensor([ True, False], dtype=bool, device='cpu:0')
    """
    return binary("not_equal", x1, x2)


def less(x1: Tensor | int | float, x2: Tensor | int | float, /) -> Tensor:
    """Return whether the first operand is less than the second, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Real; at least one must be a tensor.

    Returns
    -------
    Tensor
        Boolean, of the broadcast shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2], device="cpu:0")
    >>> hal.less(x, 2)
    Tensor([ True, False], dtype=bool, device='cpu:0')
    """
    return binary("less", x1, x2)


def less_equal(x1: Tensor | int | float, x2: Tensor | int | float, /) -> Tensor:
    """Return whether the first operand is at most the second, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Real; at least one must be a tensor.

    Returns
    -------
    Tensor
        Boolean, of the broadcast shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2], device="cpu:0")
    >>> hal.less_equal(x, 1)
    Tensor([ True, False], dtype=bool, device='cpu:0')
    """
    return binary("less_equal", x1, x2)


def greater(x1: Tensor | int | float, x2: Tensor | int | float, /) -> Tensor:
    """Return whether the first operand is greater than the second, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Real; at least one must be a tensor.

    Returns
    -------
    Tensor
        Boolean, of the broadcast shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2], device="cpu:0")
    >>> hal.greater(x, 1)
    Tensor([False,  True], dtype=bool, device='cpu:0')
    """
    return binary("greater", x1, x2)


def greater_equal(x1: Tensor | int | float, x2: Tensor | int | float, /) -> Tensor:
    """Return whether the first operand is at least the second, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Real; at least one must be a tensor.

    Returns
    -------
    Tensor
        Boolean, of the broadcast shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2], device="cpu:0")
    >>> hal.greater_equal(x, 2)
    Tensor([False,  True], dtype=bool, device='cpu:0')
    """
    return binary("greater_equal", x1, x2)


def maximum(x1: Tensor | int | float, x2: Tensor | int | float, /) -> Tensor:
    """Return the greater of two operands, element by element; NaN where one is NaN.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Real; at least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 5], device="cpu:0")
    >>> hal.maximum(x, 3)
    Tensor([3, 5], dtype=int64, device='cpu:0')
    """
    return binary("maximum", x1, x2)


def minimum(x1: Tensor | int | float, x2: Tensor | int | float, /) -> Tensor:
    """Return the smaller of two operands, element by element; NaN where one is NaN.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Real; at least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 5], device="cpu:0")
    >>> hal.minimum(x, 3)
    Tensor([1, 3], dtype=int64, device='cpu:0')
    """
    return binary("minimum", x1, x2)


def isnan(x: Tensor, /) -> Tensor:
    """Return whether each element is NaN, of a complex number whether a part is.

    Parameters
    ----------
    x : Tensor
        Numeric.

    Returns
    -------
    Tensor
        Boolean, of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1.0, float("nan")], device="cpu:0")
    >>> hal.isnan(x)
    Tensor([False,  True], dtype=bool, device='cpu:0')
    """
    return unary("isnan", x)


def isinf(x: Tensor, /) -> Tensor:
    """Return whether each element is infinite, of a complex number whether a part is.

    Parameters
    ----------
    x : Tensor
        Numeric.

    Returns
    -------
    Tensor
        Boolean, of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1.0, float("-inf")], device="cpu:0")
    >>> hal.isinf(x)
    Tensor([False,  True], dtype=bool, device='cpu:0')
    """
    return unary("isinf", x)


def isfinite(x: Tensor, /) -> Tensor:
    """Return whether each element is neither infinite nor NaN.

    Parameters
    ----------
    x : Tensor
        Numeric.

    Returns
    -------
    Tensor
        Boolean, of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1.0, float("inf")], device="cpu:0")
    >>> hal.isfinite(x)
    Tensor([ True, False], dtype=bool, device='cpu:0')
    """
    return unary("isfinite", x)


def signbit(x: Tensor, /) -> Tensor:
    """Return whether each element's sign bit is set: of -0.0 it is.

    Parameters
    ----------
    x : Tensor
        Real floating-point.

    Returns
    -------
    Tensor
        Boolean, of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1.0, -0.0], device="cpu:0")
    >>> hal.signbit(x)
    Tensor([False,  True], dtype=bool, device='cpu:0')
    """
    return unary("signbit", x)


def copysign(x1: Tensor | int | float, x2: Tensor | int | float, /) -> Tensor:
    """Return the magnitudes of the first operand with the signs of the second.

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
    >>> x = hal.asarray([1.0, 2.0], device="cpu:0")
    >>> y = hal.asarray([-0.0, 5.0], device="cpu:0")
    >>> hal.copysign(x, y)
    Tensor([-1.,  2.], dtype=float32, device='cpu:0')
    """
    return binary("copysign", x1, x2)


def nextafter(x1: Tensor | int | float, x2: Tensor | int | float, /) -> Tensor:
    """Return the next number the dtype has after the first operand, towards the second.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Real floating-point; at least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([0.0, 1.0], device="cpu:0")
    >>> hal.nextafter(x, 1)
    Tensor([1.e-45, 1.e+00], dtype=float32, device='cpu:0')
    """
    return binary("nextafter", x1, x2)
