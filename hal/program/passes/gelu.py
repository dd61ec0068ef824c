"""Finds gelu, and powers with small whole exponents, in what a model writes out in parts."""

from __future__ import annotations

import math
from dataclasses import replace

from hal.device import Device
from hal.ops import operators
from hal.ops.activation import GELU_CUBIC, GELU_SCALE
from hal.plugin import Array, Call, Layout, Program
from hal.program.passes.calls import has_kernel
from hal.program.passes.graph import Graph, Match, replaced

__all__ = ["expand_powers", "find_gelu"]

_GELU, _MULTIPLY = operators["gelu"], operators["multiply"]


def expand_powers(program: Program, device: Device) -> Program:
    """Return the program with squares and cubes made products, which chains can take in.

    A cube is rounded twice where the power is rounded once.
    """
    graph = Graph(program, device)
    sizes, calls = list(program.sizes), list[Call]()
    for call in program.calls:
        exponent = graph.number(call.inputs[1]) if call.op.name == "power" else None
        x, out = call.inputs[0], call.outputs[0]
        same = x is not None and (x.layout.dtype, x.layout.shape) == (
            out.layout.dtype,
            out.layout.shape,
        )
        if exponent not in (2, 3) or not same or call.host or x is None:
            calls.append(call)
            continue
        square = replace(call, op=_MULTIPLY, inputs=(x, x), attributes={})
        if not has_kernel(square, device):
            calls.append(call)
        elif exponent == 2:
            calls.append(square)
        else:
            made = Array(len(sizes), Layout(out.layout.dtype, out.layout.shape))
            sizes.append(out.layout.nbytes)
            calls.append(replace(square, outputs=(made,)))
            calls.append(replace(square, inputs=(made, x)))
    return replace(program, calls=tuple(calls), sizes=tuple(sizes))


def find_gelu(program: Program, device: Device) -> Program:
    """Return the program with gelu written out in parts made single ``gelu`` calls.

    The parts are half of ``x`` times one more than the error function of ``x`` over the root of 2,
    or than a hyperbolic tangent of a cubic of ``x``, in whatever order they are multiplied.
    """
    graph = Graph(program, device)
    found = {n: c for n, call in enumerate(program.calls) if (c := _gelu(graph, call))}
    return replaced(program, device, found)


def _gelu(graph: Graph, last: Call) -> Call | None:
    if last.op.name not in ("multiply", "divide") or last.view or last.host:
        return None
    match = Match(graph)
    factor, factors = _factors(graph, match, last)
    if len(factors) != 2 or not math.isclose(factor, 0.5, rel_tol=1e-6):
        return None
    for x, grown in (factors, factors[::-1]):
        if x.buffer not in graph.stable or x.layout.shape != last.outputs[0].layout.shape:
            continue
        bend = match.step(_more_than(graph, match, grown, 1.0), "erf", "tanh")
        if bend is None or bend.inputs[0] is None:
            continue
        exact = bend.op.name == "erf"
        if (_is_scaled if exact else _is_cubic)(graph, match, bend.inputs[0], x):
            attributes = {"approximate": "none" if exact else "tanh"}
            return Call(_GELU, (x,), last.outputs, attributes, label=match.label(last))
    return None


def _factors(graph: Graph, match: Match, call: Call) -> tuple[float, list[Array]]:
    """Return a product's constant factor and its other factors, products among them opened."""
    number, found = 1.0, list[Array]()
    for place, array in enumerate(call.inputs):
        if array is None:
            return math.nan, []
        value = graph.number(array)
        over = call.op.name == "divide" and place == 1
        if value is not None:
            number = number / value if over and value else number * value
            if over and not value:
                return math.nan, []
            continue
        if over:
            return math.nan, []
        more, others = _product(graph, match, array)
        number *= more
        found += others
    return number, found


def _product(graph: Graph, match: Match, array: Array) -> tuple[float, list[Array]]:
    """Return a value as a constant and other factors; what others read too is not opened."""
    alone = len(graph.reads.get(array.buffer, ())) == 1
    call = match.step(array, "multiply", "divide", "square") if alone else None
    if call is None:
        return 1.0, [array]
    if call.op.name == "square":
        call = replace(call, inputs=call.inputs * 2)
    number, found = _factors(graph, match, call)
    return (1.0, [array]) if math.isnan(number) else (number, found)


def _more_than(graph: Graph, match: Match, array: Array, number: float) -> Array | None:
    """Return the value that another is more than by a constant."""
    call = match.step(array, "add")
    if call is None:
        return None
    for x, y in (call.inputs, call.inputs[::-1]):
        if graph.number(y) == number:
            return x
    return None


def _is_scaled(graph: Graph, match: Match, array: Array, x: Array) -> bool:
    number, others = _product(graph, match, array)
    return others == [x] and math.isclose(number, math.sqrt(0.5), rel_tol=1e-5)


def _is_cubic(graph: Graph, match: Match, array: Array, x: Array) -> bool:
    """Return whether a value is the cubic of gelu: in x, or as x times a quadratic."""
    number, others = _product(graph, match, array)
    if not math.isclose(number, GELU_SCALE, rel_tol=1e-5):
        return False
    if len(others) == 1:
        call = match.step(others[0], "add")
        if call is None or x not in call.inputs:
            return False
        cube = call.inputs[1 if call.inputs[0] == x else 0]
        return cube is not None and _is_power(graph, match, cube, x, 3)
    if len(others) != 2 or x not in others:
        return False
    square = _more_than(graph, match, others[1 if others[0] == x else 0], 1.0)
    return square is not None and _is_power(graph, match, square, x, 2)


def _is_power(graph: Graph, match: Match, array: Array, x: Array, exponent: int) -> bool:
    number, others = _product(graph, match, array)
    return others == [x] * exponent and math.isclose(number, GELU_CUBIC, rel_tol=1e-5)
