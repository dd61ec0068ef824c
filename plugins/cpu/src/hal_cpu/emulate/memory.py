"""A chip's memory: as much of the host's as the chip has, and no more."""

from __future__ import annotations

import threading
from weakref import WeakSet

from hal.errors import OutOfMemory
from hal.plugin import MemoryStats
from hal_cpu.emulate.order import Stream
from hal_cpu.pool import aligned, rounded

__all__ = ["Block", "Pool"]

# Blocks are of the sizes that pools above a driver choose.
_SMALLEST = 512
_LARGE = 2 << 20
_KEEP = 1 << 30


class Block:
    """Memory of the chip. What it holds is seen through arrays alone.

    Attributes
    ----------
    written : int
        What the device's kernels had moved, in bytes, when it was last written.
    """

    __slots__ = ("bytes", "size", "written")

    def __init__(self, size: int, alignment: int) -> None:
        self.bytes = aligned(size, alignment)
        self.size = size
        self.written = 0


class Pool:
    """Hands out blocks and takes them back in the order of a stream.

    A block that was freed is given out again on the same stream alone: whatever used it before was
    enqueued before. The chip is full when the blocks in use would not fit; how they lie among one
    another does not count.

    Parameters
    ----------
    total : int
        Bytes.
    alignment : int
    """

    def __init__(self, total: int, alignment: int) -> None:
        self._total = total
        self._alignment = alignment
        self._allocated = self._peak = self._live = 0
        self._streams: WeakSet[Stream] = WeakSet()
        # Reentrant: a garbage collection inside a call may free buffers.
        self._lock = threading.RLock()

    def allocate(self, nbytes: int, stream: Stream) -> Block:
        """Return a block of at least ``nbytes`` bytes."""
        size = rounded(nbytes, _SMALLEST, _LARGE)
        with self._lock:
            if self._allocated + size > self._total:
                raise OutOfMemory(
                    f"{nbytes} bytes were asked for; {self._allocated} of {self._total} are held "
                    "by tensors; free some or use smaller ones"
                )
            listed = stream.free.get(size)
            block = listed.pop() if listed else None
            self._allocated += size
            self._peak = max(self._peak, self._allocated)
            self._live += 1
        if block is None:
            try:
                block = Block(size, self._alignment)
            except MemoryError as error:
                with self._lock:
                    self._allocated -= size
                    self._live -= 1
                raise OutOfMemory(
                    f"the chip has {nbytes} bytes, but the host that emulates it does not; use "
                    "smaller tensors",
                    text=str(error),
                ) from error
        return block

    def free(self, block: Block, stream: Stream) -> None:
        """Take a block back."""
        with self._lock:
            self._allocated -= block.size
            self._live -= 1
            if self._kept() + block.size <= _KEEP:
                self._streams.add(stream)
                stream.free.setdefault(block.size, []).append(block)

    def _kept(self) -> int:
        return sum(
            size * len(blocks) for s in list(self._streams) for size, blocks in s.free.items()
        )

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
