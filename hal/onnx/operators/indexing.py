"""Operators that read elements at given positions, or find positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal import dtypes
from hal.errors import ShapeError
from hal.onnx.operators.common import axis_of, cut, flat_size, integers, positions, unsqueeze
from hal.onnx.registry import operator
from hal.onnx.values import dtype_of


@operator("Gather", moves=True)
def _gather(F: Any, x: Any, indices: Any, *, axis: int = 0) -> Any:
    return F.take(x, indices, axis=axis_of(axis, len(x.shape)))


@operator("GatherElements", moves=True)
def _gather_elements(F: Any, x: Any, indices: Any, *, axis: int = 0) -> Any:
    axis = axis_of(axis, len(x.shape))
    if len(indices.shape) != len(x.shape):
        raise ShapeError(f"indices {tuple(indices.shape)} do not fit {tuple(x.shape)}")
    ranges = {a: (0, n) for a, n in enumerate(indices.shape) if a != axis}
    return F.take_along_axis(cut(F, x, ranges), indices, axis=axis)


@operator("GatherND", moves=True)
def _gather_nd(F: Any, x: Any, indices: Any, *, batch_dims: int = 0) -> Any:
    lead = tuple(indices.shape[:-1])
    if not 0 <= batch_dims <= len(lead) or tuple(x.shape[:batch_dims]) != lead[:batch_dims]:
        raise ShapeError(f"batch_dims={batch_dims} do not fit {tuple(x.shape)} and {lead}")
    columns = columns_of(F, indices)
    batch = [F.copy(F.broadcast_to(positions(F, lead[a], len(lead), a), shape=lead))
             for a in range(batch_dims)]  # fmt: skip
    if not lead:
        # One single position: an axis of size 1 stands for it.
        columns = [F.reshape(c, shape=(1,)) for c in columns]
        found = F.gather_nd(x, *columns)
        return F.reshape(found, shape=tuple(found.shape[1:]))
    return F.gather_nd(x, *batch, *columns)


def columns_of(F: Any, indices: Any) -> list[Any]:
    """Return what an array of positions says for each axis."""
    lead = tuple(indices.shape[:-1])
    return [
        F.copy(F.reshape(cut(F, indices, {-1: (i, i + 1)}), shape=lead))
        for i in range(indices.shape[-1])
    ]


@operator("OneHot", host=(1,))
def _one_hot(F: Any, indices: Any, depth: Any, values: Any, *, axis: int = -1) -> Any:
    count = int(depth.reshape(-1)[0])
    ndim = len(indices.shape) + 1
    axis = axis_of(axis, ndim)
    whole = indices
    if dtype_of(indices) is not dtypes.int64:
        whole = F.cast(indices, dtype=dtypes.int64)
    whole = F.where(F.less(whole, 0), F.add(whole, count), whole)
    hot = F.equal(unsqueeze(F, whole, (axis,)), positions(F, count, ndim, axis))
    off, on = (F.reshape(cut(F, values, {0: (i, i + 1)}), shape=()) for i in range(2))
    return F.where(hot, on, off)


@operator("Compress", host=(1,), moves=True)
def _compress(F: Any, x: Any, condition: Any, *, axis: int | None = None) -> Any:
    chosen = F.place(np.flatnonzero(condition).astype(np.int64))
    if axis is None:
        return F.take(F.reshape(x, shape=(flat_size(x.shape),)), chosen, axis=0)
    return F.take(x, chosen, axis=axis_of(axis, len(x.shape)))


@operator("NonZero")
def _non_zero(F: Any, x: Any) -> Any:
    if not x.shape:
        x = F.reshape(x, shape=(1,))
    count = int(F.count_nonzero(x))
    return F.copy(F.permute(F.nonzero(x, size=count), axes=(1, 0)))


@operator("TopK")
def _top_k_1(F: Any, x: Any, *, k: int, axis: int = -1) -> Any:
    return F.topk(x, k=k, axis=axis, largest=True)


@operator("TopK", 10, host=(1,))
def _top_k_10(
    F: Any,
    x: Any,
    k: Any,
    *,
    axis: int = -1,
    largest: int = 1,
    sorted: int = 1,
) -> Any:
    return F.topk(x, k=integers(k)[0], axis=axis, largest=bool(largest))


@operator("ArrayFeatureExtractor", domain="ai.onnx.ml", moves=True)
def _array_feature_extractor(F: Any, x: Any, indices: Any) -> Any:
    flat = F.reshape(indices, shape=(flat_size(indices.shape),))
    found = F.take(x, flat, axis=len(x.shape) - 1)
    return F.reshape(found, shape=(1, *found.shape)) if len(found.shape) == 1 else found
