"""Measures what each kernel call of a compiled program costs on the CPU.

Run it with ``python benchmarks/calls.py``. A chain of one small kernel is compiled ten and fifty
calls long; the difference, divided by forty, is one call: Python's share, and the kernel's own work
on a thousand numbers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import hal

LIMIT = 3.0
SHORT, LONG = 10, 50
ROWS, WIDTH = 16, 64


def softmax(count: int) -> Callable[..., Any]:
    """Return a compiled loop as often as wanted."""

    def run(x: Any) -> Any:
        for _ in range(count):
            x = hal.nn.softmax(x, -1)
        return x

    return run


def linear(count: int) -> Callable[..., Any]:
    """Return products with constant weights as often as wanted."""
    rng = np.random.default_rng(1)
    drawn = [rng.random((WIDTH, WIDTH), np.float32) / WIDTH for _ in range(count)]
    weights = [hal.asarray(w, device="cpu:0") for w in drawn]

    def run(x: Any) -> Any:
        for weight in weights:
            x = hal.nn.linear(x, weight)
        return x

    return run


KERNELS = {"softmax": softmax, "linear": linear}


def seconds(function: Callable[..., Any], x: Any, runs: int) -> tuple[int, float]:
    """Return how many kernels a compiled function calls, and its median time."""
    compiled = hal.compile(function)
    for _ in range(3):
        compiled(x)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        compiled(x)
        times.append(time.perf_counter() - start)
    calls = [call for call in compiled.program(x).calls if not call.view]
    return len(calls), statistics.median(times)


def main() -> int:
    """Measure and print; with ``--check`` fail where a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a target is missed")
    given = parser.parse_args()
    drawn = np.random.default_rng(0).random((ROWS, WIDTH), np.float32)
    x = hal.asarray(drawn, device="cpu:0")
    found = {}
    for name, make in KERNELS.items():
        few, short = seconds(make(SHORT), x, given.runs)
        many, long = seconds(make(LONG), x, given.runs)
        found[name] = 1e6 * (long - short) / (many - few)
    if given.json:
        print(json.dumps({"microseconds": found, "limit": LIMIT}))
    else:
        table = Table("kernel", "µs for a call", title=f"At most {LIMIT:.0f} µs")
        for name, each in found.items():
            table.add_row(name, f"{each:.2f}")
        Console().print(table)
    return int(given.check and max(found.values()) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
