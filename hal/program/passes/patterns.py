"""Finds layers that a model writes out in parts, and calls them by their name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hal.device import Device
from hal.ops import operators
from hal.plugin import Array, Call, Layout, Program
from hal.program.passes.calls import has_kernel, joined_labels
from hal.program.passes.graph import Graph

__all__ = ["find_attention"]

_ATTENTION = operators["attention"]


def find_attention(program: Program, device: Device) -> Program:
    """Return the program with attention written out in parts made single ``attention`` calls.

    The parts are a product of queries and keys, a factor and a mask where there are any, a
    softmax, and a product with the values. A device that has attention as a whole need not keep
    the scores.
    """
    graph = Graph(program, device)
    replaced: dict[int, Call] = {}
    removed: set[int] = set()
    for position, call in enumerate(program.calls):
        found = _attention(graph, call)
        if found is not None and has_kernel(found[0], device):
            replaced[position] = found[0]
            removed |= found[1]
    if not replaced:
        return program
    calls = [replaced.get(n, call) for n, call in enumerate(program.calls) if n not in removed]
    return replace(program, calls=tuple(calls))


def _attention(graph: Graph, last: Call) -> tuple[Call, set[int]] | None:
    """Return the attention that ends in a product, and the calls that were its parts."""
    if last.op.name != "matmul" or last.view or last.host:
        return None
    weights, value = last.inputs
    inner: set[int] = set()

    def step(array: Array | None, name: str) -> Call | None:
        position = graph.maker(array, name)
        if position is None:
            return None
        inner.add(position)
        return graph.program.calls[position]

    softmax = step(weights, "softmax")
    if softmax is None or weights is None or value is None:
        return None
    if softmax.attributes["axis"] != weights.layout.ndim - 1:
        return None
    scores, mask, scale = softmax.inputs[0], None, 1.0
    added = step(scores, "add")
    if added is not None:
        scores, mask = _told_apart(added, lambda x: _scores(graph, x))
        if scores is None:
            return None
    scaled, factor = _factor(graph, scores, step)
    if factor is not None:
        scores, scale = scaled, factor
    product = step(scores, "matmul")
    if product is None or product.attributes != last.attributes:
        return None
    query, turned = product.inputs
    if query is None or turned is None:
        return None
    scaled, factor = _factor(graph, query, step)
    if factor is not None and scaled is not None:
        query, scale = scaled, scale * factor
    key = _swapped(turned)
    given = (query, key, value) if mask is None else (query, key, value, mask)
    if not _fits(query, key, value, mask, last.outputs[0]) or any(
        x.buffer not in graph.stable for x in given
    ):
        return None
    attributes = {"causal": False, "scale": scale, **last.attributes}
    text = joined_labels([*(graph.program.calls[n] for n in sorted(inner)), last])
    return Call(_ATTENTION, given, last.outputs, attributes, label=text), inner


def _scores(graph: Graph, array: Array | None) -> bool:
    """Return whether a value is made by a product, perhaps times a factor."""
    return any(graph.maker(array, name) is not None for name in ("matmul", "multiply", "divide"))


def _told_apart(
    added: Call, wanted: Callable[[Array | None], bool]
) -> tuple[Array | None, Array | None]:
    """Return a sum's operands, the wanted one first; None twice where neither is."""
    x, y = added.inputs
    if wanted(x):
        return x, y
    return (y, x) if wanted(y) else (None, None)


def _factor(
    graph: Graph, array: Array | None, step: Callable[[Array | None, str], Call | None]
) -> tuple[Array | None, float | None]:
    """Return what a value is a constant multiple of, and the constant; None twice otherwise."""
    for name in ("multiply", "divide"):
        position = graph.maker(array, name)
        if position is None:
            continue
        x, y = graph.program.calls[position].inputs
        number = graph.number(y)
        if number is None and name == "multiply":
            x, number = y, graph.number(x)
        if number is None or x is None or array is None or x.layout.shape != array.layout.shape:
            return None, None
        step(array, name)
        return x, number if name == "multiply" else 1 / number
    return None, None


def _swapped(array: Array) -> Array:
    """Return an array with its last two axes exchanged."""
    layout = array.layout
    shape = (*layout.shape[:-2], layout.shape[-1], layout.shape[-2])
    strides = (*layout.strides[:-2], layout.strides[-1], layout.strides[-2])
    return array._replace(layout=Layout(layout.dtype, shape, strides))


def _fits(query: Array, key: Array, value: Array, mask: Array | None, out: Array) -> bool:
    """Return whether the parts have the shapes of one attention, without broadcast batches."""
    lead = query.layout.shape[:-2]
    if query.layout.ndim < 3 or key.layout.shape[:-2] != lead or value.layout.shape[:-2] != lead:
        return False
    given = [x.layout for x in (query, key, value) + ((mask,) if mask is not None else ())]
    try:
        inference = _ATTENTION.infer(given, {})
    except (ValueError, TypeError):
        return False
    same = inference.dtypes == tuple(x.dtype for x in given)
    return same and inference.outputs[0] == (out.layout.dtype, out.layout.shape)
