"""Operators that order elements.

NaN counts as larger than every number, as in NumPy and PyTorch: it comes last in ascending order
and first in descending order, which is stable too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import REAL
from hal.errors import ShapeError, ValueRangeError
from hal.ops.operator import (
    REQUIRED,
    Attributes,
    Evaluator,
    Inference,
    Inputs,
    Rule,
    define,
    normalize_axis,
)
from hal.ops.rules import check_dtype, check_ndim, present, promoted
from hal.ops.widening import wide

FAMILY = "sorting"
_ORDERED = (dtypes.bool, *REAL)


def _sort_rule(indices: bool) -> Rule:
    def rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
        (x,) = present(name, inputs, 1)
        check_dtype(name, x.dtype, _ORDERED)
        check_ndim(name, "the tensor", x, 1)
        canonical = {
            "axis": normalize_axis(name, attributes["axis"], x.ndim),
            "descending": bool(attributes["descending"]),
            "stable": bool(attributes["stable"]),
        }
        out = dtypes.int64 if indices else x.dtype
        return Inference((x.dtype,), ((out, x.shape),), canonical)

    return rule


def _argsort(x: Any, axis: int, descending: bool, stable: bool) -> Any:
    # ml_dtypes orders NaN of bfloat16 by chance; float32 has the same order with NaN behind.
    x = wide(x)
    kind: Any = "stable" if stable else None
    x = wide(x)  # NumPy's own order puts NaN last, that of the dtypes it does not know does not.
    if not descending:
        return np.argsort(x, axis=axis, kind=kind).astype(np.int64)
    # Sorting the mirror image and mirroring back keeps equal elements in their order.
    order = np.flip(np.argsort(np.flip(x, axis), axis=axis, kind=kind), axis)
    return (x.shape[axis] - 1 - order).astype(np.int64)


define("argsort", FAMILY, _argsort, _sort_rule(True), axis=-1, descending=False, stable=True)


def _sort(x: Any, axis: int, descending: bool, stable: bool) -> Any:
    return np.take_along_axis(x, _argsort(x, axis, descending, stable), axis)


def _decompose_sort(F: Evaluator, x: Any, axis: int, descending: bool, stable: bool) -> Any:
    order = F.argsort(x, axis=axis, descending=descending, stable=stable)
    return F.take_along_axis(x, order, axis=axis)


define(
    "sort",
    FAMILY,
    _sort,
    _sort_rule(False),
    _decompose_sort,
    axis=-1,
    descending=False,
    stable=True,
)


def _topk_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    check_dtype(name, x.dtype, _ORDERED)
    check_ndim(name, "the tensor", x, 1)
    axis = normalize_axis(name, attributes["axis"], x.ndim)
    k = attributes["k"].__index__()
    if not 0 <= k <= x.shape[axis]:
        raise ValueRangeError(f"{name}: k is {k}; axis {axis} allows 0 to {x.shape[axis]}")
    shape = (*x.shape[:axis], k, *x.shape[axis + 1 :])
    canonical = {"k": k, "axis": axis, "largest": bool(attributes["largest"])}
    return Inference((x.dtype,), ((x.dtype, shape), (dtypes.int64, shape)), canonical)


def _topk(x: Any, k: int, axis: int, largest: bool) -> Any:
    order = np.take(_argsort(x, axis, largest, True), np.arange(k), axis)
    return np.take_along_axis(x, order, axis), order


def _decompose_topk(F: Evaluator, x: Any, k: int, axis: int, largest: bool) -> Any:
    order = F.argsort(x, axis=axis, descending=largest, stable=True)
    stop = (*x.shape[:axis], k, *x.shape[axis + 1 :])
    order = F.copy(F.slice(order, start=(0,) * len(stop), stop=stop, step=(1,) * len(stop)))
    return F.take_along_axis(x, order, axis=axis), order


define("topk", FAMILY, _topk, _topk_rule, _decompose_topk, k=REQUIRED, axis=-1, largest=True)


def _searchsorted_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, values = present(name, inputs, 2)
    dtype = promoted(name, (x, values))
    check_dtype(name, dtype, REAL)
    if x.ndim != 1:
        raise ShapeError(f"{name}: the sorted tensor has shape {x.shape}; it must have one axis")
    if attributes["side"] not in ("left", "right"):
        raise ValueRangeError(f"{name}: side is {attributes['side']!r}; use 'left' or 'right'")
    return Inference((dtype, dtype), ((dtypes.int64, values.shape),), attributes)


define(
    "searchsorted",
    FAMILY,
    lambda x, values, side: np.searchsorted(wide(x), wide(values), side).astype(np.int64),
    _searchsorted_rule,
    side="left",
)
