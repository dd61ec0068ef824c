"""Devices to compile for beside the CPU, and how a pass is held against what it was given."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

import hal
from hal.plugin import (
    Backend,
    DeviceInfo,
    Devices,
    Kernel,
    Runtime,
)
from hal.program import Executable, record

KERNELS = {"add": np.add, "multiply": np.multiply, "maximum": np.maximum, "exp": np.exp}


def random(*shape, seed=0):
    """Return a tensor of normal numbers on the CPU."""
    return hal.asarray(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def through(change, function, *arguments):
    """Return the names of the calls after a pass, having compared the results with those before."""
    device = hal.device("cpu:0")
    before = record("f", device, list(arguments), lambda xs: [function(*xs)])
    after = change(before, device)
    expected, found = (Executable(device, p)(list(arguments))[0] for p in (before, after))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-5)
    return [c.op.name for c in after.calls if not c.view]


class SmallRuntime(Runtime):
    """Has a handful of packed kernels, no copy of strided memory, and fills what is freed."""

    def allocate(self, nbytes, stream):
        return np.full(max(nbytes, 1), 0xFF, np.uint8)

    def free(self, buffer, stream):
        buffer[...] = 0xEE

    def view(self, buffer, dtype, shape, strides, offset):
        size = dtype.itemsize
        return np.ndarray(shape, dtype.numpy, buffer, offset * size, [s * size for s in strides])

    def upload(self, array, host, stream):
        assert array.flags.c_contiguous
        array[...] = host

    def download(self, array, host, stream):
        assert array.flags.c_contiguous
        host[...] = array

    def kernel(self, op, signature):
        function = KERNELS.get(op.name)
        if function is None or not all(x.contiguous for x in signature.inputs):
            return None
        return Kernel(lambda stream, outs, ins: function(*ins, out=outs[0]))


class CapturingRuntime(SmallRuntime):
    """Writes down what is enqueued while it captures, and does it at each replay."""

    def __init__(self):
        self.recording = None
        self.replays = 0

    def kernel(self, op, signature):
        def run(outs, ins):
            found = op.reference(*ins, **signature.attributes)
            for out, array in zip(
                outs, found if isinstance(found, tuple) else (found,), strict=True
            ):
                out[...] = array

        def into(stream, outs, ins):
            outs, ins = list(outs), list(ins)
            if self.recording is None:
                run(outs, ins)
            else:
                self.recording.append(lambda: run(outs, ins))

        return Kernel(into) if op.name != "fused" else None

    def capture(self, stream, enqueue):
        self.recording = []
        try:
            enqueue()
            return self.recording
        finally:
            self.recording = None

    def replay(self, recording, stream):
        self.replays += 1
        for step in recording:
            step()


class PackingRuntime(SmallRuntime):
    """Packs the second factor of a product, and counts the bytes that it holds."""

    def __init__(self):
        self.held = self.most = 0

    def allocate(self, nbytes, stream):
        buffer = super().allocate(nbytes, stream)
        self._hold(buffer.nbytes)
        return buffer

    def free(self, buffer, stream):
        super().free(buffer, stream)
        self._hold(-buffer.nbytes)

    def _hold(self, nbytes):
        self.held += nbytes
        self.most = max(self.most, self.held)

    def kernel(self, op, signature):
        kernel = super().kernel(op, signature)
        return Kernel(kernel.into, prepare=self._prepare) if op.name == "multiply" else kernel

    def _prepare(self, known):
        if known[1] is None:
            return None
        kept = known[1].copy()
        self._hold(kept.nbytes)

        def into(stream, outs, ins):
            assert ins[1] is None
            np.multiply(ins[0], kept, out=outs[0])

        weakref.finalize(into, self._hold, -kept.nbytes)
        return Kernel(into, released=(1,))


class SmallBackend(Backend):
    """One device of that kind."""

    name = "small"

    def devices(self):
        return Devices((DeviceInfo(0, "few kernels", "none", 1 << 30),))

    def open(self, index):
        return SmallRuntime()


class CapturingBackend(SmallBackend):
    """One device that captures."""

    name = "capturing"

    def open(self, index):
        return CapturingRuntime()


class PackingBackend(SmallBackend):
    """One device that packs."""

    name = "packing"

    def open(self, index):
        return PackingRuntime()


@pytest.fixture
def packing(plugged):
    return plugged(PackingBackend())


@pytest.fixture
def capturing(plugged):
    return plugged(CapturingBackend())


@pytest.fixture
def small(plugged):
    return plugged(SmallBackend())
