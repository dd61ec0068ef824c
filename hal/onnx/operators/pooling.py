"""Pooling over the spatial axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hal.dtypes import integer_range
from hal.errors import ShapeError
from hal.onnx.operators.common import flat_size, narrow, widen
from hal.onnx.operators.convolution import Window, placed
from hal.onnx.registry import operator
from hal.onnx.values import dtype_of


def _exact(x: Any, window: Window) -> Window:
    """Return the window with the padding behind that its last position needs."""
    after = []
    for axis, n in enumerate(x.shape[2:]):
        span = (window.sizes[axis] - 1) * window.dilations[axis] + 1
        reached = (window.outputs[axis] - 1) * window.strides[axis] + span
        after.append(max(reached - n - window.before[axis], window.after[axis]))
    return window._replace(after=tuple(after))


def _padded(F: Any, x: Any, window: Window, value: Any) -> Any:
    if not any(window.before) and not any(window.after):
        return x
    return F.pad(x, F.like(value, x), before=(0, 0, *window.before), after=(0, 0, *window.after))


def _met(F: Any, x: Any, window: Window) -> Any:
    """Return, behind the place of each window, all that it meets, on one axis."""
    count = len(window.sizes)
    met = F.as_windows(
        x, axes=tuple(range(2, 2 + count)), sizes=window.sizes, steps=window.strides,
        dilations=window.dilations,
    )  # fmt: skip
    return F.reshape(met, shape=(*met.shape[: 2 + count], flat_size(window.sizes)))


def _lowest(x: Any) -> Any:
    dtype = dtype_of(x)
    return -math.inf if dtype.kind == "float" else integer_range(dtype)[0]


@operator("MaxPool")
def _max_pool(
    F: Any, x: Any, *, kernel_shape: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0,
    dilations: Any = None, pads: Any = None, storage_order: int = 0, strides: Any = None,
) -> Any:  # fmt: skip
    window = _exact(x, placed(
        tuple(x.shape[2:]), tuple(kernel_shape), strides, dilations, pads, auto_pad,
        bool(ceil_mode),
    ))  # fmt: skip
    if not F.wants(1):
        whole = _padded(F, x, window, _lowest(x))
        return F.max_pool(
            whole, window=window.sizes, stride=window.strides, dilation=window.dilations
        )
    met = _met(F, _padded(F, x, window, _lowest(x)), window)
    tap = F.argmax(met, axis=len(met.shape) - 1, keepdims=True)
    found = F.take_along_axis(met, tap, axis=len(met.shape) - 1)
    shape = tuple(met.shape[:-1])
    return F.reshape(found, shape=shape), F.add(
        F.reshape(F.take(_tap_offsets(F, x, window, storage_order), tap, axis=0), shape=shape),
        _starts(F, x, window, storage_order),
    )


def _weights(spatial: tuple[int, ...], storage_order: int) -> list[int]:
    """Return how far apart neighbours along each axis lie in the flattened input."""
    weights, step = [0] * len(spatial), 1
    axes = range(len(spatial)) if storage_order else reversed(range(len(spatial)))
    for axis in axes:
        weights[axis], step = step, step * spatial[axis]
    return weights


def _tap_offsets(F: Any, x: Any, window: Window, storage_order: int) -> Any:
    weights = _weights(tuple(x.shape[2:]), storage_order)
    total = np.zeros(window.sizes, np.int64)
    for axis, grid in enumerate(np.indices(window.sizes)):
        total += grid * window.dilations[axis] * weights[axis]
    return F.place(total.reshape(-1))


def _starts(F: Any, x: Any, window: Window, storage_order: int) -> Any:
    spatial = tuple(x.shape[2:])
    weights = _weights(spatial, storage_order)
    F.check((*x.shape[:2], *window.outputs), dtype_of(np.int64(0)))
    total = np.arange(flat_size(x.shape[:2])) * flat_size(spatial)
    total = total.reshape(*x.shape[:2], *(1,) * len(spatial))
    for axis, out in enumerate(window.outputs):
        line = (np.arange(out) * window.strides[axis] - window.before[axis]) * weights[axis]
        total = total + line.reshape(-1, *(1,) * (len(spatial) - 1 - axis))
    return F.place(total.astype(np.int64))


@operator("AveragePool")
def _average_pool(
    F: Any, x: Any, *, kernel_shape: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0,
    count_include_pad: int = 0, dilations: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    given = placed(
        tuple(x.shape[2:]), tuple(kernel_shape), strides, dilations, pads, auto_pad,
        bool(ceil_mode),
    )  # fmt: skip
    window = _exact(x, given)
    whole = _padded(F, widen(F, x), window, 0)
    total = F.average_pool(
        whole, window=window.sizes, stride=window.strides, dilation=window.dilations,
        divisor=1,
    )  # fmt: skip
    counts = np.ones((1, 1), dtype_of(total).numpy)
    for axis, n in enumerate(x.shape[2:]):
        starts = np.arange(window.outputs[axis]) * window.strides[axis] - window.before[axis]
        taps = starts[:, None] + np.arange(window.sizes[axis]) * window.dilations[axis]
        low, high = (-given.before[axis], n + given.after[axis]) if count_include_pad else (0, n)
        met = ((taps >= low) & (taps < high)).sum(axis=1)
        counts = counts[..., None] * np.maximum(met, 1).astype(counts.dtype)
    return narrow(F, F.divide(total, F.place(counts)), x)


@operator("LpPool")
def _lp_pool(
    F: Any, x: Any, *, kernel_shape: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0,
    dilations: Any = None, p: int = 2, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    window = _exact(x, placed(
        tuple(x.shape[2:]), tuple(kernel_shape), strides, dilations, pads, auto_pad,
        bool(ceil_mode),
    ))  # fmt: skip
    powers = F.power(F.abs(widen(F, x)), float(p))
    total = F.average_pool(
        _padded(F, powers, window, 0), window=window.sizes, stride=window.strides,
        dilation=window.dilations, divisor=1,
    )  # fmt: skip
    return narrow(F, F.power(total, 1.0 / p), x)


def _spatial(x: Any) -> tuple[int, ...]:
    if len(x.shape) < 3:
        raise ShapeError(f"the input {tuple(x.shape)} has no spatial axes")
    return tuple(range(2, len(x.shape)))


@operator("GlobalAveragePool")
def _global_average_pool(F: Any, x: Any) -> Any:
    return F.mean(x, axis=_spatial(x), keepdims=True)


@operator("GlobalMaxPool")
def _global_max_pool(F: Any, x: Any) -> Any:
    return F.max(x, axis=_spatial(x), keepdims=True)


@operator("GlobalLpPool")
def _global_lp_pool(F: Any, x: Any, *, p: int = 2) -> Any:
    powers = F.power(F.abs(widen(F, x)), float(p))
    total = F.sum(powers, axis=_spatial(x), keepdims=True)
    return narrow(F, F.power(total, 1.0 / p), x)
