"""A program's calls bound to memory: what one run at a time works on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from hal.plugin import Array, Runtime
from hal.storage import Storage

__all__ = ["Frame", "Step"]

Step = tuple[Callable[..., None], list[Any], list[Any]]


class Frame:
    """One block of memory for a program's own buffers, with the calls bound to it.

    Attributes
    ----------
    steps : list
        ``(into, outputs, inputs)`` for each call.
    joined : list
        The same, those that follow one another in their places as one where the device joins them.
    first : list of int
        Which call each of those begins with.
    holes : list
        ``(array, arguments, position)``: where an array that changes from run to run has to go.
    replay : callable or None
        Once the calls were captured: runs the recording on given inputs and results.
    """

    __slots__ = ("first", "holes", "joined", "memory", "replay", "runs", "steps")

    def __init__(self, memory: Storage | None) -> None:
        self.memory = memory
        self.steps: list[Step] = []
        self.joined: list[Step] = []
        self.first: list[int] = []
        self.holes: list[tuple[Array, list[Any], int]] = []
        self.runs = 0
        self.replay: Callable[..., None] | None = None

    def join(self, placed: Sequence[bool], runtime: Runtime) -> None:
        """Join steps that follow one another in their places, where the device does."""
        for own, group in groupby(range(len(placed)), placed.__getitem__):
            positions = list(group)
            steps = [self.steps[n] for n in positions]
            into = runtime.join([s[0] for s in steps]) if own and len(steps) > 1 else None
            self.joined += steps if into is None else [(into, [], [])]
            self.first += positions if into is None else positions[:1]

    def fill(self, found: Callable[[Array], Any] | None) -> None:
        """Put arrays into the holes, or take them out again."""
        for array, arguments, place in self.holes:
            arguments[place] = None if found is None else found(array)
