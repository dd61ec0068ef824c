"""Streams that are threads, and the events recorded on them."""

from __future__ import annotations

import threading
import time
from collections import deque

IDLE = 0.5
"""How long a thread without work stays, in seconds."""


class Ticket:
    """One record of an event."""

    def __init__(self, stream):
        self.stream = stream
        self.done = threading.Event()
        self.time = None
        self.error = None

    def complete(self):
        self.error = self.stream.error
        self.time = time.perf_counter()
        self.done.set()

    def wait(self):
        self.stream.urge()
        self.done.wait()

    def follow(self):
        """Wait in another stream, and fail there with what failed before."""
        self.wait()
        if self.error is not None:
            raise self.error


class FaultyEvent:
    """An event: its last record."""

    def __init__(self):
        self.ticket = None


class FaultyStream:
    """A queue of work and the thread that does it."""

    def __init__(self, latency, backwards=False):
        self.latency = latency
        self.backwards = backwards
        self.error = None
        self._items = deque()
        self._changed = threading.Condition()
        self._urged = False
        self._running = False

    def enqueue(self, work):
        with self._changed:
            self._items.append(work)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, daemon=True).start()
            self._changed.notify_all()

    def urge(self):
        """Make the thread start at once: somebody waits."""
        with self._changed:
            self._urged = True
            self._changed.notify_all()

    def finish(self):
        """Wait until everything enqueued so far is done."""
        ticket = Ticket(self)
        self.enqueue(ticket.complete)
        ticket.wait()

    def _run(self):
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._items, IDLE):
                    self._running = False
                    return
                self._changed.wait_for(lambda: self._urged, self.latency)
                batch = list(self._items)
                self._items.clear()
                self._urged = False
            if self.backwards:
                batch = batch[-2::-1] + batch[-1:]
            for work in batch:
                try:
                    work()
                except Exception as error:
                    self.error = self.error or error
