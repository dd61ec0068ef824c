"""Folds what stands around convolutions and poolings into them: padding, divisors."""

from __future__ import annotations

import math
from dataclasses import replace

from hal.device import Device
from hal.ops import operators
from hal.plugin import Array, Call, Program
from hal.program.passes.calls import joined_labels
from hal.program.passes.graph import Graph, replaced
from hal.program.passes.products import constant_values

__all__ = ["fold_divisors", "fold_padding"]

_CONVOLUTION, _MAX_POOL, _AVERAGE_POOL = (
    operators[name] for name in ("convolution", "max_pool", "average_pool")
)


def fold_padding(program: Program, device: Device) -> Program:
    """Return the program with padding calls made part of the convolution or pooling behind them.

    A maximum takes the lowest number there is, a convolution zeros, and so does an average that
    divides by a number of its own.
    """
    graph = Graph(program, device)
    found: dict[int, Call] = {}
    for position, call in enumerate(program.calls):
        wanted = _neutral(call)
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
        if call.op is not _CONVOLUTION and not _within_windows(call, padding):
            continue
        label = joined_labels((pad, call))
        inputs = (x, *call.inputs[1:])
        found[position] = replace(call, inputs=inputs, attributes=attributes, label=label)
    return replaced(program, device, found)


def fold_divisors(program: Program, device: Device) -> Program:
    """Return the program with a division by one number behind an average made the average's own.

    Exporters write an average that counts its padding as a sum over padding and a division.
    """
    graph = Graph(program, device)
    found: dict[int, Call] = {}
    for call in program.calls:
        if call.op is not _AVERAGE_POOL or call.host or call.attributes["divisor"] is None:
            continue
        position = graph.only_reader(call)
        step = None if position is None else program.calls[position]
        if step is None or step.op.name != "divide" or step.inputs[0] != call.outputs[0]:
            continue
        number = _one_number(graph, step.inputs[1])
        same = step.outputs[0].layout == call.outputs[0].layout
        x = call.inputs[0]
        if not number or not same or position is None or x is None or x.buffer not in graph.stable:
            continue
        attributes = {**call.attributes, "divisor": call.attributes["divisor"] * number}
        label = joined_labels((call, step))
        found[position] = replace(call, outputs=step.outputs, attributes=attributes, label=label)
    return replaced(program, device, found)


def _one_number(graph: Graph, array: Array | None) -> float | None:
    """Return the number that all elements of a constant are."""
    if array is None or array.buffer not in graph.program.constants or not array.layout.size:
        return None
    values = constant_values(graph.program, array, graph.device).reshape(-1)
    return float(values[0]) if (values == values[0]).all() else None


def _neutral(call: Call) -> float | None:
    """Return the number of which padding changes nothing, None for a call that takes none."""
    if call.op is _AVERAGE_POOL:
        return None if call.attributes["divisor"] is None else 0.0
    return {_CONVOLUTION: 0.0, _MAX_POOL: -math.inf}.get(call.op)


def _within_windows(call: Call, padding: tuple[tuple[int, int], ...]) -> bool:
    """Return whether a pooling may have the padding: less than its window spans."""
    window, dilation = call.attributes["window"], call.attributes["dilation"]
    spans = [(n - 1) * d + 1 for n, d in zip(window, dilation, strict=True)]
    return all(max(p) < span for p, span in zip(padding, spans, strict=True))
