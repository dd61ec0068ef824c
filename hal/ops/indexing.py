"""Operators that read and write elements at given positions.

A negative index counts from the end. An index outside the axis raises where the work runs on the
host; a device may read or write any element of the tensor instead, never memory outside it.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import ALL, COMPUTE, INTEGER
from hal.errors import HalIndexError, ShapeError, ValueRangeError
from hal.ops.operator import (
    REQUIRED,
    Attributes,
    Evaluator,
    Inference,
    Inputs,
    define,
    normalize_axis,
)
from hal.ops.rules import check_dtype, check_ndim, present
from hal.plugin.layout import Layout, Shape

FAMILY = "indexing"
REDUCTIONS = ("none", "add", "multiply", "maximum", "minimum")


def _inside(name: str, indices: Any, size: int) -> Any:
    """Return indices counted from the front, or raise for the first one outside."""
    outside = (
        (indices < -size) | (indices >= size) if indices.dtype.kind == "i" else indices >= size
    )
    if outside.any():
        raise HalIndexError(
            f"{name}: index {int(indices[outside].flat[0])} is outside an axis of size {size}"
        )
    return np.where(indices < 0, indices + size, indices).astype(np.intp)


def _take_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, indices = present(name, inputs, 2)
    check_dtype(name, x.dtype, ALL)
    check_dtype(f"{name}: the index", indices.dtype, INTEGER)
    axis = normalize_axis(name, attributes["axis"], x.ndim)
    shape = x.shape[:axis] + indices.shape + x.shape[axis + 1 :]
    if x.shape[axis] == 0 and indices.size:
        raise HalIndexError(f"{name}: axis {axis} of shape {x.shape} has no elements to take")
    return Inference((x.dtype, indices.dtype), ((x.dtype, shape),), {"axis": axis})


def _take(x: Any, indices: Any, axis: int) -> Any:
    return np.take(x, _inside("take", indices, x.shape[axis]), axis)


define("take", FAMILY, _take, _take_rule, axis=REQUIRED)


def _along_check(name: str, x: Layout, indices: Layout, axis: int) -> None:
    check_dtype(name, x.dtype, ALL)
    check_dtype(f"{name}: the index", indices.dtype, INTEGER)
    if indices.ndim != x.ndim or any(
        i != n for a, (i, n) in enumerate(zip(indices.shape, x.shape, strict=True)) if a != axis
    ):
        raise ShapeError(
            f"{name}: an index of shape {indices.shape} does not fit a tensor of shape {x.shape}; "
            f"all sizes but that of axis {axis} must be equal"
        )


def _along_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, indices = present(name, inputs, 2)
    axis = normalize_axis(name, attributes["axis"], x.ndim)
    _along_check(name, x, indices, axis)
    return Inference((x.dtype, indices.dtype), ((x.dtype, indices.shape),), {"axis": axis})


def _take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    return np.take_along_axis(x, _inside("take_along_axis", indices, x.shape[axis]), axis)


define("take_along_axis", FAMILY, _take_along_axis, _along_rule, axis=REQUIRED)


def _reduce_attribute(name: str, attributes: Attributes) -> str:
    reduce = attributes["reduce"]
    if reduce not in REDUCTIONS:
        raise ValueRangeError(f"{name}: reduce is {reduce!r}; it must be one of {REDUCTIONS}")
    return str(reduce)


def _put_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, indices, updates = present(name, inputs, 3)
    check_dtype(name, x.dtype, ALL)
    check_dtype(f"{name}: the index", indices.dtype, INTEGER)
    check_ndim(name, "the index", indices, 1, 1)
    axis = normalize_axis(name, attributes["axis"], x.ndim)
    expected = x.shape[:axis] + indices.shape + x.shape[axis + 1 :]
    if updates.shape != expected:
        raise ShapeError(f"{name}: the updates have shape {updates.shape}; it must be {expected}")
    canonical = {"axis": axis, "reduce": _reduce_attribute(name, attributes)}
    return Inference((x.dtype, indices.dtype, x.dtype), ((x.dtype, x.shape),), canonical)


_UFUNCS = {
    "add": np.add,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


def _write(result: Any, where: tuple[Any, ...], updates: Any, reduce: str) -> Any:
    if reduce == "none":
        result[where] = updates
    else:
        _UFUNCS[reduce].at(result, where, updates)
    return result


def _put(x: Any, indices: Any, updates: Any, axis: int, reduce: str) -> Any:
    where = (slice(None),) * axis + (_inside("put", indices, x.shape[axis]),)
    return _write(x.copy(), where, updates, reduce)


define("put", FAMILY, _put, _put_rule, axis=REQUIRED, reduce="none")


def _put_along_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, indices, updates = present(name, inputs, 3)
    axis = normalize_axis(name, attributes["axis"], x.ndim)
    check_dtype(name, x.dtype, ALL)
    check_dtype(f"{name}: the index", indices.dtype, INTEGER)
    if indices.ndim != x.ndim or any(
        i > n for a, (i, n) in enumerate(zip(indices.shape, x.shape, strict=True)) if a != axis
    ):
        raise ShapeError(
            f"{name}: an index of shape {indices.shape} does not fit a tensor of shape {x.shape}; "
            f"no size but that of axis {axis} may be larger"
        )
    if updates.shape != indices.shape:
        raise ShapeError(
            f"{name}: the updates have shape {updates.shape}, the index {indices.shape}; "
            "they must be equal"
        )
    canonical = {"axis": axis, "reduce": _reduce_attribute(name, attributes)}
    return Inference((x.dtype, indices.dtype, x.dtype), ((x.dtype, x.shape),), canonical)


def _put_along_axis(x: Any, indices: Any, updates: Any, axis: int, reduce: str) -> Any:
    where: list[Any] = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    where[axis] = _inside("put_along_axis", indices, x.shape[axis])
    return _write(x.copy(), tuple(where), updates, reduce)


define("put_along_axis", FAMILY, _put_along_axis, _put_along_rule, axis=REQUIRED, reduce="none")


def _nonzero_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    check_dtype(name, x.dtype, COMPUTE)
    check_ndim(name, "the tensor", x, 1)
    size = attributes["size"].__index__()
    return Inference((x.dtype,), ((dtypes.int64, (size, x.ndim)),), {"size": size})


def _nonzero(x: Any, size: int) -> Any:
    found = np.argwhere(x)
    if len(found) != size:
        raise ValueRangeError(f"nonzero: {len(found)} elements are nonzero, size says {size}")
    return found.astype(np.int64)


define("nonzero", FAMILY, _nonzero, _nonzero_rule, size=REQUIRED)


def _embedding_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    indices, weight = present(name, inputs, 2)
    check_dtype(f"{name}: the index", indices.dtype, INTEGER)
    check_dtype(name, weight.dtype, ALL)
    check_ndim(name, "the weight", weight, 2, 2)
    shape: Shape = (*indices.shape, weight.shape[1])
    return Inference((indices.dtype, weight.dtype), ((weight.dtype, shape),), attributes)


define(
    "embedding",
    FAMILY,
    lambda indices, weight: np.take(weight, _inside("embedding", indices, len(weight)), 0),
    _embedding_rule,
    lambda F, indices, weight: F.take(weight, indices, axis=0),
)


# Several axes at once


def _index_shapes(name: str, x: Layout, indices: list[Layout]) -> Shape:
    if not 1 <= len(indices) <= x.ndim:
        raise ShapeError(f"{name}: {len(indices)} indices do not fit a tensor of {x.ndim} axes")
    for index in indices:
        check_dtype(f"{name}: the index", index.dtype, INTEGER)
        if index.shape != indices[0].shape:
            raise ShapeError(
                f"{name}: the indices have shapes {indices[0].shape} and {index.shape}; "
                "they must be equal"
            )
    return indices[0].shape + x.shape[len(indices) :]


def _gather_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, *indices = present(name, inputs, max(len(inputs), 2))
    check_dtype(name, x.dtype, ALL)
    shape = _index_shapes(name, x, indices)
    if indices[0].size and 0 in x.shape[: len(indices)]:
        raise HalIndexError(f"{name}: a tensor of shape {x.shape} has no elements to take")
    return Inference(tuple(i.dtype for i in (x, *indices)), ((x.dtype, shape),), attributes)


def _gather_nd(x: Any, *indices: Any) -> Any:
    where = tuple(_inside("gather_nd", i, n) for i, n in zip(indices, x.shape, strict=False))
    return x[where]


def _linear(F: Evaluator, shape: Shape, indices: tuple[Any, ...]) -> Any:
    """Return the position of each indexed element among the flattened leading axes."""
    position = None
    for index, size in zip(indices, shape, strict=False):
        index = F.cast(index, dtype=dtypes.int64)
        index = F.where(F.less(index, 0), F.add(index, size), index)
        position = index if position is None else F.add(F.multiply(position, size), index)
    return position


def _decompose_gather(F: Evaluator, x: Any, *indices: Any) -> Any:
    rest = x.shape[len(indices) :]
    flat = F.reshape(x, shape=(prod(x.shape[: len(indices)]), *rest))
    return F.take(flat, _linear(F, x.shape, indices), axis=0)


define("gather_nd", FAMILY, _gather_nd, _gather_rule, _decompose_gather)


def _scatter_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, updates, *indices = present(name, inputs, max(len(inputs), 3))
    check_dtype(name, x.dtype, ALL)
    expected = _index_shapes(name, x, indices)
    if updates.shape != expected:
        raise ShapeError(f"{name}: the updates have shape {updates.shape}; it must be {expected}")
    cast = (x.dtype, x.dtype, *(i.dtype for i in indices))
    return Inference(cast, ((x.dtype, x.shape),), {"reduce": _reduce_attribute(name, attributes)})


def _scatter_nd(x: Any, updates: Any, *indices: Any, reduce: str) -> Any:
    where = tuple(_inside("scatter_nd", i, n) for i, n in zip(indices, x.shape, strict=False))
    return _write(x.copy(), where, updates, reduce)


def _decompose_scatter(F: Evaluator, x: Any, updates: Any, *indices: Any, reduce: str) -> Any:
    rest = x.shape[len(indices) :]
    count = prod(indices[0].shape)
    flat = F.reshape(x, shape=(prod(x.shape[: len(indices)]), *rest))
    position = F.reshape(_linear(F, x.shape, indices), shape=(count,))
    rows = F.reshape(updates, shape=(count, *rest))
    return F.reshape(F.put(flat, position, rows, axis=0, reduce=reduce), shape=x.shape)


define("scatter_nd", FAMILY, _scatter_nd, _scatter_rule, _decompose_scatter, reduce="none")
