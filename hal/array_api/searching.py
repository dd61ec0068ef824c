"""Searching functions of the standard.

Source: https://data-apis.org/array-api/latest/API_specification/searching_functions.html
"""

from __future__ import annotations

from typing import Literal

from hal.array_api.operands import as_integer, check_tensor, number_or_tensor, run
from hal.dispatch import evaluator
from hal.errors import DTypeError, ShapeError
from hal.tensor import Tensor

__all__ = ["argmax", "argmin", "count_nonzero", "nonzero", "searchsorted", "where"]


def argmax(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return the position of the largest element; of equal ones the first, of NaN before any.

    Parameters
    ----------
    x : Tensor
        Real.
    axis : int, optional
        Along which axis; in the flattened tensor when left out.
    keepdims : bool
        Whether the axis stays, with size 1.

    Returns
    -------
    Tensor
        Of int64.

    Examples
    --------
    >>> import hal
    >>> hal.argmax(hal.asarray([[1, 3], [4, 2]], device="cpu:0"), axis=1)
    Tensor([1, 0], dtype=int64, device='cpu:0')
    """
    return _extreme("argmax", x, axis, keepdims)


def argmin(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return the position of the smallest element; of equal ones the first, of NaN before any.

    Parameters
    ----------
    x : Tensor
        Real.
    axis : int, optional
        Along which axis; in the flattened tensor when left out.
    keepdims : bool
        Whether the axis stays, with size 1.

    Returns
    -------
    Tensor
        Of int64.

    Examples
    --------
    >>> import hal
    >>> hal.argmin(hal.asarray([[1, 3], [4, 2]], device="cpu:0"), axis=1)
    Tensor([0, 1], dtype=int64, device='cpu:0')
    """
    return _extreme("argmin", x, axis, keepdims)


def count_nonzero(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Tensor:
    """Return how many elements are not zero; NaN is none.

    Parameters
    ----------
    x : Tensor
    axis : int or tuple of int, optional
        Along which axes; all when left out.
    keepdims : bool
        Whether the axes stay, with size 1.

    Returns
    -------
    Tensor
        Of int64.

    Examples
    --------
    >>> import hal
    >>> hal.count_nonzero(hal.asarray([[0, 3], [4, 2]], device="cpu:0"), axis=1)
    Tensor([1, 2], dtype=int64, device='cpu:0')
    """
    return run("count_nonzero", x, axis=axis, keepdims=keepdims)


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """Return the positions of the elements that are not zero, in C order; waits for the device.

    Parameters
    ----------
    x : Tensor
        Of one or more axes.

    Returns
    -------
    tuple of Tensor
        One for each axis, of int64.

    Examples
    --------
    >>> import hal
    >>> hal.nonzero(hal.asarray([0, 7, 0, 8], device="cpu:0"))
    (Tensor([1, 3], dtype=int64, device='cpu:0'),)
    """
    check_tensor("nonzero", x)
    if x.ndim == 0:
        raise ShapeError("nonzero: a tensor without axes has no positions; reshape it to (1,)")
    count = int(run("count_nonzero", x))
    found = run("nonzero", x, size=count)
    return tuple([found[:, axis] for axis in range(x.ndim)])


def searchsorted(
    x1: Tensor,
    x2: Tensor | int | float,
    /,
    *,
    side: Literal["left", "right"] = "left",
    sorter: Tensor | None = None,
) -> Tensor:
    """Return where values would have to be inserted in a sorted tensor to keep it sorted.

    Parameters
    ----------
    x1 : Tensor
        Of one axis, in ascending order.
    x2 : Tensor or number
        The values.
    side : {"left", "right"}
        Whether a value goes before or behind those that equal it.
    sorter : Tensor, optional
        The order in which ``x1`` is ascending, as :func:`argsort` gives it.

    Returns
    -------
    Tensor
        Of int64 and the values' shape.

    Examples
    --------
    >>> import hal
    >>> hal.searchsorted(hal.asarray([1, 3, 5], device="cpu:0"), 3, side="right")
    Tensor(2, dtype=int64, device='cpu:0')
    """
    check_tensor("searchsorted", x1)
    values = number_or_tensor("searchsorted", x2, x1)
    if sorter is not None:
        check_tensor("searchsorted", sorter)
        if sorter.shape != x1.shape:
            raise ShapeError(
                f"searchsorted: the sorter has shape {sorter.shape}; it must be {x1.shape}"
            )
        x1 = run("take", x1, sorter, axis=0)
    return run("searchsorted", x1, values, side=side)


def where(
    condition: Tensor,
    x1: Tensor | bool | int | float | complex,
    x2: Tensor | bool | int | float | complex,
    /,
) -> Tensor:
    """Return elements of the first where a condition is true, of the second where it is not.

    Parameters
    ----------
    condition : Tensor
        Boolean.
    x1, x2 : Tensor or number
        What to choose from.

    Returns
    -------
    Tensor
        Of the broadcast shape and the dtype both promote to.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2, 3], device="cpu:0")
    >>> hal.where(x > 1, x, 0)
    Tensor([0, 2, 3], dtype=int64, device='cpu:0')
    """
    check_tensor("where", condition)
    if not isinstance(x1, Tensor) and not isinstance(x2, Tensor):
        F = evaluator(condition.device)
        numbers = isinstance(x1, bool | int | float | complex) and isinstance(
            x2, bool | int | float | complex
        )
        if not numbers:
            raise DTypeError(
                f"where takes hal tensors and numbers, not {type(x1).__name__} and "
                f"{type(x2).__name__}; make one with hal.asarray(...)"
            )
        chosen: Tensor = F.where(condition, x1, x2)
        return chosen
    if isinstance(x1, Tensor):
        return run("where", condition, x1, number_or_tensor("where", x2, x1))
    assert isinstance(x2, Tensor)
    return run("where", condition, number_or_tensor("where", x1, x2), x2)


def _extreme(name: str, x: Tensor, axis: int | None, keepdims: bool) -> Tensor:
    place = None if axis is None else as_integer(name, "axis", axis)
    return run(name, x, axis=place, keepdims=keepdims)
