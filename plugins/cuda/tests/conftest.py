"""The CUDA plugin's stand-in as a device of hal."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import MagicMock

import numpy as np
import pytest

import hal
from hal.ops import evaluate_reference, operators
from hal.plugin import Devices, Layout, Signature, hookimpl, register, unregister
from hal.testing.freedom import settled
from hal.testing.sample import samples_of
from hal.testing.tolerance import bound, difference
from hal_cuda.array import Array, Borrowed
from hal_cuda.backend import CudaBackend
from hal_cuda.kernels import find_kernel
from hal_cuda.runtime import CudaRuntime
from hal_cuda.source import bundle
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


class CarryOut:
    """Runs the plugin's kernel for a call in the stand-in's memory.

    What it asks of the vendor's libraries, a test's own ones carry out with NumPy there.

    Attributes
    ----------
    streams : dict
        Each stream by the number that a library is given.
    """

    def __init__(self, driver, monkeypatch):
        self.driver = driver
        self.streams = {}
        self._patch = monkeypatch.setattr
        self._kept = []

    def __call__(self, name, arrays, attributes=None, behind=0, **having):
        """Return the results, None where there is no kernel.

        Parameters
        ----------
        behind : int
            How many bytes behind an alignment of 64 every array lies.
        having : object
            What the driver has: libraries, a capability.
        """
        for what, value in having.items():
            self._patch(self.driver, what, value)
        self._patch(self.driver, "workspace", lambda stream, nbytes: 0x9000)
        layouts = [None if a is None else layout_of(a) for a in arrays]
        op = operators[name]
        inference = op.infer(layouts, attributes or {})
        outputs = tuple(Layout(*out) for out in inference.outputs)
        signature = Signature(tuple(layouts), outputs, inference.attributes)
        kernel = find_kernel(self.driver, op, signature)
        if kernel is None:
            return None
        inputs = [None if a is None else self._placed(a, behind)[1] for a in arrays]
        filled = [np.full(x.shape, 7).astype(x.dtype.numpy) for x in outputs]
        hosts, written = zip(*[self._placed(a, behind) for a in filled], strict=True)
        stream = self.driver.stream()
        self.streams[stream.handle] = stream
        kernel.into(stream, list(written), inputs)
        self.driver.synchronize(stream)
        assert self.driver.memory_stats().allocations == 0, "scratch memory is given back"
        return hosts[0] if len(hosts) == 1 else hosts

    def _placed(self, array, behind):
        """Return a copy of an array at such an address, and as the plugin sees it."""
        room = np.zeros(array.nbytes + 128, np.uint8)
        self._kept.append(room)
        start = -room.ctypes.data % 64 + behind
        host = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        host[...] = array
        x = layout_of(host)
        return host, Array(Borrowed(host.ctypes.data, array.nbytes), x.dtype, x.shape, x.strides, 0)


def layout_of(array):
    """Return a packed array's layout."""
    return Layout(hal.dtypes.as_dtype(array.dtype), array.shape)


@pytest.fixture(scope="session")
def apart():
    """A stand-in's driver that no device of hal has, so that all memory it counts is a kernel's."""
    if compiler() is None:
        pytest.skip("the stand-in needs a C++ compiler, and there is none")
    return StandinDriver()


@pytest.fixture
def carry_out(apart, monkeypatch):
    """Runs the plugin's kernel for a call in the stand-in's memory."""
    return CarryOut(apart, monkeypatch)


@pytest.fixture
def try_samples(carry_out):
    """Tries an operator with the conformance kit's samples, by its rules for results."""

    def run(name, dtype, behind=0, **having):
        op, source = operators[name], np.random.default_rng(3)
        tried = [
            (sample, [np.asarray(i.values(source, i.shape, i.of(dtype))) for i in sample.inputs])
            for sample in samples_of(op, dtype)
        ]
        silent = MagicMock()
        silent.plan.return_value.workspace = 8
        with carry_out.driver.rehearsal():
            for sample, arrays in tried:
                nothing = dict.fromkeys(having, lambda: silent)
                carry_out(name, arrays, dict(sample.attributes), behind, **nothing)
        for sample, arrays in tried:
            attributes = dict(sample.attributes)
            found = carry_out(name, arrays, attributes, behind, **having)
            assert found is not None, f"no kernel for {sample}"
            wanted = evaluate_reference(op, arrays, attributes)
            both = [x if isinstance(x, tuple) else (x,) for x in (found, wanted)]
            inference = op.infer([layout_of(a) for a in arrays], attributes)
            for a, b in zip(*[settled(name, arrays, x) for x in both], strict=True):
                kind = hal.dtypes.as_dtype(b.dtype)
                allowed = bound(op, inference.attributes, arrays, b, kind)
                problem = difference(a, b, allowed, zeros=False)
                assert problem is None, f"{sample}: {problem}"

    return run


@pytest.fixture
def compile_all():
    """Compiles sources together for an architecture, by NVRTC; no GPU is needed."""
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="needs pip install 'hal-cuda[test]'")

    def run(sources, architecture):
        _, program = nvrtc.nvrtcCreateProgram(bundle(sources).encode(), b"bundle.cu", 0, [], [])
        options = [f"--gpu-architecture=compute_{architecture}".encode(), b"--std=c++17"]
        (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
        # NVRTC writes into the bytes. One of a single byte is Python's own, shared by everybody.
        log = b" " * (nvrtc.nvrtcGetProgramLogSize(program)[1] + 1)
        nvrtc.nvrtcGetProgramLog(program, log)
        assert int(status) == 0, log.decode()[:4000]
        nvrtc.nvrtcDestroyProgram(program)

    return run
