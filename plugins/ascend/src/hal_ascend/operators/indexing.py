"""Reading and writing elements at given positions.

CANN's operators count positions from the front alone and do not check them; a remainder by the
axis's size counts those from the end and keeps every access inside the tensor.
"""

from __future__ import annotations

from hal import dtypes
from hal_ascend.operators.rule import rule
from hal_ascend.recipe import Recipe, Ref, Scalar, movable

_REDUCTIONS = {"none": 0, "add": 1, "multiply": 2, "maximum": 3, "minimum": 4}


def _positions(recipe: Recipe, index: Ref, size: int) -> Ref:
    """Return an index with every position inside an axis."""
    if index.dtype not in (dtypes.int32, dtypes.int64):
        index = recipe.cast(index, dtypes.int64)
    inside = recipe.temporary(index.dtype, index.shape)
    recipe.call("RemainderTensorScalar", index, Scalar(size, index.dtype), inside)
    return inside


def _select(recipe: Recipe, x: Ref, index: Ref, axis: int) -> bool | None:
    dtype = movable(recipe, "IndexSelect", x.dtype)
    if dtype is None or not x.shape:
        return False
    count = index.layout.size
    positions = _positions(recipe, index, x.shape[axis]).reshape((count,))
    out = recipe.out.reshape((*x.shape[:axis], count, *x.shape[axis + 1 :]))
    recipe.call("IndexSelect", x.as_dtype(dtype), axis, positions, out.as_dtype(dtype))
    return None


@rule("take", "IndexSelect", "RemainderTensorScalar")
def _take(recipe: Recipe) -> bool | None:
    return _select(recipe, recipe.input(0), recipe.input(1), recipe.attributes["axis"])


@rule("embedding", "Embedding", "RemainderTensorScalar")
def _embedding(recipe: Recipe) -> bool | None:
    index, weight = recipe.input(0), recipe.input(1)
    dtype = movable(recipe, "Embedding", weight.dtype)
    if dtype is None or not weight.layout.size:
        return False
    positions = _positions(recipe, index, weight.shape[0])
    recipe.call("Embedding", weight.as_dtype(dtype), positions, recipe.out.as_dtype(dtype))
    return None


@rule("take_along_axis", "Gather", "RemainderTensorScalar")
def _take_along_axis(recipe: Recipe) -> bool | None:
    x, index, axis = recipe.input(0), recipe.input(1), recipe.attributes["axis"]
    dtype = movable(recipe, "Gather", x.dtype)
    if dtype is None or not x.layout.size:
        return False
    positions = _positions(recipe, index, x.shape[axis])
    recipe.call("Gather", x.as_dtype(dtype), axis, positions, recipe.out.as_dtype(dtype))
    return None


@rule("put", "InplaceIndexCopy", "IndexAdd", "ScatterReduce", "RemainderTensorScalar")
def _put(recipe: Recipe) -> bool | None:
    x, index, updates = recipe.input(0), recipe.input(1), recipe.input(2)
    axis, reduce, out = recipe.attributes["axis"], recipe.attributes["reduce"], recipe.out
    if not index.layout.size:
        recipe.call("InplaceCopy", out, x)
        return None
    if reduce == "none":
        dtype = movable(recipe, "InplaceIndexCopy", x.dtype)
        if dtype is None:
            return False
        positions = _positions(recipe, index, x.shape[axis])
        recipe.call("InplaceCopy", out, x)
        recipe.call(
            "InplaceIndexCopy", out.as_dtype(dtype), axis, positions, updates.as_dtype(dtype)
        )
        return None
    if reduce == "add" and recipe.supports("IndexAdd", x.dtype) and x.dtype is not dtypes.bool:
        positions = _positions(recipe, index, x.shape[axis])
        recipe.call("IndexAdd", x, axis, positions, updates, 1, out)
        return None
    # One position for every element of the updates, as if repeated.
    positions = _positions(recipe, index, x.shape[axis])
    shape = (*(1,) * axis, index.layout.size, *(1,) * (len(x.shape) - axis - 1))
    return _scatter(recipe, x, positions.reshape(shape).broadcast(updates.shape), updates)


@rule("put_along_axis", "Scatter", "ScatterReduce", "RemainderTensorScalar")
def _put_along_axis(recipe: Recipe) -> bool | None:
    x, index, updates = recipe.input(0), recipe.input(1), recipe.input(2)
    if not index.layout.size:
        recipe.call("InplaceCopy", recipe.out, x)
        return None
    positions = _positions(recipe, index, x.shape[recipe.attributes["axis"]])
    return _scatter(recipe, x, positions, updates)


def _scatter(recipe: Recipe, x: Ref, positions: Ref, updates: Ref) -> bool | None:
    axis, reduce, out = recipe.attributes["axis"], recipe.attributes["reduce"], recipe.out
    number = _REDUCTIONS[reduce]
    if reduce == "none":
        dtype = movable(recipe, "Scatter", x.dtype)
        if dtype is None:
            return False
        recipe.call(
            "Scatter", x.as_dtype(dtype), axis, positions, updates.as_dtype(dtype), number,
            out.as_dtype(dtype),
        )  # fmt: skip
        return None
    if x.dtype is dtypes.bool or not recipe.supports("ScatterReduce", x.dtype):
        return False
    recipe.call("ScatterReduce", x, axis, positions, updates, number, True, out)
    return None


@rule("nonzero", "Nonzero")
def _nonzero(recipe: Recipe) -> bool | None:
    x, out = recipe.input(), recipe.out
    dtype = movable(recipe, "Nonzero", x.dtype)
    if dtype is None or (dtype is not x.dtype and x.dtype.kind != "uint"):
        return False  # The bits of a zero are zeros in integers alone.
    # The operator needs room for every element; the first rows are the result.
    room = recipe.temporary(dtypes.int64, (x.layout.size, len(x.shape)))
    recipe.call("Nonzero", x.as_dtype(dtype), room)
    recipe.call("InplaceCopy", out, room.part(0, 0, out.shape[0]))
    return None
