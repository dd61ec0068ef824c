"""An asynchronous device whose own clock runs a millisecond for each kernel."""

from __future__ import annotations

import numpy as np
import pytest

from hal.plugin import (
    Backend,
    DeviceInfo,
    Devices,
    Kernel,
    MemoryStats,
    Runtime,
)


class ClockedRuntime(Runtime):
    """Works at once, but its events tell the time of a clock that kernels alone move."""

    synchronous = False

    def __init__(self):
        self.milliseconds = 0.0
        self.allocated = 0

    def allocate(self, nbytes, stream):
        self.allocated += max(nbytes, 1)
        return np.zeros(max(nbytes, 1), np.uint8)

    def free(self, buffer, stream):
        self.allocated -= buffer.nbytes

    def memory_stats(self):
        return MemoryStats(self.allocated, self.allocated, self.allocated, 1 << 30, 0)

    def view(self, buffer, dtype, shape, strides, offset):
        size = dtype.itemsize
        return np.ndarray(shape, dtype.numpy, buffer, offset * size, [s * size for s in strides])

    def upload(self, array, host, stream):
        array[...] = host

    def download(self, array, host, stream):
        host[...] = array

    def kernel(self, op, signature):
        packed = all(x is None or x.contiguous for x in signature.inputs)
        if op.name not in ("add", "multiply", "copy", "full", "exp") or not packed:
            return None

        def into(stream, outputs, inputs):
            self.milliseconds += 1
            outputs[0][...] = op.reference(*inputs, **signature.attributes)

        return Kernel(into)

    def stream(self):
        return object()

    def event(self):
        return [None]

    def record(self, event, stream):
        event[0] = self.milliseconds

    def elapsed(self, start, end):
        return end[0] - start[0]


class ClockedBackend(Backend):
    """One such device."""

    name = "clocked"

    def devices(self):
        return Devices((DeviceInfo(0, "a clock", "none", 1 << 30, emulated="time"),))

    def open(self, index):
        return ClockedRuntime()


@pytest.fixture
def clocked(plugged):
    return plugged(ClockedBackend())
