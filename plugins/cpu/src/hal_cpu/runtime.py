"""The CPU's runtime: host memory, NumPy arrays over it, and kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hal.dtypes import DType
from hal.ops import Operator
from hal.plugin import Kernel, MemoryStats, Runtime, Signature
from hal_cpu.dnn import library
from hal_cpu.kernels import find_kernel
from hal_cpu.pool import ALIGNMENT, host_pool
from hal_cpu.series import join
from hal_cpu.threads import limit_blas

__all__ = ["CpuRuntime"]


class CpuRuntime(Runtime):
    """Runs operators where they are called; a stream is nothing but program order.

    Results of at most 64 KiB are allocated by NumPy itself, which is quicker, and are not counted
    in the memory statistics; larger ones come from the pool and are.
    """

    synchronous = True
    writes_strided = True
    alignment = ALIGNMENT

    def __init__(self) -> None:
        limit_blas()
        self._pool = host_pool()
        self.channels_last = library() is not None

    def allocate(self, nbytes: int, stream: Any) -> Any:
        """Return a block of the pool."""
        return self._pool.allocate(nbytes)

    def free(self, buffer: Any, stream: Any) -> None:
        """Give a block back to the pool."""
        self._pool.free(buffer)

    def view(
        self,
        buffer: Any,
        dtype: DType,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int,
    ) -> Any:
        """Return a NumPy array over a block."""
        size = dtype.itemsize
        return np.ndarray(
            shape, dtype.numpy, buffer, offset * size, tuple([s * size for s in strides])
        )

    def upload(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Copy a host array in."""
        np.copyto(array, host)

    def download(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Copy a host array out."""
        np.copyto(host, array)

    def owner(self, array: Any) -> Any:
        """Return the bytes of an array that NumPy allocated."""
        return array.reshape(-1).view(np.uint8)

    def adopt(self, host: npt.NDArray[Any]) -> Any | None:
        """Return the bytes of a host array."""
        return host.reshape(-1).view(np.uint8)

    def expose(self, array: Any) -> Any:
        """Return the array: it is a NumPy array already."""
        return array

    def memory_stats(self) -> MemoryStats:
        """Return the pool's statistics."""
        return self._pool.stats()

    def kernel(self, op: Operator, signature: Signature) -> Kernel | None:
        """Return a NumPy function for the operator, at the least its reference."""
        return find_kernel(op, signature)

    def join(self, steps: Sequence[Callable[..., None]]) -> Callable[..., None] | None:
        """Return what does several steps in one call from Python."""
        return join(steps)
