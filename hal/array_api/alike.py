"""Creation functions of the standard: tensors without values, and tensors shaped like others.

Source: https://data-apis.org/array-api/latest/API_specification/creation_functions.html
"""

from __future__ import annotations

from typing import Any

from hal.array_api.creation import full, ones, zeros
from hal.array_api.operands import as_shape, check_tensor
from hal.device import as_device
from hal.dtypes import DEFAULT_FLOATING, as_dtype
from hal.errors import ShapeError
from hal.memory import allocate
from hal.tensor import Tensor

__all__ = ["empty", "empty_like", "full_like", "ones_like", "zeros_like"]


def empty(shape: int | tuple[int, ...], *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor whose elements are whatever the memory holds.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : DType or str, optional
        float32 when left out.
    device : Device or str, optional
        The default device when left out.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.empty((2, 3), device="cpu:0").shape
    (2, 3)
    """
    wanted = DEFAULT_FLOATING if dtype is None else as_dtype(dtype)
    sizes = as_shape("empty", shape)
    if min(sizes, default=0) < 0:
        raise ShapeError(f"empty: the shape {sizes} has a negative size; sizes are 0 or more")
    target = as_device(device)
    if target.tracer is not None:  # A program's values come from operators.
        return zeros(sizes, dtype=wanted, device=target)
    target.check_dtype(wanted)
    return allocate(target.spec(wanted, sizes), target.current_stream())  # type: ignore[return-value]


def empty_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor of another's shape whose elements are whatever the memory holds.

    Parameters
    ----------
    x : Tensor
        Whose shape, and dtype and device unless they are given, to take.
    dtype : DType or str, optional
    device : Device or str, optional

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.empty_like(hal.ones(3, device="cpu:0")).shape
    (3,)
    """
    check_tensor("empty_like", x)
    return empty(x.shape, **_like(x, dtype, device))


def zeros_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor of another's shape filled with zeros.

    Parameters
    ----------
    x : Tensor
        Whose shape, and dtype and device unless they are given, to take.
    dtype : DType or str, optional
    device : Device or str, optional

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.zeros_like(hal.ones(2, device="cpu:0"))
    Tensor([0., 0.], dtype=float32, device='cpu:0')
    """
    check_tensor("zeros_like", x)
    return zeros(x.shape, **_like(x, dtype, device))


def ones_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor of another's shape filled with ones.

    Parameters
    ----------
    x : Tensor
        Whose shape, and dtype and device unless they are given, to take.
    dtype : DType or str, optional
    device : Device or str, optional

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.ones_like(hal.zeros(2, device="cpu:0"))
    Tensor([1., 1.], dtype=float32, device='cpu:0')
    """
    check_tensor("ones_like", x)
    return ones(x.shape, **_like(x, dtype, device))


def full_like(
    x: Tensor,
    /,
    fill_value: bool | int | float | complex,
    *,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Return a tensor of another's shape filled with one number.

    Parameters
    ----------
    x : Tensor
        Whose shape, and dtype and device unless they are given, to take.
    fill_value : number
    dtype : DType or str, optional
    device : Device or str, optional

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.full_like(hal.zeros(2, device="cpu:0"), 7)
    Tensor([7., 7.], dtype=float32, device='cpu:0')
    """
    check_tensor("full_like", x)
    return full(x.shape, fill_value, **_like(x, dtype, device))


def _like(x: Tensor, dtype: Any, device: Any) -> dict[str, Any]:
    """Return the dtype and device that were asked for, those of a tensor where none was."""
    return {
        "dtype": x.dtype if dtype is None else dtype,
        "device": x.device if device is None else device,
    }
