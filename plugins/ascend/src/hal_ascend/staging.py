"""Pinned host memory that copies pass through, so that they run beside the caller."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

from hal_ascend.codes import ENUMS
from hal_ascend.library import Cann
from hal_ascend.pool import Queue

__all__ = ["Staging"]

_CHUNK = 4 << 20
_SMALLEST = 64 << 10
_MOST = 8
_TIMED_OUT = 507046
_TO_DEVICE = ENUMS["ACL_MEMCPY_HOST_TO_DEVICE"]
_TO_HOST = ENUMS["ACL_MEMCPY_DEVICE_TO_HOST"]


class _Slot:
    """A piece of pinned memory, and the event behind the last copy that used it."""

    __slots__ = ("address", "event", "size")

    def __init__(self, address: int, size: int, event: int) -> None:
        self.address = address
        self.size = size
        self.event = event


class Staging:
    """Copies between arrays of the host and the device, in pieces of at most 4 MiB.

    Parameters
    ----------
    cann : Cann
    runtime : AscendRuntime
        Makes events, and waits for them and for streams within the time allowed.
    """

    def __init__(self, cann: Cann, runtime: Any) -> None:
        self._cann = cann
        self._runtime = runtime
        self._lock = threading.Lock()
        self._idle: list[_Slot] = []
        self._busy: list[_Slot] = []
        self._stuck: list[_Slot] = []
        self._count = 0

    def upload(self, device: int, host: int, nbytes: int, queue: Queue) -> None:
        """Enqueue a copy to the device; the host's bytes may change when this returns."""
        for start in range(0, nbytes, _CHUNK):
            size = min(_CHUNK, nbytes - start)
            slot = self._take(size)
            try:
                ctypes.memmove(slot.address, host + start, size)
                self._copy(device + start, slot.address, size, _TO_DEVICE, queue)
                code = self._cann.aclrtRecordEvent(slot.event, queue.handle)
                self._cann.check(code, "aclrtRecordEvent")
            except BaseException:
                # Whether the copy runs is not known: wait before the slot is used again.
                self._recover(slot, queue)
                raise
            with self._lock:
                self._busy.append(slot)

    def download(self, device: int, host: int, nbytes: int, queue: Queue) -> None:
        """Copy to the host and wait for it."""
        for start in range(0, nbytes, _CHUNK):
            size = min(_CHUNK, nbytes - start)
            slot = self._take(size)
            try:
                self._copy(slot.address, device + start, size, _TO_HOST, queue)
                self._runtime.synchronize(queue)
                ctypes.memmove(host + start, slot.address, size)
            except BaseException:
                self._recover(slot, queue)
                raise
            with self._lock:
                self._idle.append(slot)

    def close(self) -> None:
        """Give the pinned memory back; whoever calls has waited for every stream."""
        with self._lock:
            slots = self._idle + self._busy + self._stuck
            self._idle, self._busy, self._stuck = [], [], []
        for slot in slots:
            self._drop(slot)

    def _copy(self, to: int, source: int, size: int, kind: int, queue: Queue) -> None:
        code = self._cann.aclrtMemcpyAsync(to, size, source, size, kind, queue.handle)
        if code:
            raise self._cann.error(code, "aclrtMemcpyAsync")

    def _take(self, size: int) -> _Slot:
        """Return a slot that nothing uses: an idle one, one that became idle, or a new one."""
        with self._lock:
            done = [self._runtime.query_raw(slot.event) for slot in self._busy]
            self._idle += [s for s, d in zip(self._busy, done, strict=True) if d]
            self._busy = [s for s, d in zip(self._busy, done, strict=True) if not d]
            for position, slot in enumerate(self._idle):
                if slot.size >= size:
                    return self._idle.pop(position)
            if self._count >= _MOST and self._busy:
                oldest = self._busy.pop(0)
            elif self._count >= _MOST and self._idle:
                oldest = self._idle.pop(0)
            else:
                self._count += 1
                oldest = None
        if oldest is None:
            return self._new(size)
        self._runtime.wait_raw(oldest.event)
        if oldest.size >= size:
            return oldest
        self._drop(oldest)
        return self._new(size)

    def _new(self, size: int) -> _Slot:
        size = max(_SMALLEST, 1 << (size - 1).bit_length())
        address = ctypes.c_void_p()
        try:
            code = self._cann.aclrtMallocHost(ctypes.byref(address), size)
            self._cann.check(code, "aclrtMallocHost")
            return _Slot(address.value or 0, size, self._runtime.event_raw())
        except BaseException:
            with self._lock:
                self._count -= 1
            if address.value:
                self._cann.aclrtFreeHost(address)
            raise

    def _recover(self, slot: _Slot, queue: Queue) -> None:
        """Take a slot back after a failure, unless a copy may still be using it."""
        code = self._cann.aclrtSynchronizeStreamWithTimeout(queue.handle, 1000)
        self._cann.aclGetRecentErrMsg()
        with self._lock:
            (self._stuck if code == _TIMED_OUT else self._idle).append(slot)

    def _drop(self, slot: _Slot) -> None:
        self._cann.aclrtDestroyEvent(slot.event)
        self._cann.aclrtFreeHost(slot.address)
