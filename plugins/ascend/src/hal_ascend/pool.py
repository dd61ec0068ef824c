"""A pool above ``aclrtMalloc``: blocks are reused in the order of the stream that freed them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from hal.errors import OutOfMemory
from hal.plugin import MemoryStats

__all__ = ["Block", "Pool", "Queue"]

_SMALLEST = 512
_SMALL = 1 << 20
_LARGE = 2 << 20


class Block:
    """Device memory: its address and how many bytes are there."""

    __slots__ = ("address", "size")

    def __init__(self, address: int, size: int) -> None:
        self.address = address
        self.size = size


class Queue:
    """A stream of CANN, with the blocks that were freed in its order.

    A block on the list may be given out again on this stream at once: whatever used it before was
    enqueued before. While ``kept`` is a list, blocks that are freed go there instead: a recording
    uses them every time that it is replayed. ``sources`` are the streams that this one has waited
    for: whoever waits for it must hear of their failures too.
    """

    __slots__ = (
        "__weakref__", "free", "handle", "kept", "retire", "retired", "sources",
    )  # fmt: skip

    def __init__(self, handle: int, retire: Callable[[int, list[Block]], None]) -> None:
        self.handle = handle
        self.free: dict[int, list[Block]] = {}
        self.kept: list[Block] | None = None
        self.sources: set[Queue] = set()
        self.retire = retire
        self.retired = False

    def take_all(self) -> list[Block]:
        """Remove and return every free block; whoever calls has waited for the stream."""
        blocks = []
        for listed in self.free.values():
            while listed:
                blocks.append(listed.pop())
        return blocks

    def give_back(self, blocks: list[Block]) -> None:
        """Let blocks be given out again in this stream's order."""
        for block in blocks:
            self.free.setdefault(block.size, []).append(block)

    def __del__(self) -> None:
        # The garbage collector may finalise what still refers to the stream after the stream.
        if not self.retired:
            self.retired = True
            self.retire(self.handle, self.take_all())


def _rounded(nbytes: int) -> int:
    """Return the size of block a request is served from: few sizes, so that blocks are reused."""
    if nbytes <= _SMALL:
        return max(_SMALLEST, 1 << (nbytes - 1).bit_length()) if nbytes else _SMALLEST
    return -(-nbytes // _LARGE) * _LARGE


class Pool:
    """Hands out blocks and takes them back, with statistics.

    Parameters
    ----------
    malloc : callable
        Returns the address of new device memory, or raises OutOfMemory.
    release : callable
        Gives an address back to the device.
    drain : callable
        Waits for every queue and returns their free blocks.
    total : int
        Bytes the device has.
    """

    def __init__(
        self,
        malloc: Callable[[int], int],
        release: Callable[[int], None],
        drain: Callable[[], list[Block]],
        total: int,
    ) -> None:
        self._malloc = malloc
        self._release = release
        self._drain = drain
        self._total = total
        # Reentrant: a garbage collection inside a call may free blocks. Never held over a call
        # that waits for the device.
        self._lock = threading.RLock()
        self._allocated = self._reserved = self._peak = self._live = 0
        self._addresses: set[int] = set()

    def allocate(self, nbytes: int, queue: Queue) -> Block:
        """Return a block of at least ``nbytes`` bytes, usable in the order of the queue."""
        size = _rounded(nbytes)
        listed = queue.free.get(size)
        try:
            block = listed.pop() if listed else None
        except IndexError:  # Another thread was quicker.
            block = None
        if block is None:
            block = self._grow(nbytes, size)
        with self._lock:
            self._allocated += size
            self._live += 1
            if self._allocated > self._peak:
                self._peak = self._allocated
        return block

    def free(self, block: Block, queue: Queue) -> None:
        """Take a block back in the order of the queue."""
        size = block.size
        with self._lock:
            self._allocated -= size
            self._live -= 1
        if queue.kept is not None:
            queue.kept.append(block)
        else:
            queue.free.setdefault(size, []).append(block)

    def _grow(self, nbytes: int, size: int) -> Block:
        try:
            address = self._malloc(size)
        except OutOfMemory:
            self.trim(self._drain())
            try:
                address = self._malloc(size)
            except OutOfMemory as error:
                stats = self.stats()
                raise OutOfMemory(
                    f"{nbytes} bytes were asked for; {stats.allocated} of {self._total} are held "
                    "by tensors; free some or use smaller ones",
                    code=error.code,
                    text=error.text,
                ) from error
        with self._lock:
            self._reserved += size
            self._addresses.add(address)
        return Block(address, size)

    def trim(self, blocks: list[Block]) -> None:
        """Give blocks back to the device that nothing uses any more."""
        for block in blocks:
            with self._lock:
                self._addresses.discard(block.address)
                self._reserved -= block.size
            self._release(block.address)

    def close(self) -> None:
        """Give everything back, what tensors still hold too: the device is closed."""
        with self._lock:
            addresses, self._addresses = self._addresses, set()
        for address in addresses:
            self._release(address)

    def stats(self) -> MemoryStats:
        """Return what is allocated and kept."""
        with self._lock:
            return MemoryStats(
                allocated=self._allocated,
                reserved=self._reserved,
                peak=self._peak,
                total=self._total,
                allocations=self._live,
            )
