"""Device memory: blocks of few sizes, reused in the order of the queue that freed them."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Any

import pyopencl as cl

from hal.errors import OutOfMemory
from hal.plugin import MemoryStats
from hal_opencl.errors import failed
from hal_opencl.queue import Queue

__all__ = ["Block", "Pool"]

_SMALLEST = 256
_SMALL = 1 << 20


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of device memory."""

    handle: Any
    size: int


def _rounded(nbytes: int) -> int:
    """Return the size of block a request is served from: few sizes, so that blocks are reused."""
    if nbytes <= _SMALL:
        return max(_SMALLEST, 1 << (nbytes - 1).bit_length()) if nbytes else _SMALLEST
    return -(-nbytes // _SMALL) * _SMALL


class Pool:
    """Hands out blocks. A freed one waits at its queue for the queue's next request of its size.

    Parameters
    ----------
    context : pyopencl.Context
    device : pyopencl.Device
    """

    def __init__(self, context: cl.Context, device: cl.Device) -> None:
        self._context = context
        self._total = int(device.global_mem_size)
        self._largest = int(device.max_mem_alloc_size)
        self._queues: weakref.WeakSet[Queue] = weakref.WeakSet()
        self._allocated = 0
        self._peak = 0
        self._live = 0
        # Reentrant: a garbage collection inside a call may free blocks.
        self._lock = threading.RLock()

    def serve(self, queue: Queue) -> None:
        """Know a queue, so that its free memory counts and can be given back."""
        with self._lock:
            self._queues.add(queue)

    def allocate(self, nbytes: int, queue: Queue) -> Block:
        """Return a block that work on the queue may use at once.

        Raises
        ------
        OutOfMemory
            When the device has no room, or none for a single block of this size.
        """
        size = _rounded(nbytes)
        with self._lock:
            kept = queue.blocks.get(size)
            block = kept.pop() if kept else self._fresh(nbytes, size)
            self._allocated += size
            self._peak = max(self._peak, self._allocated)
            self._live += 1
            return block

    def free(self, block: Block, queue: Queue) -> None:
        """Keep a block for the queue: work it was given before may still use it."""
        with self._lock:
            self._allocated -= block.size
            self._live -= 1
            queue.blocks.setdefault(block.size, []).append(block)

    def stats(self) -> MemoryStats:
        """Return what is allocated and kept."""
        with self._lock:
            return MemoryStats(
                allocated=self._allocated,
                reserved=self._allocated + self._kept(),
                peak=self._peak,
                total=self._total,
                allocations=self._live,
            )

    def _kept(self) -> int:
        return sum(s * len(b) for q in self._queues for s, b in q.blocks.items())

    def _fresh(self, nbytes: int, size: int) -> Block:
        if size > self._largest:
            raise OutOfMemory(
                f"{nbytes} bytes were asked for, the device gives at most {self._largest} at once; "
                "use smaller tensors"
            )
        if self._allocated + self._kept() + size > self._total:
            self._release()
        if self._allocated + size > self._total:
            raise OutOfMemory(
                f"{nbytes} bytes were asked for, {self._total - self._allocated} of {self._total} "
                "are free; free tensors or use smaller ones"
            )
        try:
            return Block(cl.Buffer(self._context, cl.mem_flags.READ_WRITE, size), size)
        except (cl.MemoryError, cl.LogicError):
            self._release()
        try:
            return Block(cl.Buffer(self._context, cl.mem_flags.READ_WRITE, size), size)
        except cl.Error as error:
            raise failed(f"OpenCL has no {nbytes} bytes", error) from error

    def _release(self) -> None:
        """Give the kept blocks back; OpenCL itself waits for the commands that still use them."""
        for queue in self._queues:
            queue.blocks.clear()
