"""A stream: a command queue that remembers what it was given, to find out late what failed."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import pyopencl as cl

from hal.errors import DeviceError
from hal_opencl.errors import failed, failed_code

__all__ = ["Queue"]

_DEPTH = 512
"""About how many commands may be under way; the next one waits for the oldest."""


class Queue:
    """An in-order command queue, its commands that may still fail, and its free memory.

    Attributes
    ----------
    handle : pyopencl.CommandQueue
    blocks : dict of int to list
        Freed memory by size. Only this queue reuses it, so that its order protects it.
    """

    def __init__(self, context: cl.Context, device: cl.Device) -> None:
        profiling = cl.command_queue_properties.PROFILING_ENABLE
        self.handle = cl.CommandQueue(context, device, properties=profiling)
        self.blocks: dict[int, list[Any]] = {}
        self._commands: deque[Any] = deque()
        self._failure: DeviceError | None = None
        self._lock = threading.Lock()

    def track(self, event: Any) -> None:
        """Remember a command until it is known to have gone well.

        Never waits for the lock: a garbage collection may call this in a thread that holds it.
        """
        self._commands.append(event)
        if len(self._commands) > _DEPTH and self._lock.acquire(blocking=False):
            try:
                self._settle()
                if len(self._commands) > _DEPTH:
                    self._wait(self._commands[0])
                    self._settle()
            finally:
                self._lock.release()

    def idle(self) -> bool:
        """Return whether every command is done, without waiting."""
        self.handle.flush()
        last = list(self._commands)[-1:]
        return not last or int(last[0].command_execution_status) <= 0

    def finish(self) -> None:
        """Wait for every command; raise for the first that failed."""
        try:
            self.handle.finish()
        except cl.Error as error:
            raise failed("OpenCL failed to finish a queue", error) from error
        with self._lock:
            self._settle()
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _settle(self) -> None:
        """Forget the commands that are done, and keep the first failure among them."""
        while self._commands:
            status = int(self._commands[0].command_execution_status)
            if status > 0:
                return
            self._commands.popleft()
            if status < 0 and self._failure is None:
                self._failure = failed_code("OpenCL failed a command it had accepted", status)

    def _wait(self, event: Any) -> None:
        try:
            event.wait()
        except cl.Error as error:
            self._failure = self._failure or failed("OpenCL failed a command", error)
