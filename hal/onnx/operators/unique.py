"""The distinct elements or rows of a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal import dtypes
from hal.onnx.operators.common import axis_of, cut, flat_size, move_axis, positions
from hal.onnx.registry import operator
from hal.onnx.values import is_text


@operator("Unique")
def _unique(F: Any, x: Any, *, axis: int | None = None, sorted: int = 1) -> Any:
    if is_text(x):
        # Positions in the sorted vocabulary order strings as the strings themselves do.
        words, places = np.unique(x, return_inverse=True)
        found = _unique(F, places.reshape(x.shape).astype(np.int64), axis=axis, sorted=sorted)
        return (words[found[0]], *found[1:])
    if axis is None:
        rows = F.reshape(x, shape=(flat_size(x.shape), 1))
    else:
        axis = axis_of(axis, len(x.shape))
        moved = move_axis(F, x, axis, 0)
        count = moved.shape[0]
        rows = F.reshape(moved, shape=(count, flat_size(moved.shape[1:])))
    first, inverse, counts = _groups(F, rows)
    if not sorted:
        order = F.argsort(first, axis=0, descending=False, stable=True)
        rank = F.argsort(order, axis=0, descending=False, stable=True)
        first, counts = F.take(first, order, axis=0), F.take(counts, order, axis=0)
        inverse = F.take(rank, inverse, axis=0)
    if axis is None:
        values = F.take(F.reshape(rows, shape=(rows.shape[0],)), first, axis=0)
    else:
        values = F.take(x, first, axis=axis)
    return values, first, inverse, counts


def _groups(F: Any, rows: Any) -> tuple[Any, Any, Any]:
    """Return, for each group of equal rows in order: its first row; each row's group; its size."""
    count, width = rows.shape
    if count == 0:
        none = F.full(F.place(np.int64(0)), shape=(0,))
        return none, none, none
    order = F.copy(positions(F, count))
    for column in reversed(range(width)):
        key = F.reshape(cut(F, rows, {1: (column, column + 1)}), shape=(count,))
        step = F.argsort(F.take(key, order, axis=0), axis=0, descending=False, stable=True)
        order = F.take(order, step, axis=0)
    ordered = F.take(rows, order, axis=0)
    differs = F.not_equal(cut(F, ordered, {0: (1, count)}), cut(F, ordered, {0: (0, count - 1)}))
    begins = F.concat(
        F.full(F.place(np.bool_(True)), shape=(1,)),
        F.any(differs, axis=(1,), keepdims=False),
        axis=0,
    )
    found = int(F.count_nonzero(begins))
    starts = F.reshape(F.nonzero(begins, size=found), shape=(found,))
    group = F.subtract(F.cumulative_sum(F.cast(begins, dtype=dtypes.int64), axis=0), 1)
    inverse = F.put(F.full(F.like(0, group), shape=(count,)), order, group, axis=0)
    ends = F.concat(cut(F, starts, {0: (1, found)}), F.place(np.array([count], np.int64)), axis=0)
    return F.take(order, starts, axis=0), inverse, F.subtract(ends, starts)
