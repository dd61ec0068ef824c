"""Memory for the time of one run, which is lent again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hal_cpu.pool import aligned

__all__ = ["scratch"]

_free: dict[int, deque[tuple[Any, int]]] = {}


@contextmanager
def scratch(size: int) -> Iterator[int]:
    """Lend memory for so many float32 numbers: where it starts.

    Parameters
    ----------
    size : int
        How many; the memory has room for the next power of two.
    """
    whole = 1 << max(size - 1, 1).bit_length()
    free = _free.setdefault(whole, deque())
    try:
        block, start = free.pop()
    except IndexError:
        block = aligned(4 * whole)
        start = block.ctypes.data
    yield start
    free.append((block, start))
