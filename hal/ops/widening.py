"""Half precision is calculated in float32 and rounded once, in references and decompositions."""

from __future__ import annotations

from typing import Any

from hal import dtypes
from hal.dtypes import DType, as_dtype
from hal.ops.operator import Evaluator
from hal.ops.rules import compute_dtype

__all__ = ["narrow", "wide", "wide_dtype", "widen"]


def wide_dtype(dtype: Any) -> DType:
    """Return the dtype in which values of ``dtype`` are calculated with: at least float32.

    Examples
    --------
    >>> import hal
    >>> wide_dtype(hal.bfloat16), wide_dtype(hal.float64)
    (hal.float32, hal.float64)
    """
    found = as_dtype(dtype)
    return dtypes.float32 if found.kind == "float" and found.bits < 32 else found


def wide(array: Any) -> Any:
    """Return a host array in the dtype its reference calculates in; None for None."""
    return None if array is None else array.astype(compute_dtype(as_dtype(array.dtype)), copy=False)


def widen(F: Evaluator, x: Any) -> Any:
    """Return a tensor in the dtype it is calculated with; None for None."""
    if x is None or wide_dtype(x.dtype) is as_dtype(x.dtype):
        return x
    return F.cast(x, dtype=wide_dtype(x.dtype))


def narrow(F: Evaluator, x: Any, dtype: Any) -> Any:
    """Return a tensor rounded to ``dtype``, itself when it already has it."""
    return x if as_dtype(x.dtype) is as_dtype(dtype) else F.cast(x, dtype=as_dtype(dtype))
