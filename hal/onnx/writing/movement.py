"""Operators that make, move, pick and order elements, and that reduce, in ONNX's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hal import dtypes
from hal.onnx.writing.evaluator import CONVERTERS, Converter, Exporter, Outputs, converter

_BEFORE_ALL = -(2**31)


@converter("full")
def _full(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.node("Expand", [x[0], f.ints(*out[0][1])], *out[0])


@converter("reshape")
def _reshape(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.reshaped(x[0], out[0][1])


@converter("permute")
def _permute(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    if not a["axes"]:
        return f.node("Identity", x, *out[0])
    return f.node("Transpose", x, *out[0], perm=list(a["axes"]))


@converter("broadcast_to")
def _broadcast_to(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.node("Expand", [x[0], f.ints(*out[0][1])], *out[0])


@converter("slice")
def _slice(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    if not x[0].ndim:
        return f.node("Identity", x, *out[0])
    # Canonical stops of -1 lie before the first element; ONNX would count them from the end.
    stops = [_BEFORE_ALL if stop < 0 else stop for stop in a["stop"]]
    parts = [f.ints(*v) for v in (a["start"], stops, range(x[0].ndim), a["step"])]
    return f.node("Slice", [x[0], *parts], *out[0])


@converter("concat")
def _concat(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.node("Concat", x, *out[0], axis=a["axis"])


@converter("pad")
def _pad(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    if not x[0].ndim:
        return f.node("Identity", x[:1], *out[0])
    pads = f.ints(*a["before"], *a["after"])
    return f.node("Pad", [x[0], pads, x[1]], *out[0], mode="constant")


# Picking and writing


def _index(f: Exporter, indices: Any) -> Any:
    """Return indices in a dtype that ONNX's operators take."""
    return (
        indices
        if indices.dtype in (dtypes.int32, dtypes.int64)
        else f.cast(indices, dtype=dtypes.int64)
    )


@converter("take")
def _take(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.node("Gather", [x[0], _index(f, x[1])], *out[0], axis=a["axis"])


@converter("take_along_axis")
def _take_along_axis(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.node("GatherElements", [x[0], _index(f, x[1])], *out[0], axis=a["axis"])


_REDUCTION = {
    "none": "none", "add": "add", "multiply": "mul", "maximum": "max", "minimum": "min"
}  # fmt: skip


@converter("put_along_axis")
def _put_along_axis(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    kind = {"axis": a["axis"], "reduction": _REDUCTION[a["reduce"]]}
    return f.node("ScatterElements", [x[0], _index(f, x[1]), x[2]], *out[0], **kind)


@converter("put")
def _put(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    target, indices, updates = x
    along = [1] * target.ndim
    along[a["axis"]] = indices.size
    spread = f.broadcast_to(f.reshape(indices, shape=tuple(along)), shape=updates.shape)
    return f.put_along_axis(target, spread, updates, axis=a["axis"], reduce=a["reduce"])


@converter("nonzero")
def _nonzero(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    dtype, shape = out[0]
    found = f.node("NonZero", x, dtype, shape[::-1])
    return f.node("Transpose", [found], dtype, shape, perm=[1, 0])


# Order


@converter("argsort")
def _argsort(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return _top(f, x[0], x[0].shape[a["axis"]], a["axis"], a["descending"])[1]


@converter("topk")
def _topk(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return _top(f, x[0], a["k"], a["axis"], a["largest"])


def _top(f: Exporter, x: Any, k: int, axis: int, largest: bool) -> Any:
    """Return values and indices; ONNX too puts equal ones in the order of their indices."""
    shape = (*x.shape[:axis], k, *x.shape[axis + 1 :])
    out = [(x.dtype, shape), (dtypes.int64, shape)]
    return f.writer.nodes("TopK", [x, f.ints(k)], out, axis=axis, largest=int(largest), sorted=1)


@converter("searchsorted")
def _searchsorted(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    ordered, values = x
    spread = f.reshape(values, shape=(*values.shape, 1))
    before = f.less(ordered, spread) if a["side"] == "left" else f.less_equal(ordered, spread)
    counted = f.cast(before, dtype=dtypes.int64)
    return f.sum(counted, axis=(values.ndim,), keepdims=False)


# Reductions


def _reduction(kind: str) -> Converter:
    def convert(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
        axes, (dtype, shape) = a["axis"], out[0]
        given = x[0] if x[0].dtype is dtype else f.cast(x[0], dtype=dtype)
        axes = tuple(range(given.ndim)) if axes is None else axes
        if not axes:
            return f.node("Identity", [given], dtype, shape)
        return f.node(kind, [given, f.ints(*axes)], dtype, shape, keepdims=int(a["keepdims"]))

    return convert


CONVERTERS.update(
    sum=_reduction("ReduceSum"), prod=_reduction("ReduceProd"), mean=_reduction("ReduceMean"),
    max=_reduction("ReduceMax"), min=_reduction("ReduceMin"),
)  # fmt: skip


def _extreme(kind: str) -> Converter:
    def convert(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
        axis, (dtype, shape) = a["axis"], out[0]
        if axis is None or x[0].ndim == 0:
            flat = f.reshape(x[0], shape=(x[0].size,))
            found = f.node(kind, [flat], dtype, (), axis=0, keepdims=0)
            return f.reshape(found, shape=shape)
        axis = axis[0] if isinstance(axis, tuple) else axis
        return f.node(kind, x, dtype, shape, axis=axis, keepdims=int(a["keepdims"]))

    return convert


CONVERTERS.update(argmax=_extreme("ArgMax"), argmin=_extreme("ArgMin"))


@converter("cumulative_sum")
def _cumulative_sum(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    dtype, shape = out[0]
    given = x[0] if x[0].dtype is dtype else f.cast(x[0], dtype=dtype)
    return f.node("CumSum", [given, f.writer.constant(np.int64(a["axis"]))], dtype, shape)


@converter("cumulative_prod")
def _cumulative_prod(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    # Each step doubles how many factors an element holds: https://doi.org/10.1145/7902.7903
    dtype, shape = out[0]
    axis = a["axis"]
    found = x[0] if x[0].dtype is dtype else f.cast(x[0], dtype=dtype)
    distance = 1
    while distance < shape[axis]:
        before = tuple(distance if n == axis else 0 for n in range(len(shape)))
        stop = tuple(n - b for n, b in zip(shape, before, strict=True))
        earlier = f.slice(found, start=(0,) * len(shape), stop=stop, step=(1,) * len(shape))
        one = f.value(1, dtype)
        found = f.multiply(found, f.pad(earlier, one, before=before, after=(0,) * len(shape)))
        distance *= 2
    return found if found is not x[0] else f.node("Identity", [found], dtype, shape)
