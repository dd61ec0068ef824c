"""Convolution (cross-correlation, as in PyTorch) and its transpose over one to three spatial axes.

Layouts are (batch, channels, spatial...).
Source: https://docs.pytorch.org/docs/stable/nn.functional.html#convolution-functions
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from hal.dtypes import FLOATING, DType
from hal.errors import ShapeError, ValueRangeError
from hal.ops.operator import Attributes, Evaluator, Inference, Inputs, define
from hal.ops.product import check_precision
from hal.ops.rules import check_dtype, check_ndim, present, promoted
from hal.ops.spatial import (
    Pairs,
    check_group,
    padding_pairs,
    reach,
    spatial_sizes,
    taps,
    windows_along,
)
from hal.ops.widening import narrow, wide, widen
from hal.plugin.layout import Layout, Shape

FAMILY = "convolution"


def _operands(name: str, inputs: Inputs) -> tuple[Layout, Layout, DType]:
    x, weight = present(name, inputs, 2)
    dtype = promoted(name, [i for i in inputs if i is not None])
    check_dtype(name, dtype, FLOATING)
    check_ndim(name, "the input", x, 3, 5)
    if weight.ndim != x.ndim:
        raise ShapeError(
            f"{name}: the input {x.shape} has {x.ndim} axes, the weight {weight.shape} "
            f"{weight.ndim}; both need batch or channels, channels and the spatial axes"
        )
    if 0 in weight.shape[2:]:
        raise ShapeError(f"{name}: the weight {weight.shape} has an empty spatial axis")
    return x, weight, dtype


def _check_bias(name: str, inputs: Inputs, channels: int) -> None:
    bias = inputs[2] if len(inputs) > 2 else None
    if bias is not None and bias.shape != (channels,):
        raise ShapeError(
            f"{name}: the bias has shape {bias.shape}; for {channels} output channels it must be "
            f"({channels},)"
        )


def _padding(name: str, given: Any, spans: Shape, stride: Shape) -> Pairs:
    """Return pairs, with PyTorch's meaning of the words "valid" and "same"."""
    if given == "valid":
        return ((0, 0),) * len(spans)
    if given == "same":
        if any(s != 1 for s in stride):
            raise ValueRangeError(f"{name}: padding='same' needs stride 1, not {stride}")
        return tuple(((n - 1) // 2, n - 1 - (n - 1) // 2) for n in spans)
    if isinstance(given, str):
        raise ValueRangeError(
            f"{name}: padding is {given!r}; it may be 'same', 'valid', integers or pairs"
        )
    return padding_pairs(name, given, len(spans))


def _convolution_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, weight, dtype = _operands(name, inputs)
    count = x.ndim - 2
    stride = spatial_sizes(name, "stride", attributes["stride"], count)
    dilation = spatial_sizes(name, "dilation", attributes["dilation"], count)
    spans = reach(weight.shape[2:], dilation)
    padding = _padding(name, attributes["padding"], spans, stride)
    groups = check_group(
        name,
        attributes["groups"],
        (("input channels", x.shape[1]), ("output channels", weight.shape[0])),
    )
    if weight.shape[1] * groups != x.shape[1]:
        raise ShapeError(
            f"{name}: a weight of shape {weight.shape} with groups={groups} takes "
            f"{weight.shape[1] * groups} channels; the input {x.shape} has {x.shape[1]}"
        )
    _check_bias(name, inputs, weight.shape[0])
    shape = (x.shape[0], weight.shape[0], *windows_along(name, x, spans, stride, padding))
    canonical = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "precision": check_precision(name, attributes)["precision"],
    }
    cast = tuple(None if i is None else dtype for i in inputs)
    return Inference(cast, ((dtype, shape),), canonical)


def _convolution(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Shape,
    padding: Pairs,
    dilation: Shape,
    groups: int,
    precision: str,
) -> Any:
    padded = np.pad(wide(x), ((0, 0), (0, 0), *padding))
    spans = reach(weight.shape[2:], dilation)
    out = tuple((n - r) // s + 1 for n, r, s in zip(padded.shape[2:], spans, stride, strict=True))
    batch, outputs = x.shape[0], weight.shape[0]
    grouped = wide(weight).reshape(groups, outputs // groups, weight.shape[1], *weight.shape[2:])
    total = np.zeros((batch, groups, outputs // groups, prod(out)), padded.dtype)
    for tap, where in taps(weight.shape[2:], dilation, stride, out):
        met = padded[(slice(None), slice(None), *where)]
        met = met.reshape(batch, groups, weight.shape[1], prod(out))
        total += np.matmul(grouped[(..., *tap)], met)
    result = total.reshape(batch, outputs, *out)
    if bias is not None:
        result = result + wide(bias).reshape(-1, *(1,) * len(out))
    return result.astype(x.dtype, copy=False)


def _decompose_convolution(
    F: Evaluator,
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Shape,
    padding: Pairs,
    dilation: Shape,
    groups: int,
    precision: str,
) -> Any:
    batch, channels = x.shape[:2]
    outputs, kernel = weight.shape[0], weight.shape[2:]
    count = len(kernel)
    values = widen(F, x)
    if any(map(any, padding)):
        before, after = ((0, 0, *side) for side in zip(*padding, strict=True))
        values = F.pad(values, 0.0, before=before, after=after)
    values = F.as_windows(
        values, axes=tuple(range(2, 2 + count)), sizes=kernel, steps=stride, dilations=dilation
    )
    # (batch, channels, out..., kernel...) becomes one column per output element.
    out = values.shape[2 : 2 + count]
    order = (0, 1, *range(2 + count, 2 + 2 * count), *range(2, 2 + count))
    depth = channels // groups * prod(kernel)
    columns = F.reshape(F.permute(values, axes=order), shape=(batch, groups, depth, prod(out)))
    rows = F.reshape(widen(F, weight), shape=(groups, outputs // groups, depth))
    result = F.reshape(F.matmul(rows, columns, precision=precision), shape=(batch, outputs, *out))
    if bias is not None:
        result = F.add(result, F.reshape(widen(F, bias), shape=(outputs, *(1,) * count)))
    return narrow(F, result, x.dtype)


define(
    "convolution",
    FAMILY,
    _convolution,
    _convolution_rule,
    _decompose_convolution,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    precision="highest",
)

# Transposed: every input element spreads the kernel over the output.


def _transpose_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, weight, dtype = _operands(name, inputs)
    count = x.ndim - 2
    stride = spatial_sizes(name, "stride", attributes["stride"], count)
    dilation = spatial_sizes(name, "dilation", attributes["dilation"], count)
    extra = spatial_sizes(name, "output_padding", attributes["output_padding"], count, low=0)
    padding = padding_pairs(name, attributes["padding"], count)
    groups = check_group(name, attributes["groups"], (("input channels", x.shape[1]),))
    if weight.shape[0] != x.shape[1]:
        raise ShapeError(
            f"{name}: a weight of shape {weight.shape} takes {weight.shape[0]} channels; the "
            f"input {x.shape} has {x.shape[1]}"
        )
    outputs = weight.shape[1] * groups
    _check_bias(name, inputs, outputs)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ValueRangeError(
            f"{name}: output_padding={extra} must be smaller than the stride {stride} or the "
            f"dilation {dilation} on every axis"
        )
    out = _transposed_sizes(x.shape[2:], weight.shape[2:], stride, padding, extra, dilation)
    if min(x.shape[2:]) < 1 or min(out) < 1:
        raise ShapeError(
            f"{name}: an input of shape {x.shape} gives spatial sizes {out}; all must be 1 or "
            "more: use a larger input or less padding"
        )
    canonical = {
        "stride": stride,
        "padding": padding,
        "output_padding": extra,
        "dilation": dilation,
        "groups": groups,
        "precision": check_precision(name, attributes)["precision"],
    }
    cast = tuple(None if i is None else dtype for i in inputs)
    return Inference(cast, ((dtype, (x.shape[0], outputs, *out)),), canonical)


def _transposed_sizes(
    sizes: Shape, kernel: Shape, stride: Shape, padding: Pairs, extra: Shape, dilation: Shape
) -> Shape:
    return tuple(
        (n - 1) * s + span - before - after + more
        for n, s, span, (before, after), more in zip(
            sizes, stride, reach(kernel, dilation), padding, extra, strict=True
        )
    )


def _convolution_transpose(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Shape,
    padding: Pairs,
    output_padding: Shape,
    dilation: Shape,
    groups: int,
    precision: str,
) -> Any:
    batch, channels = x.shape[:2]
    sizes, kernel = x.shape[2:], weight.shape[2:]
    # The whole spread, and room for what output_padding asks for beyond it; cropped at the end.
    whole = _transposed_sizes(
        sizes, kernel, stride, ((0, 0),) * len(sizes), output_padding, dilation
    )
    outputs = weight.shape[1] * groups
    values = wide(x).reshape(batch, groups, channels // groups, prod(sizes))
    grouped = wide(weight).reshape(groups, channels // groups, weight.shape[1], *kernel)
    spread: Any = np.zeros((batch, outputs, *whole), values.dtype)
    for tap, where in taps(kernel, dilation, stride, sizes):
        part = np.matmul(np.swapaxes(grouped[(..., *tap)], 1, 2), values)
        spread[(slice(None), slice(None), *where)] += part.reshape(batch, outputs, *sizes)
    result = spread[(..., *(slice(b, n - a) for n, (b, a) in zip(whole, padding, strict=True)))]
    if bias is not None:
        result = result + wide(bias).reshape(-1, *(1,) * len(sizes))
    return result.astype(x.dtype, copy=False)


def _decompose_transpose(
    F: Evaluator,
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Shape,
    padding: Pairs,
    output_padding: Shape,
    dilation: Shape,
    groups: int,
    precision: str,
) -> Any:
    spans = reach(weight.shape[2:], dilation)
    values = _spaced(F, x, stride)
    # What an ordinary convolution of stride 1 needs on each side; a negative size crops. The last
    # element is followed by stride - 1 zeros already.
    before = tuple(n - 1 - b for n, (b, _) in zip(spans, padding, strict=True))
    after = tuple(
        n - 1 - a + more - (s - 1)
        for n, (_, a), more, s in zip(spans, padding, output_padding, stride, strict=True)
    )
    values = F.pad(
        values,
        0.0,
        before=(0, 0, *(max(b, 0) for b in before)),
        after=(0, 0, *(max(a, 0) for a in after)),
    )
    values = F.slice(
        values,
        start=(0, 0, *(max(-b, 0) for b in before)),
        stop=(
            *values.shape[:2],
            *(n + min(a, 0) for n, a in zip(values.shape[2:], after, strict=True)),
        ),
        step=(1,) * len(values.shape),
    )
    return F.convolution(
        values,
        _turned(F, weight, groups),
        bias,
        stride=(1,) * len(stride),
        padding=((0, 0),) * len(stride),
        dilation=dilation,
        groups=groups,
        precision=precision,
    )


def _spaced(F: Evaluator, x: Any, stride: Shape) -> Any:
    """Return the input with stride - 1 zeros behind every element."""
    if all(s == 1 for s in stride):
        return x
    single = [n for size in x.shape[2:] for n in (size, 1)]
    room = [n for s in stride for n in (0, s - 1)]
    x_shape = x.shape
    x = F.reshape(x, shape=(*x_shape[:2], *single))
    x = F.pad(x, 0.0, before=(0,) * len(x.shape), after=(0, 0, *room))
    sizes = (n * s for n, s in zip(x_shape[2:], stride, strict=True))
    return F.reshape(x, shape=(*x_shape[:2], *sizes))


def _turned(F: Evaluator, weight: Any, groups: int) -> Any:
    """Return the weight with its spatial axes reversed and its channels exchanged."""
    channels, outputs = weight.shape[:2]
    kernel = weight.shape[2:]
    count = len(kernel)
    flipped = F.slice(
        weight,
        start=(0, 0, *(n - 1 for n in kernel)),
        stop=(channels, outputs, *(-1 for _ in kernel)),
        step=(1, 1, *(-1 for _ in kernel)),
    )
    grouped = F.reshape(flipped, shape=(groups, channels // groups, outputs, *kernel))
    exchanged = F.permute(grouped, axes=(0, 2, 1, *range(3, 3 + count)))
    return F.reshape(exchanged, shape=(groups * outputs, channels // groups, *kernel))


define(
    "convolution_transpose",
    FAMILY,
    _convolution_transpose,
    _transpose_rule,
    _decompose_transpose,
    stride=1,
    padding=0,
    output_padding=0,
    dilation=1,
    groups=1,
    precision="highest",
)
