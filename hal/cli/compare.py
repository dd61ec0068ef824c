"""Compare the numbers of an ONNX model on two devices, and find the node that made them differ.

Both devices run the model node by node on the same inputs. A node whose inputs differ is run once
more with equal ones, which tells the error it introduces from the error it inherits. --against is a
device, or a golden run: a .npz file or a folder with values by name, as --save-golden writes them.
Inputs are given as for `hal run`; those that are missing come from the golden run, else they are
random.

  hal compare net.onnx --device npu:0 --against cpu:0 --html report.html
  hal compare net.onnx --device cpu:0 --save-golden golden.npz
  hal compare net.onnx --device npu:0 --against golden.npz --tolerance float32=1e-3

exit status: 0 when they agree, 1 when they differ, 2 for an error
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hal.cli.output import console, progress, remark, table
from hal.errors import ValueRangeError
from hal.onnx import Session
from hal.tools.compare import Comparison, GoldenReader, compare, save_golden, to_html
from hal.tools.compare.report import COLUMNS, cells
from hal.tools.inputs import draw_inputs, pairs, read_inputs, read_sizes

__all__ = ["add_arguments", "run"]

SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, both sides, the inputs, and where the result goes."""
    parser.add_argument("model", metavar="MODEL", help="the .onnx file")
    parser.add_argument("--device", metavar="NAME", help="the device to judge, such as cpu:0")
    other = parser.add_mutually_exclusive_group(required=True)
    other.add_argument("--against", metavar="NAME|FILE", help="a device, or a golden run")
    other.add_argument("--save-golden", metavar="FILE", help="save a golden run: .npz, or a folder")
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
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of random inputs (0)")
    parser.add_argument("--precision", choices=("highest", "high", "medium"), default="highest")
    parser.add_argument(
        "--tolerance",
        action="append",
        default=[],
        metavar="DTYPE=X",
        help="allow this much in a dtype, relative to the largest element",
    )
    parser.add_argument("--layers", action="store_true", help="print every value, in order")
    parser.add_argument("--json", metavar="FILE", type=Path, help="save everything as JSON")
    parser.add_argument("--html", metavar="FILE", type=Path, help="save a report with a plot")


def run(arguments: argparse.Namespace) -> int:
    """Compare, or save a golden run."""
    golden = arguments.against is not None and _is_file(arguments.against)
    options: dict[str, Any] = {"precision": arguments.precision, "seed": arguments.seed}

    def inputs(session: Session) -> Mapping[str, Any]:
        given = read_inputs(session.inputs, arguments.input)
        sizes = read_sizes(session.inputs, arguments.size)
        return given if golden else draw_inputs(session.inputs, given, sizes, arguments.seed)

    label = f"{Path(arguments.model).name} on {arguments.device or 'the default device'}"
    with ExitStack() as stack:
        started = _progress(stack, label)
        if arguments.save_golden:
            count = save_golden(
                arguments.model, arguments.device, arguments.save_golden, inputs,
                started=started, **options,
            )  # fmt: skip
            print(f"saved {count} arrays in {arguments.save_golden}")
            return 0
        against = arguments.against
        if golden:
            against = stack.enter_context(GoldenReader(against))
        found = compare(
            arguments.model, arguments.device, against, inputs, started=started,
            tolerances=pairs(arguments.tolerance, "--tolerance"), **options,
        )  # fmt: skip
    _print(found, arguments.layers)
    if arguments.json:
        _save(arguments.json, found.to_json())
    if arguments.html:
        _save(arguments.html, to_html(found))
    return 0 if found.ok else 1


def _is_file(name: str) -> bool:
    return name.endswith(".npz") or Path(name).exists()


def _progress(stack: ExitStack, label: str) -> Callable[[Session], Callable[[int], None]]:
    def started(session: Session) -> Callable[[int], None]:
        return stack.enter_context(progress(label, session.nodes))

    return started


def _print(found: Comparison, every: bool) -> None:
    out = console()
    rows = found.rows if every else found.worst(SHOWN)
    if rows:
        shown = table(*COLUMNS)
        for row in rows:
            shown.add_row(*cells(row))
        out.print(shown)
        out.print()
    for line in found.verdict():
        out.print(line, soft_wrap=True)


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ValueRangeError(f"{path} cannot be written: {error.strerror}") from None
    remark(f"wrote {path}")
