"""The stand-in's streams and events: a thread for each stream, as late as a GPU would be."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

__all__ = ["StandinEvent", "StandinStream", "Work"]

Work = tuple[Callable[..., Any], tuple[Any, ...]]
"""A call to make: a function and its arguments."""

_LINGER = 1.0  # Seconds.


class _State:
    """What a stream's thread shares with the stream, without keeping it alive."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Work | None] = SimpleQueue()
        self.failure: Exception | None = None


def _serve(state: _State) -> None:
    linger: float | None = None
    while True:
        try:
            work = state.queue.get(timeout=linger)
        except Empty:
            return
        if work is None:
            # A garbage collector may finalise the stream before what then still uses it.
            linger = _LINGER
            continue
        function, arguments = work
        try:
            function(*arguments)
        # As on a GPU, what goes wrong shows at the next synchronisation.
        except Exception as error:
            state.failure = state.failure or error
        del work, function, arguments


class StandinStream:
    """A queue of work that a thread of its own does in order.

    Attributes
    ----------
    handle : int
        Its number, as a GPU's stream has one.
    recording : list or None
        While it captures: the work that is recorded instead of done.
    """

    def __init__(self, address: int | None = None) -> None:
        self.recording: list[Work] | None = None
        self.address = self.handle = id(self) if address is None else address
        self._state = _State()
        threading.Thread(target=_serve, args=(self._state,), daemon=True).start()
        weakref.finalize(self, self._state.queue.put, None)

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.address

    def run(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Enqueue a call."""
        if self.recording is not None:
            self.recording.append((function, arguments))
        else:
            self._state.queue.put((function, arguments))

    def synchronize(self) -> None:
        """Wait for all work; raise what went wrong in it."""
        done = threading.Event()
        self._state.queue.put((done.set, ()))
        done.wait()
        failure, self._state.failure = self._state.failure, None
        if failure is not None:
            raise failure


class StandinEvent:
    """A mark in a stream's order."""

    def __init__(self) -> None:
        self._mark: _Mark | None = None

    def record(self, stream: StandinStream) -> None:
        """Put a new mark behind a stream's work."""
        self._mark = _Mark()
        stream.run(self._mark.reach)

    def wait(self, stream: StandinStream) -> None:
        """Make a stream's later work wait for the mark that is recorded now."""
        if self._mark is not None:
            stream.run(self._mark.reached.wait)

    def query(self) -> bool:
        """Return whether the mark is reached."""
        return self._mark is None or self._mark.reached.is_set()

    def synchronize(self) -> None:
        """Wait for the mark."""
        if self._mark is not None:
            self._mark.reached.wait()

    def nanoseconds(self) -> int:
        """Return when the mark was reached."""
        self.synchronize()
        return 0 if self._mark is None else self._mark.nanoseconds


class _Mark:
    def __init__(self) -> None:
        self.reached = threading.Event()
        self.nanoseconds = 0

    def reach(self) -> None:
        self.nanoseconds = time.perf_counter_ns()
        self.reached.set()
