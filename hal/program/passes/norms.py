"""Finds normalization layers that a model writes out in parts."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from hal.device import Device
from hal.errors import HalError
from hal.ops import operators
from hal.plugin import Array, Call, Layout, Program
from hal.program.passes.graph import Graph, Match, kept, replaced

__all__ = ["find_norms"]

_LAYER_NORM, _RMS_NORM = (operators[n] for n in ("layer_norm", "rms_norm"))


def find_norms(program: Program, device: Device) -> Program:
    """Return the program with layer and root-mean-square norms in parts made single calls.

    The parts are a mean and a subtraction (for ``layer_norm``), a mean of squares, a small number
    added to it, a root, a division; then a factor and, for ``layer_norm``, a summand for each
    element of the normalized axes.
    """
    graph = Graph(program, device)
    found: dict[int, Call] = {}
    for call in program.calls:
        norm = _norm(graph, call)
        if norm is not None:
            found[norm[0]] = norm[1]
    return replaced(program, device, found)


class _Core(NamedTuple):
    """A norm without weight and bias."""

    x: Array
    axes: tuple[int, ...]
    epsilon: float
    centred: bool


def _norm(graph: Graph, call: Call) -> tuple[int, Call] | None:
    """Return the norm whose values a call makes, with what follows, and where it ends."""
    match = Match(graph)
    core = _core(graph, match, call)
    if core is None or core.x.buffer not in graph.stable:
        return None
    position, last = graph.made[call.outputs[0].buffer], call
    sides: list[Array | None] = []
    for name in ("multiply", "add") if core.centred else ("multiply",):
        following = graph.only_reader(last)
        step = None if following is None else graph.program.calls[following]
        side = None if step is None else _side(graph, core, step, name, last.outputs[0])
        sides.append(side)
        if side is not None and step is not None and following is not None:
            match.step(last.outputs[0], last.op.name)
            position, last = following, step
    while sides and sides[-1] is None:
        sides.pop()
    op = _LAYER_NORM if core.centred else _RMS_NORM
    inputs = (core.x, *sides)
    given = tuple([None if a is None else a.layout for a in inputs])
    try:
        inference = op.infer(given, {"axes": core.axes, "epsilon": core.epsilon})
    except HalError:
        return None
    out = last.outputs[0].layout
    dtypes = tuple([None if x is None else x.dtype for x in given])
    if inference.outputs != ((out.dtype, out.shape),) or inference.dtypes != dtypes:
        return None
    made = Call(op, inputs, last.outputs, inference.attributes, label=match.label(last))
    return position, made


def _core(graph: Graph, match: Match, last: Call) -> _Core | None:
    """Return the norm that ends in a division by a root, or in a product with its reciprocal."""
    if last.view or last.host or last.outputs[0].buffer not in graph.made:
        return None
    if last.op.name == "divide":
        values, below = last.inputs
        return _over(graph, match, values, match.step(below, "sqrt"))
    if last.op.name != "multiply":
        return None
    for values, scale in (last.inputs, last.inputs[::-1]):
        inverse = match.step(scale, "rsqrt", "reciprocal", "divide")
        if inverse is None:
            continue
        root: Call | None = inverse
        if inverse.op.name == "reciprocal":
            root = match.step(inverse.inputs[0], "sqrt")
        elif inverse.op.name == "divide":
            one = graph.number(inverse.inputs[0]) == 1
            root = match.step(inverse.inputs[1], "sqrt") if one else None
        found = _over(graph, match, values, root)
        if found is not None:
            return found
    return None


def _over(graph: Graph, match: Match, values: Array | None, root: Call | None) -> _Core | None:
    """Return the norm of values over the root of their variance and a small number."""
    added = None if root is None else match.step(root.inputs[0], "add")
    if added is None or values is None:
        return None
    for variance, small in (added.inputs, added.inputs[::-1]):
        epsilon = graph.number(small)
        if epsilon is None or epsilon < 0 or variance is None:
            continue
        power = match.step(variance, "mean", "var")
        if power is None:
            continue
        axes = power.attributes["axis"]
        if added.outputs[0].layout.shape != kept(values, axes):
            continue
        centred = match.step(values, "subtract")
        mean = None if centred is None else match.step(centred.inputs[1], "mean")
        x = None if centred is None else centred.inputs[0]
        is_centred = (
            x is not None
            and centred is not None
            and mean is not None
            and mean.inputs[0] == x
            and mean.attributes["axis"] == axes
            and centred.inputs[1] is not None
            and centred.inputs[1].layout.shape == kept(x, axes)
        )
        if power.op.name == "var":
            if is_centred and x == power.inputs[0] and power.attributes["correction"] == 0:
                assert x is not None
                return _Core(x, axes, epsilon, True)
        elif _squared(graph, match, power.inputs[0]) == values:
            if is_centred and x is not None:
                return _Core(x, axes, epsilon, True)
            return _Core(values, axes, epsilon, False)
    return None


def _squared(graph: Graph, match: Match, array: Array | None) -> Array | None:
    """Return what an array holds the squares of."""
    call = match.step(array, "square", "multiply", "power")
    if call is None:
        return None
    x = call.inputs[0]
    if call.op.name == "multiply":
        return x if x == call.inputs[1] else None
    return x if call.op.name == "square" or graph.number(call.inputs[1]) == 2 else None


def _side(graph: Graph, core: _Core, step: Call, name: str, values: Array) -> Array | None:
    """Return the other operand of a step as an array over the normalized axes."""
    if step.op.name != name or step.view or step.host or values not in step.inputs:
        return None
    if step.outputs[0].layout.shape != values.layout.shape:
        return None
    other = step.inputs[1 if step.inputs[0] == values else 0]
    if other is None or other == values or other.buffer not in graph.stable:
        return None
    shape = tuple([core.x.layout.shape[a] for a in core.axes])
    layout = other.layout
    lead = layout.ndim - len(shape)
    last = tuple(range(core.x.layout.ndim - len(shape), core.x.layout.ndim))
    if core.axes != last or lead < 0 or layout.shape[lead:] != shape or layout.size != prod(shape):
        return None
    return other._replace(layout=Layout(layout.dtype, shape, layout.strides[lead:]))
