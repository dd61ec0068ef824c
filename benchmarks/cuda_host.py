"""Measures the host's time of one eager addition through the CUDA plugin, without a GPU.

``python benchmarks/cuda_host.py`` puts the real cuda.core and cuda.bindings above the tests' own
libcuda, whose calls do next to nothing, and tells what each layer takes. On a GPU the driver's own
launch comes on top; ``benchmarks/gpu.py`` measures that whole beside PyTorch's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[1] / "plugins" / "cuda" / "tests" / "driver"


def nanoseconds(function: Callable[[], object], calls: int = 5000, repetitions: int = 9) -> float:
    """Return the least mean time of one call over a loop of many."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter_ns()
        for _ in range(calls):
            function()
        times.append((time.perf_counter_ns() - start) / calls)
    return min(times)


def measure() -> None:
    """Print what an addition of 16 elements takes, and its parts."""
    import on_libcuda
    from cuda.bindings import driver as bindings

    on_libcuda.pytest_configure()
    import hal
    from hal.ops import operators
    from hal.plugin import Signature

    device = hal.device("cuda:0")
    driver, stream = device.runtime.driver, device.current_stream().handle
    driver._several = False  # The tests' libcuda has two devices, most machines have one.
    x = hal.asarray(np.ones(16, np.float32), device=device)
    kernel = device.runtime.kernel(operators["add"], Signature((x._spec,) * 2, (x._spec,), {}))
    started: list[tuple[object, ...]] = []
    launch = driver.launch
    driver.launch = lambda *arguments: started.append(arguments)
    kernel.into(stream, [x._array], [x._array, x._array])
    driver.launch = launch
    function, grid, _, arguments = started[0]
    raw = (function, grid, 1, 1, 256, 1, 1, 0, stream.handle, arguments.address, 0)  # type: ignore[attr-defined]

    def allocate() -> None:
        driver.free(driver.allocate(64, stream), stream)

    def allocate_raw() -> None:
        driver._pool.allocate(64, stream=stream.core).close(stream.core)

    rows: dict[str, Callable[[], object]] = {
        "x + x": lambda: x + x,
        "  its kernel": lambda: kernel.into(stream, [x._array], [x._array, x._array]),
        "    of that cuLaunchKernel through cuda.bindings": lambda: bindings.cuLaunchKernel(*raw),
        "  its memory, taken and given back": allocate,
        "    of that cuda.core": allocate_raw,
    }
    for what, call in rows.items():
        print(f"{what:52}{nanoseconds(call) / 1000:7.2f} us")


def main() -> int:
    """Build the tests' libcuda, and measure in a process that finds it."""
    if os.environ.get("HAL_CUDA_HOST"):
        measure()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        command = ["cc", "-shared", "-fPIC", "-O2", "-Wl,-soname,libcuda.so.1"]
        command += [str(HERE / "libcuda.c"), "-o", f"{folder}/libcuda.so.1", "-ldl", "-lpthread"]
        subprocess.run(command, check=True)
        environment = {
            **os.environ,
            "HAL_CUDA_HOST": "1",
            "LD_LIBRARY_PATH": folder,
            "PYTHONPATH": str(HERE),
            "XDG_CACHE_HOME": folder,
        }
        environment.pop("HAL_CUDA", None)
        return subprocess.run([sys.executable, __file__], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
