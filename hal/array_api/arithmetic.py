"""Elementwise functions of the standard: arithmetic.

Source: https://data-apis.org/array-api/latest/API_specification/elementwise_functions.html
"""

from __future__ import annotations

from hal.array_api.operands import binary, unary
from hal.tensor import Tensor

__all__ = [
    "abs",
    "add",
    "divide",
    "floor_divide",
    "multiply",
    "negative",
    "positive",
    "pow",
    "reciprocal",
    "remainder",
    "sign",
    "square",
    "subtract",
]


def abs(x: Tensor, /) -> Tensor:
    """Return the absolute value of each element, of a complex number its magnitude.

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
    >>> x = hal.asarray([-1.5, 2.0], device="cpu:0")
    >>> hal.abs(x)
    Tensor([1.5, 2. ], dtype=float32, device='cpu:0')
    """
    return unary("abs", x)


def add(x1: Tensor | int | float | complex, x2: Tensor | int | float | complex, /) -> Tensor:
    """Return the sum of two operands, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Numeric; at least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2], device="cpu:0")
    >>> y = hal.asarray([10, 20], device="cpu:0")
    >>> hal.add(x, y)
    Tensor([11, 22], dtype=int64, device='cpu:0')
    """
    return binary("add", x1, x2)


def subtract(x1: Tensor | int | float | complex, x2: Tensor | int | float | complex, /) -> Tensor:
    """Return the first operand minus the second, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Numeric; at least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2], device="cpu:0")
    >>> y = hal.asarray([10, 20], device="cpu:0")
    >>> hal.subtract(x, y)
    Tensor([ -9, -18], dtype=int64, device='cpu:0')
    """
    return binary("subtract", x1, x2)


def multiply(x1: Tensor | int | float | complex, x2: Tensor | int | float | complex, /) -> Tensor:
    """Return the product of two operands, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Numeric; at least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2], device="cpu:0")
    >>> hal.multiply(x, 3)
    Tensor([3, 6], dtype=int64, device='cpu:0')
    """
    return binary("multiply", x1, x2)


def divide(x1: Tensor | int | float | complex, x2: Tensor | int | float | complex, /) -> Tensor:
    """Return the quotient of two operands, element by element; integers divide as numbers.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Numeric; integers and booleans are calculated in float32. At least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2], device="cpu:0")
    >>> hal.divide(x, 4)
    Tensor([0.25, 0.5 ], dtype=float32, device='cpu:0')
    """
    return binary("divide", x1, x2)


def floor_divide(x1: Tensor | int | float, x2: Tensor | int | float, /) -> Tensor:
    """Return the quotient rounded towards minus infinity, element by element.

    An integer divided by 0 gives 0.

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
    >>> x = hal.asarray([7, -7], device="cpu:0")
    >>> hal.floor_divide(x, 2)
    Tensor([ 3, -4], dtype=int64, device='cpu:0')
    """
    return binary("floor_divide", x1, x2)


def remainder(x1: Tensor | int | float, x2: Tensor | int | float, /) -> Tensor:
    """Return what :func:`floor_divide` leaves: it has the sign of the second operand.

    An integer modulo 0 gives 0.

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
    >>> x = hal.asarray([7, -7], device="cpu:0")
    >>> hal.remainder(x, 3)
    Tensor([1, 2], dtype=int64, device='cpu:0')
    """
    return binary("remainder", x1, x2)


def pow(x1: Tensor | int | float | complex, x2: Tensor | int | float | complex, /) -> Tensor:
    """Return the first operand to the power of the second, element by element.

    An integer to a negative power is the quotient rounded towards 0.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Numeric; at least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([2.0, 3.0], device="cpu:0")
    >>> hal.pow(x, 2)
    Tensor([4., 9.], dtype=float32, device='cpu:0')
    """
    return binary("power", x1, x2)


def square(x: Tensor, /) -> Tensor:
    """Return each element times itself.

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
    >>> x = hal.asarray([-3, 4], device="cpu:0")
    >>> hal.square(x)
    Tensor([ 9, 16], dtype=int64, device='cpu:0')
    """
    return unary("square", x)


def reciprocal(x: Tensor, /) -> Tensor:
    """Return 1 divided by each element.

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
    >>> x = hal.asarray([2.0, -4.0], device="cpu:0")
    >>> hal.reciprocal(x)
    Tensor([ 0.5 , -0.25], dtype=float32, device='cpu:0')
    """
    return unary("reciprocal", x)


def negative(x: Tensor, /) -> Tensor:
    """Return each element with the opposite sign.

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
    >>> x = hal.asarray([1, -2], device="cpu:0")
    >>> hal.negative(x)
    Tensor([-1,  2], dtype=int64, device='cpu:0')
    """
    return unary("negative", x)


def positive(x: Tensor, /) -> Tensor:
    """Return a copy of each element, which the operator ``+x`` stands for.

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
    >>> x = hal.asarray([1, -2], device="cpu:0")
    >>> hal.positive(x)
    Tensor([ 1, -2], dtype=int64, device='cpu:0')
    """
    return unary("copy", x)


def sign(x: Tensor, /) -> Tensor:
    """Return -1, 0 or 1 for each element, of a complex number ``x / abs(x)``.

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
    >>> x = hal.asarray([-1.5, 0.0, 7.0], device="cpu:0")
    >>> hal.sign(x)
    Tensor([-1.,  0.,  1.], dtype=float32, device='cpu:0')
    """
    return unary("sign", x)
