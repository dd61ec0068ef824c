"""A kernel ready to start: its function, its grid, and its arguments as one block of words.

Every kernel takes one structure by value, made of 64-bit words: pointers first, then whole numbers
and doubles. So the arguments of any kernel are packed once, and a call writes pointers only.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hal_cuda.geometry import Axis
from hal_cuda.source import Source

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["Arguments", "Launch", "axes_words", "word"]


def word(value: int | float) -> int:
    """Return the 64 bits of a whole number or a double as an unsigned number.

    Examples
    --------
    >>> word(-1) == 2**64 - 1, hex(word(1.0))
    (True, '0x3ff0000000000000')
    """
    if isinstance(value, float):
        return int(struct.unpack("<Q", struct.pack("<d", value))[0])
    return value % 2**64


def axes_words(axes: Sequence[Axis], arrays: int) -> list[int]:
    """Return the words of the source's ``Axes<N, K>``: sizes, then each array's strides."""
    if not axes:
        return [1, *[0] * arrays]
    words = [size for size, _ in axes]
    for array in range(arrays):
        words += [strides[array] for _, strides in axes]
    return words


class Arguments:
    """The one argument of a kernel, in the form the driver takes it.

    Attributes
    ----------
    words : ctypes array
        The structure's words.
    address : int
        Where the array of one pointer, to the words, lies.
    """

    __slots__ = ("_pointers", "address", "words")

    def __init__(self, words: Sequence[int]) -> None:
        self.words = (ctypes.c_uint64 * len(words))(*words)
        self._pointers = (ctypes.c_void_p * 1)(ctypes.addressof(self.words))
        self.address = ctypes.addressof(self._pointers)


class Launch:
    """Starts a kernel on a stream.

    Parameters
    ----------
    driver : Driver
    source : Source
    grid : int
        Number of blocks.
    pointers : int
        How many pointers come first in the arguments.
    words : iterable of int or float
        The other arguments.
    """

    __slots__ = ("_arguments", "_driver", "_function", "_grid", "_lock", "_source", "_words")

    def __init__(
        self,
        driver: Driver,
        source: Source,
        grid: int,
        pointers: int,
        words: Iterable[int | float] = (),
    ) -> None:
        packed = [0] * pointers + [word(w) for w in words]
        self._driver = driver
        self._source = source
        self._function: Any = None
        self._grid = grid
        self._arguments = Arguments(packed)
        self._words = self._arguments.words
        self._lock = threading.Lock()

    def __call__(self, stream: Any, *pointers: int) -> None:
        """Enqueue the kernel with these pointers."""
        # Compiled at the first call: hal asks for many kernels it then does not run alone.
        if self._function is None:
            self._function = self._driver.function(self._source)
        # The driver copies the arguments before it returns.
        with self._lock:
            self._words[: len(pointers)] = pointers  # type: ignore[call-overload]
            self._driver.launch(self._function, self._grid, stream, self._arguments)
