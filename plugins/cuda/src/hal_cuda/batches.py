"""Systems of equations of many small matrices at once, by cuBLAS: one call for all of them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from hal.dtypes import DType
from hal.errors import DeviceError
from hal_cuda.errors import translated
from hal_cuda.scratch import Scratch
from hal_cuda.statuses import Statuses

__all__ = ["LARGEST", "Batches", "addresses"]

LARGEST = 256
"""Rows of a matrix up to which many are better dealt with at once."""

_LETTERS = {("float", 32): "s", ("float", 64): "d", ("complex", 64): "c", ("complex", 128): "z"}
_TRANSPOSED = 1


class Batches:
    """The library on one device. The device must be the calling thread's when it is made.

    Parameters
    ----------
    api : module
        ``nvmath.bindings.cublas``; tests give their own.
    """

    def __init__(self, api: Any) -> None:
        self._api = api
        self._handle = api.create()
        self._lock = threading.Lock()  # A handle has one stream at a time.

    def factorise(
        self, dtype: DType, scratch: Scratch, size: int, matrices: range, pivots: int
    ) -> Statuses:
        """Enqueue the factorisation of square matrices in place, columns first.

        Parameters
        ----------
        matrices : range
            Where each lies.
        pivots : int
            Where the numbers of exchanged rows go, of 32 bits each.
        """
        name = f"{_LETTERS[dtype.kind, dtype.bits]}getrf_batched"
        count = len(matrices)
        statuses = Statuses(name, scratch, count)
        given = addresses(scratch, matrices)
        self._call(name, scratch, size, given, size, pivots, statuses.address(0), count)
        return statuses

    def solve(
        self,
        dtype: DType,
        scratch: Scratch,
        size: int,
        columns: int,
        factors: range,
        pivots: int,
        sides: range,
    ) -> None:
        """Enqueue the solution for the transposes of the matrices that were factorised."""
        name = f"{_LETTERS[dtype.kind, dtype.bits]}getrs_batched"
        left, right = addresses(scratch, factors), addresses(scratch, sides)
        status = scratch.keep(np.zeros(1, np.int32))
        self._call(
            name, scratch, _TRANSPOSED, size, columns, left, size, pivots, right, size,
            status.ctypes.data, len(sides),
        )  # fmt: skip
        if status[0]:
            raise DeviceError(f"cuBLAS refused argument {-status[0]} of {name}")

    def _call(self, name: str, scratch: Scratch, *given: int) -> None:
        try:
            with self._lock:
                self._api.set_stream(self._handle, int(scratch.stream.handle))
                getattr(self._api, name)(self._handle, *given)
        except Exception as error:
            raise translated(error, f"cuBLAS refused {name}") from error


def addresses(scratch: Scratch, places: range) -> int:
    """Return where the device finds the addresses of matrices."""
    return scratch.filled(np.arange(places.start, places.stop, places.step, dtype=np.uint64))
