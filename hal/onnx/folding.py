"""Runs, once, the nodes of a graph whose results never change."""

from __future__ import annotations

from hal.onnx.execution import Run
from hal.onnx.graph import Graph, Step

__all__ = ["changes", "fold_constants"]

# A result that is much larger than what it is made of is rather made anew in each run.
_GROWTH = 16
_SLACK = 1 << 20


def fold_constants(graph: Graph, run: Run, replaceable: set[str]) -> None:
    """Replace nodes that depend on constants only by their results.

    Parameters
    ----------
    graph : Graph
    run : Run
        How to run them.
    replaceable : set of str
        Names that a caller may give other values for; what depends on them stays.
    """
    known = {name: c for name, c in graph.constants.items() if name not in replaceable}
    kept = []
    for step in graph.steps:
        names = [n for n in (*step.inputs, *step.captured) if n]
        found = None
        if all(n in known for n in names) and not changes(step):
            found = run.fold(graph, step)
            grown = sum(c.nbytes for c in found)
            if grown > _SLACK + _GROWTH * sum(known[n].nbytes for n in names):
                found = None
        if found is None:
            kept.append(step)
            continue
        run.show(step, found)
        for name, constant in zip(step.outputs, found, strict=True):
            if name:
                known[name] = graph.constants[name] = constant
    graph.steps = kept
    _forget_unused(graph, replaceable)


def changes(step: Step) -> bool:
    """Whether a node gives another result each time, for it draws random numbers."""
    if step.body is not None:
        return any(changes(s) for s in step.body.steps)
    if step.definition is not None and step.definition.random:
        return True
    return any(changes(s) for g in step.graphs() for s in g.steps)


def _forget_unused(graph: Graph, replaceable: set[str]) -> None:
    used = {n for s in graph.steps for n in (*s.inputs, *s.captured)} | set(graph.outputs)
    for name in [n for n in graph.constants if n not in used | replaceable]:
        del graph.constants[name]
