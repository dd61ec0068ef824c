"""Copies between any host memory and the GPU, through pinned blocks the GPU can reach itself."""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["Staging"]


class Staging:
    """A ring of pinned blocks; while one is on its way, the next is filled or emptied.

    Parameters
    ----------
    driver : Driver
    block : int
        Bytes of a block.
    count : int
        Number of blocks, at least 2.
    """

    def __init__(self, driver: Driver, block: int = 4 << 20, count: int = 4) -> None:
        self._driver = driver
        self._block = block
        self._count = count
        self._next = 0
        self._ring: list[tuple[Any, Any]] = []
        self._lock = threading.Lock()

    def upload(self, pointer: int, host: int, nbytes: int, stream: Any) -> None:
        """Enqueue a copy to the device; the host memory may change once this returns."""
        with self._lock:
            for start in range(0, nbytes, self._block):
                size = min(self._block, nbytes - start)
                block, event = self._free_block()
                ctypes.memmove(block.pointer, host + start, size)
                self._driver.copy_in(pointer + start, block.pointer, size, stream)
                self._driver.record(event, stream)

    def download(self, host: int, pointer: int, nbytes: int, stream: Any) -> None:
        """Copy from the device and wait for it."""
        with self._lock:
            waiting: list[tuple[Any, Any, int, int]] = []
            for start in range(0, nbytes, self._block):
                if len(waiting) == self._count - 1:
                    self._empty(host, *waiting.pop(0))
                size = min(self._block, nbytes - start)
                block, event = self._free_block()
                self._driver.copy_out(block.pointer, pointer + start, size, stream)
                self._driver.record(event, stream)
                waiting.append((block, event, start, size))
            for entry in waiting:
                self._empty(host, *entry)

    def _empty(self, host: int, block: Any, event: Any, start: int, size: int) -> None:
        self._driver.synchronize_event(event)
        ctypes.memmove(host + start, block.pointer, size)

    def _free_block(self) -> tuple[Any, Any]:
        """Return the block that was used longest ago, and its event, when its copy is done."""
        if len(self._ring) < self._count:
            event = self._driver.event()
            self._ring.append((self._driver.pinned(self._block), event))
            return self._ring[-1]
        block, event = self._ring[self._next]
        self._next = (self._next + 1) % self._count
        self._driver.synchronize_event(event)
        return block, event
