"""Compiles ahead, on every core, the kernels that the conformance kit will ask a GPU for.

``python tools/compile_kernels.py cuda:0`` leaves them in the cache that the plugin looks in, where
the kit would compile one after another. With ``--chip 9.0 132`` it needs no GPU: compute capability
and number of multiprocessors, which some kernels depend on.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import hal
from hal.plugin import Devices, hookimpl, register
from hal.testing import tasks
from hal_cuda.backend import CudaBackend
from hal_cuda.driver import compiled
from hal_cuda.runtime import CudaRuntime
from hal_cuda.source import Source
from hal_cuda.standin import StandinDriver, standin_devices


class Collector(StandinDriver):
    """Keeps the sources of the kernels that are started, and runs none."""

    def __init__(self, multiprocessors: int) -> None:
        super().__init__()
        self.multiprocessors = multiprocessors
        self.sources: dict[Source, None] = {}

    def launch(self, function: Source, grid: int, stream: Any, arguments: Any) -> None:
        """Keep a kernel's source."""
        self.sources[function] = None


def asked(only: tuple[str, ...], quick: bool, multiprocessors: int) -> list[Source]:
    """Return the sources of the kernels that the kit starts."""
    driver = Collector(multiprocessors)

    class Backend(CudaBackend):
        name = "cuda_kernels"

        def devices(self) -> Devices:
            return standin_devices()

        def open(self, index: int) -> CudaRuntime:
            return CudaRuntime(driver)

    class Plugin:
        @hookimpl
        def hal_backend(self) -> Backend:
            return Backend()

    register(Plugin(), "cuda_kernels")
    device = hal.device("cuda_kernels:0")
    for task in tasks(only, quick):
        if task.op is not None:
            for _ in task.run(device, quick):
                pass  # What it finds means nothing: no kernel ran.
    return list(driver.sources)


def compile_one(capability: tuple[int, ...], source: Source) -> int:
    """Compile a kernel into the plugin's cache and return the size of its code."""
    from cuda.core.utils import FileStreamProgramCache

    return len(compiled(source, capability, FileStreamProgramCache(max_size_bytes=1 << 30)).code)


def main() -> int:
    """Compile, and say how much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("device", nargs="?", default="cuda:0")
    parser.add_argument("--chip", nargs=2, metavar=("CAPABILITY", "MULTIPROCESSORS"))
    parser.add_argument("--only", action="append", default=[], metavar="OPERATOR")
    parser.add_argument("--full", action="store_true", help="for the whole kit, not the quick one")
    options = parser.parse_args()
    if options.chip:
        capability = tuple(map(int, options.chip[0].split(".")))
        multiprocessors = int(options.chip[1])
    else:
        driver = hal.device(options.device).runtime.driver
        capability, multiprocessors = driver.capability, driver.multiprocessors
    start = time.perf_counter()
    sources = asked(tuple(options.only), not options.full, multiprocessors)
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        sizes = list(pool.map(partial(compile_one, capability), sources, chunksize=16))
    seconds = time.perf_counter() - start
    print(f"{len(sizes)} kernels, {sum(sizes):,} bytes of code, in {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
