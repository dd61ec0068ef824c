"""Finds softmax, and its logarithm, that a model writes out in parts."""

from __future__ import annotations

from hal.device import Device
from hal.ops import Operator, operators
from hal.plugin import Array, Call, Program
from hal.program.passes.graph import Graph, Match, kept, replaced

__all__ = ["find_softmax"]

_SOFTMAX, _LOG_SOFTMAX = operators["softmax"], operators["log_softmax"]


def find_softmax(program: Program, device: Device) -> Program:
    """Return the program with softmax written out in parts made single calls.

    The parts are the largest value along an axis, a subtraction, exponentials, their sum along the
    same axis, and a division; for ``log_softmax`` the sum's logarithm is subtracted instead, before
    the largest value or after it. Without the largest value it would overflow where softmax does
    not, and stays as it is.

    Examples
    --------
    >>> import hal
    >>> from hal.program import record
    >>> cpu = hal.device("cpu:0")
    >>> x = hal.ones((2, 5), device=cpu)
    >>> def function(x):
    ...     grown = hal.exp(x - hal.max(x, axis=-1, keepdims=True))
    ...     return grown / hal.sum(grown, axis=-1, keepdims=True)
    >>> before = record("f", cpu, [x], lambda xs: [function(*xs)])
    >>> [call.op.name for call in before.calls]
    ['max', 'subtract', 'exp', 'sum', 'divide']
    >>> [call.op.name for call in find_softmax(before, cpu).calls]
    ['softmax']
    """
    graph = Graph(program, device)
    found: dict[int, Call] = {}
    for position, call in enumerate(program.calls):
        if call.view or call.host or len(call.outputs) != 1:
            continue
        made = _softmax(graph, call) or _log_softmax(graph, call)
        if made is not None:
            found[position] = made
    return replaced(program, device, found)


def _softmax(graph: Graph, last: Call) -> Call | None:
    """Return softmax that ends in a division, or in a product with a reciprocal."""
    if last.op.name not in ("divide", "multiply"):
        return None
    for grown, side in (last.inputs, last.inputs[::-1]):
        match, total = Match(graph), side
        if last.op.name == "multiply":
            inverse = match.step(side, "reciprocal", "divide")
            if inverse is None:
                continue
            total = inverse.inputs[-1]
            if len(inverse.inputs) == 2 and graph.number(inverse.inputs[0]) != 1:
                continue
        found = _sum_of_exponentials(graph, match, total)
        if found is not None and found[1] == grown:
            return _call(_SOFTMAX, graph, match, last, side, found[0], found[2])
    return None


def _log_softmax(graph: Graph, last: Call) -> Call | None:
    """Return the logarithm of softmax: what is left of values without that of a sum."""
    if last.op.name != "subtract":
        return None
    match = Match(graph)
    values, taken = last.inputs
    logarithm = match.step(taken, "log")
    if logarithm is not None:
        found = _sum_of_exponentials(graph, match, logarithm.inputs[0])
        if found is not None and found[2].outputs[0] == values:
            return _call(_LOG_SOFTMAX, graph, match, last, taken, found[0], found[2])
        return None
    added = match.step(taken, "add")
    if added is None or values is None:
        return None
    for logs, top in (added.inputs, added.inputs[::-1]):
        logarithm = match.step(logs, "log")
        found = None
        if logarithm is not None:
            found = _sum_of_exponentials(graph, match, logarithm.inputs[0])
        if found is not None and found[2].inputs == (values, top):
            return _call(_LOG_SOFTMAX, graph, match, last, taken, found[0], found[2])
    return None


def _sum_of_exponentials(
    graph: Graph, match: Match, total: Array | None
) -> tuple[Call, Array | None, Call] | None:
    """Return the sum, what it sums, and the subtraction of the largest value before that."""
    summed = match.step(total, "sum")
    exponential = None if summed is None else match.step(summed.inputs[0], "exp")
    if summed is None or exponential is None:
        return None
    centred = match.step(exponential.inputs[0], "subtract")
    return None if centred is None else (summed, summed.inputs[0], centred)


def _call(
    op: Operator,
    graph: Graph,
    match: Match,
    last: Call,
    side: Array | None,
    summed: Call,
    centred: Call,
) -> Call | None:
    """Return the single call, None where the parts are of other axes, shapes or dtypes.

    ``side`` is what the sum became: the last call's operand of one element for each row.
    """
    x, top = centred.inputs
    largest = match.step(top, "max")
    if x is None or largest is None or largest.inputs[0] != x or x.buffer not in graph.stable:
        return None
    axes = summed.attributes["axis"]
    if len(axes) != 1 or largest.attributes["axis"] != axes:
        return None
    rows = kept(x, axes)
    if any(a is None or a.layout.shape != rows for a in (top, side)):
        return None
    (out,) = last.outputs
    if out.layout.shape != x.layout.shape or centred.outputs[0].layout.shape != x.layout.shape:
        return None
    if len({a.layout.dtype for a in (x, top, side, out) if a is not None}) != 1:
        return None
    return Call(op, (x,), last.outputs, {"axis": axes[0]}, label=match.label(last))
