"""Measures what a call costs beside NumPy and PyTorch, whether memory grows, whether views copy.

Run it with ``python benchmarks/dispatch.py``; ``docs/benchmarks.md`` says how to read it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import hal

ELEMENTS = 16
LIMITS = {"numpy": 2.5, "torch": 1.0}
GROWTH_LIMIT = 1 << 20
VIEW_LIMIT = 2.0
IMPORT_LIMIT = 200

console = Console(stderr=True)


class Row(NamedTuple):
    """One measurement with what it is held against; ``limit`` None when there is no target."""

    what: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the value is within its limit."""
        return self.limit is None or self.value <= self.limit


def add(x: Any, y: Any) -> Any:
    """Add two tensors."""
    return x + y


def chain(x: Any, y: Any) -> Any:
    """Run ten operations that all three libraries spell the same way."""
    z = x + y
    z = z * x
    z = z - y
    z = abs(z)
    z = z + 1.0
    z = z / x
    z = z * 0.5
    z = -z
    z = z + y
    return z - x


def operands(device: hal.Device) -> dict[str, tuple[Any, Any]]:
    """Return the same two small float32 tensors for each library that is installed."""
    a = np.linspace(1, 2, ELEMENTS, dtype=np.float32)
    b = np.linspace(2, 3, ELEMENTS, dtype=np.float32)
    made: dict[str, tuple[Any, Any]] = {
        "numpy": (a, b),
        "hal": (hal.asarray(a, device=device, copy=True), hal.asarray(b, device=device, copy=True)),
    }
    try:
        import torch
    except ImportError:
        console.print("PyTorch is not installed; it is left out")
    else:
        torch.set_num_threads(1)
        made["torch"] = torch.from_numpy(a.copy()), torch.from_numpy(b.copy())
    return made


def nanoseconds(function: Callable[..., Any], x: Any, y: Any, calls: int) -> float:
    """Return the mean time of one call over a loop of many."""
    start = time.perf_counter_ns()
    for _ in range(calls):
        function(x, y)
    return (time.perf_counter_ns() - start) / calls


def compare(
    function: Callable[..., Any],
    tensors: dict[str, tuple[Any, Any]],
    calls: int,
    repetitions: int,
) -> dict[str, float]:
    """Return each library's median time, their repetitions taken in turn so all share the noise."""
    times: dict[str, list[float]] = {name: [] for name in tensors}
    expected = function(*tensors["numpy"])
    for x, y in tensors.values():
        nanoseconds(function, x, y, calls // 10 + 1)  # warm caches and plans
        np.testing.assert_allclose(np.asarray(function(x, y)), expected, rtol=1e-6)
    for _ in track(range(repetitions), f"timing {function.__name__}", console=console):
        for name, (x, y) in tensors.items():
            times[name].append(nanoseconds(function, x, y, calls))
    return {name: statistics.median(values) for name, values in times.items()}


def resident() -> int:
    """Return this process's memory in bytes: now where Linux says it, else its peak."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def growth(x: Any, y: Any, operations: int) -> tuple[int, int]:
    """Return by how many bytes process and device memory grew over many operations and views."""

    def work(count: int) -> None:
        for _ in range(count // 2):
            z = x + y
            z[::-2]

    def allocated() -> int:
        x.device.synchronize()
        return x.device.memory_stats().allocated

    work(operations // 10)
    gc.collect()
    process, device = resident(), allocated()
    parts = 20
    for _ in track(range(parts), f"running {operations:,} operations", console=console):
        work(operations // parts)
    gc.collect()
    return resident() - process, allocated() - device


VIEWS: dict[str, Callable[[Any], Any]] = {
    "x[::2]": lambda x: x[::2],
    "x[::-1]": lambda x: x[::-1],
    "x.mT": lambda x: x.mT,
    "x.reshape(-1)": lambda x: x.reshape(-1),
}


def shares_memory(view: Callable[[Any], Any], device: hal.Device) -> bool:
    """Return whether what is written through a view is seen in the tensor it was taken of."""
    x = hal.zeros((4, 4), device=device)
    view(x)[...] = 1.0
    return bool(np.any(x.numpy() == 1.0))


def slowdown(view: Callable[[Any], Any], device: hal.Device, calls: int, repetitions: int) -> float:
    """Return how much longer a view of 256 MiB takes than one of 4 KiB; 1 where nothing is copied.

    The device's memory is not touched: only the taking of the view is timed.
    """
    small, large = (hal.zeros((n, 1024), device=device) for n in (1, 65536))
    ratios = []
    for _ in range(repetitions):
        first = nanoseconds(lambda x, _: view(x), small, None, calls)
        ratios.append(nanoseconds(lambda x, _: view(x), large, None, calls) / first)
    return statistics.median(ratios)


def import_time(repetitions: int) -> float:
    """Return the milliseconds that ``import hal`` takes in a fresh interpreter, files warm."""
    code = "from time import perf_counter as t; start = t(); import hal; print(t() - start)"
    times = []
    for _ in track(range(repetitions), "importing hal", console=console):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        times.append(float(done.stdout))
    return 1000 * statistics.median(times)


def measure(device: hal.Device, calls: int, repetitions: int, operations: int) -> list[Row]:
    """Return every measurement."""
    tensors = operands(device)
    rows: list[Row] = []
    for function in (add, chain):
        times = compare(function, tensors, calls, repetitions)
        rows += [Row(f"{function.__name__}: {name}", ns, "ns") for name, ns in times.items()]
        rows += [
            Row(f"{function.__name__}: hal / {name}", times["hal"] / times[name], "x", limit)
            for name, limit in LIMITS.items()
            if name in times
        ]
    process, allocated = growth(*tensors["hal"], operations)
    rows.append(Row(f"process growth, {operations:,} operations", process, "B", GROWTH_LIMIT))
    rows.append(Row(f"device growth, {operations:,} operations", allocated, "B", 0))
    for name, view in VIEWS.items():
        copied = 0 if shares_memory(view, device) else 1
        rows.append(Row(f"{name}: copies", copied, "", 0))
        ratio = slowdown(view, device, max(calls // 10, 1), repetitions)
        rows.append(Row(f"{name}: 256 MiB / 4 KiB", ratio, "x", VIEW_LIMIT))
    rows.append(Row("import hal", import_time(repetitions), "ms", IMPORT_LIMIT))
    return rows


def amount(value: float, unit: str) -> str:
    """Return a number with its unit, as short as its kind allows."""
    if unit == "B" and value >= 1024:
        return f"{value / 1024:,.0f} KiB"
    return f"{value:,.2f}" if unit == "x" else f"{value:,.0f} {unit}".strip()


def table(rows: list[Row]) -> Table:
    """Return the measurements as a table."""
    made = Table(title=f"Cost of a call on {ELEMENTS} float32 elements, medians")
    made.add_column("measurement")
    for heading in ("value", "target", ""):
        made.add_column(heading, justify="right")
    for row in rows:
        target = "" if row.limit is None else f"at most {amount(row.limit, row.unit)}"
        verdict = "" if row.limit is None else "[green]kept" if row.kept else "[red]missed"
        made.add_row(row.what, amount(row.value, row.unit), target, verdict)
    return made


def versions() -> dict[str, str]:
    """Return what was measured: libraries, Python and processor."""
    found = {"python": platform.python_version(), "hal": hal.__version__, "numpy": np.__version__}
    if "torch" in sys.modules:
        found["torch"] = sys.modules["torch"].__version__
    return found


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; with ``--check`` fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", help="such as cpu:0; the default device if left out")
    parser.add_argument("--calls", type=int, default=20_000, help="calls per repetition")
    parser.add_argument("--repetitions", type=int, default=15, help="repetitions, taken in turn")
    parser.add_argument("--operations", type=int, default=1_000_000, help="for memory growth")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a target is missed")
    given = parser.parse_args(arguments)
    device = hal.device(given.device) if given.device else hal.default_device()
    rows = measure(device, given.calls, given.repetitions, given.operations)
    about = {"device": f"{device.name}, {device.info.description}", **versions()}
    if given.json:
        measured = [{**row._asdict(), "kept": row.kept} for row in rows]
        print(json.dumps({"versions": about, "measurements": measured}, indent=2))
    else:
        out = Console()
        out.print(table(rows))
        out.print(", ".join(f"{name} {value}" for name, value in about.items()), soft_wrap=True)
    return int(given.check and not all(row.kept for row in rows))


if __name__ == "__main__":
    sys.exit(main())
