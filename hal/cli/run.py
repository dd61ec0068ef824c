"""Run an ONNX model on a device: outputs, latency, memory, and what ran where.

Each input comes from --input NAME=FILE.npy, --input FILE.npz with values by name, or
--input NAME=random; inputs that are not named are random. An axis of open size has size 1 unless
--size NAME=N says otherwise. Random numbers come from --seed, so that two runs see the same.

exit status: 0, 2 for an error
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hal.cli.output import amount, console, print_json, progress, remark, table
from hal.device import Device, Event
from hal.errors import Unsupported, ValueRangeError
from hal.onnx import load
from hal.precision import precision
from hal.report import report, reset_report
from hal.tensor import Tensor
from hal.tools.inputs import draw_inputs, read_inputs, read_sizes

__all__ = ["add_arguments", "run"]

T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, its inputs, and how to run it."""
    parser.add_argument("model", metavar="MODEL", help="the .onnx file")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=FILE|random|FILE.npz",
        help="one input's values, or those of several",
    )
    parser.add_argument(
        "--size", action="append", default=[], metavar="NAME=N", help="the size of a named axis"
    )
    parser.add_argument("--device", metavar="NAME", help="the device, such as cpu:0")
    parser.add_argument("--repeat", type=int, default=10, metavar="N", help="timed runs (10)")
    parser.add_argument("--precision", choices=("highest", "high", "medium"), default="highest")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--compile", action="store_const", const=True, default=None,
        help="insist on running it as a compiled program",
    )  # fmt: skip
    how.add_argument(
        "--eager", dest="compile", action="store_const", const=False, help="run it node by node"
    )
    parser.add_argument("--profile", metavar="FILE", help="write a trace of every call")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of random inputs (0)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Run the model and print what came of it."""
    if arguments.repeat < 1:
        raise ValueRangeError(f"--repeat is {arguments.repeat}; it must be 1 or more")
    session = load(arguments.model, arguments.device, compile=arguments.compile)
    given = read_inputs(session.inputs, arguments.input)
    sizes = read_sizes(session.inputs, arguments.size)
    inputs = draw_inputs(session.inputs, given, sizes, arguments.seed)
    options = {"precision": arguments.precision}
    with precision(arguments.precision):
        session.prepare(inputs)
    session.device.synchronize()
    reset_report()
    seconds = []
    label = f"{Path(arguments.model).name} on {session.device.name}, {arguments.repeat} runs"
    with progress(label, arguments.repeat) as done:
        for _ in range(arguments.repeat):
            outputs, took = _timed(session.device, lambda: session.run(inputs, **options))
            seconds.append(took)
            done(1)
    ran = report()
    if arguments.profile:
        session.profile(inputs, arguments.repeat).save(arguments.profile)
        remark(f"wrote {arguments.profile}")
    figures = {f"p{p}": float(np.percentile(seconds, p)) for p in (50, 90, 99)}
    found = {
        "device": session.device.name,
        "emulated": session.device.info.emulated,
        "inputs": {name: _described(value) for name, value in inputs.items()},
        "outputs": {name: _described(value) for name, value in outputs.items()},
        "repeat": arguments.repeat,
        "seconds": {"min": min(seconds), **figures, "max": max(seconds)},
        "memory": _memory(session.device),
        "report": [
            {"operator": r.operator, "device": r.device, "route": r.route, "calls": r.calls}
            for r in ran.rows
            if r.calls
        ],
    }
    if arguments.json:
        print_json(found)
    else:
        _print(found)


def _timed(device: Device, run: Callable[[], T]) -> tuple[T, float]:
    """Return a result and the seconds it took: the host's, or a simulated device's own."""
    if device.runtime.simulated:
        begin, end = Event(device), Event(device)
        begin.record()
        result = run()
        end.record()
        return result, begin.elapsed_time(end) / 1e3
    start = time.perf_counter()
    result = run()
    device.synchronize()
    return result, time.perf_counter() - start


def _memory(device: Device) -> int | None:
    try:
        return device.memory_stats().allocated
    except Unsupported:
        return None


def _described(value: Any) -> str:
    if isinstance(value, list):
        return f"sequence of {len(value)}"
    if isinstance(value, Tensor | np.ndarray):
        dtype = "string" if str(value.dtype) == "object" else value.dtype
        return f"{dtype}{list(value.shape)}"
    return "nothing" if value is None else type(value).__name__


def _print(found: dict[str, Any]) -> None:
    out = console()
    rows = table("", "name", "type")
    for which in ("inputs", "outputs"):
        for name, text in found[which].items():
            rows.add_row(which.removesuffix("s"), name, text)
    out.print(rows)
    times = table(*[f">{name} ms" for name in found["seconds"]])
    times.add_row(*[f"{1e3 * s:.3f}" for s in found["seconds"].values()])
    out.print()
    if found["emulated"]:
        out.print(f"{found['device']} is emulated: {found['emulated']}")
    out.print(times)
    if found["memory"] is not None:
        out.print(f"\nmemory in use on {found['device']}: {amount(found['memory'])}")
    routes = table("device", "route", ">calls", "operators")
    seen = sorted({(r["device"], r["route"]) for r in found["report"]})
    for device, route in seen:
        own = [r for r in found["report"] if (r["device"], r["route"]) == (device, route)]
        names = ", ".join(sorted(r["operator"] for r in own))
        routes.add_row(device, route, str(sum(r["calls"] for r in own)), names)
    out.print()
    out.print(routes)
