"""Creation functions of the standard.

Source: https://data-apis.org/array-api/latest/API_specification/creation_functions.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.array_api.operands import as_shape
from hal.device import as_device
from hal.dispatch import call, constant
from hal.dtypes import (
    DEFAULT_COMPLEX,
    DEFAULT_FLOATING,
    DEFAULT_INTEGER,
    DType,
    as_dtype,
    check_scalar,
    promote_scalar,
)
from hal.errors import (
    DTypeError,
    ExchangeError,
    HalError,
    HalOverflowError,
    ShapeError,
)
from hal.exchange import adopt, from_dlpack
from hal.memory import from_host, to_host
from hal.ops import operators
from hal.storage import MAX_AXES
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
        What to convert; other libraries' arrays and whatever has a buffer too.
    dtype : DType or str, optional
        The result's dtype; that of ``obj`` when left out.
    device : Device or str, optional
        Where the result shall be; where ``obj`` is, or the default device, when left out.
    copy : bool, optional
        True always copies, False raises instead of copying, None copies only if needed: a
        writable NumPy array shares its memory with a tensor on the host's device.

    Raises
    ------
    DTypeError
        When ``obj`` holds no numbers, its rows differ in length, or complex numbers would become
        real.
    HalOverflowError
        When an integer does not fit the dtype.
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
            raise ExchangeError(f"converting {obj.dtype} to {wanted} needs a copy; copy is False")
        return call(operators["cast"], result, dtype=wanted)  # type: ignore[no-any-return]
    target = as_device(device)
    listed = isinstance(obj, list | tuple | bool | int | float | complex)
    if listed and copy is False:
        raise ExchangeError(f"a tensor of {type(obj).__name__} needs a copy; copy is False")
    host = _host(obj, wanted, copy)
    if wanted is not None and as_dtype(host.dtype) is not wanted:
        if copy is False:
            raise ExchangeError(f"converting to {wanted} needs a copy; copy is False")
        host = _converted(host, wanted)
    if listed:
        return from_host(host, target)  # type: ignore[return-value]
    return adopt(host, target, copy)  # type: ignore[return-value]


def _host(obj: Any, wanted: DType | None, copy: bool | None) -> Any:
    """Return a NumPy array; Python numbers have the wanted dtype, or hal's default for them."""
    obj, types = _unwrapped(obj)
    try:
        array = np.asarray(obj, copy=False if copy is False else None)
        if array.dtype != object or not types <= _NUMBERS:
            as_dtype(array.dtype)
    except HalError:
        raise DTypeError(
            f"{type(obj).__name__} {str(obj)[:60]!r} holds no numbers that hal has a dtype for"
        ) from None
    except (ValueError, TypeError, OverflowError) as error:
        if copy is False:
            raise ExchangeError(
                f"{type(obj).__name__} does not share its memory; allow a copy, or try from_dlpack"
            ) from None
        raise DTypeError(
            f"{type(obj).__name__} is no rectangular set of numbers: {error}"
        ) from None
    return _numbers(obj, array, types, wanted) if types <= _NUMBERS else array


_NUMBERS = {bool, int, float, complex}


def _unwrapped(obj: Any, depth: int = 0) -> tuple[Any, set[type]]:
    """Return nested lists with tensors as arrays, and the types of what the lists hold."""
    if isinstance(obj, list | tuple):
        if depth == MAX_AXES:
            raise DTypeError(f"lists nest at most {MAX_AXES} deep, as many axes as a tensor has")
        parts = [_unwrapped(o, depth + 1) for o in obj]
        return [part for part, _ in parts], set[type]().union(*[types for _, types in parts])
    return (to_host(obj) if isinstance(obj, Tensor) else obj), {type(obj)}


def _numbers(obj: Any, array: Any, types: set[type], wanted: DType | None) -> Any:
    """Return an array that NumPy made of Python numbers in the dtype hal has for them."""
    inexact = array.dtype == object or (array.dtype.kind == "f" and types and float not in types)
    if inexact and float not in types and (wanted is None or wanted.kind in ("int", "uint")):
        array = _exact(obj)
    elif inexact:
        array = array.astype(np.float64)
    found = as_dtype(array.dtype)
    defaults = {"float": DEFAULT_FLOATING, "int": DEFAULT_INTEGER, "complex": DEFAULT_COMPLEX}
    target = wanted or defaults.get(found.kind, found)
    if found.kind == "float" and target.kind in ("int", "uint") and not np.isfinite(array).all():
        raise HalOverflowError(f"NaN and infinity do not fit {target}; use a floating-point dtype")
    if found.kind in ("int", "uint") and array.size:
        check_scalar(int(array.min()), target)
        check_scalar(int(array.max()), target)
    return _converted(array, target)


def _exact(obj: Any) -> Any:
    """Return integers of which NumPy has made floats because int64 does not hold them all."""
    array = np.asarray(obj, dtype=object)
    low, high = array.min(), array.max()
    if low < -(2**63) or high >= 2**64 or (low < 0 and high >= 2**63):
        raise HalOverflowError(
            f"no integer dtype holds all from {low} to {high}; give dtype=hal.float64"
        )
    return array.astype(np.int64 if high < 2**63 else np.uint64)


def _converted(array: Any, dtype: DType) -> Any:
    if array.dtype.kind == "c" and dtype.kind != "complex":
        raise DTypeError(
            f"complex numbers do not convert to {dtype}; take their real or imaginary part first"
        )
    with np.errstate(all="ignore"):
        return array.astype(dtype.numpy)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a tensor filled with one number.

    Parameters
    ----------
    shape : int or tuple of int
    fill_value : number, Tensor or NumPy scalar
        A tensor or NumPy array has no axes; it is converted as :func:`hal.astype` does.
    dtype : DType or str, optional
        That of the number when left out; Python numbers have the default dtypes.
    device : Device or str, optional
        That of the tensor, else the default device, when left out.

    Examples
    --------
    >>> import hal
    >>> hal.full(2, 7, device="cpu:0")
    Tensor([7, 7], dtype=int64, device='cpu:0')
    >>> hal.full(2, hal.asarray(0.5, device="cpu:0"))
    Tensor([0.5, 0.5], dtype=float32, device='cpu:0')
    """
    sizes = as_shape("full", shape)
    if isinstance(fill_value, Tensor | np.ndarray | np.generic):
        if fill_value.ndim:
            raise ShapeError(
                f"full: fill_value has the shape {fill_value.shape}; it must be one number "
                "(hal.broadcast_to repeats more than one)"
            )
        number = asarray(fill_value, dtype=dtype, device=device)
        return call(operators["full"], number, shape=sizes)  # type: ignore[no-any-return]
    if not isinstance(fill_value, bool | int | float | complex):
        raise DTypeError(
            f"fill_value must be a number, or a tensor of one, not {type(fill_value).__name__}"
        )
    wanted = as_dtype(type(fill_value) if dtype is None else dtype)
    target = as_device(device)
    # What is stored only takes what the default dtype of its kind would.
    stored = DEFAULT_FLOATING if wanted.kind == "float" else DEFAULT_INTEGER
    like = stored if wanted.storage_only else wanted
    if promote_scalar(like, fill_value) is not like:
        raise DTypeError(f"{fill_value!r} cannot be stored as {wanted}")
    if wanted.storage_only:
        host = _numbers(fill_value, np.asarray(fill_value), {type(fill_value)}, wanted)
        value = from_host(host, target)
    else:
        value = constant(target, fill_value, wanted)
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
