"""Sorting functions of the standard.

Source: https://data-apis.org/array-api/latest/API_specification/sorting_functions.html
"""

from __future__ import annotations

from hal.array_api.operands import as_integer, check_tensor, run
from hal.dispatch import call
from hal.ops import operators
from hal.tensor import Tensor

__all__ = ["argsort", "sort", "topk"]


def argsort(
    x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Tensor:
    """Return the positions of the elements in sorted order; NaN counts as larger than every number.

    Parameters
    ----------
    x : Tensor
        Real, of one or more axes.
    axis : int
        Along which axis.
    descending : bool
        Whether the largest comes first.
    stable : bool
        Whether equal elements keep their order.

    Returns
    -------
    Tensor
        Of int64.

    Examples
    --------
    >>> import hal
    >>> hal.argsort(hal.asarray([3, 1, 2], device="cpu:0"))
    Tensor([1, 2, 0], dtype=int64, device='cpu:0')
    """
    return run("argsort", x, axis=axis, descending=descending, stable=stable)


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Return the elements in sorted order; NaN counts as larger than every number.

    Parameters
    ----------
    x : Tensor
        Real, of one or more axes.
    axis : int
        Along which axis.
    descending : bool
        Whether the largest comes first.
    stable : bool
        Whether equal elements keep their order.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.sort(hal.asarray([3, 1, 2], device="cpu:0"), descending=True)
    Tensor([3, 2, 1], dtype=int64, device='cpu:0')
    """
    return run("sort", x, axis=axis, descending=descending, stable=stable)


def topk(x: Tensor, /, k: int, *, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """Return the largest or smallest elements along an axis, in order, and their positions.

    Not part of the standard; as ``torch.topk``.

    Parameters
    ----------
    x : Tensor
        Real, of one or more axes.
    k : int
        How many.
    axis : int
        Along which axis.
    largest : bool
        Whether to take the largest, else the smallest.

    Returns
    -------
    values, positions : Tensor
        The positions are int64.

    Examples
    --------
    >>> import hal
    >>> hal.topk(hal.asarray([3, 1, 2], device="cpu:0"), 2)[1]
    Tensor([0, 2], dtype=int64, device='cpu:0')
    """
    check_tensor("topk", x)
    values, positions = call(
        operators["topk"], x, k=as_integer("topk", "k", k), axis=axis, largest=largest
    )
    return values, positions
