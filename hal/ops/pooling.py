"""Pooling over the spatial axes of (batch, channels, spatial...), with PyTorch's meaning.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#pooling-functions
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import FLOATING, REAL, DType, as_dtype, integer_range
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops.operator import REQUIRED, Attributes, Evaluator, Inference, Inputs, Rule, define
from hal.ops.rules import check_dtype, check_ndim, present
from hal.ops.spatial import Pairs, padding_pairs, reach, spatial_sizes, taps, windows_along
from hal.ops.widening import narrow, wide, wide_dtype, widen
from hal.plugin.layout import Layout, Shape

FAMILY = "pooling"

# Windows


def _input(name: str, inputs: Inputs, allowed: Sequence[DType]) -> Layout:
    x = present(name, inputs, 1)[0]
    check_dtype(name, x.dtype, allowed)
    check_ndim(name, "the tensor", x, 3)
    if 0 in x.shape[2:]:
        raise ShapeError(f"{name}: {x.shape} has an empty spatial axis; each needs an element")
    return x


def _canonical(name: str, x: Layout, attributes: Attributes) -> Attributes:
    count = x.ndim - 2
    window = spatial_sizes(name, "window", attributes["window"], count)
    given = attributes["stride"]
    canonical = {
        **attributes,
        "window": window,
        "stride": window if given is None else spatial_sizes(name, "stride", given, count),
        "padding": padding_pairs(name, attributes["padding"], count),
        "dilation": spatial_sizes(name, "dilation", attributes["dilation"], count),
        "ceil_mode": bool(attributes["ceil_mode"]),
    }
    spans = reach(window, canonical["dilation"])
    if any(max(p) >= n for p, n in zip(canonical["padding"], spans, strict=True)):
        raise ValueRangeError(
            f"{name}: padding={canonical['padding']} must be smaller than what the window spans, "
            f"{spans}, on every axis"
        )
    windows_along(name, x, spans, canonical["stride"], canonical["padding"])
    return canonical


def _placement(
    sizes: Shape, window: Shape, stride: Shape, padding: Pairs, dilation: Shape, ceil_mode: bool
) -> tuple[Shape, Pairs]:
    """Return the output's sizes, and the padding with which whole windows give them.

    ``ceil_mode`` adds a window where elements are left over, if it starts before the padding
    behind does; it may reach beyond that padding.
    """
    counts, reached = [], []
    for n, step, (before, after), span in zip(
        sizes, stride, padding, reach(window, dilation), strict=True
    ):
        count = (n + before + after - span) // step + 1
        missing = count * step + span - (n + before + after)
        if ceil_mode and missing < step and count * step < n + before:
            count, after = count + 1, after + missing
        counts.append(count)
        reached.append((before, after))
    return tuple(counts), tuple(reached)


def _folded_rule(allowed: Sequence[DType]) -> Rule:
    """Return the rule of a pooling that takes what lies behind the padding for padding too."""

    def rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
        x = _input(name, inputs, allowed)
        canonical = _canonical(name, x, attributes)
        if "p" in canonical:
            canonical["p"] = _positive(name, "p", canonical["p"])
        where = {k: canonical[k] for k in ("window", "stride", "padding", "dilation")}
        out, padding = _placement(x.shape[2:], **where, ceil_mode=canonical.pop("ceil_mode"))
        canonical["padding"] = padding
        return Inference((x.dtype,), ((x.dtype, (*x.shape[:2], *out)),), canonical)

    return rule


def _positive(name: str, what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise DTypeError(f"{name}: {what} must be a real number, not {value!r}")
    if not 0 < value < math.inf:
        raise ValueRangeError(f"{name}: {what} is {value}; it must be above 0 and finite")
    return float(value)


def _padded(F: Evaluator, x: Any, value: float, padding: Pairs) -> Any:
    if not any(map(any, padding)):
        return x
    before, after = ((0, 0, *side) for side in zip(*padding, strict=True))
    return F.pad(x, value, before=before, after=after)


def _windowed(F: Evaluator, x: Any, window: Shape, stride: Shape, dilation: Shape) -> Any:
    axes = tuple(range(2, 2 + len(window)))
    return F.as_windows(x, axes=axes, sizes=window, steps=stride, dilations=dilation)


def _window_axes(window: Shape) -> Shape:
    return tuple(range(2 + len(window), 2 + 2 * len(window)))


def _met(x: Any, value: Any, window: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Any:
    """Yield, for each position in the window, what it meets of the padded host array."""
    padded: Any = np.full(
        (*x.shape[:2], *(n + sum(p) for n, p in zip(x.shape[2:], padding, strict=True))),
        value,
        x.dtype,
    )
    inner = (slice(b, b + n) for n, (b, _) in zip(x.shape[2:], padding, strict=True))
    padded[(..., *inner)] = x
    spans = reach(window, dilation)
    out = tuple((n - r) // s + 1 for n, r, s in zip(padded.shape[2:], spans, stride, strict=True))
    for _, where in taps(window, dilation, stride, out):
        yield padded[(..., *where)]


# Maximum


def _lowest(dtype: Any) -> float:
    found = as_dtype(dtype)
    return -math.inf if found.kind == "float" else integer_range(found)[0]


def _max_pool(x: Any, window: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Any:
    met = _met(x, _lowest(x.dtype), window, stride, padding, dilation)
    result = next(met).copy()
    for values in met:
        np.maximum(result, values, out=result)
    return result


def _decompose_max_pool(
    F: Evaluator, x: Any, window: Shape, stride: Shape, padding: Pairs, dilation: Shape
) -> Any:
    padded = _padded(F, x, _lowest(x.dtype), padding)
    windows = _windowed(F, padded, window, stride, dilation)
    return F.max(windows, axis=_window_axes(window), keepdims=False)


define(
    "max_pool",
    FAMILY,
    _max_pool,
    _folded_rule(REAL),
    _decompose_max_pool,
    window=REQUIRED,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
)

# The p-norm of each window


def _lp_pool(
    x: Any, p: float, window: Shape, stride: Shape, padding: Pairs, dilation: Shape
) -> Any:
    powers = np.power(np.abs(wide(x)), p)
    total = sum(_met(powers, 0, window, stride, padding, dilation))
    return np.power(total, 1 / p).astype(x.dtype, copy=False)


def _decompose_lp_pool(
    F: Evaluator, x: Any, p: float, window: Shape, stride: Shape, padding: Pairs, dilation: Shape
) -> Any:
    powers = F.power(F.abs(widen(F, x)), p)
    windows = _windowed(F, _padded(F, powers, 0.0, padding), window, stride, dilation)
    total = F.sum(windows, axis=_window_axes(window), keepdims=False)
    return narrow(F, F.power(total, 1 / p), x.dtype)


define(
    "lp_pool",
    FAMILY,
    _lp_pool,
    _folded_rule(FLOATING),
    _decompose_lp_pool,
    p=2.0,
    window=REQUIRED,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
)

# Average: what a window reaches behind the padding never counts; the padding may.


def _average_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x = _input(name, inputs, FLOATING)
    canonical = _canonical(name, x, attributes)
    where = {k: canonical[k] for k in ("window", "stride", "padding", "dilation", "ceil_mode")}
    out, reached = _placement(x.shape[2:], **where)
    canonical["ceil_mode"] = reached != canonical["padding"]
    canonical["count_include_pad"] = bool(attributes["count_include_pad"])
    divisor = attributes["divisor"]
    if divisor is not None:
        canonical["divisor"] = _positive(name, "divisor", divisor)
    return Inference((x.dtype,), ((x.dtype, (*x.shape[:2], *out)),), canonical)


def _average_pool(
    x: Any,
    window: Shape,
    stride: Shape,
    padding: Pairs,
    dilation: Shape,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: float | None,
) -> Any:
    values = wide(x)
    _, reached = _placement(x.shape[2:], window, stride, padding, dilation, ceil_mode)
    total = sum(_met(values, 0, window, stride, reached, dilation))
    counts: Any = divisor
    if divisor is None:
        inside = np.full((1, 1, *x.shape[2:]), 1, values.dtype)
        edge = padding if count_include_pad else ((0, 0),) * len(window)
        counted = np.pad(inside, ((0, 0), (0, 0), *edge), constant_values=1)
        rest = tuple((r[0] - e[0], r[1] - e[1]) for r, e in zip(reached, edge, strict=True))
        counts = np.maximum(sum(_met(counted, 0, window, stride, rest, dilation)), 1)
    return (total / counts).astype(x.dtype, copy=False)


def _decompose_average_pool(
    F: Evaluator,
    x: Any,
    window: Shape,
    stride: Shape,
    padding: Pairs,
    dilation: Shape,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: float | None,
) -> Any:
    out, reached = _placement(x.shape[2:], window, stride, padding, dilation, ceil_mode)
    values = _padded(F, widen(F, x), 0.0, reached)
    windows = _windowed(F, values, window, stride, dilation)
    total = F.sum(windows, axis=_window_axes(window), keepdims=False)
    counted = padding if count_include_pad else ((0, 0),) * len(window)
    if divisor is not None or counted == reached:
        return narrow(F, F.divide(total, divisor or float(prod(window))), x.dtype)
    for axis, (n, o, k, s, d, (start, _), (before, after)) in enumerate(
        zip(x.shape[2:], out, window, stride, dilation, reached, counted, strict=True)
    ):
        first = F.reshape(F.arange(start=0, stop=o * s, step=s, dtype=dtypes.int64), shape=(o, 1))
        offset = F.arange(start=-start, stop=k * d - start, step=d, dtype=dtypes.int64)
        position = F.add(first, offset)
        inside = F.logical_and(F.greater_equal(position, -before), F.less(position, n + after))
        count = F.sum(F.cast(inside, dtype=wide_dtype(x.dtype)), axis=(1,), keepdims=False)
        shape = (o, *(1,) * (len(window) - 1 - axis))
        total = F.divide(total, F.reshape(F.maximum(count, 1.0), shape=shape))
    return narrow(F, total, x.dtype)


define(
    "average_pool",
    FAMILY,
    _average_pool,
    _average_rule,
    _decompose_average_pool,
    window=REQUIRED,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
    count_include_pad=True,
    divisor=None,
)

# Adaptive: cell i of m covers elements floor(i n / m) to ceil((i + 1) n / m) of an axis of n.


def _adaptive_rule(allowed: Sequence[DType]) -> Rule:
    def rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
        x = _input(name, inputs, allowed)
        given = attributes["output_size"]
        count = x.ndim - 2
        entries = tuple(given) if isinstance(given, tuple | list) else (given,) * count
        filled = (
            tuple(n if e is None else e for e, n in zip(entries, x.shape[2:], strict=False))
            + entries[count:]
        )
        sizes = spatial_sizes(name, "output_size", filled, count)
        return Inference((x.dtype,), ((x.dtype, (*x.shape[:2], *sizes)),), {"output_size": sizes})

    return rule


def _cells(size: int, cells: int) -> list[slice]:
    return [slice(i * size // cells, -(-(i + 1) * size // cells)) for i in range(cells)]


def _adaptive(x: Any, output_size: Shape, reduce: Any) -> Any:
    result: Any = np.empty((*x.shape[:2], *output_size), x.dtype)
    axes = tuple(range(2, x.ndim))
    cells = [_cells(n, m) for n, m in zip(x.shape[2:], output_size, strict=True)]
    for index in product(*map(range, output_size)):
        region = tuple(cells[a][i] for a, i in enumerate(index))
        result[(..., *index)] = reduce(x[(..., *region)], axis=axes)
    return result


def _regions(F: Evaluator, x: Any, axis: int, cells: int) -> tuple[Any, Any, Any]:
    """Return the elements of each cell along an axis behind it, which of them count, how many."""
    size = x.shape[axis]
    index = F.arange(start=0, stop=cells, step=1, dtype=dtypes.int64)
    start = F.floor_divide(F.multiply(index, size), cells)
    end = F.floor_divide(F.add(F.multiply(index, size), size + cells - 1), cells)
    most = max(c.stop - c.start for c in _cells(size, cells))
    offset = F.arange(start=0, stop=most, step=1, dtype=dtypes.int64)
    position = F.add(F.reshape(start, shape=(cells, 1)), offset)
    # Cells that are shorter repeat their last element.
    last = F.reshape(F.subtract(end, 1), shape=(cells, 1))
    elements = F.take(x, F.minimum(position, last), axis=axis)
    return elements, F.less_equal(position, last), F.subtract(end, start)


def _even(F: Evaluator, x: Any, axis: int, cells: int) -> Any:
    shape = x.shape
    return F.reshape(x, shape=(*shape[:axis], cells, shape[axis] // cells, *shape[axis + 1 :]))


def _decompose_adaptive_max(F: Evaluator, x: Any, output_size: Shape) -> Any:
    for axis, cells in enumerate(output_size, 2):
        if x.shape[axis] % cells == 0:
            elements = _even(F, x, axis, cells)
        else:
            elements = _regions(F, x, axis, cells)[0]
        x = F.max(elements, axis=(axis + 1,), keepdims=False)
    return x


def _decompose_adaptive_average(F: Evaluator, x: Any, output_size: Shape) -> Any:
    values = widen(F, x)
    for axis, cells in enumerate(output_size, 2):
        if values.shape[axis] % cells == 0:
            values = F.mean(_even(F, values, axis, cells), axis=(axis + 1,), keepdims=False)
            continue
        elements, inside, count = _regions(F, values, axis, cells)
        behind = (1,) * (len(values.shape) - 1 - axis)
        inside = F.reshape(inside, shape=(*inside.shape, *behind))
        total = F.sum(F.where(inside, elements, 0.0), axis=(axis + 1,), keepdims=False)
        count = F.reshape(F.cast(count, dtype=wide_dtype(x.dtype)), shape=(cells, *behind))
        values = F.divide(total, count)
    return narrow(F, values, x.dtype)


define(
    "adaptive_max_pool",
    FAMILY,
    lambda x, output_size: _adaptive(x, output_size, np.max),
    _adaptive_rule(REAL),
    _decompose_adaptive_max,
    output_size=REQUIRED,
)
define(
    "adaptive_average_pool",
    FAMILY,
    lambda x, output_size: _adaptive(wide(x), output_size, np.mean).astype(x.dtype, copy=False),
    _adaptive_rule(FLOATING),
    _decompose_adaptive_average,
    output_size=REQUIRED,
)
