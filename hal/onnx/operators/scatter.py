"""Operators that write elements at given positions."""

from __future__ import annotations

from typing import Any

from hal import dtypes
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import axis_of, cast, flat_size, grids, positions
from hal.onnx.operators.indexing import columns_of
from hal.onnx.registry import operator

_REDUCTIONS = {
    "none": "none",
    "add": "add",
    "mul": "multiply",
    "max": "maximum",
    "min": "minimum",
}


def _reduction(given: str) -> str:
    if given not in _REDUCTIONS:
        raise ValueRangeError(f"reduction is {given!r}; it may be {', '.join(_REDUCTIONS)}")
    return _REDUCTIONS[given]


def _scatter_elements(
    F: Any, x: Any, indices: Any, updates: Any, *, axis: int = 0, reduction: str = "none"
) -> Any:
    axis = axis_of(axis, len(x.shape))
    if len(indices.shape) != len(x.shape) or tuple(indices.shape) != tuple(updates.shape):
        raise ShapeError(
            f"indices {tuple(indices.shape)} and updates {tuple(updates.shape)} do not fit "
            f"{tuple(x.shape)}"
        )
    if flat_size(indices.shape) == 0:
        return F.copy(x)
    where = [F.copy(g) for g in grids(F, indices.shape)]
    where[axis] = cast(F, indices, dtypes.int64)
    return F.scatter_nd(x, updates, *where, reduce=_reduction(reduction))


operator("Scatter", moves=True)(_scatter_elements)
operator("ScatterElements", moves=True)(_scatter_elements)


@operator("ScatterND", moves=True)
def _scatter_nd(F: Any, x: Any, indices: Any, updates: Any, *, reduction: str = "none") -> Any:
    columns = columns_of(F, indices)
    if not tuple(indices.shape[:-1]):
        columns = [F.reshape(c, shape=(1,)) for c in columns]
        updates = F.reshape(updates, shape=(1, *updates.shape))
    return F.scatter_nd(x, updates, *columns, reduce=_reduction(reduction))


@operator("TensorScatter")
def _tensor_scatter(
    F: Any, cache: Any, update: Any, starts: Any = None, *, axis: int = -2, mode: str = "linear"
) -> Any:
    axis = axis_of(axis, len(cache.shape))
    if axis == 0:
        raise ShapeError("the axis to write along cannot be the batch axis")
    size, shape = cache.shape[axis], tuple(update.shape)
    index = positions(F, shape[axis], len(shape), axis)
    if starts is not None:
        first = F.reshape(starts, shape=(shape[0], *(1,) * (len(shape) - 1)))
        index = F.add(index, cast(F, first, dtypes.int64))
    if mode == "circular":
        index = F.remainder(index, F.like(size, index))
    elif mode != "linear":
        raise ValueRangeError(f"mode is {mode!r}; it may be linear or circular")
    whole = F.copy(F.broadcast_to(index, shape=shape))
    return F.put_along_axis(cache, whole, update, axis=axis)


@operator("MaxUnpool", host=(2,))
def _max_unpool(
    F: Any, x: Any, indices: Any, output_shape: Any = None, *, kernel_shape: Any,
    pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    count = len(kernel_shape)
    strides = strides or (1,) * count
    pads = pads or (0,) * 2 * count
    inferred = (*x.shape[:2], *(
        (n - 1) * s - pads[i] - pads[i + count] + k
        for i, (n, s, k) in enumerate(zip(x.shape[2:], strides, kernel_shape, strict=True))
    ))  # fmt: skip
    wanted = inferred if output_shape is None else tuple(int(n) for n in output_shape.reshape(-1))
    sizes, total = inferred, flat_size(inferred)
    flat = F.full(F.like(0, x), shape=(total,))
    where = F.reshape(cast(F, indices, dtypes.int64), shape=(flat_size(x.shape),))
    values = F.reshape(x, shape=(flat_size(x.shape),))
    found = F.reshape(F.put(flat, where, values, axis=0), shape=sizes)
    if wanted == sizes:
        return found
    after = tuple(w - n for w, n in zip(wanted, sizes, strict=True))
    if min(after) < 0:
        raise ShapeError(f"the output shape {wanted} is smaller than {sizes}")
    return F.pad(found, F.like(0, x), before=(0,) * len(sizes), after=after)
