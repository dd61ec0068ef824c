"""Samples of operators that read and write elements at given positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import INTEGER, DType
from hal.ops import Operator
from hal.ops.indexing import REDUCTIONS
from hal.testing.sample import Input, Sample, sampler
from hal.testing.values import indices

Shape = tuple[int, ...]
_INDEX = (dtypes.int64, dtypes.int32)


@sampler("take")
def take(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield indices of every shape and integer dtype, counted from both ends."""
    for index_dtype in _INDEX:
        for shape, count, axis in (
            ((5,), (3,), 0), ((5,), (), 0), ((5,), (0,), 0), ((3, 5), (4,), 1), ((3, 5), (2, 2), 0),
            ((2, 3, 4), (33,), 1), ((7, 0), (3,), 0), ((1,), (5,), 0), ((257, 3), (99,), 0),
        ):  # fmt: skip
            index = Input(count, indices(shape[axis]), index_dtype)
            yield Sample((Input(shape), index), {"axis": axis}, f"by {index_dtype}")
        index = Input((5, 7), indices(5), index_dtype)
        yield Sample((Input((5, 7)), index), {"axis": 0}, f"by {index_dtype}", layouts=True)
    for index_dtype in INTEGER:
        index = Input((9,), indices(5), index_dtype)
        yield Sample((Input((5, 2)), index), {"axis": 0}, f"by {index_dtype}")
    large = Input((5000,), indices(3000), dtypes.int64)
    yield Sample((Input((3000, 33)), large), {"axis": 0}, large=True)


@sampler("take_along_axis")
def take_along_axis(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield an index per element."""
    for index_dtype in _INDEX:
        for shape, count, axis in (((5,), 3, 0), ((3, 5), 5, 1), ((3, 5), 1, 0), ((2, 3, 4), 2, 1),
                                   ((3, 5), 0, 1), ((129,), 257, 0)):  # fmt: skip
            index = Input((*shape[:axis], count, *shape[axis + 1 :]), indices(shape[axis]),
                          index_dtype)  # fmt: skip
            yield Sample((Input(shape), index), {"axis": axis}, f"by {index_dtype}")
        index = Input((5, 7), indices(5), index_dtype)
        yield Sample((Input((5, 7)), index), {"axis": 0}, f"by {index_dtype}", layouts=True)


def _distinct(size: int) -> Any:
    """Return positions without repetition: which of two writes to one element stays is open."""

    def found(rng: np.random.Generator, shape: Shape, dtype: DType) -> Any:
        count = shape[-1] if shape else 1
        rows = [rng.permutation(size)[:count] for _ in range(max(1, int(np.prod(shape[:-1]))))]
        signs = rng.integers(0, 2, (len(rows), count)) * size
        whole = np.array(rows) - (signs if dtype.kind == "int" else 0)
        return whole.reshape(shape).astype(dtype.numpy)

    return found


def _reductions(dtype: DType) -> tuple[str, ...]:
    """Return the reductions that a dtype has: none but ``none`` where it only stores values."""
    if dtype.storage_only or dtype.kind in ("bool", "complex"):
        return ("none",)
    return REDUCTIONS


@sampler("put")
def put(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield writes to rows; repeated ones where they are added or the like."""
    for reduce in _reductions(dtype):
        for shape, count, axis in (((5,), 3, 0), ((5,), 0, 0), ((4, 3), 2, 0), ((3, 5), 5, 1),
                                   ((2, 6, 3), 4, 1), ((129, 2), 65, 0)):  # fmt: skip
            size = shape[axis]
            where = _distinct(size) if reduce == "none" else indices(size)
            index = Input((count,), where, dtypes.int64)
            updates = Input((*shape[:axis], count, *shape[axis + 1 :]))
            yield Sample((Input(shape), index, updates), {"axis": axis, "reduce": reduce}, reduce)
        where = _distinct(5) if reduce == "none" else indices(5)
        given = Input((5, 7)), Input((5,), where, dtypes.int32), Input((5, 7))
        yield Sample(given, {"axis": 0, "reduce": reduce}, reduce, layouts=True)


@sampler("put_along_axis")
def put_along_axis(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield a write per element along the last axis."""
    for reduce in _reductions(dtype):
        for shape, count in (((5,), 3), ((5,), 0), ((4, 6), 2), ((2, 3, 5), 5)):
            where = _distinct(shape[-1]) if reduce == "none" else indices(shape[-1])
            index = Input((*shape[:-1], count), where, dtypes.int64)
            given = Input(shape), index, Input((*shape[:-1], count))
            yield Sample(given, {"axis": len(shape) - 1, "reduce": reduce}, reduce)
        where = _distinct(7) if reduce == "none" else indices(7)
        given = Input((5, 7)), Input((5, 7), where, dtypes.int32), Input((5, 7))
        yield Sample(given, {"axis": 1, "reduce": reduce}, reduce, layouts=True)


@sampler("nonzero")
def nonzero(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield room for exactly as many positions as there can be."""
    for shape in ((5,), (31,), (3, 5), (2, 3, 4), (0,), (1,)):
        yield Sample((Input(shape, _first_third),), {"size": -(-int(np.prod(shape)) // 3)})
    yield Sample((Input((5, 7), _first_third),), {"size": 12})


def _first_third(rng: np.random.Generator, shape: Shape, dtype: DType) -> Any:
    """Return ones at every third element in C order, and zeros."""
    flat = np.arange(int(np.prod(shape))) % 3 == 0
    return flat.astype(dtype.numpy).reshape(shape)


@sampler("embedding")
def embedding(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield rows of a table."""
    for index_dtype in _INDEX:
        for shape, table in (((4,), (5, 3)), ((2, 3), (7, 33)), ((), (5, 3)), ((0,), (5, 3)),
                             ((65,), (129, 1))):  # fmt: skip
            index = Input(shape, indices(table[0]), index_dtype)
            yield Sample((index, Input(table)), note=f"by {index_dtype}")
        index = Input((5, 7), indices(5), index_dtype)
        yield Sample((index, Input((5, 7))), note=f"by {index_dtype}", layouts=True)


@sampler("gather_nd")
def gather_nd(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield one index per leading axis."""
    for shape, count, axes in (((5,), (3,), 1), ((3, 5), (4,), 2), ((3, 5, 2), (2, 2), 2),
                               ((3, 5, 2), (), 3), ((3, 5), (0,), 1)):  # fmt: skip
        where = [Input(count, indices(n), dtypes.int64) for n in shape[:axes]]
        yield Sample((Input(shape), *where))
    where = [Input((5, 7), indices(n), dtypes.int32) for n in (5, 7)]
    yield Sample((Input((5, 7)), *where), layouts=True)


@sampler("scatter_nd")
def scatter_nd(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield writes at one index per leading axis."""
    for reduce in _reductions(dtype):
        for shape, count, axes in (((5,), (3,), 1), ((4, 5), (4,), 2), ((4, 5, 2), (2,), 1)):
            where = [
                Input(count, _distinct(n) if reduce == "none" else indices(n), dtypes.int64)
                for n in shape[:axes]
            ]
            updates = Input((*count, *shape[axes:]))
            yield Sample((Input(shape), updates, *where), {"reduce": reduce}, reduce)
