"""Weights that stay where a model keeps them, in a file or in bytes, until they are needed."""

from __future__ import annotations

import os
import stat
import weakref
from math import prod
from typing import Any, Protocol

import numpy as np

from hal.dtypes import DType
from hal.errors import ModelError

__all__ = ["BytesSource", "FileSource", "Source", "Weight"]


class Source(Protocol):
    """Where elements lie.

    Attributes
    ----------
    again : bool
        Whether they may be read more than once, without being held in memory for that.
    """

    again: bool

    def read(self, start: int, target: memoryview) -> None:
        """Fill ``target`` with the bytes from ``start`` on.

        Raises
        ------
        ModelError
            When they are not there.
        """
        ...


class BytesSource:
    """Bytes in memory."""

    again = False

    def __init__(self, contents: bytes | bytearray) -> None:
        self._contents = memoryview(contents)

    def read(self, start: int, target: memoryview) -> None:
        """Copy the bytes."""
        target[:] = self._contents[start : start + len(target)]


class FileSource:
    """An open file, which must stay as it was when it was opened.

    Parameters
    ----------
    descriptor : int
        Of the file, open for reading; it is closed with this object.
    name : str
        For errors.

    Raises
    ------
    ModelError
        When it is no regular file.
    """

    again = True

    def __init__(self, descriptor: int, name: str) -> None:
        weakref.finalize(self, os.close, descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ModelError(f"{name} is no regular file")
        self._descriptor = descriptor
        self._name = name
        self._version = self._state()

    def read(self, start: int, target: memoryview) -> None:
        """Read from the file, whose own position stays: processes that were forked share it."""
        count = 0
        try:
            while count < len(target):
                more = os.preadv(self._descriptor, [target[count:]], start + count)
                if not more:
                    break
                count += more
            changed = count < len(target) or self._state() != self._version
        except OSError as error:
            raise ModelError(f"{self._name} cannot be read: {error}") from None
        if changed:
            raise ModelError(
                f"{self._name} has changed since the model was loaded; load the model again"
            )

    def _state(self) -> tuple[int, int]:
        status = os.fstat(self._descriptor)
        return status.st_size, status.st_mtime_ns


class Weight:
    """A weight whose elements are read when they are needed.

    Parameters
    ----------
    source : Source
    start : int
        Where in the source the first element lies.
    dtype : DType
        Of whole bytes.
    shape : tuple of int
    """

    __slots__ = ("_source", "_start", "dtype", "shape")

    def __init__(self, source: Source, start: int, dtype: DType, shape: tuple[int, ...]) -> None:
        self._source = source
        self._start = start
        self.dtype = dtype
        self.shape = shape

    @property
    def again(self) -> bool:
        """Whether the elements may be read more than once."""
        return self._source.again

    @property
    def size(self) -> int:
        """How many elements there are."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self.size * self.dtype.itemsize

    def fill(self, array: Any) -> None:
        """Read the elements into a packed array of the weight's dtype and shape."""
        if self.size:
            self._source.read(self._start, memoryview(array.reshape(-1).view(np.uint8)))

    def host(self) -> Any:
        """Return the elements as a new array."""
        array = np.empty(self.shape, self.dtype.numpy)
        self.fill(array)
        return array
