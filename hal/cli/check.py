"""Say whether an ONNX model runs on a device, which need not be there, and about how fast.

For each node: native, decomposed, host or impossible, with the reason and what to do; then dtypes,
peak memory against the device's, and the predicted latency with what bounds it. --device takes a
chip (see --chips), a chip's TOML file, or a device such as cpu:0; several are shown side by side.

A model with open axes needs their sizes: --batch for first axes, --size by an axis's name, --shape
for a whole input. An input whose values decide about shapes is given with --input NAME=FILE.npy.

exit status: 0 it runs natively, 1 it runs with nodes on the host or unchecked, or over --max-ms or
--max-memory, 2 for an error, 3 it cannot run; of several devices the worst counts
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from hal.cli.output import amount, console, print_json, remark, table
from hal.errors import ValueRangeError
from hal.tools.check import DeviceReport, Report, Row, check, known_chips, page
from hal.tools.inputs import pairs, read_model_inputs, read_shapes, whole_number
from hal.tools.words import duration, rate

__all__ = ["add_arguments", "run"]

_SHOWN = 12
_INPUTS = 4
_NAMES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the devices, the sizes, the limits, and how to print."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="the .onnx file")
    parser.add_argument(
        "--device", action="append", default=[], metavar="NAME", help="a chip or a device"
    )
    parser.add_argument("--chips", action="store_true", help="list the chips and end")
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
    parser.add_argument("--precision", choices=("highest", "high", "medium"), default="highest")
    parser.add_argument("--max-ms", type=float, metavar="MS", help="the longest latency allowed")
    parser.add_argument(
        "--max-memory", type=float, default=100, metavar="PERCENT",
        help="the largest share of the memory allowed (100)",
    )  # fmt: skip
    parser.add_argument("--all", action="store_true", help="print every node, native ones too")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="write JSON; print it without FILE"
    )
    parser.add_argument("--html", metavar="FILE", help="write a page")


def run(arguments: argparse.Namespace) -> int:
    """Print what becomes of the model, and return the verdict as the exit status."""
    if arguments.chips:
        _print_chips(arguments.json is not None)
        return 0
    if arguments.model is None or not arguments.device:
        raise ValueRangeError(
            "hal check needs a model and a device: hal check net.onnx --device CHIP; "
            "hal check --chips lists the chips"
        )
    report = check(
        arguments.model,
        arguments.device,
        batch=arguments.batch,
        shapes=read_shapes(arguments.shape),
        sizes={n: whole_number(n, t) for n, t in pairs(arguments.size, "--size").items()},
        values=read_model_inputs(arguments.model, arguments.input),
        precision=arguments.precision,
        max_seconds=None if arguments.max_ms is None else arguments.max_ms / 1e3,
        max_memory=arguments.max_memory / 100,
    )
    if arguments.html:
        _write(arguments.html, page(report))
    if arguments.json == "-":
        print_json(report.to_json())
        return report.status
    if arguments.json:
        _write(arguments.json, json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    _print(report, arguments.all)
    return report.status


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ValueRangeError(f"{path} cannot be written: {error.strerror}") from None
    remark(f"wrote {path}")


def _print_chips(as_json: bool) -> None:
    chips = known_chips()
    if as_json:
        print_json({n: {"description": c.description, "backend": c.backend,
                        "architecture": c.architecture, "memory": c.memory}
                    for n, c in chips.items()})  # fmt: skip
        return
    rows = table("chip", "description", "plugin", ">memory")
    for name, chip in sorted(chips.items()):
        rows.add_row(name, chip.description, f"hal-{chip.backend}", amount(chip.memory))
    console().print(rows if chips else "No installed plugin has figures of chips.")


def _print(report: Report, every: bool) -> None:
    out = console()
    shown = [f"{name}: {kind}" for name, kind in report.inputs.items()]
    if len(shown) > _INPUTS:
        shown[_INPUTS:] = [f"{len(shown) - _INPUTS} more"]
    out.print(f"{report.model} with {', '.join(shown) or 'no inputs'}; times are predicted\n")
    rows = table(
        "device", "verdict", ">native", ">split", ">host", ">not", ">memory", ">latency",
        ">throughput",
    )  # fmt: skip
    for d in report.devices:
        n, m = d.counts, d.memory
        time = d.prediction.seconds if d.prediction else None
        rows.add_row(
            d.name, d.verdict, str(n["native"] + n["free"]), str(n["decomposed"]), str(n["host"]),
            str(n["impossible"] + n["unchecked"]),
            f"{amount(m.peak)} ({m.peak / m.capacity:.1%})",
            "unknown" if time is None else duration(time),
            "unknown" if time is None else rate(d.items, time),
        )  # fmt: skip
    out.print(rows)
    for d in report.devices:
        _print_device(out, d, every)


def _grouped(told: list[Row]) -> list[tuple[str, Row]]:
    """Return rows that say the same as one, with the names of their nodes."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in told:
        # What waits for the same thing shares its fate, whatever it would calculate.
        operator = "" if row.route == "unchecked" else row.operator
        key = (row.route, operator, row.reason, row.note, row.advice)
        groups.setdefault(key, []).append(row)
    named = []
    for rows in groups.values():
        shown = ", ".join(row.name for row in rows[:_NAMES])
        more = f" and {len(rows) - _NAMES} more" if len(rows) > _NAMES else ""
        operators = list(dict.fromkeys(row.operator for row in rows))
        mixed = f"{operators[0]} and others" if len(operators) > 1 else operators[0]
        named.append((shown + more, replace(rows[0], operator=mixed)))
    return named


def _print_device(out: Any, d: DeviceReport, every: bool) -> None:
    mark = f" ({d.emulated})" if d.emulated else ""
    verdict = ": ".join(filter(None, (d.verdict, "; ".join(d.problems))))
    out.print(f"\n{d.name}, {d.description}{mark}: {verdict}")
    missing = f"; it lacks {', '.join(d.missing)}" if d.missing else ""
    out.print(f"dtypes: {', '.join(d.dtypes) or 'none'}{missing}")
    told = [row for row in d.nodes if every or row.route not in ("native", "free") or row.note]
    if told:
        rows = table("route", "operator", "node", "why", "what to do")
        for names, row in _grouped(told):
            why = "; ".join(filter(None, (row.reason, row.note)))
            rows.add_row(row.route, row.operator, names, why, row.advice)
        out.print()
        out.print(rows)
    if d.prediction is None:
        if not d.counts["impossible"]:
            out.print("no figures of this chip are known to predict times from")
        return
    total = d.prediction.seconds
    rows = table("operator", "inputs", ">calls", ">time", ">share", "bound")
    for c in d.prediction.contributors[:_SHOWN]:
        share = f"{c.seconds / total:.1%}" if total else ""
        rows.add_row(c.operator, c.shapes, str(c.calls), duration(c.seconds), share, c.bound)
    rest = d.prediction.contributors[_SHOWN:]
    if rest:
        seconds = sum(c.seconds for c in rest)
        rows.add_row(
            "other", "", str(sum(c.calls for c in rest)), duration(seconds),
            f"{seconds / total:.1%}", "",
        )  # fmt: skip
    out.print()
    out.print(rows)
    shares = sorted(d.prediction.bounds.items(), key=lambda item: -item[1])
    text = ", ".join(f"{name} {seconds / total:.0%}" for name, seconds in shares if total)
    out.print(f"\nbound by: {text or 'nothing runs'}")
    for name, seconds in d.prediction.otherwise.items():
        out.print(f"with {name}: {duration(seconds)}")
