"""Walks through a model without calculating: every node is traced, or said why it cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hal.device import Device, default_device
from hal.errors import DeviceError, HalError, TraceError
from hal.memory import allocate
from hal.onnx.execution import Run
from hal.onnx.graph import Graph, Step
from hal.onnx.limits import Limits
from hal.onnx.values import Constant, dtype_of
from hal.plugin import Layout, Program
from hal.program import label, record
from hal.report import fallback
from hal.storage import Value
from hal.tensor import Tensor
from hal.tools.check.graph import Model
from hal.tools.check.stand import Asked, Stand

__all__ = ["Node", "Walk", "walk"]


@dataclass
class Node:
    """A node of the model as it was met.

    Attributes
    ----------
    name, operator, domain : str
    times : int
        How often it ran: in each turn of a loop, and for each use of a function.
    asked : list of Asked
        The kernels it asked for.
    failed : HalError or None
        Why it could not be traced.
    note : str
        What was checked in its place, or was not.
    unreached : str
        What it waits for, where nothing is known of an input.
    container : bool
        Whether what it does is the work of other nodes: those of a function, branch or loop.
    """

    name: str
    operator: str
    domain: str
    times: int = 0
    asked: list[Asked] = field(default_factory=list)
    failed: HalError | None = None
    note: str = ""
    unreached: str = ""
    container: bool = False


@dataclass(frozen=True)
class Walk:
    """What was seen: nodes by the number that their calls are labelled with, and the program."""

    nodes: dict[str, Node]
    program: Program


class _Unknown:
    """Stands for a value of which nothing is known, and says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def walk(model: Model, stand: Stand, given: Mapping[str, Any], limits: Limits) -> Walk:
    """Trace a model on a stand-in for a device.

    Parameters
    ----------
    model : Model
        Read for that device.
    stand : Stand
    given : mapping
        Layouts, or values on the host, by input.
    limits : Limits
    """
    names = [name for name, x in given.items() if isinstance(x, Layout)]
    stream = stand.default_stream
    arguments = [allocate(stand.spec(given[n].dtype, given[n].shape), stream) for n in names]
    seen: list[_Walker] = []

    def run(symbols: list[Value]) -> list[Value]:
        values = {name: value for name, value in given.items() if name not in names}
        values.update(zip(names, symbols, strict=True))
        walker = _Walker(stand, model, given, limits)
        seen.append(walker)
        outputs = walker.graph(model.graph, values)
        return [x for x in _flat([outputs, walker.kept]) if isinstance(x, Tensor)]

    with fallback("allow"):
        program = record("model", stand, arguments, run)
    return Walk(seen[0].nodes, program)


class _Walker(Run):
    """Runs a graph on tensors of a trace; notes for each node what it asked the device for."""

    def __init__(
        self, stand: Stand, model: Model, given: Mapping[str, Any], limits: Limits
    ) -> None:
        super().__init__(stand, limits)
        self.stand = stand
        self.model = model
        self.given = given
        self.tracing: Device = default_device()
        self.nodes: dict[str, Node] = {}
        self.kept: list[Any] = []
        self._numbers: dict[int, str] = {}
        self._current = ""

    def step(self, step: Step, scope: Any) -> Sequence[Any]:
        """Run one node; where that fails, return what is known of its results all the same."""
        node = self._node(step)
        node.times += 1
        for name in (*step.inputs, *step.captured):
            found = scope.find(name) if name else None
            if isinstance(found, _Unknown):
                node.unreached = node.unreached or found.reason
                return [_Unknown(found.reason)] * len(step.outputs)
        recorded = self.tracing.tracer.recorder.calls
        start = len(recorded)
        with self._labelled(step, node):
            try:
                return super().step(step, scope)
            except HalError as error:
                if isinstance(error, DeviceError):
                    raise
                del recorded[start:]
                return self._instead(step, scope, node, error)

    def _node(self, step: Step) -> Node:
        number = self._numbers.setdefault(id(step), str(len(self._numbers)))
        if number not in self.nodes:
            name = step.name or next(iter(filter(None, step.outputs)), "")
            inner = step.body is not None or any(True for _ in step.graphs())
            self.nodes[number] = Node(name, step.operator, step.domain, container=inner)
        return self.nodes[number]

    @contextmanager
    def _labelled(self, step: Step, node: Node) -> Iterator[None]:
        """Have calls and questions noted as this node's, until it is done."""
        before, asked = self._current, self.stand.asked
        self._current, self.stand.asked = self._numbers[id(step)], node.asked
        label(self.tracing, self._current)
        try:
            yield
        finally:
            self._current, self.stand.asked = before, asked
            label(self.tracing, before)

    # What cannot be traced

    def _instead(self, step: Step, scope: Any, node: Node, error: HalError) -> Sequence[Any]:
        values = [scope.find(name) if name else None for name in step.inputs]
        self.kept += values
        reads = isinstance(error.__cause__, TraceError) or isinstance(error, TraceError)
        if reads and step.domain == "" and step.operator in ("If", "Loop"):
            branch = self._branches if step.operator == "If" else self._turn
            return branch(step, values, node)
        node.failed = _reason(error)
        found = self._sampled(step, scope, values) if reads else None
        declared = [self._declared(name) for name in step.outputs]
        results = [d if f is None else f for d, f in zip(declared, found or declared, strict=True)]
        reason = f"{step.operator} {node.name!r} gives no result"
        return [_Unknown(reason) if r is None else r for r in results]

    def _branches(self, step: Step, values: list[Any], node: Node) -> Sequence[Any]:
        """Trace both branches of a choice that depends on values."""
        node.note = "which branch runs depends on values: both were checked, and their times added"
        chosen = self.subgraph(step.attributes["then_branch"], [])
        other = self.subgraph(step.attributes["else_branch"], [])
        self.kept += other
        reason = f"the branches of {node.name!r} give different shapes"
        return [x if _alike(x, y) else _Unknown(reason) for x, y in zip(chosen, other, strict=True)]

    def _turn(self, step: Step, values: list[Any], node: Node) -> Sequence[Any]:
        """Trace one turn of a loop whose number of turns depends on values."""
        node.note = "the number of turns depends on values: one turn was checked and counted"
        body: Graph = step.attributes["body"]
        state = values[2:]
        found = self.subgraph(body, [np.array(0, np.int64), np.array(True), *state])
        self.kept += found
        kept, rows = found[1 : 1 + len(state)], found[1 + len(state) :]
        reason = f"how many rows {node.name!r} gives depends on values"
        results = [
            x if _alike(self._resolved(s), x) else _Unknown(reason)
            for s, x in zip(state, kept, strict=True)
        ]
        return [*results, *[_Unknown(reason) for _ in rows]][: len(step.outputs)]

    def _declared(self, name: str) -> Value | None:
        """Return a tensor of what the model says a value is; None where it does not say all."""
        known = self.model.declared(name, self.given) if name else None
        if known is None or known.kind != "tensor" or known.dtype is None or known.shape is None:
            return None
        shape = tuple([n for n in known.shape if isinstance(n, int)])
        return self._symbol(known.dtype, shape) if len(shape) == len(known.shape) else None

    def _sampled(self, step: Step, scope: Any, values: list[Any]) -> list[Any] | None:
        """Return tensors with the shapes that a node's results have where all inputs are ones."""
        ones = {
            name: np.ones(value.shape, value.dtype.numpy)
            for name, value in zip(step.inputs, values, strict=True)
            if isinstance(value, Tensor)
        }
        inner = type(scope)(scope.graph, scope)
        inner.values.update(ones)
        try:
            found = super().step(step, inner)
        except HalError:
            return None
        return [
            self._symbol(dtype_of(r), r.shape)
            if isinstance(r, Tensor | np.ndarray) and r.dtype != object
            else None
            for r in found
        ]

    def _symbol(self, dtype: Any, shape: Sequence[int]) -> Value:
        return allocate(self.tracing.spec(dtype, tuple(shape)), self.tracing.default_stream)


def _reason(error: HalError) -> HalError:
    """Return what a node's error is about: its cause, where the error only adds the node."""
    cause = error.__cause__
    return cause if isinstance(cause, HalError) else error


def _alike(x: Any, y: Any) -> bool:
    if isinstance(x, Constant | _Unknown) or isinstance(y, Constant | _Unknown):
        return False
    same = hasattr(x, "shape") and hasattr(y, "shape") and tuple(x.shape) == tuple(y.shape)
    return same and x.dtype == y.dtype


def _flat(values: Any) -> list[Any]:
    if isinstance(values, list | tuple):
        return [x for value in values for x in _flat(value)]
    return [values]
