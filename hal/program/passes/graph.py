"""A program's values as a graph: who makes them, who reads them, which are known numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hal.device import Device
from hal.plugin import Array, Call, Program
from hal.program.passes.calls import has_kernel, joined_labels
from hal.program.passes.dead import dead_code
from hal.program.passes.products import constant_values
from hal.program.passes.uses import readers, single_writes, stable, whole, writers

__all__ = ["Graph", "Match", "kept", "replaced"]


class Graph:
    """Who makes and who reads what, for the values that only one call makes."""

    def __init__(self, program: Program, device: Device) -> None:
        self.program = program
        self.device = device
        self.single = single_writes(program)
        self.stable = stable(program)
        self.made = {b: p[0] for b, p in writers(program).items() if b in self.single}
        self.reads = readers(program)

    def maker(self, array: Array | None, name: str) -> int | None:
        """Return the call ``name`` that makes a value in place for one reader alone."""
        if array is None or array.buffer not in self.made:
            return None
        position = self.made[array.buffer]
        call = self.program.calls[position]
        alone = len(self.reads.get(array.buffer, ())) == 1
        same = call.op.name == name and not call.host and call.outputs == (array,)
        return position if alone and same else None

    def number(self, array: Array | None) -> float | None:
        """Return a constant of one element, or None for another value."""
        if array is None or array.layout.size != 1 or array.buffer not in self.program.constants:
            return None
        if array.layout.dtype.kind not in ("float", "int", "uint"):
            return None
        return float(constant_values(self.program, array, self.device).reshape(())[()])

    def only_reader(self, call: Call) -> int | None:
        """Return the one call that reads a call's result, as often as it likes."""
        found = set(self.reads.get(call.outputs[0].buffer, ()))
        if len(call.outputs) > 1 or call.outputs[0].buffer not in self.single or len(found) != 1:
            return None
        (position,) = found
        return position if position < len(self.program.calls) else None


class Match:
    """Follows values back through the calls that make them, and remembers those calls."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._followed: dict[int, Call] = {}

    def step(self, array: Array | None, *names: str) -> Call | None:
        """Return the call that makes a value, if it is one of ``names``; it may have reshaped it.

        Others may read the value too: a pattern that takes its place leaves the call to them.
        """
        call = self.look(array, *names)
        if call is not None and array is not None:
            self._followed[self.graph.made[array.buffer]] = call
        return call

    def look(self, array: Array | None, *names: str) -> Call | None:
        """Return what :meth:`step` would, without remembering it."""
        position = None if array is None else self.graph.made.get(array.buffer)
        if array is None or position is None:
            return None
        call = self.graph.program.calls[position]
        same = call.outputs == (array,) or (
            len(call.outputs) == 1
            and whole(self.graph.program, array)
            and array.layout.dtype is call.outputs[0].layout.dtype
        )
        if call.op.name not in names or call.host or call.view or not same:
            return None
        return call

    def positions(self) -> set[int]:
        """Return where the calls followed stand."""
        return set(self._followed)

    def calls(self) -> list[Call]:
        """Return the calls followed, in order."""
        return [call for _, call in sorted(self._followed.items())]

    def label(self, last: Call) -> str:
        """Return the joined labels of the calls followed and of the last."""
        return joined_labels([*self.calls(), last])


def replaced(program: Program, device: Device, found: Mapping[int, Call]) -> Program:
    """Return the program with calls replaced where the device has the new; dead ones left out."""
    kept = {n: call for n, call in found.items() if has_kernel(call, device)}
    if not kept:
        return program
    calls = tuple([kept.get(n, call) for n, call in enumerate(program.calls)])
    return dead_code(replace(program, calls=calls))


def kept(array: Array, axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return an array's shape with some axes reduced to one element."""
    return tuple([1 if n in axes else size for n, size in enumerate(array.layout.shape)])
