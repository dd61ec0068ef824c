"""Factorisations by cuSOLVER: a call for each matrix of a stack, columns first as it counts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import DType
from hal_cuda.batches import Batches, addresses
from hal_cuda.errors import translated
from hal_cuda.scratch import Scratch
from hal_cuda.starting import started
from hal_cuda.statuses import Statuses

__all__ = ["LOWER", "TRANSPOSED", "UPPER", "Cusolver", "load"]

LOWER, UPPER = 0, 1
"""Which triangle of a symmetric matrix is read."""

TRANSPOSED = 1
"""What an equation takes its matrix as."""

_KINDS = {
    dtypes.float32: ("s", "CUDA_R_32F"),
    dtypes.float64: ("d", "CUDA_R_64F"),
    dtypes.complex64: ("c", "CUDA_C_32F"),
    dtypes.complex128: ("z", "CUDA_C_64F"),
}


class Cusolver:
    """The library on one device. The device must be the calling thread's when it is made.

    Parameters
    ----------
    api, data_types, products : object
        ``nvmath.bindings.cusolverDn``, ``CudaDataType`` of nvmath, ``nvmath.bindings.cublas``;
        tests give their own.

    Attributes
    ----------
    batches : Batches
        What factorises many small matrices at once.
    """

    def __init__(self, api: Any, data_types: Any, products: Any) -> None:
        self._api = api
        self.batches = Batches(products)
        self._kinds = {dtype: int(getattr(data_types, name)) for dtype, (_, name) in _KINDS.items()}
        self._handle = api.create()
        self._params = api.create_params()
        self._lock = threading.Lock()  # A handle has one stream at a time.

    def kind(self, dtype: DType) -> int:
        """Return the library's number for a dtype."""
        return self._kinds[dtype]

    def each(
        self,
        name: str,
        dtype: DType,
        scratch: Scratch,
        calls: Sequence[Sequence[int]],
        unsized: int = 0,
    ) -> Statuses:
        """Enqueue a function of the generic interface for each matrix.

        Parameters
        ----------
        name : str
            Such as ``"xgetrf"``.
        dtype : DType
            In which it is calculated.
        scratch : Scratch
        calls : sequence of sequence of int
            What stands between the parameters' handle and the type, for each matrix.
        unsized : int
            How many of these, at the end, the question for the size of scratch memory leaves out.
        """
        statuses = Statuses(name, scratch, len(calls))
        if not calls:
            return statuses
        compute, first = self.kind(dtype), calls[0][: len(calls[0]) - unsized]
        try:
            with self._lock:
                self._api.set_stream(self._handle, int(scratch.stream.handle))
                device, host = getattr(self._api, f"{name}_buffer_size")(
                    self._handle, self._params, *first, compute
                )
                there = scratch(device)
                here = scratch.keep(np.empty(max(host, 1), np.uint8))
                for number, given in enumerate(calls):
                    getattr(self._api, name)(
                        self._handle, self._params, *given, compute, there, device,
                        here.ctypes.data, host, statuses.address(number),
                    )  # fmt: skip
        except Exception as error:
            raise translated(error, f"cuSOLVER refused {name}") from error
        return statuses

    def together(
        self, name: str, dtype: DType, scratch: Scratch, given: Sequence[int], count: int
    ) -> Statuses:
        """Enqueue a function of the generic interface that takes many matrices at once.

        Parameters
        ----------
        given : sequence of int
            What stands between the parameters' handle and the type; matrices lie one behind
            another.
        """
        statuses, compute = Statuses(name, scratch, count), self.kind(dtype)
        try:
            with self._lock:
                self._api.set_stream(self._handle, int(scratch.stream.handle))
                device, host = getattr(self._api, f"{name}_buffer_size")(
                    self._handle, self._params, *given, compute, count
                )
                there = scratch(device)
                here = scratch.keep(np.empty(max(host, 1), np.uint8))
                getattr(self._api, name)(
                    self._handle, self._params, *given, compute, there, device,
                    here.ctypes.data, host, statuses.address(0), count,
                )  # fmt: skip
        except Exception as error:
            raise translated(error, f"cuSOLVER refused {name}") from error
        return statuses

    def roots(
        self, dtype: DType, scratch: Scratch, triangle: int, size: int, matrices: range
    ) -> Statuses:
        """Enqueue Cholesky's factorisation of many matrices at once, in place."""
        name = f"{_KINDS[dtype][0]}potrf_batched"
        statuses = Statuses(name, scratch, len(matrices))
        places = addresses(scratch, matrices)
        try:
            with self._lock:
                self._api.set_stream(self._handle, int(scratch.stream.handle))
                getattr(self._api, name)(
                    self._handle, triangle, size, places, size, statuses.address(0), len(matrices)
                )
        except Exception as error:
            raise translated(error, f"cuSOLVER refused {name}") from error
        return statuses

    def solve(self, scratch: Scratch, calls: Sequence[Sequence[int]]) -> Statuses:
        """Enqueue ``xgetrs``, which needs no scratch memory, for each right-hand side."""
        statuses = Statuses("xgetrs", scratch, len(calls))
        try:
            with self._lock:
                self._api.set_stream(self._handle, int(scratch.stream.handle))
                for number, given in enumerate(calls):
                    self._api.xgetrs(self._handle, self._params, *given, statuses.address(number))
        except Exception as error:
            raise translated(error, "cuSOLVER refused xgetrs") from error
        return statuses

    def columns(self, dtype: DType, scratch: Scratch, calls: Sequence[Sequence[int]]) -> Statuses:
        """Enqueue ``orgqr`` or ``ungqr``, which write the columns that ``geqrf`` describes."""
        name = _KINDS[dtype][0] + ("orgqr" if dtype.kind == "float" else "ungqr")
        statuses = Statuses(name, scratch, len(calls))
        if not calls:
            return statuses
        try:
            with self._lock:
                self._api.set_stream(self._handle, int(scratch.stream.handle))
                size = getattr(self._api, f"{name}_buffer_size")(self._handle, *calls[0])
                there = scratch(size * dtype.itemsize)
                for number, given in enumerate(calls):
                    getattr(self._api, name)(
                        self._handle, *given, there, size, statuses.address(number)
                    )
        except Exception as error:
            raise translated(error, f"cuSOLVER refused {name}") from error
        return statuses


def load() -> Cusolver | None:
    """Return the library on the calling thread's device, or None where it is not installed."""
    try:
        from nvmath import CudaDataType
        from nvmath.bindings import cublas, cusolverDn
    except ImportError:
        return None
    return started(
        "cuSOLVER", "the host factorises", lambda: Cusolver(cusolverDn, CudaDataType, cublas)
    )
