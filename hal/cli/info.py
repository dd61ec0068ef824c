"""Say what an ONNX model is: inputs, outputs, operators, parameters, dtypes, opset, size.

The model is read and checked as for a run, but nothing is calculated.

exit status: 0, 2 for an error
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hal.cli.output import amount, console, print_json, table
from hal.onnx import describe

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model and how to print."""
    parser.add_argument("model", metavar="MODEL", help="the .onnx file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Print what the model is."""
    found = describe(arguments.model)
    if arguments.json:
        print_json(found)
        return
    out = console()
    facts = table("", "")
    facts.show_header = False
    facts.add_row("file", Path(arguments.model).name)
    facts.add_row("producer", found["producer"] or "unknown")
    facts.add_row("opset", ", ".join(f"{d} {v}" for d, v in found["opsets"].items()))
    facts.add_row("nodes", str(found["nodes"]))
    facts.add_row("parameters", f"{found['parameters']:,}")
    facts.add_row("size", amount(found["bytes"]))
    facts.add_row("dtypes", _counts(found["dtypes"]))
    out.print(facts)
    rows = table("", "name", "type")
    for which in ("inputs", "outputs"):
        for name, text in found[which].items():
            rows.add_row(which.removesuffix("s"), name, text)
    out.print()
    out.print(rows)
    operators = table("operator", ">nodes")
    for name, count in found["operators"].items():
        operators.add_row(name, str(count))
    out.print()
    out.print(operators)


def _counts(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in found.items()) or "none"
