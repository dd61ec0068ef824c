"""Data type functions of the standard.

Source: https://data-apis.org/array-api/latest/API_specification/data_type_functions.html
"""

from __future__ import annotations

from functools import reduce
from typing import Any, NamedTuple

import ml_dtypes

from hal.array_api.operands import check_tensor
from hal.device import as_device
from hal.dtypes import DType, as_dtype, integer_range, promote, promote_scalar, real_counterpart
from hal.errors import DTypeError, ValueRangeError
from hal.tensor import Tensor

__all__ = [
    "FloatInfo",
    "IntegerInfo",
    "astype",
    "can_cast",
    "finfo",
    "iinfo",
    "isdtype",
    "result_type",
]


class FloatInfo(NamedTuple):
    """The limits of a floating-point dtype: what :func:`finfo` returns.

    Attributes
    ----------
    bits : int
        Bits of one number.
    eps : float
        The difference between 1 and the next larger number.
    max, min : float
        The largest and the smallest finite number.
    smallest_normal : float
        The smallest positive number with full precision.
    dtype : DType
        The dtype of real numbers they hold for.
    """

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


class IntegerInfo(NamedTuple):
    """The limits of an integer dtype: what :func:`iinfo` returns.

    Attributes
    ----------
    bits : int
        Bits of one number.
    max, min : int
        The largest and the smallest number.
    dtype : DType
        The dtype they hold for.
    """

    bits: int
    max: int
    min: int
    dtype: DType


def astype(x: Tensor, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """Return a tensor converted to a dtype, and to a device if one is given.

    Parameters
    ----------
    x : Tensor
    dtype : DType or str
        The wanted dtype; complex numbers do not convert to real ones.
    copy : bool
        With False, a tensor that already has the dtype is returned itself.
    device : Device or str, optional
        Where the result shall be; where the tensor is when left out.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.astype(hal.asarray([1.7, -1.7], device="cpu:0"), hal.int32)
    Tensor([ 1, -1], dtype=int32, device='cpu:0')
    """
    check_tensor("astype", x)
    target = x.device if device is None else as_device(device)
    if target is x.device:
        return x.astype(dtype, copy=copy)
    # Converted where both dtypes live: the other device may lack the one it comes from.
    return x.astype(dtype, copy=False).to_device(target)


def can_cast(from_: Any, to: Any, /) -> bool:
    """Return whether a dtype promotes to another, so that values convert without being asked.

    Parameters
    ----------
    from_ : Tensor, DType or str
    to : DType or str

    Returns
    -------
    bool

    Examples
    --------
    >>> import hal
    >>> hal.can_cast(hal.int32, hal.int64), hal.can_cast(hal.float64, hal.float32)
    (True, False)
    """
    source, target = _dtype_of(from_), as_dtype(to)
    if source is target:
        return True
    if source.storage_only or target.storage_only:
        return False
    try:
        return promote(source, target) is target
    except DTypeError:
        return False


def finfo(type: Any, /) -> FloatInfo:
    """Return the limits of a floating-point dtype.

    Parameters
    ----------
    type : Tensor, DType or str
        Real or complex; of a complex dtype the limits of its parts.

    Returns
    -------
    FloatInfo

    Raises
    ------
    DTypeError
        When the dtype is not floating-point.

    Examples
    --------
    >>> import hal
    >>> hal.finfo(hal.float16).max
    65504.0
    """
    dtype = real_counterpart(_dtype_of(type))
    if dtype.kind != "float":
        raise DTypeError(f"finfo: {dtype} is not floating-point; use iinfo for integers")
    limits = ml_dtypes.finfo(dtype.numpy)  # type: ignore[no-untyped-call]
    return FloatInfo(
        dtype.bits,
        float(limits.eps),
        float(limits.max),
        float(limits.min),
        float(limits.smallest_normal),
        dtype,
    )


def iinfo(type: Any, /) -> IntegerInfo:
    """Return the limits of an integer dtype.

    Parameters
    ----------
    type : Tensor, DType or str

    Returns
    -------
    IntegerInfo

    Raises
    ------
    DTypeError
        When the dtype is no integer dtype.

    Examples
    --------
    >>> import hal
    >>> hal.iinfo(hal.int8).min
    -128
    """
    dtype = _dtype_of(type)
    if dtype.kind not in ("int", "uint"):
        raise DTypeError(f"iinfo: {dtype} is no integer dtype; use finfo for floating-point ones")
    low, high = integer_range(dtype)
    return IntegerInfo(dtype.bits, high, low, dtype)


_KINDS: dict[str, tuple[str, ...]] = {
    "bool": ("bool",),
    "signed integer": ("int",),
    "unsigned integer": ("uint",),
    "integral": ("int", "uint"),
    "real floating": ("float",),
    "complex floating": ("complex",),
    "numeric": ("int", "uint", "float", "complex"),
}


def isdtype(dtype: Any, kind: Any) -> bool:
    """Return whether a dtype is of a kind.

    Parameters
    ----------
    dtype : DType or str
    kind : DType, str or tuple
        A dtype, the standard's name of a kind ("bool", "signed integer", "unsigned integer",
        "integral", "real floating", "complex floating", "numeric"), or several of them.

    Returns
    -------
    bool

    Raises
    ------
    ValueRangeError
        When there is no such kind.

    Examples
    --------
    >>> import hal
    >>> hal.isdtype(hal.bfloat16, "real floating"), hal.isdtype(hal.int8, (hal.bool, hal.int8))
    (True, True)
    """
    found = as_dtype(dtype)
    if isinstance(kind, tuple):
        return any(isdtype(found, k) for k in kind)
    if isinstance(kind, str):
        if kind not in _KINDS:
            raise ValueRangeError(f"isdtype: {kind!r} is no kind; use one of: {', '.join(_KINDS)}")
        return found.kind in _KINDS[kind]
    return found is as_dtype(kind)


def result_type(*arrays_and_dtypes: Any) -> DType:
    """Return the dtype that tensors, dtypes and Python numbers promote to.

    Parameters
    ----------
    *arrays_and_dtypes : Tensor, DType, str or number
        At least one must be a tensor or a dtype.

    Returns
    -------
    DType

    Raises
    ------
    DTypeError
        When they do not promote, or only numbers were given.

    Examples
    --------
    >>> import hal
    >>> hal.result_type(hal.int8, hal.uint8), hal.result_type(hal.float16, 1.0)
    (hal.int16, hal.float16)
    """
    numbers = [x for x in arrays_and_dtypes if isinstance(x, bool | int | float | complex)]
    others = [x for x in arrays_and_dtypes if not isinstance(x, bool | int | float | complex)]
    if not others:
        raise DTypeError("result_type needs at least one tensor or dtype")
    found = reduce(promote, [_dtype_of(x) for x in others])
    met = [promote_scalar(found, number) for number in numbers]
    return reduce(promote, met, found)


def _dtype_of(given: Any) -> DType:
    return given.dtype if isinstance(given, Tensor) else as_dtype(given)
