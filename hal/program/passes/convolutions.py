"""Folds padding into the convolutions and poolings behind it."""

from __future__ import annotations

import math
from dataclasses import replace

from hal.device import Device
from hal.ops import operators
from hal.plugin import Call, Program
from hal.program.passes.calls import joined_labels
from hal.program.passes.graph import Graph, replaced

__all__ = ["fold_padding"]

_CONVOLUTION, _MAX_POOL = operators["convolution"], operators["max_pool"]


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
