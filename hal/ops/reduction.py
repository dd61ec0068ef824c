"""Operators that reduce or accumulate along axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import COMPLEX, COMPUTE, FLOATING, NUMERIC, REAL, DType, as_dtype
from hal.errors import DTypeError, ValueRangeError
from hal.ops.operator import (
    REQUIRED,
    Attributes,
    Evaluator,
    Inference,
    Inputs,
    Rule,
    define,
    normalize_axes,
    normalize_axis,
)
from hal.ops.rules import check_dtype, compute_dtype, floating, present
from hal.ops.widening import narrow, widen

FAMILY = "reduction"
Axes = tuple[int, ...]


def accumulator(dtype: DType) -> DType:
    """Return the dtype sums and products have by default: the widest integer, or the input's."""
    if dtype.kind == "uint":
        return dtypes.uint64
    return dtypes.DEFAULT_INTEGER if dtype.kind in ("bool", "int") else dtype


def _reduced(shape: Axes, axes: Axes, keepdims: bool) -> Axes:
    if keepdims:
        return tuple(1 if a in axes else n for a, n in enumerate(shape))
    return tuple(n for a, n in enumerate(shape) if a not in axes)


def _number(name: str, what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DTypeError(f"{name}: {what} must be a number, not {value!r}")
    return value


def _reduction(
    allowed: Sequence[DType],
    result: Callable[[DType], DType] = lambda d: d,
    to_floating: bool = False,
    has_identity: bool = True,
    single: bool = False,
) -> Rule:
    def rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
        (x,) = present(name, inputs, 1)
        dtype = floating(x.dtype) if to_floating and not x.dtype.storage_only else x.dtype
        check_dtype(name, dtype, allowed)
        axis = attributes["axis"]
        axes = normalize_axes(name, axis, x.ndim)
        if not has_identity and any(x.shape[a] == 0 for a in axes):
            raise ValueRangeError(
                f"{name} of no elements has no value: {x.shape} is empty along axes {axes}"
            )
        canonical = {**attributes, "keepdims": bool(attributes["keepdims"])}
        if "correction" in attributes:
            canonical["correction"] = _number(name, "correction", attributes["correction"])
        canonical["axis"] = axes
        # One axis or all, which is also how the canonical form is spelled.
        if single and axis is not None and not (axis == axes and len(axes) in (1, x.ndim)):
            canonical["axis"] = (normalize_axis(name, axis, x.ndim),)
        out = result(dtype)
        if "dtype" in attributes:
            out = as_dtype(attributes["dtype"]) if attributes["dtype"] is not None else out
            check_dtype(f"{name}: the result", out, NUMERIC)
            dtype = dtype if out.kind == accumulator(dtype).kind else out
            canonical["dtype"] = out
        shape = _reduced(x.shape, axes, canonical["keepdims"])
        return Inference((dtype,), ((out, shape),), canonical)

    return rule


def _accumulate(function: Any) -> Callable[..., Any]:
    def reference(x: Any, axis: Axes, keepdims: bool, dtype: DType) -> Any:
        wide = compute_dtype(dtype)
        result = function(x, axis=axis, keepdims=keepdims, dtype=wide)
        return np.asarray(result).astype(dtype.numpy)

    return reference


define("sum", FAMILY, _accumulate(np.sum), _reduction(COMPUTE, accumulator), axis=None,
       keepdims=False, dtype=None)  # fmt: skip
define("prod", FAMILY, _accumulate(np.prod), _reduction(COMPUTE, accumulator), axis=None,
       keepdims=False, dtype=None)  # fmt: skip


def _plain(function: Any) -> Callable[..., Any]:
    def reference(x: Any, axis: Axes, keepdims: bool) -> Any:
        return function(x, axis=axis, keepdims=keepdims)

    return reference


_ORDERED = (dtypes.bool, *REAL)
_extremes: dict[str, Any] = {"max": np.max, "min": np.min}
for _name, _function in _extremes.items():
    define(
        _name,
        FAMILY,
        _plain(_function),
        _reduction(_ORDERED, has_identity=False),
        axis=None,
        keepdims=False,
    )


def _decompose_any(F: Evaluator, x: Any, axis: Axes, keepdims: bool) -> Any:
    return F.not_equal(F.count_nonzero(x, axis=axis, keepdims=keepdims), 0)


def _decompose_all(F: Evaluator, x: Any, axis: Axes, keepdims: bool) -> Any:
    count = F.count_nonzero(x, axis=axis, keepdims=keepdims)
    return F.equal(count, _count(x.shape, axis))


_tests: dict[str, Any] = {"any": (np.any, _decompose_any), "all": (np.all, _decompose_all)}
for _name, (_function, _decompose) in _tests.items():
    define(
        _name,
        FAMILY,
        _plain(_function),
        _reduction(COMPUTE, lambda d: dtypes.bool),
        _decompose,
        axis=None,
        keepdims=False,
    )


def _mean(x: Any, axis: Axes, keepdims: bool) -> Any:
    wide = compute_dtype(as_dtype(x.dtype))
    # np.mean, but for its warning where there are no elements.
    total = np.sum(x, axis=axis, keepdims=keepdims, dtype=wide)
    return (total / wide.type(_count(x.shape, axis))).astype(x.dtype)


def _count(shape: Axes, axis: Axes) -> int:
    count = 1
    for a in axis:
        count *= shape[a]
    return count


def _decompose_mean(F: Evaluator, x: Any, axis: Axes, keepdims: bool) -> Any:
    dtype = x.dtype
    x = widen(F, x)
    total = F.sum(x, axis=axis, keepdims=keepdims, dtype=x.dtype)
    return narrow(F, F.divide(total, float(_count(x.shape, axis))), dtype)


define(
    "mean",
    FAMILY,
    _mean,
    _reduction(FLOATING + COMPLEX, to_floating=True),
    _decompose_mean,
    axis=None,
    keepdims=False,
)


def _var(x: Any, axis: Axes, keepdims: bool, correction: float) -> Any:
    wide = x.astype(compute_dtype(as_dtype(x.dtype)))
    centred = wide - _mean(wide, axis, keepdims=True)
    count = max(_count(x.shape, axis) - correction, 0)
    total = np.sum(centred * centred, axis=axis, keepdims=keepdims)
    return np.asarray(total / np.asarray(count, wide.dtype)).astype(x.dtype)


def _decompose_var(F: Evaluator, x: Any, axis: Axes, keepdims: bool, correction: float) -> Any:
    dtype = x.dtype
    x = widen(F, x)
    centred = F.subtract(x, F.mean(x, axis=axis, keepdims=True))
    total = F.sum(F.multiply(centred, centred), axis=axis, keepdims=keepdims, dtype=x.dtype)
    return narrow(F, F.divide(total, float(max(_count(x.shape, axis) - correction, 0))), dtype)


define(
    "var",
    FAMILY,
    _var,
    _reduction(FLOATING, to_floating=True),
    _decompose_var,
    axis=None,
    keepdims=False,
    correction=0.0,
)
define(
    "std",
    FAMILY,
    lambda x, axis, keepdims, correction: np.sqrt(
        _var(x.astype(compute_dtype(as_dtype(x.dtype))), axis, keepdims, correction)
    ).astype(x.dtype),
    _reduction(FLOATING, to_floating=True),
    lambda F, x, axis, keepdims, correction: narrow(
        F,
        F.sqrt(F.var(widen(F, x), axis=axis, keepdims=keepdims, correction=correction)),
        x.dtype,
    ),
    axis=None,
    keepdims=False,
    correction=0.0,
)


def _logsumexp(x: Any, axis: Axes, keepdims: bool) -> Any:
    wide = x.astype(compute_dtype(as_dtype(x.dtype)))
    top = np.max(wide, axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(top), top, 0)
    total = np.log(np.sum(np.exp(wide - shift), axis=axis, keepdims=True)) + shift
    return total.reshape(_reduced(x.shape, axis, keepdims)).astype(x.dtype)


def _decompose_logsumexp(F: Evaluator, x: Any, axis: Axes, keepdims: bool) -> Any:
    dtype, shape = x.dtype, x.shape
    x = widen(F, x)
    if any(shape[a] == 0 for a in axis):
        return narrow(F, F.log(F.sum(x, axis=axis, keepdims=keepdims, dtype=x.dtype)), dtype)
    top = F.max(x, axis=axis, keepdims=True)
    shift = F.where(F.isfinite(top), top, F.cast(0.0, dtype=x.dtype))
    total = F.sum(F.exp(F.subtract(x, shift)), axis=axis, keepdims=True, dtype=x.dtype)
    result = F.add(F.log(total), shift)
    return narrow(F, F.reshape(result, shape=_reduced(shape, axis, keepdims)), dtype)


define(
    "logsumexp",
    FAMILY,
    _logsumexp,
    _reduction(FLOATING, to_floating=True),
    _decompose_logsumexp,
    axis=None,
    keepdims=False,
)


def _arg(function: Any) -> Callable[..., Any]:
    def reference(x: Any, axis: Axes, keepdims: bool) -> Any:
        if len(axis) == 1:
            return np.asarray(function(x, axis=axis[0], keepdims=keepdims)).astype(np.int64)
        return np.asarray(function(x, keepdims=keepdims)).astype(np.int64)

    return reference


_positions: dict[str, Any] = {"argmax": np.argmax, "argmin": np.argmin}
for _name, _function in _positions.items():
    define(
        _name,
        FAMILY,
        _arg(_function),
        _reduction(_ORDERED, lambda d: dtypes.int64, has_identity=False, single=True),
        axis=None,
        keepdims=False,
    )


def _count_nonzero(x: Any, axis: Axes, keepdims: bool) -> Any:
    return np.asarray(np.count_nonzero(x, axis=axis, keepdims=keepdims)).astype(np.int64)


define(
    "count_nonzero",
    FAMILY,
    _count_nonzero,
    _reduction(COMPUTE, lambda d: dtypes.int64),
    lambda F, x, axis, keepdims: F.sum(
        F.cast(F.not_equal(x, F.cast(0, dtype=x.dtype)), dtype=dtypes.int64),
        axis=axis,
        keepdims=keepdims,
        dtype=dtypes.int64,
    ),
    axis=None,
    keepdims=False,
)


def _scan_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    check_dtype(name, x.dtype, COMPUTE)
    axis = normalize_axis(name, attributes["axis"], x.ndim)
    given = attributes["dtype"]
    dtype = accumulator(x.dtype) if given is None else as_dtype(given)
    check_dtype(f"{name}: the result", dtype, NUMERIC)
    canonical = {"axis": axis, "dtype": dtype}
    return Inference((dtype,), ((dtype, x.shape),), canonical)


def _scan(function: Any) -> Callable[..., Any]:
    def reference(x: Any, axis: int, dtype: DType) -> Any:
        return function(x, axis=axis, dtype=compute_dtype(dtype)).astype(dtype.numpy)

    return reference


define("cumulative_sum", FAMILY, _scan(np.cumsum), _scan_rule, axis=REQUIRED, dtype=None)
define("cumulative_prod", FAMILY, _scan(np.cumprod), _scan_rule, axis=REQUIRED, dtype=None)
