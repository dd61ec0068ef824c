"""Measures a fused chain, x * sigmoid(1.702 x) + y, beside a copy of its bytes and its peers.

Run it with ``python benchmarks/chain.py``. NumPy is always measured; numba and PyTorch where they
are installed. Times are medians of runs taken in turn, so that all share the machine's noise.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import hal

FACTOR = 1.702
LIMIT = 1.3
console = Console(stderr=True)


def chain(x: Any, y: Any) -> Any:
    """Return the chain, as a user of hal writes it."""
    return x * hal.nn.sigmoid(x * FACTOR) + y


def contestants(elements: int) -> dict[str, Callable[[], Any]]:
    """Return what is measured, by name; each call does the whole work once."""
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=elements).astype(np.float32) for _ in range(2))
    out = np.empty_like(x)
    left, right = hal.asarray(x, copy=True), hal.asarray(y, copy=True)
    compiled = hal.compile(chain)

    def copy() -> None:
        # The chain reads two arrays and writes one: three halves of what a copy of one moves.
        np.copyto(out, x)
        np.copyto(out[: elements // 2], y[: elements // 2])

    def numpy() -> Any:
        return x / (1 + np.exp(np.float32(-FACTOR) * x)) + y

    found: dict[str, Callable[[], Any]] = {
        "copy of the same bytes": copy,
        "hal, compiled": lambda: compiled(left, right),
        "hal, call by call": lambda: chain(left, right),
        "numpy": numpy,
    }
    found |= _numba(x, y, out) | _torch(x, y)
    return found


def _numba(x: Any, y: Any, out: Any) -> dict[str, Callable[[], Any]]:
    try:
        import numba
    except ImportError:
        return {}
    factor, one = np.float32(FACTOR), np.float32(1)

    @numba.njit(parallel=True, fastmath=True)
    def loop(x: Any, y: Any, out: Any) -> None:
        for i in numba.prange(x.size):
            out[i] = x[i] / (one + np.exp(-factor * x[i])) + y[i]

    return {"numba": lambda: loop(x, y, out)}


def _torch(x: Any, y: Any) -> dict[str, Callable[[], Any]]:
    try:
        import torch
    except ImportError:
        return {}
    left, right = torch.from_numpy(x), torch.from_numpy(y)
    return {"torch": lambda: left * torch.sigmoid(left * FACTOR) + right}


def first_run(program: str) -> float:
    """Return the seconds a program's first call takes in a process without any compiled code."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "HAL_CACHE_DIR": folder}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, check=True, env=environment)
    return float(done.stdout)


FIRST_RUNS = {
    "hal, compiled": """
import time, numpy as np, hal
f = hal.compile(lambda x, y: x * hal.nn.sigmoid(x * 1.702) + y)
x = hal.ones(64); x + x
start = time.perf_counter(); f(x, x); print(time.perf_counter() - start)
""",
    "numba": """
import time, numpy as np, numba
f = numba.njit(parallel=True, fastmath=True)(lambda x, y: x / (1 + np.exp(-1.702 * x)) + y)
x = np.ones(64, np.float32)
start = time.perf_counter(); f(x, x); print(time.perf_counter() - start)
""",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", type=int, default=10_000_000)
    parser.add_argument("--repetitions", type=int, default=15)
    given = parser.parse_args()
    runs = contestants(given.elements)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for function in runs.values():
        function()
    for _ in track(range(given.repetitions), "timing", console=console):
        for name, function in runs.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(found) for name, found in times.items()}
    base = medians["copy of the same bytes"]
    table = Table(title=f"x * sigmoid({FACTOR} x) + y over {given.elements:,} float32 elements")
    for heading in ("", "ms", "to the copy", "first call, ms"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, median in medians.items():
        first = FIRST_RUNS.get(name)
        latency = f"{1000 * first_run(first):,.0f}" if first else ""
        table.add_row(name, f"{1000 * median:,.1f}", f"{median / base:.2f}", latency)
    Console().print(table)
    kept = medians["hal, compiled"] <= LIMIT * base
    Console().print(f"compiled, at most {LIMIT} times the copy: {'kept' if kept else 'missed'}")


if __name__ == "__main__":
    main()
