"""The CUDA plugin's stand-in as a device of hal."""

from __future__ import annotations

from dataclasses import replace

import pytest

import hal
from hal.plugin import Devices, hookimpl, register, unregister
from hal_cuda.backend import CudaBackend
from hal_cuda.runtime import CudaRuntime
from hal_cuda.standin import StandinDriver, compiler, standin_devices


class StandinBackend(CudaBackend):
    """The plugin as it is with HAL_CUDA=standin, twice, beside the one that looks for GPUs."""

    name = "cuda_standin"

    def devices(self):
        (first,) = standin_devices().found
        first = replace(first, dlpack=(2, 0))  # The tests alone know that it is the host's memory.
        return Devices((first, replace(first, index=1, dlpack=(2, 1))))

    def open(self, index):
        return CudaRuntime(StandinDriver())


@pytest.fixture(scope="session")
def standin():
    """The device whose kernels run on the host."""
    if compiler() is None:
        pytest.skip("the stand-in needs a C++ compiler, and there is none")

    class Plugin:
        @hookimpl
        def hal_backend(self):
            return StandinBackend()

    register(Plugin(), "cuda_standin")
    yield hal.device("cuda_standin:0")
    unregister("cuda_standin")


@pytest.fixture
def driver(standin):
    """The driver under the stand-in, without a failure left over."""
    found = standin.runtime.driver
    found.launches.clear()
    yield found
    found.failure = None
    standin.lost = None
