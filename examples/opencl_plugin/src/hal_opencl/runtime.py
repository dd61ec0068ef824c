"""One OpenCL device: memory, command queues, events, and kernels."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import pyopencl as cl

from hal.dtypes import DType
from hal.ops import Operator
from hal.plugin import Kernel, MemoryStats, Runtime, Signature
from hal_opencl.errors import failed
from hal_opencl.kernels import find_kernel
from hal_opencl.pool import Block, Pool
from hal_opencl.programs import Array, Programs
from hal_opencl.queue import Queue

__all__ = ["OpenClRuntime"]


class _Event:
    """An event of hal: a marker in a queue once it is recorded."""

    __slots__ = ("marker",)

    def __init__(self) -> None:
        self.marker: Any = None


class OpenClRuntime(Runtime):
    """Enqueues work on in-order command queues; nothing waits but a download and a synchronize."""

    synchronous = False

    def __init__(self, device: cl.Device) -> None:
        self._device = device
        self._context = cl.Context([device])
        self._pool = Pool(self._context, device)
        self._programs = Programs(self._context, device, self._pool)
        self.alignment = device.mem_base_addr_align // 8

    # memory

    def allocate(self, nbytes: int, stream: Any) -> Block:
        """Return a block of the pool."""
        return self._pool.allocate(nbytes, stream)

    def free(self, buffer: Any, stream: Any) -> None:
        """Give a block back to the pool, for the same queue's next use."""
        self._pool.free(buffer, stream)

    def view(
        self,
        buffer: Any,
        dtype: DType,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int,
    ) -> Array:
        """Return where an array starts; what else there is to know stands in the signature."""
        return Array(buffer.handle, offset, dtype.itemsize)

    def upload(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Enqueue a copy of the host array's values."""
        try:
            event = cl.enqueue_copy(
                stream.handle,
                array.handle,
                host.copy(),
                dst_offset=array.offset * array.itemsize,
                is_blocking=False,
            )
        except cl.Error as error:
            raise failed("OpenCL failed to enqueue a copy to the device", error) from error
        stream.track(event)

    def download(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Wait for the queue and copy."""
        try:
            cl.enqueue_copy(
                stream.handle,
                host,
                array.handle,
                src_offset=array.offset * array.itemsize,
                is_blocking=True,
            )
        except cl.Error as error:
            raise failed("OpenCL failed to copy from the device", error) from error
        stream.finish()

    def memory_stats(self) -> MemoryStats:
        """Return the pool's statistics."""
        return self._pool.stats()

    # work

    def kernel(self, op: Operator, signature: Signature) -> Kernel | None:
        """Return a kernel generated for the operator, dtypes and layouts, or None."""
        return find_kernel(self._programs, op, signature)

    # order

    def stream(self) -> Queue:
        """Return a new in-order command queue."""
        queue = Queue(self._context, self._device)
        self._pool.serve(queue)
        return queue

    def event(self) -> Any:
        """Return a new event."""
        return _Event()

    def record(self, event: Any, stream: Any) -> None:
        """Put a marker into the queue, and hand the queue's work to the device."""
        try:
            event.marker = cl.enqueue_marker(stream.handle)
            # Another queue may wait for the marker: what is never flushed may never start.
            stream.handle.flush()
        except cl.Error as error:
            raise failed("OpenCL failed to record an event", error) from error
        stream.track(event.marker)

    def wait(self, event: Any, stream: Any) -> None:
        """Put a barrier that waits for the marker into the queue."""
        try:
            stream.track(cl.enqueue_barrier(stream.handle, wait_for=[event.marker]))
        except cl.Error as error:
            raise failed("OpenCL failed to wait for an event", error) from error

    def query(self, event: Any) -> bool:
        """Return whether the marker is reached (or will never be, since work before it failed)."""
        return int(event.marker.command_execution_status) <= 0

    def query_stream(self, stream: Any) -> bool:
        """Return whether the queue's last command is done."""
        return bool(stream.idle())

    def elapsed(self, start: Any, end: Any) -> float:
        """Return the time between two markers in milliseconds, by the device's clock."""
        return float(end.marker.profile.end - start.marker.profile.end) / 1e6

    def synchronize(self, stream: Any) -> None:
        """Wait for the queue and raise what went wrong in it."""
        stream.finish()

    def synchronize_event(self, event: Any) -> None:
        """Wait for the marker."""
        try:
            event.marker.wait()
        except cl.Error as error:
            raise failed("work before an event failed", error) from error
