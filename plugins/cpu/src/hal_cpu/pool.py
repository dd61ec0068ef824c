"""A pool of aligned host memory, with statistics."""

from __future__ import annotations

import ctypes
import os
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hal.errors import OutOfMemory
from hal.plugin import MemoryStats

__all__ = ["ALIGNMENT", "Kept", "Pool", "aligned", "host_memory", "host_pool", "rounded"]

ALIGNMENT = 64
_SMALL = 1 << 20
_KEEP = 1 << 30

Buffer = np.ndarray[Any, np.dtype[np.uint8]]


def rounded(nbytes: int, smallest: int = ALIGNMENT, step: int = _SMALL) -> int:
    """Return the size of block a request is served from: few sizes, so that blocks are reused.

    They are powers of two from ``smallest`` up to 1 MiB, and multiples of ``step`` above.
    """
    if nbytes <= _SMALL:
        return max(smallest, 1 << (nbytes - 1).bit_length()) if nbytes else smallest
    return -(-nbytes // step) * step


def aligned(size: int, alignment: int = ALIGNMENT) -> Buffer:
    """Return uninitialised bytes that start at a multiple of ``alignment``."""
    raw = np.empty(size + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + size]


class Pool:
    """Hands out blocks of bytes and keeps freed ones, up to 1 GiB, for reuse.

    Fresh memory costs a page fault for every 4 KiB on first touch; reused memory does not.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._free: dict[int, list[Buffer]] = {}
        self._kept = 0
        self._allocated = 0
        self._peak = 0
        self._live = 0
        # Reentrant: a garbage collection inside a call may free buffers.
        self._lock = threading.RLock()

    def allocate(self, nbytes: int, lasting: bool = False) -> Buffer:
        """Return an aligned block of at least ``nbytes`` bytes.

        One that is to last, such as weights that are packed, rather takes the place of kept ones:
        where none fits it, all of them go back to the system first.
        """
        size = rounded(nbytes)
        with self._lock:
            if self._allocated + size > self._total:
                raise OutOfMemory(
                    f"{nbytes} bytes were asked for, {self._total - self._allocated} of "
                    f"{self._total} are free; free tensors or use smaller ones"
                )
            blocks = self._free.get(size)
            block = blocks.pop() if blocks else None
            if block is not None:
                self._kept -= size
            self._allocated += size
            self._peak = max(self._peak, self._allocated)
            self._live += 1
        if block is None:
            if lasting:
                self.trim()
            try:
                block = aligned(size)
            except MemoryError as error:
                with self._lock:
                    self._allocated -= size
                    self._live -= 1
                raise OutOfMemory(
                    f"the system has no {nbytes} bytes; free tensors or use smaller ones",
                    text=str(error),
                ) from error
        return block

    def free(self, block: Buffer) -> None:
        """Take a block back."""
        size = block.nbytes
        with self._lock:
            self._allocated -= size
            self._live -= 1
            if self._kept + size <= _KEEP:
                self._free.setdefault(size, []).append(block)
                self._kept += size

    def trim(self) -> None:
        """Give the kept blocks back to the system."""
        with self._lock:
            kept, self._free = self._free, {}
            self._kept = 0
        if kept:
            del kept
            _trim_heap()

    def stats(self) -> MemoryStats:
        """Return what is allocated and kept."""
        with self._lock:
            return MemoryStats(
                allocated=self._allocated,
                reserved=self._allocated + self._kept,
                peak=self._peak,
                total=self._total,
                allocations=self._live,
            )


@cache
def _heap_trimmer() -> Any:
    # The GNU C library keeps freed memory that has other blocks behind it, unless it is told to.
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None


def _trim_heap() -> None:
    trim = _heap_trimmer()
    if trim is not None:
        trim(0)


@cache
def host_pool() -> Pool:
    """Return the pool of this process: there is one host memory."""
    return Pool(host_memory())


def host_memory() -> int:
    """Return the physical memory in bytes, or the container's limit where that is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


class Kept:
    """Memory of the process's pool, for what a kernel keeps; it goes back with this object.

    Weights that are packed one after another so take the place of those that were.

    Parameters
    ----------
    nbytes : int
    lasting : bool
        As for :meth:`Pool.allocate`.
    """

    __slots__ = ("__weakref__", "_block", "_pool", "address")

    def __init__(self, nbytes: int, lasting: bool = False) -> None:
        self._pool = host_pool()
        self._block: Buffer | None = None
        self._block = self._pool.allocate(nbytes, lasting)
        self.address: int = self._block.ctypes.data

    @property
    def content(self) -> Buffer:
        """Return the bytes, those included that nobody asked for."""
        assert self._block is not None
        return self._block

    def __del__(self) -> None:
        if self._block is not None:
            self._pool.free(self._block)
