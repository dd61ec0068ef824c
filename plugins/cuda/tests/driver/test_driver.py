"""The tests that need a GPU pass on cuda.core and cuda.bindings above a libcuda without one.

So every call of the two packages is made as on a GPU, and its arguments, the lifetimes of what it
made, and threads, streams and captures are held to the driver's rules. Kernels run on the host.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# A kernel that fails, one that rounds to TF32, libraries, and two that are slow on the host.
NEED_A_GPU = (
    "bad_kernel", "keep_float32", "reduce_together", "fourier_transforms", "linear_algebra",
    "events_measure", "streams_are",
)  # fmt: skip


@pytest.fixture(scope="module")
def libcuda(tmp_path_factory):
    """The folder of the tests' libcuda.so.1."""
    for package in ("cuda.core", "cuda.bindings.nvrtc"):
        pytest.importorskip(package)
    found = shutil.which("gcc") or shutil.which("cc")
    if found is None:
        pytest.skip("the tests' libcuda needs a C compiler, and there is none")
    folder = tmp_path_factory.mktemp("libcuda")
    command = [found, "-shared", "-fPIC", "-O1", "-Wl,-soname,libcuda.so.1", HERE / "libcuda.c"]
    subprocess.run([*command, "-o", folder / "libcuda.so.1", "-ldl", "-lpthread"], check=True)
    return folder


def run(libcuda, *arguments, **others):
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(libcuda),
        "PYTHONPATH": str(HERE),
        "XDG_CACHE_HOME": str(Path(tempfile.gettempdir()) / "hal-cuda-standin"),
    }
    environment.pop("HAL_CUDA", None)
    environment |= others
    command = [sys.executable, "-m", "pytest", "-q", "-p", "on_libcuda", "-p", "no:cacheprovider"]
    # Libraries that are installed find no GPU and say so; the plugin does without them.
    said = [f"{name} cannot be used" for name in ("cuBLASLt", "cuFFT", "cuSOLVER")]
    for message in (*said, "cuDNN cannot be loaded"):
        command += ["-W", f"ignore:{message}:hal.errors.HalWarning"]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_what_needs_a_gpu_passes_on_the_vendors_packages(libcuda):
    chosen = " and ".join(f"not {name}" for name in NEED_A_GPU)
    said = run(libcuda, HERE.parent / "gpu", "-k", chosen)
    assert " passed" in said
    assert "needs a GPU" not in said


def test_the_libraries_that_are_installed_take_what_they_are_asked(libcuda):
    run(libcuda, HERE / "test_packages.py")


def test_the_driver_is_used_as_it_wants_to_be(libcuda):
    assert "12 passed" in run(libcuda, HERE / "test_on_libcuda.py")


def test_the_driver_is_used_so_with_a_default_stream_for_each_thread(libcuda):
    asked = {"HAL_CUDA_PER_THREAD_DEFAULT_STREAM": "1"}
    assert "12 passed" in run(libcuda, HERE / "test_on_libcuda.py", **asked)
