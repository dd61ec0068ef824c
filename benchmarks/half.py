"""Measures products of half precision beside float32's and PyTorch's.

Run it with ``python benchmarks/half.py``. Times are medians of runs taken in turn, so that all
share the machine's noise. Results are checked against float64's first.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import hal

DTYPES = ("float32", "bfloat16", "float16")


def contestants(size: int) -> dict[tuple[str, str], Callable[[], Any]]:
    """Return what multiplies two square matrices, by dtype and by who does it."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((size, size)).astype(np.float32) for _ in range(2))
    found: dict[tuple[str, str], Callable[[], Any]] = {}
    for name in DTYPES:
        dtype = getattr(hal, name)
        x, y = (hal.astype(hal.asarray(a, device="cpu:0"), dtype) for a in (left, right))
        expected = x.numpy().astype(np.float64) @ y.numpy().astype(np.float64)
        digits = {"float32": 23, "float16": 10, "bfloat16": 7}[name]
        np.testing.assert_allclose(
            (x @ y).numpy().astype(np.float64), expected, rtol=2.0**-digits, atol=1e-3
        )
        compiled = hal.compile(lambda x, y=y: x @ y)
        found[name, "hal"] = lambda x=x, y=y: x @ y
        found[name, "hal, compiled, constant weights"] = lambda f=compiled, x=x: f(x)
        found |= _torch(name, left, right)
    return found


def _torch(name: str, left: Any, right: Any) -> dict[tuple[str, str], Callable[[], Any]]:
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    x, y = (torch.from_numpy(a).to(getattr(torch, name)) for a in (left, right))
    return {(name, "PyTorch"): lambda: x @ y}


def measure(found: dict[tuple[str, str], Callable[[], Any]], turns: int) -> dict[Any, float]:
    """Return each one's median time in seconds."""
    times: dict[Any, list[float]] = {key: [] for key in found}
    for turn in range(turns + 1):
        for key, run in found.items():
            start = time.perf_counter()
            run()
            if turn:
                times[key].append(time.perf_counter() - start)
    return {key: statistics.median(each) for key, each in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=512, help="rows and columns")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    times = measure(contestants(given.size), given.turns)
    if given.json:
        rows = [{"dtype": d, "by": who, "seconds": s} for (d, who), s in times.items()]
        print(json.dumps({"size": given.size, "times": rows}))
        return
    table = Table(title=f"Square matrices of {given.size} rows")
    for title in ("dtype", "by", "ms", "hal's float32 = 1", "PyTorch = 1"):
        table.add_column(title)
    for (dtype, who), seconds in times.items():
        peer = times.get((dtype, "PyTorch"))
        ratio = "" if peer is None else f"{seconds / peer:.2f}"
        single = seconds / times["float32", "hal"]
        table.add_row(dtype, who, f"{1e3 * seconds:.3f}", f"{single:.2f}", ratio)
    Console().print(table)


if __name__ == "__main__":
    main()
