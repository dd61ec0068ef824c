"""A program under change: calls are replaced one by one, and who reads and writes stays known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from hal.plugin import Array, Call, Program
from hal.program.passes.uses import covers

__all__ = ["Draft"]


class Draft:
    """A program's calls by position, with the readers and writers of each buffer.

    A change costs what it touches, however long the program is.

    Parameters
    ----------
    program : Program

    Examples
    --------
    >>> import hal
    >>> from hal.program import record
    >>> cpu = hal.device("cpu:0")
    >>> x = hal.ones(3, device=cpu)
    >>> draft = Draft(record("f", cpu, [x], lambda xs: [hal.exp(xs[0]) + 1]))
    >>> [(n, call.op.name) for n, call in draft.calls()]
    [(0, 'exp'), (1, 'add')]
    >>> draft.readers(draft[0].outputs[0].buffer)
    [1]
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._calls: list[Call | None] = list(program.calls)
        self._readers: dict[int, set[int]] = {}
        self._views: dict[int, set[int]] = {}
        self._writers: dict[int, set[int]] = {}
        for position, call in enumerate(program.calls):
            self._note(position, call)
        self._arguments = {x.buffer for x in program.inputs}
        self._results = {x.buffer for x in program.outputs}

    def __len__(self) -> int:
        return len(self._calls)

    def __getitem__(self, position: int) -> Call:
        call = self._calls[position]
        assert call is not None
        return call

    def calls(self) -> Iterator[tuple[int, Call]]:
        """Yield positions and calls, as they are when it is their turn."""
        for position in range(len(self._calls)):
            call = self._calls[position]
            if call is not None:
                yield position, call

    def readers(self, buffer: int) -> list[int]:
        """Return the positions of the calls that read a buffer, views left out."""
        return sorted(self._readers.get(buffer, ()))

    def views(self, buffer: int) -> list[int]:
        """Return the positions of the views of a buffer."""
        return sorted(self._views.get(buffer, ()))

    def is_result(self, buffer: int) -> bool:
        """Return whether a buffer is among the program's results."""
        return buffer in self._results

    def writer(self, buffer: int) -> int | None:
        """Return the position of the one call that writes a buffer, as a whole; None otherwise."""
        positions = self._writers.get(buffer, ())
        if len(positions) != 1 or buffer in self._arguments:
            return None
        (position,) = positions
        written = [x for x in self[position].outputs if x.buffer == buffer]
        return position if all(self.covers(x) for x in written) else None

    def stable(self, buffer: int) -> bool:
        """Return whether a buffer's values never change once they are there."""
        if buffer in self._arguments or buffer in self._program.constants:
            return not self._writers.get(buffer)
        return self.writer(buffer) is not None

    def covers(self, array: Array) -> bool:
        """Return whether an array is all of its buffer, in whatever order."""
        return covers(self._program, array)

    def change(self, calls: Mapping[int, Call | None]) -> None:
        """Put calls in the place of others, or take them out."""
        for position, call in calls.items():
            self._forget(position)
            self._calls[position] = call
            if call is not None:
                self._note(position, call)

    def program(self) -> Program:
        """Return the program as it is now."""
        return replace(self._program, calls=tuple([call for _, call in self.calls()]))

    def _note(self, position: int, call: Call) -> None:
        for index, buffers in self._kept(call):
            for buffer in buffers:
                index.setdefault(buffer, set()).add(position)

    def _forget(self, position: int) -> None:
        call = self._calls[position]
        if call is not None:
            for index, buffers in self._kept(call):
                for buffer in buffers:
                    index[buffer].discard(position)

    def _kept(self, call: Call) -> Iterable[tuple[dict[int, set[int]], set[int]]]:
        """Return each index in which a call is kept, and under which buffers."""
        read = {x.buffer for x in call.inputs if x is not None}
        if call.view:
            return ((self._views, read),)
        return (self._readers, read), (self._writers, {x.buffer for x in call.outputs})
