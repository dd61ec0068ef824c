"""What the vendor's libraries say of each matrix they factorised."""

from __future__ import annotations

import numpy as np

from hal.errors import DeviceError, LinAlgError
from hal_cuda.scratch import Scratch

__all__ = ["Statuses"]

_STATUS = np.dtype(np.int32)


class Statuses:
    """Where a library writes what it says of each matrix, in device memory."""

    def __init__(self, name: str, scratch: Scratch, count: int) -> None:
        # The library itself waits at times, and somebody will for what it says.
        scratch.driver.may_wait(scratch.stream)
        self._name = name
        self._scratch = scratch
        self._nbytes = count * _STATUS.itemsize
        self._address = scratch(self._nbytes)

    def address(self, number: int) -> int:
        """Return where the status of one matrix is written."""
        return self._address + number * _STATUS.itemsize

    def check(self, failure: LinAlgError | None = None) -> None:
        """Wait for the work, and raise what was wrong with a matrix.

        Raises
        ------
        LinAlgError
            The failure, when the library could not factorise a matrix.
        DeviceError
            When it was asked for what it does not know.
        """
        if not self._nbytes:
            return
        scratch = self._scratch
        found = scratch.driver.fetch(self._address, self._nbytes, scratch.stream).view(_STATUS)
        if (found < 0).any():
            raise DeviceError(f"the library refused argument {-found.min()} of {self._name}")
        if failure is not None and (found > 0).any():
            raise failure
