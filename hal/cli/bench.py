"""Measure how fast an ONNX model runs on a device, and where the time goes.

Latency is from the call to the end of the device's work, with the inputs lying on the device. The
table by operator says how much work each was, and which share of the machine's limits it reached:
the matrix rate and the memory bandwidth, which are measured first. More than 100 % means that the
bytes lay in a cache. Kernels are timed one by one, so their sum may be more than a whole run.

A model with open axes needs their sizes: --batch for first axes, --size by an axis's name, --shape
for a whole input.

exit status: 0, 2 for an error
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hal.cli.output import amount, console, print_json, progress, remark, table
from hal.device import as_device
from hal.tools.bench import Bench, bench
from hal.tools.inputs import pairs, read_model_inputs, read_shapes, whole_number
from hal.tools.words import duration

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, its inputs, and how to run it."""
    parser.add_argument("model", metavar="MODEL", help="the .onnx file")
    parser.add_argument("--device", metavar="NAME", help="the device, such as cpu:0")
    parser.add_argument("--batch", type=int, metavar="N", help="the size of open first axes")
    parser.add_argument(
        "--shape", action="append", default=[], metavar="NAME=N,N,...", help="one input's shape"
    )
    parser.add_argument(
        "--size", action="append", default=[], metavar="NAME=N", help="the size of a named axis"
    )
    parser.add_argument(
        "--input", action="append", default=[], metavar="NAME=FILE", help="one input's values"
    )
    parser.add_argument("--iterations", type=int, default=50, metavar="N", help="timed runs (50)")
    parser.add_argument("--warmup", type=int, default=3, metavar="N", help="runs before them (3)")
    parser.add_argument("--precision", choices=("highest", "high", "medium"), default="highest")
    parser.add_argument("--eager", action="store_true", help="run it without compiling it")
    parser.add_argument("--profile", metavar="FILE", help="write a trace of every call")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of random inputs (0)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Measure the model and print what was found."""
    device = as_device(arguments.device)
    label = f"{Path(arguments.model).name} on {device.name}, {arguments.iterations} runs"
    with progress(label, arguments.iterations) as done:
        found = bench(
            arguments.model,
            device,
            batch=arguments.batch,
            shapes=read_shapes(arguments.shape),
            sizes={n: whole_number(n, t) for n, t in pairs(arguments.size, "--size").items()},
            values=read_model_inputs(arguments.model, arguments.input),
            precision=arguments.precision,
            iterations=arguments.iterations,
            warmup=arguments.warmup,
            compile=not arguments.eager,
            seed=arguments.seed,
            done=done,
        )
    if arguments.profile:
        found.profile.save(arguments.profile)
        remark(f"wrote {arguments.profile}")
    if arguments.json:
        print_json(found.to_json())
    else:
        _print(found)


def _print(found: Bench) -> None:
    out = console()
    info = found.device.info
    emulated = f", emulated: {info.emulated}" if info.emulated else ""
    out.print(f"{found.device.name} ({info.description}{emulated}), {found.mode}")
    out.print("inputs: " + ", ".join(f"{name} {text}" for name, text in found.inputs.items()))
    times = table(">median", ">p90", ">p99", ">throughput", ">peak memory")
    times.add_row(
        *[duration(found.percentile(p)) for p in (50, 90, 99)],
        f"{found.throughput:,.4g} /s",
        "unknown" if found.memory is None else amount(found.memory),
    )
    out.print()
    out.print(times)
    rows = table(
        "operator", "route", ">calls", ">time", ">%", ">GFLOP", ">MB", ">GFLOP/s", ">GB/s",
        ">of limit", "bound",
    )  # fmt: skip
    total = sum(row.seconds for row in found.rows) or 1.0
    for row in found.rows:
        rows.add_row(
            row.operator, row.route, f"{row.calls:g}", duration(row.seconds),
            f"{100 * row.seconds / total:.1f}", f"{row.flop / 1e9:.3g}", f"{row.nbytes / 1e6:.3g}",
            f"{row.flop / row.seconds / 1e9:.3g}" if row.seconds else "",
            f"{row.nbytes / row.seconds / 1e9:.3g}" if row.seconds else "",
            "" if row.share is None else f"{100 * row.share:.0f} %", row.bound,
        )  # fmt: skip
    out.print()
    out.print(rows)
    rates = [f"{d} products {r / 1e9:,.4g} GFLOP/s" for d, r in found.limits.matrix.items()]
    limits = ", ".join([f"memory {found.limits.bandwidth / 1e9:,.4g} GB/s", *rates])
    out.print(f"\nmeasured limits: {limits}")
