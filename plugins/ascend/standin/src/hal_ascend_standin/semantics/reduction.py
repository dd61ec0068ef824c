"""Reductions and running sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.dtypes import as_dtype
from hal_ascend_standin.arguments import DTYPES
from hal_ascend_standin.semantics.table import SEMANTICS, agree, put, reference, semantics

Axes = tuple[int, ...]


def _axes(axes: Axes, x: Any) -> Axes:
    """Return the axes an empty list stands for: all of them."""
    return axes or tuple(range(x.ndim))


def _typed(dtype: int, out: Any) -> Any:
    if DTYPES[dtype] != out.dtype:
        raise TypeError(f"the dtype asked for is {DTYPES[dtype]}, the output's {out.dtype}")
    return as_dtype(out.dtype)


@semantics("ReduceSum")
def _sum(x: Any, axes: Axes, keep: int, dtype: int, out: Any) -> None:
    given = {"axis": _axes(axes, x), "keepdims": bool(keep), "dtype": _typed(dtype, out)}
    put(out, reference("sum", x, **given))


@semantics("ProdDim")
def _prod_dim(x: Any, axis: int, keep: int, dtype: int, out: Any) -> None:
    given = {"axis": (axis,), "keepdims": bool(keep), "dtype": _typed(dtype, out)}
    put(out, reference("prod", x, **given))


@semantics("Prod")
def _prod(x: Any, dtype: int, out: Any) -> None:
    put(out, reference("prod", x, axis=None, keepdims=False, dtype=_typed(dtype, out)))


@semantics("Mean")
def _mean(x: Any, axes: Axes, keep: int, dtype: int, out: Any) -> None:
    _typed(dtype, out)
    put(out, reference("mean", x, axis=_axes(axes, x), keepdims=bool(keep)))


def _plain(operator: str) -> Any:
    def run(x: Any, axes: Axes, keep: int, out: Any) -> None:
        put(out, reference(operator, x, axis=_axes(axes, x), keepdims=bool(keep)))

    return run


for _name, _operator in {
    "Amax": "max",
    "Amin": "min",
    "Any": "any",
    "All": "all",
    "LogSumExp": "logsumexp",
}.items():
    SEMANTICS[_name] = _plain(_operator)


def _spread(operator: str) -> Any:
    def run(x: Any, axes: Axes, correction: int, keep: int, out: Any) -> None:
        given = {"axis": _axes(axes, x), "keepdims": bool(keep), "correction": float(correction)}
        put(out, reference(operator, x, **given))

    return run


SEMANTICS["VarCorrection"] = _spread("var")
SEMANTICS["Std"] = _spread("std")


def _position(operator: str) -> Any:
    def run(x: Any, axis: int, keep: int, out: Any) -> None:
        put(out, reference(operator, x, axis=axis, keepdims=bool(keep)))

    return run


SEMANTICS["ArgMax"] = _position("argmax")
SEMANTICS["ArgMin"] = _position("argmin")


@semantics("Cumsum")
def _cumsum(x: Any, axis: int, dtype: int, out: Any) -> None:
    put(out, reference("cumulative_sum", x, axis=axis, dtype=_typed(dtype, out)))


@semantics("Cumprod")
def _cumprod(x: Any, axis: Any, dtype: int, out: Any) -> None:
    put(out, reference("cumulative_prod", x, axis=int(axis), dtype=_typed(dtype, out)))


@semantics("HcclReduce")
def _hccl_reduce(parts: list[Any], operation: int, out: Any) -> None:
    agree(*parts, out)
    function = (np.add, np.multiply, np.maximum, np.minimum)[operation]
    total = parts[0].copy()
    for part in parts[1:]:
        total = function(total, part)
    put(out, total)
