"""Without a GPU the plugin says exactly what is missing and what to do about it."""

# ruff: noqa: N802  the names are the driver's own

from __future__ import annotations

import subprocess
import sys
from enum import IntEnum
from pathlib import Path
from types import SimpleNamespace

import hal
from hal_cuda.backend import CudaBackend
from hal_cuda.probe import probe

SOURCE = Path(__file__).parents[1] / "src"


class Code(IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_SYSTEM_DRIVER_MISMATCH = 803


class Attributes:
    def __getattr__(self, name):
        return name.removeprefix("CU_DEVICE_ATTRIBUTE_")


class FakeDriver:
    """Answers as cuda.bindings.driver does, for a machine that does not exist."""

    CUdevice_attribute = Attributes()

    def __init__(self, capabilities=(), start=Code.CUDA_SUCCESS, version=13000):
        self.capabilities = capabilities
        self.start = start
        self.version = version

    def cuInit(self, flags):
        return (self.start,)

    def cuDriverGetVersion(self):
        return 0, self.version

    def cuDeviceGetCount(self):
        return Code(0), len(self.capabilities)

    def cuDeviceGet(self, index):
        return Code(0), index

    def cuDeviceGetName(self, length, device):
        return Code(0), b"GPU X" + bytes(length - 5)

    def cuDeviceTotalMem(self, device):
        return Code(0), 80 << 30

    def cuDeviceCanAccessPeer(self, device, other):
        return Code(0), 1

    def cuDeviceGetAttribute(self, name, device):
        major, minor = self.capabilities[device]
        found = {
            "COMPUTE_CAPABILITY_MAJOR": major,
            "COMPUTE_CAPABILITY_MINOR": minor,
            "MULTIPROCESSOR_COUNT": 132,
            "CLOCK_RATE": 1_980_000,
        }
        return Code(0), found.get(name, 1 << 20)


def machine(driver, nvrtc=(13, 0)):
    compiler = SimpleNamespace(nvrtcVersion=lambda: (0, *nvrtc))
    modules = {"cuda.bindings.driver": driver, "cuda.bindings.nvrtc": compiler}
    return lambda name: modules.get(name, SimpleNamespace())


def found(state):
    assert state.found == ()
    return state.reason, state.remedy


def test_missing_packages_are_named_with_the_command_that_installs_them():
    def load(name):
        raise ImportError("No module named 'cuda'")

    reason, remedy = found(probe(load))
    assert "cuda.bindings.driver is not installed" in reason
    assert "pip install 'hal-cuda[cu13]'" in remedy


def test_a_missing_driver_is_told_from_missing_packages():
    class Absent(FakeDriver):
        def cuInit(self, flags):
            raise RuntimeError('"cuda" can only be found via system search')

    reason, remedy = found(probe(machine(Absent())))
    assert "libcuda" in reason
    assert "install NVIDIA's driver" in remedy


def test_a_driver_too_old_for_the_packages_says_both_versions():
    reason, remedy = found(probe(machine(FakeDriver([(9, 0)], version=12080))))
    assert "CUDA 12.8" in reason
    assert "CUDA 13.0" in reason
    assert "hal-cuda[cu12]" in remedy


def test_a_driver_without_a_gpu_says_so():
    for driver in (FakeDriver(), FakeDriver(start=Code.CUDA_ERROR_NO_DEVICE)):
        reason, remedy = found(probe(machine(driver)))
        assert "finds no GPU" in reason
        assert "CUDA_VISIBLE_DEVICES" in remedy


def test_a_driver_that_does_not_start_gives_the_vendors_code():
    driver = FakeDriver(start=Code.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH)
    reason, _ = found(probe(machine(driver)))
    assert "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, vendor code 803" in reason


def test_a_gpu_too_old_is_refused_with_what_is_needed():
    reason, remedy = found(probe(machine(FakeDriver([(7, 5)]))))
    assert "GPU X has compute capability 7.5" in reason
    assert "8.0" in remedy


def test_gpus_are_described_with_their_links():
    first, second = probe(machine(FakeDriver([(9, 0), (8, 0)]))).found
    assert first.description == "GPU X"
    assert (first.architecture, second.architecture) == ("sm_90", "sm_80")
    assert first.memory == 80 << 30
    assert first.links == {"cuda:1": "peer access"}
    assert first.properties["clock"] == "1980 MHz"
    assert first.dlpack == (2, 0)
    assert hal.bfloat16 in first.dtypes


def test_an_old_gpu_keeps_its_number():
    (only,) = probe(machine(FakeDriver([(7, 0), (9, 0)]))).found
    assert only.index == 1


def test_the_backend_never_raises_for_what_its_driver_does(monkeypatch):
    def broken():
        raise OSError("bad answer")

    monkeypatch.setattr("hal_cuda.backend.probe", broken)
    monkeypatch.delenv("HAL_CUDA", raising=False)
    assert "bad answer" in CudaBackend().devices().reason


def test_the_plugin_loads_without_any_of_nvidias_packages():
    code = (
        "import sys\n"
        "for name in ('cuda', 'nvmath', 'cudnn', 'nccl', 'cupy'): sys.modules[name] = None\n"
        f"sys.path.insert(0, {str(SOURCE)!r})\n"
        "import hal_cuda\n"
        "print(hal_cuda.hal_backend().devices().reason)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={})
    assert "is not installed" in done.stdout, done.stderr


def test_the_stand_in_says_that_it_is_one(monkeypatch):
    monkeypatch.setenv("HAL_CUDA", "standin")
    state = CudaBackend().devices()
    assert all("stand-in" in info.emulated for info in state.found)
    assert state.found or "C++ compiler" in state.reason
