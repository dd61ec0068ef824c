"""Creation functions of the standard.

Source: https://data-apis.org/array-api/latest/API_specification/creation_functions.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.device import as_device
from hal.dispatch import call, constant
from hal.dtypes import (
    DEFAULT_COMPLEX,
    DEFAULT_FLOATING,
    DEFAULT_INTEGER,
    DType,
    as_dtype,
    check_scalar,
)
from hal.errors import DTypeError, HalError
from hal.exchange import adopt, from_dlpack
from hal.memory import from_host, to_host
from hal.ops import operators
from hal.tensor import Tensor

__all__ = ["asarray", "from_dlpack", "full", "ones", "zeros"]


def asarray(
    obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
) -> Tensor:
    """Return a tensor with the values of numbers, nested lists, NumPy arrays or tensors.

    Python numbers become the default dtypes (int64, float32, complex64).

    Parameters
    ----------
    obj : object
        What to convert.
    dtype : DType or str, optional
        The result's dtype; that of ``obj`` when left out.
    device : Device or str, optional
        Where the result shall be; where ``obj`` is, or the default device, when left out.
    copy : bool, optional
        True always copies, False raises instead of copying, None copies only if needed: a
        writable contiguous NumPy array shares its memory with a tensor on the host's device.

    Raises
    ------
    DTypeError
        When ``obj`` holds no numbers, or its rows differ in length.
    ExchangeError
        When ``copy=False`` and a copy is needed.

    Examples
    --------
    >>> import hal
    >>> hal.asarray([[1, 2], [3, 4]], dtype=hal.float32, device="cpu:0").shape
    (2, 2)
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(obj, Tensor):
        result = from_dlpack(obj, device=device, copy=copy)
        if wanted is None or wanted is result.dtype:
            return obj if result.device is obj.device and not copy else result  # type: ignore[return-value]
        if copy is False:
            raise DTypeError(f"converting {obj.dtype} to {wanted} needs a copy; copy is False")
        return call(operators["cast"], result, dtype=wanted)  # type: ignore[no-any-return]
    target = as_device(device)
    host = _host(obj, wanted)
    if wanted is not None and as_dtype(host.dtype) is not wanted:
        if copy is False:
            raise DTypeError(f"converting to {wanted} needs a copy; copy is False")
        with np.errstate(all="ignore"):
            host = host.astype(wanted.numpy)
    if isinstance(obj, np.ndarray):
        return adopt(host, target, copy)  # type: ignore[return-value]
    return from_host(host, target)  # type: ignore[return-value]


def _host(obj: Any, wanted: DType | None) -> Any:
    """Return a NumPy array; Python numbers have the wanted dtype, or hal's default for them."""
    plain = isinstance(obj, bool | int | float | complex) and not isinstance(obj, np.generic)
    if isinstance(obj, list | tuple):
        obj, plain = _unwrapped(obj)
    try:
        array = np.asarray(obj)
        found = as_dtype(array.dtype)
    except HalError:
        raise DTypeError(
            f"{type(obj).__name__} {str(obj)[:60]!r} holds no numbers that hal has a dtype for"
        ) from None
    except (ValueError, TypeError, OverflowError) as error:
        raise DTypeError(
            f"{type(obj).__name__} is no rectangular set of numbers: {error}"
        ) from None
    if not plain:
        return array
    default = {"float": DEFAULT_FLOATING, "int": DEFAULT_INTEGER, "complex": DEFAULT_COMPLEX}
    target = wanted or default.get(found.kind, found)
    if found.kind in ("int", "uint") and array.size:
        check_scalar(int(array.min()), target)
        check_scalar(int(array.max()), target)
    with np.errstate(all="ignore"):
        return array.astype(target.numpy)


def _unwrapped(obj: Any) -> tuple[Any, bool]:
    """Return nested lists with tensors as arrays, and whether they hold Python numbers alone."""
    if isinstance(obj, list | tuple):
        parts = [_unwrapped(o) for o in obj]
        return [part for part, _ in parts], all(plain for _, plain in parts)
    if isinstance(obj, Tensor):
        return to_host(obj), False
    return obj, not isinstance(obj, np.generic | np.ndarray)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor filled with one number.

    Examples
    --------
    >>> import hal
    >>> hal.full(2, 7, device="cpu:0")
    Tensor([7, 7], dtype=int64, device='cpu:0')
    """
    if not isinstance(fill_value, bool | int | float | complex):
        raise DTypeError(f"fill_value must be a Python number, not {type(fill_value).__name__}")
    wanted = as_dtype(type(fill_value) if dtype is None else dtype)
    sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    target = as_device(device)
    if wanted.storage_only:
        value = from_host(np.asarray(fill_value).astype(wanted.numpy), target)
    else:
        value = constant(target, fill_value, wanted)
    if value.dtype is not wanted:
        raise DTypeError(f"{fill_value!r} cannot be stored as {wanted}")
    return call(operators["full"], value, shape=sizes)  # type: ignore[no-any-return]


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor of zeros, of the default floating-point dtype unless another is given.

    Examples
    --------
    >>> import hal
    >>> hal.zeros(2, device="cpu:0")
    Tensor([0., 0.], dtype=float32, device='cpu:0')
    """
    wanted = DEFAULT_FLOATING if dtype is None else as_dtype(dtype)
    return full(shape, False if wanted.kind == "bool" else 0, dtype=wanted, device=device)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor of ones, of the default floating-point dtype unless another is given.

    Examples
    --------
    >>> import hal
    >>> hal.ones(2, device="cpu:0")
    Tensor([1., 1.], dtype=float32, device='cpu:0')
    """
    wanted = DEFAULT_FLOATING if dtype is None else as_dtype(dtype)
    return full(shape, wanted.kind == "bool" or 1, dtype=wanted, device=device)
