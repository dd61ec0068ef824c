"""The GPU as hal's runtime: stream-ordered memory, staged copies, kernels, order, capture."""

from __future__ import annotations

import os
from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from hal.dtypes import DType
from hal.errors import ValueRangeError
from hal.ops import Operator
from hal.plugin import Communicator, Kernel, MemoryStats, Runtime, Signature
from hal_cuda.array import Array, Borrowed
from hal_cuda.array_interface import NAME, exported
from hal_cuda.collectives import join
from hal_cuda.kernels import find_kernel
from hal_cuda.staging import Staging

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["CudaRuntime"]


class CudaRuntime(Runtime):
    """One GPU.

    Parameters
    ----------
    driver : Driver
    """

    synchronous = False
    alignment = 256

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.thread_streams = os.environ.get("HAL_CUDA_PER_THREAD_DEFAULT_STREAM") == "1"
        self._up = Staging(driver)
        self._down = Staging(driver)

    # memory

    def allocate(self, nbytes: int, stream: Any) -> Any:
        """Return memory of the pool."""
        return self.driver.allocate(nbytes, stream)

    def free(self, buffer: Any, stream: Any) -> None:
        """Give memory back to the pool."""
        self.driver.free(buffer, stream)

    def view(
        self,
        buffer: Any,
        dtype: DType,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int,
    ) -> Any:
        """Return an array over a buffer."""
        return Array(buffer, dtype, shape, strides, offset)

    def upload(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Copy a host array in, through pinned memory."""
        self._up.upload(array.pointer, host.ctypes.data, host.nbytes, stream)

    def download(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Copy a host array out, through pinned memory."""
        self._down.download(host.ctypes.data, array.pointer, host.nbytes, stream)

    def memory_stats(self) -> MemoryStats:
        """Return the pool's statistics."""
        return self.driver.memory_stats()

    # sharing memory

    def address(self, array: Any) -> int:
        """Return the address of an array's first element."""
        return int(array.pointer)

    def borrow(self, address: int, nbytes: int) -> Any:
        """Return a buffer over another library's memory."""
        return Borrowed(address, nbytes)

    def foreign_stream(self, number: int | None) -> Any:
        """Return the stream a consumer of DLPack named: 1 is the legacy default, as is none."""
        if number == 0:
            raise ValueRangeError(
                "stream 0 could mean either default stream of CUDA; give 1 for the legacy one, "
                "2 for the thread's own, or a stream's address"
            )
        return self.driver.foreign_stream(1 if number is None else number)

    def stream_number(self, stream: Any) -> int | None:
        """Return the stream's address."""
        return int(stream.__cuda_stream__()[1])

    protocols = (NAME,)

    def protocol(self, name: str, array: Any, stream: Any) -> Any | None:
        """Return the CUDA array interface."""
        return exported(array, int(stream.__cuda_stream__()[1]))

    # several devices

    def reaches(self, runtime: Runtime) -> bool:
        """Return whether it is another GPU: the driver goes through the host where it has to."""
        return isinstance(runtime, CudaRuntime)

    def copy_peer(self, array: Any, runtime: Runtime, source: Any, stream: Any) -> None:
        """Copy from another GPU."""
        assert isinstance(runtime, CudaRuntime)
        nbytes = prod(array.shape) * array.dtype.itemsize
        self.driver.copy_peer(array.pointer, runtime.driver, source.pointer, nbytes, stream)

    def communicator(self, identity: bytes, rank: int, size: int) -> Communicator:
        """Return this GPU's end of a group, through NCCL."""
        return join(self.driver, identity, rank, size)

    # work

    def kernel(self, op: Operator, signature: Signature) -> Kernel | None:
        """Return a kernel, or None to have hal decompose the operator."""
        return find_kernel(self.driver, op, signature)

    # order

    def stream(self) -> Any:
        """Return a new stream."""
        return self.driver.stream()

    def event(self) -> Any:
        """Return a new event."""
        return self.driver.event()

    def record(self, event: Any, stream: Any) -> None:
        """Record an event."""
        self.driver.record(event, stream)

    def wait(self, event: Any, stream: Any) -> None:
        """Make a stream wait for an event."""
        self.driver.wait(event, stream)

    def query(self, event: Any) -> bool:
        """Return whether an event is complete."""
        return self.driver.query(event)

    def elapsed(self, start: Any, end: Any) -> float:
        """Return the milliseconds between two events."""
        return self.driver.elapsed(start, end)

    def synchronize(self, stream: Any) -> None:
        """Wait for a stream."""
        self.driver.synchronize(stream)

    def synchronize_event(self, event: Any) -> None:
        """Wait for an event."""
        self.driver.synchronize_event(event)

    def capture(self, stream: Any, enqueue: Callable[[], None]) -> Any:
        """Record what is enqueued as a CUDA graph."""
        return self.driver.capture(stream, enqueue)

    def replay(self, recording: Any, stream: Any) -> None:
        """Launch a CUDA graph."""
        self.driver.replay(recording, stream)
