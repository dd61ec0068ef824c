"""Folds what stands around convolutions and poolings into them: scales, shifts, padding."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from hal.device import Device
from hal.dtypes import float32, float64
from hal.memory import base, from_host
from hal.ops import operators
from hal.plugin import Array, Call, Layout, Program
from hal.program.passes.calls import joined_labels
from hal.program.passes.graph import Graph, replaced
from hal.program.passes.products import constant_values

__all__ = ["fold_padding", "fold_scales"]

_CONVOLUTION, _MAX_POOL = operators["convolution"], operators["max_pool"]

Scale = tuple[Any, Any]
"""The factor and the summand of each channel."""


def fold_scales(program: Program, device: Device) -> Program:
    """Return the program with constant factors and summands of channels made part of convolutions.

    They come from batch normalization, or are written out. The convolution's weight and bias take
    them in, calculated in float64 and rounded once.
    """
    graph = Graph(program, device)
    sizes, constants = list(program.sizes), dict(program.constants)
    found: dict[int, Call] = {}

    def constant(values: Any, like: Array) -> Array:
        packed = np.ascontiguousarray(values, like.layout.dtype.numpy)
        # On the device at once: a copy on the host would live as long as the program.
        constants[len(sizes)] = base(from_host(packed, device))[0]
        sizes.append(packed.nbytes)
        return Array(len(sizes) - 1, Layout(like.layout.dtype, packed.shape))

    for call in program.calls:
        scaled = _scaled(graph, call)
        if scaled is None:
            continue
        position, (factor, summand) = scaled
        x, weight, bias = (*call.inputs, None)[:3]
        assert weight is not None
        values = _values(graph, weight) * factor.reshape(-1, *(1,) * (weight.layout.ndim - 1))
        if bias is not None:
            summand = summand + _values(graph, bias) * factor
        last = program.calls[position]
        found[position] = replace(
            call,
            inputs=(x, constant(values, weight), constant(summand, weight)),
            outputs=last.outputs,
            label=joined_labels((call, last)),
        )
    return replaced(replace(program, sizes=tuple(sizes), constants=constants), device, found)


def fold_padding(program: Program, device: Device) -> Program:
    """Return the program with padding calls made part of the convolution or pooling behind them.

    A convolution takes zeros, a maximum the lowest number there is.
    """
    graph = Graph(program, device)
    found: dict[int, Call] = {}
    for position, call in enumerate(program.calls):
        wanted = {_CONVOLUTION: 0.0, _MAX_POOL: -math.inf}.get(call.op)
        made = None if wanted is None or call.host else graph.maker(call.inputs[0], "pad")
        if made is None:
            continue
        pad = graph.program.calls[made]
        x, value = pad.inputs
        before, after = pad.attributes["before"], pad.attributes["after"]
        if x is None or graph.number(value) != wanted or any(before[:2]) or any(after[:2]):
            continue
        if x.buffer not in graph.stable:
            continue
        own = call.attributes["padding"]
        padding = tuple(
            [(b + x, a + y) for (b, a), x, y in zip(own, before[2:], after[2:], strict=True)]
        )
        attributes = {**call.attributes, "padding": padding}
        if call.op is _MAX_POOL and not _within_windows(call, padding):
            continue
        label = joined_labels((pad, call))
        inputs = (x, *call.inputs[1:])
        found[position] = replace(call, inputs=inputs, attributes=attributes, label=label)
    return replaced(program, device, found)


def _within_windows(call: Call, padding: tuple[tuple[int, int], ...]) -> bool:
    """Return whether a pooling may have the padding: less than its window spans."""
    window, dilation = call.attributes["window"], call.attributes["dilation"]
    spans = [(n - 1) * d + 1 for n, d in zip(window, dilation, strict=True)]
    return all(max(p) < span for p, span in zip(padding, spans, strict=True))


def _scaled(graph: Graph, call: Call) -> tuple[int, Scale] | None:
    """Return where the calls that scale a convolution's channels end, and by what they scale."""
    x, *rest = call.inputs if call.op is _CONVOLUTION and not call.host else (None,)
    constant = all(a is None or a.buffer in graph.program.constants for a in rest)
    if x is None or not constant or x.buffer not in graph.stable:
        return None
    if x.layout.dtype not in (float32, float64):
        return None
    channels = call.outputs[0].layout.shape[1]
    factor, summand, end = np.ones(channels), np.zeros(channels), None
    last = call
    while (position := graph.only_reader(last)) is not None:
        step = graph.program.calls[position]
        scale = _scale(graph, step, last.outputs[0])
        if scale is None:
            break
        factor, summand = factor * scale[0], summand * scale[0] + scale[1]
        last, end = step, position
    return None if end is None else (end, (factor, summand))


def _scale(graph: Graph, step: Call, x: Array) -> Scale | None:
    """Return how a call scales and shifts the channels of its input, if by constants."""
    if step.view or step.host or step.outputs[0].layout.shape != x.layout.shape:
        return None
    if step.op.name == "batch_norm":
        return _of_norm(graph, step) if step.inputs[0] == x else None
    if step.op.name not in ("multiply", "divide", "add", "subtract") or x not in step.inputs:
        return None
    first = step.inputs[0] == x
    if not first and step.op.name in ("divide", "subtract"):
        return None
    values = _per_channel(graph, step.inputs[1 if first else 0], x)
    if values is None:
        return None
    one, zero = np.ones(len(values)), np.zeros(len(values))
    if step.op.name in ("add", "subtract"):
        return one, values if step.op.name == "add" else -values
    if step.op.name == "multiply":
        return values, zero
    return (1 / values, zero) if values.all() else None


def _of_norm(graph: Graph, call: Call) -> Scale | None:
    if any(a is not None and a.buffer not in graph.program.constants for a in call.inputs[1:]):
        return None
    mean, variance, *rest = [None if a is None else _values(graph, a) for a in call.inputs[1:]]
    weight, bias = (*rest, None, None)[:2]
    factor: Any = 1 / np.sqrt(variance + call.attributes["epsilon"])
    factor = factor if weight is None else factor * weight
    return factor, (0 if bias is None else bias) - mean * factor


def _per_channel(graph: Graph, other: Array | None, x: Array) -> Any | None:
    """Return a constant with one element for each channel, or one for all."""
    if other is None or other.buffer not in graph.program.constants:
        return None
    shape, channels = other.layout.shape, x.layout.shape[1]
    behind = (channels, *(1,) * (x.layout.ndim - 2))
    lead = shape[: -len(behind)]
    if other.layout.size != 1 and (shape[len(lead) :] != behind or math.prod(lead) != 1):
        return None
    return np.broadcast_to(_values(graph, other).reshape(-1), (channels,))


def _values(graph: Graph, array: Array) -> Any:
    """Return a constant's values in float64."""
    return np.asarray(constant_values(graph.program, array, graph.device), np.float64)
