"""Statistical functions of the standard.

Source: https://data-apis.org/array-api/latest/API_specification/statistical_functions.html
"""

from __future__ import annotations

from typing import Any

from hal.array_api.operands import check_tensor, run
from hal.dispatch import evaluator
from hal.dtypes import as_dtype
from hal.errors import DTypeError, HalIndexError
from hal.ops.operator import normalize_axis
from hal.tensor import Tensor

__all__ = [
    "cumulative_prod",
    "cumulative_sum",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]

Axes = int | tuple[int, ...] | None


def cumulative_prod(
    x: Tensor,
    /,
    *,
    axis: int | None = None,
    dtype: Any = None,
    include_initial: bool = False,
) -> Tensor:
    """Return at each place along an axis the product of the elements up to it.

    Parameters
    ----------
    x : Tensor
        Numeric, of one or more axes.
    axis : int, optional
        Along which axis; may be left out if there is only one.
    dtype : DType or str, optional
        In which dtype to multiply; int64 or uint64 for integers when left out.
    include_initial : bool
        Whether to put the product of no elements, 1, in front.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.cumulative_prod(hal.asarray([2, 3, 4], device="cpu:0"), include_initial=True)
    Tensor([ 1,  2,  6, 24], dtype=int64, device='cpu:0')
    """
    return _scan("cumulative_prod", x, axis, dtype, 1 if include_initial else None)


def cumulative_sum(
    x: Tensor,
    /,
    *,
    axis: int | None = None,
    dtype: Any = None,
    include_initial: bool = False,
) -> Tensor:
    """Return at each place along an axis the sum of the elements up to it.

    Parameters
    ----------
    x : Tensor
        Numeric, of one or more axes.
    axis : int, optional
        Along which axis; may be left out if there is only one.
    dtype : DType or str, optional
        In which dtype to add; int64 or uint64 for integers when left out.
    include_initial : bool
        Whether to put the sum of no elements, 0, in front.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.cumulative_sum(hal.asarray([2, 3, 4], device="cpu:0"))
    Tensor([2, 5, 9], dtype=int64, device='cpu:0')
    """
    return _scan("cumulative_sum", x, axis, dtype, 0 if include_initial else None)


def max(x: Tensor, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Return the largest element; NaN where there is one.

    Parameters
    ----------
    x : Tensor
        Real.
    axis : int or tuple of int, optional
        Along which axes; all when left out.
    keepdims : bool
        Whether the axes stay, with size 1.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueRangeError
        When there are no elements.

    Examples
    --------
    >>> import hal
    >>> hal.max(hal.asarray([[1, 3], [4, 2]], device="cpu:0"), axis=1)
    Tensor([3, 4], dtype=int64, device='cpu:0')
    """
    return run("max", x, axis=axis, keepdims=keepdims)


def min(x: Tensor, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Return the smallest element; NaN where there is one.

    Parameters
    ----------
    x : Tensor
        Real.
    axis : int or tuple of int, optional
        Along which axes; all when left out.
    keepdims : bool
        Whether the axes stay, with size 1.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueRangeError
        When there are no elements.

    Examples
    --------
    >>> import hal
    >>> hal.min(hal.asarray([[1, 3], [4, 2]], device="cpu:0"), axis=1)
    Tensor([1, 2], dtype=int64, device='cpu:0')
    """
    return run("min", x, axis=axis, keepdims=keepdims)


def mean(x: Tensor, /, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Return the arithmetic mean.

    Parameters
    ----------
    x : Tensor
        Real or complex; integers and booleans are calculated in float32.
    axis : int or tuple of int, optional
        Along which axes; all when left out.
    keepdims : bool
        Whether the axes stay, with size 1.

    Returns
    -------
    Tensor
        NaN for no elements.

    Examples
    --------
    >>> import hal
    >>> hal.mean(hal.asarray([[1.0, 3.0], [4.0, 2.0]], device="cpu:0"), axis=0)
    Tensor([2.5, 2.5], dtype=float32, device='cpu:0')
    """
    return run("mean", x, axis=axis, keepdims=keepdims)


def prod(x: Tensor, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """Return the product of the elements.

    Parameters
    ----------
    x : Tensor
        Numeric.
    axis : int or tuple of int, optional
        Along which axes; all when left out.
    dtype : DType or str, optional
        In which dtype to multiply; int64 or uint64 for integers when left out.
    keepdims : bool
        Whether the axes stay, with size 1.

    Returns
    -------
    Tensor
        1 for no elements.

    Examples
    --------
    >>> import hal
    >>> hal.prod(hal.asarray([[1, 3], [4, 2]], device="cpu:0"), axis=1)
    Tensor([3, 8], dtype=int64, device='cpu:0')
    """
    return run("prod", x, axis=axis, dtype=_wanted(dtype), keepdims=keepdims)


def std(
    x: Tensor, /, *, axis: Axes = None, correction: int | float = 0.0, keepdims: bool = False
) -> Tensor:
    """Return the standard deviation.

    Parameters
    ----------
    x : Tensor
        Real; integers and booleans are calculated in float32.
    axis : int or tuple of int, optional
        Along which axes; all when left out.
    correction : number
        What to take from the number of elements before dividing: 1 for a sample's deviation.
    keepdims : bool
        Whether the axes stay, with size 1.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.std(hal.asarray([1.0, 3.0], device="cpu:0"))
    Tensor(1., dtype=float32, device='cpu:0')
    """
    return run("std", x, axis=axis, correction=_correction("std", correction), keepdims=keepdims)


def sum(x: Tensor, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """Return the sum of the elements.

    Parameters
    ----------
    x : Tensor
        Numeric.
    axis : int or tuple of int, optional
        Along which axes; all when left out.
    dtype : DType or str, optional
        In which dtype to add; int64 or uint64 for integers when left out.
    keepdims : bool
        Whether the axes stay, with size 1.

    Returns
    -------
    Tensor
        0 for no elements.

    Examples
    --------
    >>> import hal
    >>> hal.sum(hal.asarray([[1, 3], [4, 2]], device="cpu:0"), axis=1)
    Tensor([4, 6], dtype=int64, device='cpu:0')
    """
    return run("sum", x, axis=axis, dtype=_wanted(dtype), keepdims=keepdims)


def var(
    x: Tensor, /, *, axis: Axes = None, correction: int | float = 0.0, keepdims: bool = False
) -> Tensor:
    """Return the variance.

    Parameters
    ----------
    x : Tensor
        Real; integers and booleans are calculated in float32.
    axis : int or tuple of int, optional
        Along which axes; all when left out.
    correction : number
        What to take from the number of elements before dividing: 1 for a sample's variance.
    keepdims : bool
        Whether the axes stay, with size 1.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.var(hal.asarray([1.0, 3.0], device="cpu:0"), correction=1)
    Tensor(2., dtype=float32, device='cpu:0')
    """
    return run("var", x, axis=axis, correction=_correction("var", correction), keepdims=keepdims)


def _correction(name: str, correction: Any) -> float:
    if not isinstance(correction, int | float):
        raise DTypeError(f"{name}: correction must be a number, not {correction!r}")
    return float(correction)


def _wanted(dtype: Any) -> Any:
    return None if dtype is None else as_dtype(dtype)


def _scan(name: str, x: Tensor, axis: int | None, dtype: Any, initial: int | None) -> Tensor:
    check_tensor(name, x)
    if axis is None:
        if x.ndim != 1:
            raise HalIndexError(f"{name}: the tensor has shape {x.shape}; say along which axis")
        axis = 0
    place = normalize_axis(name, axis, x.ndim)
    result = run(name, x, axis=place, dtype=_wanted(dtype))
    if initial is None:
        return result
    F = evaluator(x.device)
    shape = (*x.shape[:place], 1, *x.shape[place + 1 :])
    first = F.full(F.cast(initial, dtype=result.dtype), shape=shape)
    return run("concat", first, result, axis=place)
