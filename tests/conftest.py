"""Fixtures and settings that all tests share."""

from __future__ import annotations

import types

import hypothesis
import numpy as np
import pytest

import hal
from hal.plugin import Backend, DeviceInfo, Devices, Kernel, Runtime, hookimpl, register, unregister

# Machines are shared and slow at times, so a single example has no deadline. Where CI is set,
# hypothesis takes its own profile for it, whose examples are the same in every run.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=3000)


@pytest.fixture
def cpu() -> hal.Device:
    """The device that is always there."""
    return hal.device("cpu:0")


class _PrimitivesRuntime(Runtime):
    """Host memory, and for each primitive operator its reference; everything else decomposes."""

    def allocate(self, nbytes, stream):
        return np.empty(max(nbytes, 1), np.uint8)

    def free(self, buffer, stream):
        pass

    def view(self, buffer, dtype, shape, strides, offset):
        size = dtype.itemsize
        return np.ndarray(shape, dtype.numpy, buffer, offset * size, [s * size for s in strides])

    def upload(self, array, host, stream):
        array[...] = host

    def download(self, array, host, stream):
        host[...] = array

    def kernel(self, op, signature):
        if not op.primitive:
            return None

        def into(stream, outputs, inputs):
            with np.errstate(all="ignore"):
                found = op.reference(*inputs, **signature.attributes)
            for out, array in zip(outputs, found if len(outputs) > 1 else [found], strict=True):
                out[...] = array

        return Kernel(into)


class _PrimitivesBackend(Backend):
    name = "primitives"

    def devices(self):
        return Devices((DeviceInfo(0, "primitives alone", "none", 1 << 30),))

    def open(self, index):
        return _PrimitivesRuntime()


@pytest.fixture
def plugged():
    """A function that plugs a backend in for the test, and returns its first device."""
    names = []

    def plug(backend):
        module = types.ModuleType(backend.name)
        module.hal_backend = hookimpl(lambda: backend)
        register(module)
        names.append(backend.name)
        return hal.device(f"{backend.name}:0")

    yield plug
    for name in names:
        unregister(name)


@pytest.fixture
def primitives(plugged):
    """A device with kernels for primitive operators alone, so that decompositions run on it."""
    device = plugged(_PrimitivesBackend())
    with hal.fallback("error"):
        yield device


@pytest.fixture(params=["cpu", "primitives"])
def anywhere(request):
    """The CPU, and a device on which everything that can be is decomposed."""
    return request.getfixturevalue(request.param)
