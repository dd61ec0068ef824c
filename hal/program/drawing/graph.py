"""A program's calls, arguments and results as nodes, and the values between them as edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hal.plugin import Array, Call, Layout, Program

__all__ = ["Edge", "Graph", "Node", "graph_of"]

_LONGEST = 56


@dataclass(frozen=True)
class Node:
    """One box.

    Attributes
    ----------
    kind : str
        ``"input"``, ``"output"``, or a call's: its operator's family, ``"view"`` or ``"host"``.
    title : str
    lines : tuple of str
        Below the title: the steps of a fused chain, constants, attributes, the model's name.
    """

    kind: str
    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edge:
    """A value from one node to another, both by number; ``order`` where one only comes first."""

    source: int
    target: int
    text: str
    order: bool = False


@dataclass(frozen=True)
class Graph:
    """Nodes, in an order in which every edge points onward, and edges."""

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph_of(program: Program) -> Graph:
    """Return a program as a graph. Constants are lines of the calls that use them."""
    return _Builder(program).build()


class _Builder:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        # For each buffer: who wrote into it last, and who looks at it in which way since.
        self.writer: dict[int, int] = {}
        self.viewers: dict[int, dict[Array, int]] = {}

    def build(self) -> Graph:
        for number, array in enumerate(self.program.inputs):
            lines = (f"%{array.buffer} {described(array.layout)}",)
            self.nodes.append(Node("input", f"argument {number}", lines))
            self.writer.setdefault(array.buffer, len(self.nodes) - 1)
        read = {x for c in self.program.calls for x in c.inputs} | {*self.program.outputs}
        for call in self.program.calls:
            if not call.view or call.outputs[0] in read:
                self._call(call)
        for number, array in enumerate(self.program.outputs):
            self.nodes.append(Node("output", f"result {number}", (described(array.layout),)))
            self._read(array, len(self.nodes) - 1)
        return Graph(self.program.name, tuple(self.nodes), tuple(self.edges))

    def _call(self, call: Call) -> None:
        number = len(self.nodes)
        kind = "view" if call.view else "host" if call.host else call.op.family
        self.nodes.append(Node(kind, call.op.name, tuple(self._lines(call))))
        for position, array in enumerate(call.inputs):
            if array is not None:
                self._read(array, number, f"{_letters(position)}: " if _chain(call) else "")
        for array in call.outputs:
            if call.view:
                self.viewers.setdefault(array.buffer, {})[array] = number
                continue
            before = self.writer.get(array.buffer)
            known = {e.source for e in self.edges if e.target == number}
            if before is not None and before not in known:
                self.edges.append(Edge(before, number, "", order=True))
            self.writer[array.buffer] = number
            self.viewers.pop(array.buffer, None)

    def _read(self, array: Array, number: int, operand: str = "") -> None:
        source = self.viewers.get(array.buffer, {}).get(array, self.writer.get(array.buffer))
        if source is not None:
            edge = Edge(source, number, operand + described(array.layout))
            self.edges += [] if edge in self.edges else [edge]

    # Text

    def _lines(self, call: Call) -> list[str]:
        lines = [f"“{_short(call.label)}”"] if call.label else []
        if _chain(call):
            lines += self._steps(call, call.attributes["steps"])
        else:
            for position, array in enumerate(call.inputs):
                if array is not None and array.buffer in self.program.constants:
                    lines.append(f"input {position} = {self._constant(array)}")
            lines += _attributes(call.attributes, call.op.defaults)
        return lines

    def _steps(self, call: Call, steps: Any) -> list[str]:
        """Return a fused chain, a step a line: ``c = multiply(a, 0.5)``."""
        names = []
        for position, array in enumerate(call.inputs):
            constant = array is not None and array.buffer in self.program.constants
            name = _letters(position)
            if constant and array is not None:
                text = self._constant(array)
                name = text if text[0] not in "f%cuib" else name
            names.append(name)
        lines = [
            f"{name} = {self._constant(x)}"
            for name, x in zip(names, call.inputs, strict=True)
            if x is not None and x.buffer in self.program.constants and name[0].isalpha()
        ]
        for op, operands, options in steps:
            given = [("none" if n is None else names[n]) for n in operands]
            given += [f"{k}={v}" for k, v in options]
            names.append(_letters(len(names)))
            lines.append(_short(f"{names[-1]} = {op}({', '.join(given)})"))
        results = call.attributes["results"]
        return [*lines, f"return {', '.join(names[n] for n in results)}"]

    def _constant(self, array: Array) -> str:
        """Return a constant's number, where it is one and at hand, else its type."""
        value = self.program.constants[array.buffer]
        if isinstance(value, np.ndarray) and value.size == 1:
            return f"{value.reshape(-1)[0]:.6g}" if value.dtype.kind == "f" else str(value.item())
        return f"%{array.buffer} {described(array.layout)}"


def described(layout: Layout) -> str:
    """Return a value's dtype and shape, and its strides where they are not packed."""
    text = f"{layout.dtype}[{'x'.join(map(str, layout.shape))}]"
    if not layout.contiguous:
        text += f" strides {','.join(map(str, layout.strides))}"
    return text


def _chain(call: Call) -> bool:
    return call.op.name == "fused"


def _attributes(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    return [
        _short(f"{name} = {value}") for name, value in given.items() if defaults.get(name) != value
    ]


def _letters(number: int) -> str:
    letter = chr(ord("a") + number % 26)
    return letter if number < 26 else f"{letter}{number // 26}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
