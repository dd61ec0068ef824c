"""Measures operations on large arrays beside NumPy and PyTorch: elementwise, broadcast, reductions.

Run it with ``python benchmarks/arrays.py``; ``docs/benchmarks.md`` says how to read it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import hal

CALLS = 3

console = Console(stderr=True)

Library = Any
"""A namespace with the functions of the Array API standard."""


class Case(NamedTuple):
    """One operation: the same source for every library."""

    what: str
    run: Callable[..., Any]
    inputs: tuple[str, ...]


def cases() -> list[Case]:
    """Return every operation that is measured; inputs are named as in :func:`arrays`."""
    return [
        Case("x + y", lambda xp, x, y: x + y, ("f32", "f32b")),
        Case("x + y, float64", lambda xp, x, y: x + y, ("f64", "f64b")),
        Case("x * y, int32", lambda xp, x, y: x * y, ("i32", "i32b")),
        Case("x * y, complex64", lambda xp, x, y: x * y, ("c64", "c64b")),
        Case("x / y", lambda xp, x, y: x / y, ("f32", "f32b")),
        Case("x * 2 + 1", lambda xp, x: x * 2.0 + 1.0, ("f32",)),
        Case("abs(x)", lambda xp, x: abs(x), ("f32",)),
        Case("x < y", lambda xp, x, y: x < y, ("f32", "f32b")),
        Case("sqrt(x)", lambda xp, x: xp.sqrt(x), ("f32",)),
        Case("exp(x)", lambda xp, x: xp.exp(x), ("f32",)),
        Case("tanh(x), float64", lambda xp, x: xp.tanh(x), ("f64",)),
        Case("x ** 2", lambda xp, x: x**2, ("f32",)),
        Case("maximum(x, y)", lambda xp, x, y: xp.maximum(x, y), ("f32", "f32b")),
        Case("clip(x, 0.2, 0.8)", lambda xp, x: xp.clip(x, 0.2, 0.8), ("f32",)),
        Case("where(c, x, y)", lambda xp, c, x, y: xp.where(c, x, y), ("mask", "f32", "f32b")),
        Case("float32 to float64", lambda xp, x: cast(xp, x, "float64"), ("f32",)),
        Case("int32 to float32", lambda xp, x: cast(xp, x, "float32"), ("i32",)),
        Case("matrix + row", lambda xp, x, y: x + y, ("matrix", "row")),
        Case("matrix + column", lambda xp, x, y: x + y, ("matrix", "column")),
        Case("column * row", lambda xp, x, y: x * y, ("column", "row")),
        Case("matrix + its transpose", lambda xp, x: x + x.T, ("matrix",)),
        Case("every second column + 1", lambda xp, x: x[:, ::2] + 1.0, ("matrix",)),
        Case("(x - mean) / std, rows", standardize, ("matrix",)),
        Case("sum(x)", lambda xp, x: xp.sum(x), ("f32",)),
        Case("sum over rows", lambda xp, x: reduce(xp, "sum", x, 0), ("matrix",)),
        Case("sum over columns", lambda xp, x: reduce(xp, "sum", x, 1), ("matrix",)),
        Case("sum, int32", lambda xp, x: xp.sum(x), ("i32",)),
        Case("mean over columns", lambda xp, x: reduce(xp, "mean", x, 1), ("matrix",)),
        Case("max(x)", lambda xp, x: xp.max(x), ("f32",)),
        Case("max over rows", lambda xp, x: maximum(xp, x, 0), ("matrix",)),
        Case("std over columns", lambda xp, x: deviation(xp, x, 1), ("matrix",)),
        Case("argmax over columns", lambda xp, x: xp.argmax(x, axis=1), ("matrix",)),
        Case("any(x > 2)", lambda xp, x: xp.any(x > 2.0), ("f32",)),
        Case("cumulative sum", cumulative, ("f32",)),
    ]


def cast(xp: Library, x: Any, dtype: str) -> Any:
    """Convert to another dtype."""
    return x.to(getattr(xp, dtype)) if xp.__name__ == "torch" else x.astype(getattr(xp, dtype))


def reduce(xp: Library, name: str, x: Any, axis: int) -> Any:
    """Run a reduction that every library has as a method."""
    return getattr(x, name)(axis)


def maximum(xp: Library, x: Any, axis: int) -> Any:
    """Return the largest elements along an axis."""
    return xp.amax(x, axis) if xp.__name__ == "torch" else x.max(axis)


def deviation(xp: Library, x: Any, axis: int) -> Any:
    """Return the standard deviation of a population."""
    if xp.__name__ == "torch":
        return x.std(axis, correction=0)
    return xp.std(x, axis=axis)


def standardize(xp: Library, x: Any) -> Any:
    """Bring rows to mean 0 and deviation 1: reductions, then broadcasting."""
    if xp.__name__ == "torch":
        return (x - x.mean(1, keepdim=True)) / x.std(1, correction=0, keepdim=True)
    return (x - xp.mean(x, axis=1, keepdims=True)) / xp.std(x, axis=1, keepdims=True)


def cumulative(xp: Library, x: Any) -> Any:
    """Return the running sum."""
    return xp.cumsum(x, 0) if xp.__name__ == "torch" else xp.cumulative_sum(x)


def arrays(elements: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the inputs by name, of about ``elements`` elements each."""
    rng = np.random.default_rng(0)
    side = int(elements**0.5)
    made: dict[str, Any] = {"mask": rng.random(elements) < 0.5}
    for name in ("f32", "f32b", "f64", "f64b"):
        made[name] = rng.random(elements) + 0.1
    for name in ("i32", "i32b"):
        made[name] = rng.integers(-1000, 1000, elements)
    for name in ("c64", "c64b"):
        made[name] = rng.random(elements) + 1j * rng.random(elements)
    made["matrix"] = rng.random((side, side))
    made["row"] = rng.random(side)
    made["column"] = rng.random((side, 1))
    dtypes = {"f6": np.float64, "i3": np.int32, "c6": np.complex64, "ma": np.bool_}
    kind = {name: dtypes.get(name[:2], np.float32) for name in made}
    kind["matrix"] = np.float32
    return {name: array.astype(kind[name]) for name, array in made.items()}


def libraries(device: hal.Device, threads: int | None) -> dict[str, tuple[Library, Any]]:
    """Return each library that is installed, with what makes its arrays from NumPy's."""
    found: dict[str, tuple[Library, Any]] = {
        "numpy": (np, np.copy),
        "hal": (hal, lambda a: hal.asarray(a, device=device, copy=True)),
    }
    try:
        import torch
    except ImportError:
        console.print("PyTorch is not installed; it is left out")
    else:
        if threads is not None:
            torch.set_num_threads(threads)
        found["torch"] = (torch, lambda a: torch.from_numpy(a.copy()))
    return found


def milliseconds(case: Case, xp: Library, inputs: list[Any], device: hal.Device) -> float:
    """Return the mean time of a few calls, their work on the device included."""
    case.run(xp, *inputs)  # so that the caches hold what is this library's
    start = time.perf_counter_ns()
    for _ in range(CALLS):
        case.run(xp, *inputs)
    if xp is hal:
        device.synchronize()
    return (time.perf_counter_ns() - start) / 1e6 / CALLS


def measure(
    device: hal.Device, elements: int, repetitions: int, threads: int | None, only: str
) -> list[dict[str, Any]]:
    """Return for each case every library's best time, their repetitions taken in turn.

    The best, because whatever else the machine does can only add to it.
    """
    given = arrays(elements)
    found = libraries(device, threads)
    rows = []
    chosen = [c for c in cases() if only in c.what]
    gc.disable()
    for case in track(chosen, "timing", console=console):
        made = {name: [make(given[i]) for i in case.inputs] for name, (_, make) in found.items()}
        expected = np.asarray(case.run(np, *made["numpy"]))
        for name, (xp, _) in found.items():
            result = np.asarray(case.run(xp, *made[name]))
            np.testing.assert_allclose(
                result, expected, rtol=1e-3, atol=1e-4, err_msg=f"{case.what}: {name}"
            )
        times: dict[str, list[float]] = {name: [] for name in found}
        for turn in range(repetitions):
            order = list(found)
            for name in order[turn % len(order) :] + order[: turn % len(order)]:
                times[name].append(milliseconds(case, found[name][0], made[name], device))
        best = {name: min(values) for name, values in times.items()}
        rows.append({"what": case.what, "milliseconds": best, "ratio": best["hal"] / best["numpy"]})
    gc.enable()
    return rows


def table(rows: list[dict[str, Any]], elements: int, limit: float) -> Table:
    """Return the measurements as a table."""
    names = list(rows[0]["milliseconds"])
    made = Table(title=f"{elements:,} elements, best times in milliseconds")
    made.add_column("operation")
    for heading in (*names, "hal / numpy", *(["hal / torch"] if "torch" in names else []), ""):
        made.add_column(heading, justify="right")
    for row in rows:
        times = row["milliseconds"]
        cells = [f"{times[name]:.2f}" for name in names] + [f"{row['ratio']:.2f}"]
        if "torch" in times:
            cells.append(f"{times['hal'] / times['torch']:.2f}")
        made.add_row(row["what"], *cells, "[green]kept" if row["ratio"] <= limit else "[red]missed")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; with ``--check`` fail where NumPy is quicker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", help="such as cpu:0; the default device if left out")
    parser.add_argument("--elements", type=int, default=4_000_000, help="of each large array")
    parser.add_argument("--repetitions", type=int, default=25, help="repetitions, taken in turn")
    parser.add_argument("--only", default="", help="part of the operations' names")
    parser.add_argument("--torch-threads", type=int, help="of PyTorch; its own choice if left out")
    parser.add_argument("--limit", type=float, default=1.1, help="largest ratio to NumPy's time")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a limit is missed")
    given = parser.parse_args(arguments)
    device = hal.device(given.device) if given.device else hal.default_device()
    rows = measure(device, given.elements, given.repetitions, given.torch_threads, given.only)
    about = {
        "device": f"{device.name}, {device.info.description}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "hal": hal.__version__,
        "numpy": np.__version__,
    }
    if given.json:
        print(json.dumps({"versions": about, "measurements": rows}, indent=2))
    else:
        out = Console()
        out.print(table(rows, given.elements, given.limit))
        out.print(", ".join(f"{name} {value}" for name, value in about.items()), soft_wrap=True)
    return int(given.check and any(row["ratio"] > given.limit for row in rows))


if __name__ == "__main__":
    sys.exit(main())
