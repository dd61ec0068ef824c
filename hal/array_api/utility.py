"""Utility functions of the standard.

Source: https://data-apis.org/array-api/latest/API_specification/utility_functions.html
"""

from __future__ import annotations

from hal.array_api.operands import as_integer, check_tensor, run
from hal.errors import ValueRangeError
from hal.ops.operator import normalize_axis
from hal.tensor import Tensor

__all__ = ["all", "any", "diff"]


def all(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Tensor:
    """Return whether all elements are true; zero is false, NaN is true.

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
        Boolean; true for no elements.

    Examples
    --------
    >>> import hal
    >>> hal.all(hal.asarray([[True, False], [True, True]], device="cpu:0"), axis=1)
    Tensor([False,  True], dtype=bool, device='cpu:0')
    """
    return run("all", x, axis=axis, keepdims=keepdims)


def any(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Tensor:
    """Return whether at least one element is true; zero is false, NaN is true.

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
        Boolean; false for no elements.

    Examples
    --------
    >>> import hal
    >>> hal.any(hal.asarray([[False, False], [True, False]], device="cpu:0"), axis=1)
    Tensor([False,  True], dtype=bool, device='cpu:0')
    """
    return run("any", x, axis=axis, keepdims=keepdims)


def diff(
    x: Tensor,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """Return the differences between neighbours along an axis.

    Parameters
    ----------
    x : Tensor
        Numeric, of one or more axes.
    axis : int
        Along which axis.
    n : int
        How many times to take differences.
    prepend, append : Tensor, optional
        What to join to the tensor at the axis' ends beforehand.

    Returns
    -------
    Tensor
        With ``n`` elements less along the axis, but not less than none.

    Raises
    ------
    ValueRangeError
        When ``n`` is negative.

    Examples
    --------
    >>> import hal
    >>> hal.diff(hal.asarray([1, 4, 9], device="cpu:0"))
    Tensor([3, 5], dtype=int64, device='cpu:0')
    """
    check_tensor("diff", x)
    place = normalize_axis("diff", axis, x.ndim)
    times = as_integer("diff", "n", n)
    if times < 0:
        raise ValueRangeError(f"diff: n is {n}; it must be 0 or more")
    joined = [part for part in (prepend, x, append) if part is not None]
    result = run("concat", *joined, axis=place) if len(joined) > 1 else x
    before = (slice(None),) * place
    # An axis that is used up stays empty, however often differences are taken.
    for _ in range(min(times, result.shape[place] + 1)):
        result = run("subtract", result[(*before, slice(1, None))], result[(*before, slice(-1))])
    return run("copy", result) if result is x else result
