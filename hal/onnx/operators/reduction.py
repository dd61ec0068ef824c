"""Reductions and running sums and products along axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hal.dtypes import integer_range
from hal.errors import ShapeError
from hal.onnx.operators.common import (
    axes_of,
    axis_of,
    cut,
    flat_size,
    flip,
    integers,
    narrow,
    widen,
)
from hal.onnx.registry import operator
from hal.onnx.values import dtype_of

Axes = tuple[int, ...]


def _register(name: str, function: Callable[..., Any]) -> None:
    """Register a reduction with axes as an attribute or, in newer versions, as an input."""

    def reduce(
        F: Any,
        x: Any,
        given: Any = None,
        *,
        axes: Any = None,
        keepdims: int = 1,
        noop_with_empty_axes: int = 0,
    ) -> Any:
        wanted = axes if given is None else integers(given)
        ndim = len(x.shape)
        if not wanted:
            found = () if noop_with_empty_axes else tuple(range(ndim))
        else:
            found = tuple(sorted(axes_of(wanted, ndim)))
        return function(F, x, found, bool(keepdims))

    operator(name, host=(1,))(reduce)


def _sum(F: Any, x: Any, axes: Axes, keepdims: bool) -> Any:
    return F.sum(x, axis=axes, keepdims=keepdims, dtype=dtype_of(x))


def _prod(F: Any, x: Any, axes: Axes, keepdims: bool) -> Any:
    return F.prod(x, axis=axes, keepdims=keepdims, dtype=dtype_of(x))


def _mean(F: Any, x: Any, axes: Axes, keepdims: bool) -> Any:
    if dtype_of(x).kind == "float":
        return F.mean(x, axis=axes, keepdims=keepdims)
    count = flat_size([x.shape[a] for a in axes])
    return narrow(F, F.divide(F.sum(x, axis=axes, keepdims=keepdims), float(count)), x)


def _l1(F: Any, x: Any, axes: Axes, keepdims: bool) -> Any:
    return _sum(F, F.abs(x), axes, keepdims)


def _sum_square(F: Any, x: Any, axes: Axes, keepdims: bool) -> Any:
    wide = widen(F, x)
    return narrow(F, _sum(F, F.multiply(wide, wide), axes, keepdims), x)


def _l2(F: Any, x: Any, axes: Axes, keepdims: bool) -> Any:
    wide = widen(F, x)
    return narrow(F, F.sqrt(_sum(F, F.multiply(wide, wide), axes, keepdims)), x)


def _log_sum(F: Any, x: Any, axes: Axes, keepdims: bool) -> Any:
    return narrow(F, F.log(_sum(F, widen(F, x), axes, keepdims)), x)


def _log_sum_exp(F: Any, x: Any, axes: Axes, keepdims: bool) -> Any:
    if 0 in x.shape:
        return _filled(F, x, axes, keepdims, -math.inf)
    return narrow(F, F.logsumexp(x, axis=axes, keepdims=keepdims), x)


def _filled(F: Any, x: Any, axes: Axes, keepdims: bool, value: Any) -> Any:
    """Return what a reduction of no elements is."""
    shape = tuple(1 if a in axes else n for a, n in enumerate(x.shape) if keepdims or a not in axes)
    return F.full(F.like(value, x), shape=shape)


def _extreme(name: str, lowest: bool) -> Callable[..., Any]:
    def function(F: Any, x: Any, axes: Axes, keepdims: bool) -> Any:
        if any(x.shape[a] == 0 for a in axes):
            dtype = dtype_of(x)
            if dtype.kind == "float":
                bound: Any = -math.inf if lowest else math.inf
            elif dtype.kind == "bool":
                bound = not lowest
            else:
                bound = integer_range(dtype)[0 if lowest else 1]
            return _filled(F, x, axes, keepdims, bound)
        return getattr(F, name)(x, axis=axes, keepdims=keepdims)

    return function


_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": _sum,
    "ReduceProd": _prod,
    "ReduceMean": _mean,
    "ReduceL1": _l1,
    "ReduceL2": _l2,
    "ReduceSumSquare": _sum_square,
    "ReduceLogSum": _log_sum,
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceMax": _extreme("max", True),
    "ReduceMin": _extreme("min", False),
}
for _name, _function in _REDUCTIONS.items():
    _register(_name, _function)


def _position(name: str) -> Callable[..., Any]:
    def function(
        F: Any, x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0
    ) -> Any:
        axis = axis_of(axis, len(x.shape))
        if not select_last_index:
            return getattr(F, name)(x, axis=axis, keepdims=bool(keepdims))
        found = getattr(F, name)(flip(F, x, axis), axis=axis, keepdims=bool(keepdims))
        return F.subtract(F.like(x.shape[axis] - 1, found), found)

    return function


operator("ArgMax")(_position("argmax"))
operator("ArgMin")(_position("argmin"))


def _running(name: str, neutral: int) -> Callable[..., Any]:
    def function(F: Any, x: Any, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Any:
        if axis.size != 1:
            raise ShapeError(f"the axis is one number, not {axis.tolist()}")
        along = axis_of(int(axis.reshape(())), len(x.shape))
        if reverse:
            x = flip(F, x, along)
        if exclusive and x.shape[along]:
            start = F.full(
                F.like(neutral, x),
                shape=tuple(1 if a == along else n for a, n in enumerate(x.shape)),
            )
            x = F.concat(start, cut(F, x, {along: (0, x.shape[along] - 1)}), axis=along)
        found = getattr(F, name)(x, axis=along, dtype=dtype_of(x))
        return F.copy(flip(F, found, along)) if reverse else found

    return function


operator("CumSum", host=(1,))(_running("cumulative_sum", 0))
operator("CumProd", host=(1,))(_running("cumulative_prod", 1))
