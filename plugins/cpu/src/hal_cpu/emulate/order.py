"""Streams whose work is done late, by a thread each, and the clock that the chip would show.

The thread decides when work is really done; the clock says when the chip would have done it. The
two have nothing to do with one another: times follow from the order in which work was enqueued,
so that they are the same in every run.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from hal.errors import DeviceError

__all__ = ["Clock", "Event", "Stream"]

_LATE = 1e-3
"""Seconds for which an idle stream leaves new work undone, unless somebody waits for it.

A stream that should have waited for this one then finds that nothing is there yet.
"""

_LINGER = 0.2
"""Seconds after which a thread without work ends."""


class Clock:
    """What streams of one device share: how far the host has seen the simulated time to be.

    Attributes
    ----------
    host : float
        Seconds; no work that is enqueued from now on starts before.
    lock : threading.RLock
        Held while work is enqueued, so that times and queues agree. Reentrant: a garbage
        collection inside may free buffers. Whoever holds it waits for nothing.
    """

    def __init__(self) -> None:
        self.host = 0.0
        self.lock = threading.RLock()

    def seen(self, time: float) -> None:
        """Note that the host has waited until a time."""
        with self.lock:
            self.host = max(self.host, time)


class _Queue:
    """A stream's work, and the thread that does it as long as there is any."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.waiting: SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]] = SimpleQueue()
        self.hurry = threading.Event()
        self.failure: DeviceError | None = None
        self.active = False
        self.given = self.done = 0

    def serve(self) -> None:
        """Do the work that comes, until none has come for a while."""
        while True:
            try:
                function, arguments = self.waiting.get_nowait()
            except Empty:
                self.hurry.clear()
                try:
                    function, arguments = self.waiting.get(timeout=_LINGER)
                except Empty:
                    if self._left():
                        return
                    continue
                self.hurry.wait(_LATE)
            try:
                function(*arguments)
            # As on a chip, what goes wrong shows at the next synchronisation.
            except DeviceError as error:
                self.failure = self.failure or error
            except Exception as error:
                text = f"{type(error).__name__}: {error}"
                self.failure = self.failure or DeviceError("the kernel failed", text=text)
            self.done += 1
            del function, arguments

    def _left(self) -> bool:
        with self.clock.lock:
            self.active = not self.waiting.empty()
            return not self.active


class Stream:
    """A queue of work that is done in order, behind the host's back.

    Attributes
    ----------
    time : float
        Seconds on the simulated clock at which all work enqueued so far is done.
    free : dict
        Blocks freed in this stream's order, by size, for the pool.
    recording : list or None
        While it captures: what is recorded instead of enqueued.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.time = clock.host
        self.free: dict[int, list[Any]] = {}
        self.recording: list[Any] | None = None
        self._queue = _Queue(clock)

    def run(
        self, seconds: float, function: Callable[..., None], *arguments: Any, after: float = 0.0
    ) -> float:
        """Enqueue a call that takes the chip some seconds; return when it will be done.

        Parameters
        ----------
        seconds : float
        function : callable
        *arguments
        after : float
            The time on the simulated clock before which it does not start.
        """
        queue = self._queue
        with self.clock.lock:
            time = self.time = max(self.time, self.clock.host, after) + seconds
            queue.given += 1
            queue.waiting.put((function, arguments))
            starts = not queue.active
            queue.active = True
        if starts:
            # Unlike threading's, this start waits for nothing: a finaliser may be here.
            _thread.start_new_thread(queue.serve, ())
        return time

    @property
    def idle(self) -> bool:
        """Whether all work enqueued so far is done."""
        return self._queue.done == self._queue.given

    def synchronize(self) -> None:
        """Wait for all work; raise what went wrong in it."""
        if not self.idle:
            done = threading.Event()
            self.run(0.0, done.set)
            self._queue.hurry.set()
            done.wait()
        self.clock.seen(self.time)
        failure, self._queue.failure = self._queue.failure, None
        if failure is not None:
            raise failure

    def mark(self) -> _Mark:
        """Return a mark behind the work enqueued so far."""
        mark = _Mark(self._queue)
        mark.time = self.run(0.0, mark.reach)
        return mark

    def hold(self, mark: _Mark) -> None:
        """Make work enqueued from now on wait for a mark."""
        self.run(0.0, mark.await_in, self._queue, after=mark.time)


class _Mark:
    """A point in a stream's order."""

    def __init__(self, queue: _Queue) -> None:
        self.time = 0.0
        self._queue = queue
        self._reached = threading.Event()
        self._failure: DeviceError | None = None

    def reach(self) -> None:
        """Note that the stream has come here, and whether something went wrong before."""
        self._failure = self._queue.failure
        self._reached.set()

    def await_in(self, queue: _Queue) -> None:
        """Wait, in another stream's thread; its work may have read what was never written."""
        self.wait()
        queue.failure = queue.failure or self._failure

    def wait(self) -> None:
        """Wait until the stream has come here."""
        self._queue.hurry.set()
        self._reached.wait()

    @property
    def reached(self) -> bool:
        """Whether the stream has come here."""
        return self._reached.is_set()


class Event:
    """What records a mark, and another when it is recorded again."""

    def __init__(self) -> None:
        self._mark: _Mark | None = None

    @property
    def time(self) -> float:
        """Seconds on the simulated clock."""
        return 0.0 if self._mark is None else self._mark.time

    def record(self, stream: Stream) -> None:
        """Put the event behind a stream's work."""
        self._mark = stream.mark()

    def hold(self, stream: Stream) -> None:
        """Make a stream's later work wait for what is recorded now."""
        if self._mark is not None:
            stream.hold(self._mark)

    def query(self, clock: Clock) -> bool:
        """Return whether it is reached; the host then knows that its time has come."""
        if self._mark is None:
            return True
        if self._mark.reached:
            clock.seen(self._mark.time)
        return self._mark.reached

    def synchronize(self, clock: Clock) -> None:
        """Wait until it is reached."""
        if self._mark is not None:
            self._mark.wait()
            clock.seen(self._mark.time)
