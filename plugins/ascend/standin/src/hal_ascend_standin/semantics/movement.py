"""Operators that move elements, by shape or by index, or order them."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal_ascend_standin.semantics.table import agree, put, reference, semantics


@semantics("InplaceCopy")
def _copy(out: Any, x: Any) -> None:
    put(out, np.broadcast_to(x, out.shape).astype(out.dtype).copy())


@semantics("Flip")
def _flip(x: Any, axes: tuple[int, ...], out: Any) -> None:
    agree(x, out)
    put(out, np.flip(x, axes).copy())


@semantics("Cat")
def _cat(parts: list[Any], axis: int, out: Any) -> None:
    agree(*parts, out)
    put(out, np.concatenate(parts, axis))


@semantics("RepeatInterleaveIntWithDim")
def _repeat(x: Any, repeats: int, axis: int, size: int, out: Any) -> None:
    if out.shape[axis] != size:
        raise ValueError(f"outputSize is {size}, the output has {out.shape[axis]}")
    put(out, np.repeat(x, repeats, axis))


@semantics("Roll")
def _roll(x: Any, shifts: tuple[int, ...], axes: tuple[int, ...], out: Any) -> None:
    put(out, np.roll(x, shifts, axes))


@semantics("Tril")
def _tril(x: Any, k: int, out: Any) -> None:
    put(out, np.tril(x, k))


@semantics("Triu")
def _triu(x: Any, k: int, out: Any) -> None:
    put(out, np.triu(x, k))


def _positions(index: Any, size: int) -> Any:
    """Return an index whose positions must all lie inside, counted from the front."""
    if index.size and (index.min() < 0 or index.max() >= size):
        raise IndexError(f"a position from {index.min()} to {index.max()} in an axis of {size}")
    return index.astype(np.intp)


@semantics("IndexSelect")
def _index_select(x: Any, axis: int, index: Any, out: Any) -> None:
    agree(x, out)
    if index.ndim > 1:
        raise ValueError("the index of IndexSelect has one axis")
    put(out, np.take(x, _positions(index, x.shape[axis]), axis))


@semantics("Embedding")
def _embedding(weight: Any, index: Any, out: Any) -> None:
    agree(weight, out)
    put(out, np.take(weight, _positions(index, len(weight)), 0))


@semantics("Gather")
def _gather(x: Any, axis: int, index: Any, out: Any) -> None:
    agree(x, out)
    put(out, np.take_along_axis(x, _positions(index, x.shape[axis]), axis))


@semantics("InplaceIndexCopy")
def _index_copy(x: Any, axis: int, index: Any, source: Any) -> None:
    agree(x, source)
    x[(slice(None),) * axis + (_positions(index, x.shape[axis]),)] = source


@semantics("IndexAdd")
def _index_add(x: Any, axis: int, index: Any, source: Any, alpha: Any, out: Any) -> None:
    agree(x, source, out)
    positions = _positions(index, x.shape[axis])
    scaled = source * np.asarray(alpha).astype(source.dtype)
    put(out, reference("put", x, positions, scaled, axis=axis, reduce="add"))


_REDUCTIONS = ("none", "add", "multiply", "maximum", "minimum")


@semantics("Scatter")
def _scatter(x: Any, axis: int, index: Any, source: Any, reduce: int, out: Any) -> None:
    if reduce > 2:
        raise ValueError(f"Scatter has no reduction {reduce}")
    _scatter_reduce(x, axis, index, source, reduce, 1, out)


@semantics("ScatterReduce")
def _scatter_reduce(
    x: Any, axis: int, index: Any, source: Any, reduce: int, include_self: int, out: Any
) -> None:
    agree(x, source, out)
    if not include_self:
        raise ValueError("the stand-in's ScatterReduce includes self only")
    positions = _positions(index, x.shape[axis])
    put(
        out,
        reference("put_along_axis", x, positions, source, axis=axis, reduce=_REDUCTIONS[reduce]),
    )


@semantics("Nonzero")
def _nonzero(x: Any, out: Any) -> None:
    if out.shape != (x.size, x.ndim):
        raise ValueError("the output of Nonzero has room for every element")
    found = np.argwhere(x)
    out[: len(found)] = found


@semantics("Sort")
def _sort(x: Any, stable: int, axis: int, descending: int, values: Any, indices: Any) -> None:
    agree(x, values)
    given = {"axis": axis, "descending": bool(descending), "stable": bool(stable)}
    order = reference("argsort", x, **given)
    put(indices, order)
    put(values, np.take_along_axis(x, order, axis))


@semantics("Topk")
def _topk(
    x: Any, k: int, axis: int, largest: int, in_order: int, values: Any, indices: Any
) -> None:
    agree(x, values)
    if not in_order:
        raise ValueError("the stand-in's Topk gives ordered results only")
    found, order = reference("topk", x, k=k, axis=axis, largest=bool(largest))
    put(values, found)
    put(indices, order)


@semantics("SearchSorted")
def _searchsorted(x: Any, wanted: Any, narrow: int, right: int, sorter: Any, out: Any) -> None:
    agree(x, wanted)
    if sorter is not None or (out.dtype == np.int32) != bool(narrow):
        raise ValueError("no sorter, and the output's dtype as asked for")
    put(out, reference("searchsorted", x, wanted, side="right" if right else "left"))
