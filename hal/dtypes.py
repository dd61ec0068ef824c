"""The data types every device means the same by, and how they promote.

Promotion follows the Python Array API standard, completed where the standard leaves it open the way
PyTorch does it: a floating-point operand decides over an integer one, whatever their widths.
Source: https://data-apis.org/array-api/latest/API_specification/type_promotion.html
"""

from __future__ import annotations

import builtins
from functools import cache
from typing import Any, Literal

import ml_dtypes
import numpy as np

from hal.errors import DTypeError, HalOverflowError

Kind = Literal["bool", "int", "uint", "float", "complex"]


class DType:
    """One data type; there is exactly one object for each.

    Attributes
    ----------
    name : str
        The standard's name, for example ``"float32"``.
    kind : str
        ``"bool"``, ``"int"``, ``"uint"``, ``"float"`` or ``"complex"``.
    bits : int
        Meaningful bits of one element (4 for ``int4``).
    itemsize : int
        Bytes of one element in memory, at least 1.
    storage_only : bool
        True for the types that can be held, moved and converted but not calculated with.

    Examples
    --------
    >>> import hal
    >>> hal.bfloat16.itemsize, hal.bfloat16.kind
    (2, 'float')
    """

    __slots__ = ("bits", "itemsize", "kind", "name", "numpy", "storage_only")

    def __init__(
        self, name: str, kind: Kind, bits: int, numpy: Any, storage_only: builtins.bool
    ) -> None:
        self.name = name
        self.kind: Kind = kind
        self.bits = bits
        self.numpy: np.dtype[Any] = np.dtype(numpy)
        self.itemsize: int = self.numpy.itemsize
        self.storage_only = storage_only

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype with the same values (NumPy reads this name in ``np.dtype(...)``)."""
        return self.numpy

    def __repr__(self) -> str:
        return f"hal.{self.name}"

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)


def _define(
    name: str, kind: Kind, bits: int, numpy: Any, storage_only: builtins.bool = False
) -> DType:
    return DType(name, kind, bits, numpy, storage_only)


bool = _define("bool", "bool", 8, np.bool_)
int8 = _define("int8", "int", 8, np.int8)
int16 = _define("int16", "int", 16, np.int16)
int32 = _define("int32", "int", 32, np.int32)
int64 = _define("int64", "int", 64, np.int64)
uint8 = _define("uint8", "uint", 8, np.uint8)
uint16 = _define("uint16", "uint", 16, np.uint16)
uint32 = _define("uint32", "uint", 32, np.uint32)
uint64 = _define("uint64", "uint", 64, np.uint64)
float16 = _define("float16", "float", 16, np.float16)
bfloat16 = _define("bfloat16", "float", 16, ml_dtypes.bfloat16)
float32 = _define("float32", "float", 32, np.float32)
float64 = _define("float64", "float", 64, np.float64)
complex64 = _define("complex64", "complex", 64, np.complex64)
complex128 = _define("complex128", "complex", 128, np.complex128)
float8_e4m3fn = _define("float8_e4m3fn", "float", 8, ml_dtypes.float8_e4m3fn, storage_only=True)
float8_e5m2 = _define("float8_e5m2", "float", 8, ml_dtypes.float8_e5m2, storage_only=True)
float8_e4m3fnuz = _define(
    "float8_e4m3fnuz", "float", 8, ml_dtypes.float8_e4m3fnuz, storage_only=True
)
float8_e5m2fnuz = _define(
    "float8_e5m2fnuz", "float", 8, ml_dtypes.float8_e5m2fnuz, storage_only=True
)
float8_e8m0fnu = _define("float8_e8m0fnu", "float", 8, ml_dtypes.float8_e8m0fnu, storage_only=True)
float4_e2m1fn = _define("float4_e2m1fn", "float", 4, ml_dtypes.float4_e2m1fn, storage_only=True)
int4 = _define("int4", "int", 4, ml_dtypes.int4, storage_only=True)
uint4 = _define("uint4", "uint", 4, ml_dtypes.uint4, storage_only=True)
int2 = _define("int2", "int", 2, ml_dtypes.int2, storage_only=True)
uint2 = _define("uint2", "uint", 2, ml_dtypes.uint2, storage_only=True)

ALL: tuple[DType, ...] = (
    bool,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
    float16,
    bfloat16,
    float32,
    float64,
    complex64,
    complex128,
    float8_e4m3fn,
    float8_e5m2,
    float8_e4m3fnuz,
    float8_e5m2fnuz,
    float8_e8m0fnu,
    float4_e2m1fn,
    int4,
    uint4,
    int2,
    uint2,
)
COMPUTE = tuple(d for d in ALL if not d.storage_only)
STORAGE = tuple(d for d in ALL if d.storage_only)
SIGNED = tuple(d for d in COMPUTE if d.kind == "int")
UNSIGNED = tuple(d for d in COMPUTE if d.kind == "uint")
INTEGER = SIGNED + UNSIGNED
FLOATING = tuple(d for d in COMPUTE if d.kind == "float")
COMPLEX = tuple(d for d in COMPUTE if d.kind == "complex")
REAL = INTEGER + FLOATING
NUMERIC = REAL + COMPLEX

DEFAULT_INTEGER = int64
DEFAULT_FLOATING = float32
DEFAULT_COMPLEX = complex64

_BY_NAME = {d.name: d for d in ALL}
_BY_NUMPY = {d.numpy: d for d in ALL}


def as_dtype(given: Any) -> DType:
    """Return the hal dtype that a name, a NumPy dtype or a Python type stands for.

    Parameters
    ----------
    given : DType, str, numpy.dtype or type
        What to convert; ``bool``, ``int``, ``float`` and ``complex`` give the default dtypes.

    Returns
    -------
    DType

    Raises
    ------
    DTypeError
        When no hal dtype has these values.

    Examples
    --------
    >>> from hal.dtypes import as_dtype
    >>> as_dtype("bfloat16"), as_dtype(float)
    (hal.bfloat16, hal.float32)
    """
    if isinstance(given, DType):
        return given
    if isinstance(given, str) and given in _BY_NAME:
        return _BY_NAME[given]
    if isinstance(given, type) and given in _PYTHON:
        return _PYTHON[given]
    try:
        found = _BY_NUMPY.get(np.dtype(given).newbyteorder("="))
    except (TypeError, ValueError):
        found = None
    if found is None or given is None:
        allowed = ", ".join(_BY_NAME)
        raise DTypeError(f"{given!r} is not a dtype of hal; use one of: {allowed}")
    return found


_PYTHON: dict[type, DType] = {
    builtins.bool: bool,
    int: DEFAULT_INTEGER,
    float: DEFAULT_FLOATING,
    complex: DEFAULT_COMPLEX,
}


@cache
def promote(first: DType, second: DType) -> DType:
    """Return the dtype in which an operation on two dtypes is carried out.

    Parameters
    ----------
    first, second : DType

    Returns
    -------
    DType

    Raises
    ------
    DTypeError
        For ``uint64`` with a signed integer (no integer holds both) and for storage-only types.

    Examples
    --------
    >>> import hal
    >>> from hal.dtypes import promote
    >>> promote(hal.int8, hal.uint8), promote(hal.int64, hal.float16)
    (hal.int16, hal.float16)
    """
    if first is second:
        return first
    for dtype in (first, second):
        if dtype.storage_only:
            raise DTypeError(
                f"{first} and {second} do not promote: {dtype} only stores values; "
                "convert it first, for example with astype(hal.float32)"
            )
    ranks = {"bool": 0, "uint": 1, "int": 1, "float": 2, "complex": 3}
    low, high = sorted((first, second), key=lambda d: (ranks[d.kind], d.bits))
    if ranks[low.kind] < ranks[high.kind]:
        if low.kind == "float" and low.bits == 64:
            return complex128
        return high
    if low.kind == high.kind:
        return float32 if low.bits == high.bits else high  # float16 with bfloat16
    signed, unsigned = (low, high) if low.kind == "int" else (high, low)
    if signed.bits > unsigned.bits:
        return signed
    if unsigned.bits == 64:
        raise DTypeError(
            f"{first} and {second} do not promote: no integer dtype holds both; "
            "convert one with astype(...)"
        )
    return _BY_NAME[f"int{unsigned.bits * 2}"]


def promote_scalar(dtype: DType, value: Any) -> DType:
    """Return the dtype in which a tensor of ``dtype`` meets a Python scalar.

    A scalar never widens its own kind: ``float16`` with ``1.0`` stays ``float16``. A scalar of a
    higher kind turns the tensor into the default dtype of that kind.

    Parameters
    ----------
    dtype : DType
        The tensor's dtype.
    value : bool, int, float or complex

    Returns
    -------
    DType

    Raises
    ------
    DTypeError
        When ``value`` is no Python scalar, or ``dtype`` only stores values.

    Examples
    --------
    >>> import hal
    >>> from hal.dtypes import promote_scalar
    >>> promote_scalar(hal.float16, 1), promote_scalar(hal.int32, 0.5)
    (hal.float16, hal.float32)
    """
    if dtype.storage_only:
        raise DTypeError(
            f"{dtype} only stores values; convert it first, for example with astype(hal.float32)"
        )
    if isinstance(value, builtins.bool):
        return dtype
    if isinstance(value, int):
        return DEFAULT_INTEGER if dtype.kind == "bool" else dtype
    if isinstance(value, float):
        return dtype if dtype.kind in ("float", "complex") else DEFAULT_FLOATING
    if isinstance(value, complex):
        if dtype.kind == "complex":
            return dtype
        return complex128 if dtype is float64 else DEFAULT_COMPLEX
    raise DTypeError(
        f"an operand of type {type(value).__name__} is neither a tensor nor a Python number; "
        "make a tensor of it with hal.asarray(...)"
    )


def check_scalar(value: Any, dtype: DType) -> None:
    """Raise when a Python integer does not fit an integer dtype.

    Parameters
    ----------
    value : bool, int, float or complex
    dtype : DType

    Raises
    ------
    HalOverflowError
        When the integer lies outside the dtype's range.
    """
    if dtype.kind in ("int", "uint") and isinstance(value, int):
        low, high = integer_range(dtype)
        if not low <= value <= high:
            raise HalOverflowError(
                f"{value} does not fit {dtype}, whose values are {low} to {high}; "
                "convert the tensor to a wider dtype first"
            )
    if dtype.kind in ("float", "complex") and isinstance(value, int):
        try:
            float(value)
        except OverflowError:
            raise HalOverflowError(
                f"an integer of {value.bit_length()} bits does not fit {dtype}"
            ) from None


def integer_range(dtype: DType) -> tuple[int, int]:
    """Return the smallest and largest value of an integer dtype.

    Examples
    --------
    >>> import hal
    >>> from hal.dtypes import integer_range
    >>> integer_range(hal.int4)
    (-8, 7)
    """
    if dtype.kind == "uint":
        return 0, 2**dtype.bits - 1
    return -(2 ** (dtype.bits - 1)), 2 ** (dtype.bits - 1) - 1


def real_counterpart(dtype: DType) -> DType:
    """Return the floating-point dtype of a complex dtype's parts, and any other dtype itself.

    Examples
    --------
    >>> import hal
    >>> from hal.dtypes import real_counterpart
    >>> real_counterpart(hal.complex128)
    hal.float64
    """
    return {complex64: float32, complex128: float64}.get(dtype, dtype)


def complex_counterpart(dtype: DType) -> DType:
    """Return the narrowest complex dtype whose parts hold a floating-point dtype's values.

    Examples
    --------
    >>> import hal
    >>> from hal.dtypes import complex_counterpart
    >>> complex_counterpart(hal.float16)
    hal.complex64
    """
    return complex128 if dtype in (float64, complex128) else complex64
