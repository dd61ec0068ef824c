"""One opened device: contexts, streams, events, memory, copies, kernels."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from hal.dtypes import DType
from hal.errors import DeviceError, Unsupported, ValueRangeError
from hal.ops import Operator
from hal.plugin import Communicator, Kernel, MemoryStats, Runtime, Signature
from hal_ascend.arrays import Array
from hal_ascend.codes import ENUMS
from hal_ascend.collectives import HcclCommunicator
from hal_ascend.executor import Executable, Refused
from hal_ascend.families import Family
from hal_ascend.library import Cann
from hal_ascend.operators import recipe_for
from hal_ascend.pool import Block, Pool, Queue
from hal_ascend.recording import Recording, record
from hal_ascend.staging import Staging

__all__ = ["AscendRuntime"]

_COMPLETE = ENUMS["ACL_EVENT_RECORDED_STATUS_COMPLETE"]
_TIMED_OUT = 507046
_thread = threading.local()


class _Event:
    """An event of CANN; destroyed with the object."""

    __slots__ = ("_destroy", "handle", "queue")

    def __init__(self, handle: int, destroy: Any) -> None:
        self.handle = handle
        self.queue: Queue | None = None
        self._destroy = destroy

    def __del__(self) -> None:
        self._destroy(self.handle)


def _time_allowed() -> int:
    """Return how long a wait may take in milliseconds, from HAL_ASCEND_TIMEOUT in seconds."""
    text = os.environ.get("HAL_ASCEND_TIMEOUT", "")
    try:
        return int(float(text) * 1000) if text else -1
    except ValueError:
        raise ValueRangeError(
            f"HAL_ASCEND_TIMEOUT is {text!r}; it must be a number of seconds"
        ) from None


class AscendRuntime(Runtime):
    """Runs operators on one device.

    Parameters
    ----------
    cann : Cann
    index : int
    family : Family
        Of the chip.
    """

    synchronous = False
    alignment = 64

    def __init__(self, cann: Cann, index: int, family: Family) -> None:
        self.cann = cann
        self.index = index
        self.family = family
        self.closed = False
        self._timeout = _time_allowed()
        self._streams: weakref.WeakSet[Queue] = weakref.WeakSet()
        self._kernels: weakref.WeakSet[Executable] = weakref.WeakSet()
        self._recordings: weakref.WeakSet[Recording] = weakref.WeakSet()
        self._events: set[int] = set()
        self._retired: list[tuple[int, list[Block]]] = []
        self._dropped: list[tuple[int, list[Block], Queue]] = []
        self._failures: list[DeviceError] = []
        self._reaping = threading.Lock()
        cann.check(cann.aclrtSetDevice(index), "aclrtSetDevice")
        context = ctypes.c_void_p()
        try:
            cann.check(cann.aclrtGetCurrentContext(ctypes.byref(context)), "aclrtGetCurrentContext")
            self._context = context.value
            _thread.runtime = self
            total = self._memory()
        except BaseException:
            cann.aclrtResetDevice(index)
            raise
        self.pool = Pool(self._malloc, self._release, self._drain, total)
        self.staging = Staging(cann, self)

    def enter(self) -> None:
        """Make this device's context the thread's, as every call of CANN needs it."""
        if getattr(_thread, "runtime", None) is not self:
            if self.closed:
                raise DeviceError("the device was closed", device=f"ascend:{self.index}")
            code = self.cann.aclrtSetCurrentContext(self._context)
            if code:
                raise self.cann.error(code, "aclrtSetCurrentContext")
            _thread.runtime = self

    def _memory(self) -> int:
        free, total = ctypes.c_uint64(), ctypes.c_uint64()
        code = self.cann.aclrtGetMemInfo(
            ENUMS["ACL_HBM_MEM"], ctypes.byref(free), ctypes.byref(total)
        )
        self.cann.check(code, "aclrtGetMemInfo")
        return total.value

    # memory

    def allocate(self, nbytes: int, stream: Any) -> Any:
        """Return a block of the pool."""
        self.enter()
        return self.pool.allocate(nbytes, stream)

    def free(self, buffer: Any, stream: Any) -> None:
        """Give a block back in the order of its stream; calls nothing that could wait."""
        self.pool.free(buffer, stream)

    def view(
        self,
        buffer: Any,
        dtype: DType,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int,
    ) -> Any:
        """Return where the first element is."""
        return Array(buffer.address + offset * dtype.itemsize, dtype, shape)

    def upload(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Copy a host array in, through pinned memory."""
        self.enter()
        if stream.kept is not None:
            raise Unsupported(
                "a copy from the host cannot be captured: it would copy the same again each time; "
                "upload before the capture"
            )
        self.staging.upload(array.address, host.ctypes.data, host.nbytes, stream)

    def download(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Copy a host array out, through pinned memory."""
        self.enter()
        self.staging.download(array.address, host.ctypes.data, host.nbytes, stream)

    def memory_stats(self) -> MemoryStats:
        """Return the pool's statistics."""
        return self.pool.stats()

    def _malloc(self, size: int) -> int:
        self.reap()
        address = ctypes.c_void_p()
        policy = ENUMS["ACL_MEM_MALLOC_HUGE_FIRST"]
        code = self.cann.aclrtMalloc(ctypes.byref(address), size, policy)
        if code:
            raise self.cann.error(code, "aclrtMalloc")
        return address.value or 0

    def _release(self, address: int) -> None:
        code = self.cann.aclrtFree(address)
        if code and not self.closed:
            raise self.cann.error(code, "aclrtFree")

    def _drain(self) -> list[Block]:
        """Wait for every stream, and return the blocks that nothing uses any more."""
        self.reap()
        blocks = []
        for queue in list(self._streams):
            self.synchronize(queue)
            blocks += queue.take_all()
        return blocks

    # work

    def kernel(self, op: Operator, signature: Signature) -> Kernel | None:
        """Return the calls of CANN's operators that do what the operator does."""
        recipe = recipe_for(op, signature, self.family)
        if recipe is None:
            return None
        self.enter()
        try:
            executable = Executable(self, recipe)
        except Refused:
            return None
        self._kernels.add(executable)
        return Kernel(executable.into)

    def capture(self, stream: Any, enqueue: Callable[[], None]) -> Any | None:
        """Record what ``enqueue()`` puts on the stream as a model of CANN, where it can."""
        if self.cann.aclmdlRICaptureBegin is None:
            return None
        # What used the memory that kernels borrow now must be done when the model first runs.
        self.synchronize(stream)
        recording = record(self.cann, stream, enqueue, self._drop)
        self._recordings.add(recording)
        return recording

    def replay(self, recording: Any, stream: Any) -> None:
        """Enqueue a recording."""
        self.enter()
        code = self.cann.aclmdlRIExecuteAsync(recording.model, stream.handle)
        if code:
            raise self.cann.error(code, "aclmdlRIExecuteAsync")
        recording.queue = stream

    def _drop(self, model: int, blocks: list[Block], queue: Queue) -> None:
        self._dropped.append((model, blocks, queue))

    def communicator(self, identity: bytes, rank: int, size: int) -> Communicator:
        """Return this device's end of a group."""
        return HcclCommunicator(self, identity, rank, size)

    # sharing memory

    def address(self, array: Any) -> int:
        """Return the address of the first element."""
        found: int = array.address
        return found

    def borrow(self, address: int, nbytes: int) -> Any:
        """Return a block of memory that is another library's."""
        return Block(address, nbytes)

    def foreign_stream(self, number: int | None) -> Any:
        """Return the stream with a handle of CANN's; without one, the context's default stream."""
        if number is not None and number <= 0:
            raise ValueRangeError(
                f"the stream is {number}; a stream of Ascend is named by its aclrtStream, the "
                "default stream by None"
            )
        self.enter()
        return Queue(number or 0, lambda handle, blocks: None)

    def stream_number(self, stream: Any) -> int | None:
        """Return the stream's aclrtStream."""
        handle: int = stream.handle
        return handle

    # order

    def stream(self) -> Any:
        """Return a new stream."""
        self.enter()
        self.reap()
        handle = ctypes.c_void_p()
        code = self.cann.aclrtCreateStream(ctypes.byref(handle))
        self.cann.check(code, "aclrtCreateStream")
        queue = Queue(handle.value or 0, self._retire)
        self._streams.add(queue)
        return queue

    def _retire(self, handle: int, blocks: list[Block]) -> None:
        # A finaliser may run anywhere, inside another call of CANN too: what it leaves is dealt
        # with at the next allocation or stream.
        self._retired.append((handle, blocks))

    def reap(self) -> None:
        """Destroy streams and recordings that nobody holds any more, once they are done."""
        if not self._reaping.acquire(blocking=False):
            return  # Another thread is at it.
        try:
            self._reap()
        finally:
            self._reaping.release()

    def _reap(self) -> None:
        # What hangs stays on its list: waiting for it here would hang the caller.
        for _ in range(len(self._dropped)):
            model, blocks, queue = self._dropped.pop(0)
            # A wait would make a capture invalid.
            if queue.kept is None and self._idle(queue.handle):
                self.cann.aclmdlRIDestroy(model)
                queue.give_back(blocks)
            else:
                self._dropped.append((model, blocks, queue))
        for _ in range(len(self._retired)):
            handle, blocks = self._retired.pop(0)
            if self._idle(handle):
                self.cann.aclrtDestroyStream(handle)
                self.pool.trim(blocks)
            else:
                self._retired.append((handle, blocks))
        self.cann.aclGetRecentErrMsg()

    def _idle(self, handle: int) -> bool:
        """Return whether a stream is done; keep its failure for the next wait, whosever it is."""
        code: int = self.cann.aclrtSynchronizeStreamWithTimeout(handle, 1)
        if code not in (0, _TIMED_OUT):
            self._failures.append(self.cann.error(code, "aclrtSynchronizeStream"))
        return code != _TIMED_OUT

    def event(self) -> Any:
        """Return a new event."""
        handle = self.event_raw()
        self._events.add(handle)
        return _Event(handle, self._destroy_event)

    def _destroy_event(self, handle: int) -> None:
        # Called by a finaliser, or where the device is closed: whoever takes it off destroys it.
        with contextlib.suppress(KeyError):
            self._events.remove(handle)
            self.cann.aclrtDestroyEvent(handle)

    def event_raw(self) -> int:
        """Return a new event's handle."""
        self.enter()
        handle = ctypes.c_void_p()
        self.cann.check(self.cann.aclrtCreateEvent(ctypes.byref(handle)), "aclrtCreateEvent")
        return handle.value or 0

    def record(self, event: Any, stream: Any) -> None:
        """Record the event behind the work enqueued so far."""
        self.enter()
        code = self.cann.aclrtRecordEvent(event.handle, stream.handle)
        # A stream that is gone is done: an event that was not recorded holds nobody up.
        if code and not stream.retired:
            raise self.cann.error(code, "aclrtRecordEvent")
        event.queue = stream

    def wait(self, event: Any, stream: Any) -> None:
        """Make later work on the stream wait for the event."""
        self.enter()
        code = self.cann.aclrtStreamWaitEvent(stream.handle, event.handle)
        self.cann.check(code, "aclrtStreamWaitEvent")
        source = event.queue
        if source is not None and source is not stream and not source.retired:
            stream.sources.add(source)

    def query(self, event: Any) -> bool:
        """Return whether the event is complete."""
        self.enter()
        return self.query_raw(event.handle)

    def query_raw(self, handle: int) -> bool:
        """Return whether the event with a handle is complete."""
        status = ctypes.c_int32()
        code = self.cann.aclrtQueryEventStatus(handle, ctypes.byref(status))
        self.cann.check(code, "aclrtQueryEventStatus")
        return status.value == _COMPLETE

    def elapsed(self, start: Any, end: Any) -> float:
        """Return the time between two events in milliseconds."""
        self.enter()
        found = ctypes.c_float()
        code = self.cann.aclrtEventElapsedTime(ctypes.byref(found), start.handle, end.handle)
        self.cann.check(code, "aclrtEventElapsedTime")
        return found.value

    def synchronize(self, stream: Any) -> None:
        """Wait for a stream, at most for the time allowed."""
        self.enter()
        code = self.cann.aclrtSynchronizeStreamWithTimeout(stream.handle, self._timeout)
        failure = self.cann.error(code, "aclrtSynchronizeStream") if code else None
        # A stream runs on behind the failure of one that it waited for.
        sources, stream.sources = stream.sources, set()
        for source in sources:
            if source.retired:
                continue  # Its failure is kept when it is destroyed.
            try:
                self.synchronize(source)
            except DeviceError as error:
                failure = failure or error
        if failure is None and self._failures:
            with contextlib.suppress(IndexError):  # Another thread was quicker.
                failure = self._failures.pop()
        if failure is not None:
            raise failure

    def synchronize_event(self, event: Any) -> None:
        """Wait for an event, at most for the time allowed."""
        self.enter()
        self.wait_raw(event.handle)

    def wait_raw(self, handle: int) -> None:
        """Wait for the event with a handle."""
        code = self.cann.aclrtSynchronizeEventWithTimeout(handle, self._timeout)
        self.cann.check(code, "aclrtSynchronizeEvent")

    # the end

    def close(self) -> None:
        """Wait for the device and give back everything CANN holds; the device cannot be used."""
        if self.closed:
            return
        self.enter()
        self.closed = True
        timeout = 5000 if self._timeout < 0 else self._timeout
        for queue in list(self._streams):
            self.cann.aclrtSynchronizeStreamWithTimeout(queue.handle, timeout)
        for executable in list(self._kernels):
            executable.close()
        self.staging.close()
        models = [model for model, _, _ in self._dropped] + [r.model for r in self._recordings]
        for model in models:
            self.cann.aclmdlRIDestroy(model)
        self._dropped.clear()
        for handle in list(self._events):
            self._destroy_event(handle)
        for handle in [h for h, _ in self._retired] + [q.handle for q in self._streams]:
            self.cann.aclrtDestroyStream(handle)
        self.pool.close()
        self.cann.aclrtResetDevice(self.index)
        self.cann.aclGetRecentErrMsg()
