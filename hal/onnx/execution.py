"""Runs a graph: steps in order, values freed at their last use, errors that name the node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hal.device import Device, traced
from hal.errors import DeviceError, HalError, ModelError, TraceError, Unsupported
from hal.onnx.context import Context
from hal.onnx.graph import Graph, Step
from hal.onnx.limits import Limits
from hal.onnx.values import Constant, describe, is_text, to_device, to_host
from hal.recorder import current_recorder, named
from hal.tensor import Tensor

__all__ = ["Observer", "Run"]

Observer = Callable[["Run", Step, Callable[[], Any]], Any]
"""``observer(run, step, call)`` calls ``call()`` and returns its results, or others for them."""


class _Scope:
    """The values of a graph while it runs, and the scope around it."""

    __slots__ = ("constants", "graph", "outer", "values")

    def __init__(self, graph: Graph, outer: _Scope | None) -> None:
        self.graph = graph
        self.values: dict[str, Any] = {}
        self.constants = graph.constants
        self.outer = outer

    def find(self, name: str) -> Any:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            if name in scope.constants:
                return scope.constants[name]
            scope = scope.outer
        raise ModelError(f"the value {name!r} does not exist where it is used")


class Run:
    """One run of a model on a device.

    Parameters
    ----------
    device : Device
    limits : Limits
    observer : callable, optional
        Sees each node run, those of subgraphs and functions within the call of theirs:
        ``observer(run, step, call)`` calls ``call()`` and returns its results, or others for them.
    """

    def __init__(self, device: Device, limits: Limits, observer: Observer | None = None) -> None:
        self.device = device
        self.limits = limits
        self._observer = observer
        self._scope: _Scope | None = None
        self._turns = 0

    def count_turns(self, step: Step, turns: int) -> None:
        """Count turns of a loop.

        Raises
        ------
        ModelError
            When the loops of this run, which may lie in each other, turn more than the limit.
        """
        self._turns += turns
        self.limits.check(
            "iterations", self._turns, f"the number of turns of loops, those of {step} included,"
        )

    def graph(self, graph: Graph, inputs: dict[str, Any]) -> list[Any]:
        """Run a graph that sees no values but its inputs; return its outputs."""
        return self._within(graph, inputs, None)

    def subgraph(self, graph: Graph, inputs: Sequence[Any]) -> list[Any]:
        """Run a subgraph of the node that runs now; it sees the values around the node."""
        if len(inputs) != len(graph.inputs):
            raise ModelError(
                f"a subgraph takes {len(graph.inputs)} inputs; it is given {len(inputs)}"
            )
        return self._within(graph, dict(zip(graph.inputs, inputs, strict=True)), self._scope)

    def fold(self, graph: Graph, step: Step) -> list[Constant]:
        """Run one node of a graph on the graph's constants."""
        self._scope = _Scope(graph, None)
        return [Constant(value) for value in self.alone(step, {})]

    def steps(self) -> Sequence[Step]:
        """Return the steps of the graph that runs now."""
        return () if self._scope is None else self._scope.graph.steps

    def value(self, name: str, values: dict[str, Any]) -> Any:
        """Return a value by name: one of those given, else one that the graph knows."""
        if name in values:
            return values[name]
        assert self._scope is not None
        return self._resolved(self._scope.find(name))

    def replay(self, step: Step, values: dict[str, Any]) -> Sequence[Any]:
        """Run one node of the graph that runs now once more, with some of its inputs replaced."""
        assert self._scope is not None
        before = self._scope
        self._scope = scope = _Scope(before.graph, before)
        scope.values.update(values)
        try:
            return self.step(step, scope)
        finally:
            self._scope = before

    def alone(self, step: Step, values: dict[str, Any]) -> Sequence[Any]:
        """Do as :meth:`replay`, without showing the observer what runs within."""
        quiet = Run(self.device, self.limits)
        quiet._scope = self._scope
        return quiet.replay(step, values)

    def show(self, step: Step, constants: Sequence[Constant]) -> None:
        """Show the observer a node that ran once, when the model was loaded."""
        if self._observer is not None:
            self._observer(self, step, lambda: [c.value(self.device) for c in constants])

    def is_constant(self, name: str) -> bool:
        """Whether a value is a constant of the model, and not made in this run."""
        assert self._scope is not None
        return isinstance(self._scope.find(name), Constant)

    def _within(self, graph: Graph, inputs: dict[str, Any], outer: _Scope | None) -> list[Any]:
        scope = _Scope(graph, outer)
        scope.values.update(inputs)
        before, self._scope = self._scope, scope
        try:
            for step in graph.steps:
                self._run(step, scope)
            return [self._resolved(scope.find(name)) for name in graph.outputs]
        finally:
            self._scope = before

    def _resolved(self, value: Any) -> Any:
        return value.value(self.device) if isinstance(value, Constant) else value

    def _run(self, step: Step, scope: _Scope) -> None:
        if self._observer is None:
            results = self._named(step, scope)
        else:
            results = self._observer(self, step, lambda: self._named(step, scope))
        for name, value in zip(step.outputs, results, strict=True):
            if name:
                scope.values[name] = value
        for name in step.release:
            scope.values.pop(name, None)

    def _named(self, step: Step, scope: _Scope) -> Sequence[Any]:
        """Run a node, under its name where a profile runs or a program is traced."""
        tracing = traced(self.device)
        recorder = None if tracing else current_recorder()
        if step.body is not None or (recorder is None and not tracing):
            return self.step(step, scope)
        name = step.name or next(iter(filter(None, step.outputs)), "")

        def run() -> Sequence[Any]:
            with named(name):
                return self.step(step, scope)

        if recorder is None:
            return run()
        operator = {"operator": step.operator}
        return recorder.timed("node", name, self.device, run, attributes=operator)

    def step(self, step: Step, scope: _Scope) -> Sequence[Any]:
        """Run one node and return its results, one for each name it makes.

        Raises
        ------
        ModelError, Unsupported, TraceError, DeviceError
            Named after the node.
        """
        values = [None if not name else scope.find(name) for name in step.inputs]
        try:
            found = self._called(step, values)
        except DeviceError as error:
            error.add_note(f"while running {step}")
            raise
        except (Unsupported, TraceError) as error:
            raise type(error)(f"{step}: {error}") from error
        except HalError as error:
            raise ModelError(f"{step}: {error}") from error
        # An operator's function may stumble over inputs that no type of ONNX allows.
        except Exception as error:
            given = ", ".join(describe(self._resolved(v)) for v in values)
            raise ModelError(f"{step} does not fit its inputs ({given}): {error}") from error
        results = found if isinstance(found, tuple) else (found,)
        if len(results) < len(step.outputs):
            raise ModelError(f"{step} names {len(step.outputs)} results; it has {len(results)}")
        return results[: len(step.outputs)]

    def _called(self, step: Step, values: list[Any]) -> Any:
        if step.body is not None:
            body = step.body
            given = [self._resolved(v) for v in values]
            given += [None] * (len(body.inputs) - len(given))
            return tuple(self.graph(body, dict(zip(body.inputs, given, strict=True))))
        definition = step.definition
        assert definition is not None
        device, host = self.device, definition.host
        if definition.moves and any(is_text(self._resolved(v)) for v in values):
            return self._moved(step, values)
        if definition.raw or host is None:
            resolved = [self._resolved(v) for v in values]
            given = resolved if definition.raw else [_on_host(v) for v in resolved]
            return definition.function(self._context(step, False), *given, **step.attributes)
        on_device = any(
            isinstance(v, Tensor) or (isinstance(v, Constant) and not v.small)
            for n, v in enumerate(values)
            if n not in host
        )
        given = [
            _on_host(self._resolved(v))
            if n in host
            else _on_device(v, device)
            if on_device
            else self._resolved(v)
            for n, v in enumerate(values)
        ]
        return definition.function(self._context(step, on_device), *given, **step.attributes)

    def _moved(self, step: Step, values: list[Any]) -> Any:
        """Run a node that only moves elements on the positions of strings."""
        definition = step.definition
        assert definition is not None
        host = definition.host or frozenset()
        texts: list[Any] = []
        given = []
        for n, value in enumerate(values):
            found = self._resolved(value)
            if n not in host and is_text(found):
                start = sum(t.size for t in texts)
                texts.append(found.reshape(-1))
                found = np.arange(start, start + found.size).reshape(found.shape)
            given.append(found if found is None else _on_host(found))
        found = definition.function(self._context(step, False), *given, **step.attributes)
        every = np.concatenate(texts)
        if isinstance(found, tuple):
            return tuple(every[f] for f in found)
        return np.asarray(every[found], object)

    def _context(self, step: Step, on_device: bool) -> Context:
        return Context(self.device, on_device, step, self.limits, self)


def _on_host(value: Any) -> Any:
    if isinstance(value, list):
        return [_on_host(v) for v in value]
    return value if value is None else to_host(value)


def _on_device(value: Any, device: Device) -> Any:
    if isinstance(value, Constant):
        found = value.value(device)
        return found if _stays(found) else value.on(device)
    return value if _stays(value) else to_device(value, device)


def _stays(value: Any) -> bool:
    return value is None or isinstance(value, list | dict) or is_text(value)
