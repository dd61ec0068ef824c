"""Elementwise functions of the standard: logic and bits.

Source: https://data-apis.org/array-api/latest/API_specification/elementwise_functions.html
"""

from __future__ import annotations

from hal.array_api.operands import binary, unary
from hal.tensor import Tensor

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
]


def logical_and(x1: Tensor | bool, x2: Tensor | bool, /) -> Tensor:
    """Return whether both operands are true, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Boolean; at least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([True, False], device="cpu:0")
    >>> hal.logical_and(x, True)
    Tensor([ True, False], dtype=bool, device='cpu:0')
    """
    return binary("logical_and", x1, x2)


def logical_or(x1: Tensor | bool, x2: Tensor | bool, /) -> Tensor:
    """Return whether at least one operand is true, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Boolean; at least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([True, False], device="cpu:0")
    >>> hal.logical_or(x, False)
    Tensor([ True, False], dtype=bool, device='cpu:0')
    """
    return binary("logical_or", x1, x2)


def logical_xor(x1: Tensor | bool, x2: Tensor | bool, /) -> Tensor:
    """Return whether exactly one operand is true, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Boolean; at least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([True, False], device="cpu:0")
    >>> hal.logical_xor(x, True)
    Tensor([False,  True], dtype=bool, device='cpu:0')
    """
    return binary("logical_xor", x1, x2)


def logical_not(x: Tensor, /) -> Tensor:
    """Return whether each element is false.

    Parameters
    ----------
    x : Tensor
        Boolean.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([True, False], device="cpu:0")
    >>> hal.logical_not(x)
    Tensor([False,  True], dtype=bool, device='cpu:0')
    """
    return unary("logical_not", x)


def bitwise_and(x1: Tensor | int | bool, x2: Tensor | int | bool, /) -> Tensor:
    """Return the bits that are set in both operands, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Integer or boolean; at least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([6, 5], device="cpu:0")
    >>> hal.bitwise_and(x, 3)
    Tensor([2, 1], dtype=int64, device='cpu:0')
    """
    return binary("bitwise_and", x1, x2)


def bitwise_or(x1: Tensor | int | bool, x2: Tensor | int | bool, /) -> Tensor:
    """Return the bits that are set in at least one operand, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Integer or boolean; at least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([6, 5], device="cpu:0")
    >>> hal.bitwise_or(x, 3)
    Tensor([7, 7], dtype=int64, device='cpu:0')
    """
    return binary("bitwise_or", x1, x2)


def bitwise_xor(x1: Tensor | int | bool, x2: Tensor | int | bool, /) -> Tensor:
    """Return the bits that are set in exactly one operand, element by element.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Integer or boolean; at least one must be a tensor.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([6, 5], device="cpu:0")
    >>> hal.bitwise_xor(x, 3)
    Tensor([5, 6], dtype=int64, device='cpu:0')
    """
    return binary("bitwise_xor", x1, x2)


def bitwise_invert(x: Tensor, /) -> Tensor:
    """Return each element with every bit flipped.

    Parameters
    ----------
    x : Tensor
        Integer or boolean.

    Returns
    -------
    Tensor
        Of the same shape.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([0, 5], device="cpu:0")
    >>> hal.bitwise_invert(x)
    Tensor([-1, -6], dtype=int64, device='cpu:0')
    """
    return unary("bitwise_invert", x)


def bitwise_left_shift(x1: Tensor | int, x2: Tensor | int, /) -> Tensor:
    """Return the first operand's bits moved left by the second, filled with zeros.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Integer; at least one must be a tensor. Shifts are 0 or more.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 3], device="cpu:0")
    >>> hal.bitwise_left_shift(x, 2)
    Tensor([ 4, 12], dtype=int64, device='cpu:0')
    """
    return binary("bitwise_left_shift", x1, x2)


def bitwise_right_shift(x1: Tensor | int, x2: Tensor | int, /) -> Tensor:
    """Return the first operand's bits moved right by the second, filled with its sign.

    Parameters
    ----------
    x1, x2 : Tensor or number
        Integer; at least one must be a tensor. Shifts are 0 or more.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([8, -8], device="cpu:0")
    >>> hal.bitwise_right_shift(x, 2)
    Tensor([ 2, -2], dtype=int64, device='cpu:0')
    """
    return binary("bitwise_right_shift", x1, x2)
