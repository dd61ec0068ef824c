"""Operators that make tensors from numbers."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np

from hal.dtypes import ALL, COMPUTE, DType, as_dtype, check_scalar
from hal.errors import DTypeError, HalOverflowError, ShapeError, ValueRangeError
from hal.ops.operator import REQUIRED, Attributes, Inference, Inputs, define
from hal.ops.rules import as_shape, check_dtype, present

FAMILY = "creation"


def _full_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (value,) = present(name, inputs, 1)
    shape = as_shape(name, attributes["shape"])
    if value.shape != ():
        raise ShapeError(f"{name}: the fill value has shape {value.shape}; it must be ()")
    if min(shape, default=0) < 0:
        raise ShapeError(f"{name}: the shape {shape} has a negative size; sizes are 0 or more")
    check_dtype(name, value.dtype, ALL)
    return Inference((value.dtype,), ((value.dtype, shape),), {"shape": shape})


def _full(value: Any, shape: tuple[int, ...]) -> Any:
    return np.full(shape, value, value.dtype)


define("full", FAMILY, _full, _full_rule, shape=REQUIRED)


def _arange_length(start: Any, stop: Any, step: Any) -> int:
    if all(isinstance(v, int) for v in (start, stop, step)):
        return len(range(start, stop, step))
    return max(0, int(np.ceil((stop - start) / step)))


def _arange_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    dtype = as_dtype(attributes["dtype"])
    check_dtype(name, dtype, COMPUTE[1:])
    start, stop, step = (attributes[k] for k in ("start", "stop", "step"))
    if step == 0:
        raise ValueRangeError(f"{name}: the step is 0; it must not be")
    try:
        length = _arange_length(start, stop, step)
    except (OverflowError, ValueError):
        raise HalOverflowError(
            f"{name}: {start}, {stop} and {step} give no finite number of elements"
        ) from None
    if dtype.kind in ("int", "uint") and length:
        for end in (start, start + (length - 1) * step):
            check_scalar(int(end), dtype)
    canonical = {"start": start, "stop": stop, "step": step, "dtype": dtype}
    return Inference((), ((dtype, (length,)),), canonical)


def _arange(start: Any, stop: Any, step: Any, dtype: Any) -> Any:
    length = _arange_length(start, stop, step)
    if all(isinstance(v, int) for v in (start, step)) and dtype.kind in ("int", "uint"):
        # Calculated in the dtype itself: float64 does not hold every int64.
        index = np.arange(length, dtype=np.int64).astype(dtype.numpy)
        low = np.asarray(start % 2**dtype.bits, np.uint64).astype(dtype.numpy)
        by = np.asarray(step % 2**dtype.bits, np.uint64).astype(dtype.numpy)
        return index * by + low
    return (start + step * np.arange(length, dtype=np.float64)).astype(dtype.numpy)


define(
    "arange",
    FAMILY,
    _arange,
    _arange_rule,
    start=REQUIRED,
    stop=REQUIRED,
    step=REQUIRED,
    dtype=REQUIRED,
)


def _check_number(name: str, which: str, value: Any, dtype: DType) -> None:
    if not isinstance(value, Number):
        raise DTypeError(f"{name}: {which} is {value!r}; it must be a number")
    if isinstance(value, complex) and dtype.kind != "complex":
        raise DTypeError(f"{name}: {which} is {value}, which {dtype} cannot hold; use complex64")


def _linspace_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    dtype = as_dtype(attributes["dtype"])
    num = attributes["num"].__index__()
    check_dtype(name, dtype, COMPUTE[1:])
    for end in ("start", "stop"):
        _check_number(name, end, attributes[end], dtype)
    if num < 0:
        raise ValueRangeError(f"{name}: num is {num}; it must be 0 or more")
    return Inference((), ((dtype, (num,)),), {**attributes, "num": num, "dtype": dtype})


def _linspace(start: Any, stop: Any, num: int, endpoint: bool, dtype: Any) -> Any:
    return np.linspace(start, stop, num, endpoint=endpoint, dtype=dtype.numpy)


define(
    "linspace",
    FAMILY,
    _linspace,
    _linspace_rule,
    start=REQUIRED,
    stop=REQUIRED,
    num=REQUIRED,
    endpoint=True,
    dtype=REQUIRED,
)


def _eye_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    dtype = as_dtype(attributes["dtype"])
    rows, columns = attributes["rows"].__index__(), attributes["columns"].__index__()
    check_dtype(name, dtype, COMPUTE)
    if min(rows, columns) < 0:
        raise ShapeError(f"{name}: {rows} rows and {columns} columns; both must be 0 or more")
    canonical = {"rows": rows, "columns": columns, "k": attributes["k"].__index__(), "dtype": dtype}
    return Inference((), ((dtype, (rows, columns)),), canonical)


def _eye(rows: int, columns: int, k: int, dtype: Any) -> Any:
    k = max(-rows, min(k, columns))
    return np.eye(rows, columns, k, dtype=dtype.numpy)


define("eye", FAMILY, _eye, _eye_rule, rows=REQUIRED, columns=REQUIRED, k=0, dtype=REQUIRED)
