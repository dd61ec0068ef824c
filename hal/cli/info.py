"""Say what a model is: inputs, outputs, operators, parameters, dtypes, opset, size.

An ONNX model is read and checked as for a run, but nothing is calculated. Of a safetensors file the
tensors are listed.

exit status: 0, 2 for an error
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path
from typing import Any

from hal.cli.output import amount, console, print_json, table
from hal.onnx import describe
from hal.safetensors import safe_open

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model and how to print."""
    parser.add_argument("model", metavar="MODEL", help="the .onnx or .safetensors file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Print what the model is."""
    if Path(arguments.model).suffix == ".safetensors":
        _weights(Path(arguments.model), arguments.json)
        return
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


def _weights(path: Path, as_json: bool) -> None:
    """Print what a safetensors file holds."""
    with safe_open(path) as file:
        types, metadata = file.types, file.metadata
    counts: Counter[str] = Counter()
    for dtype, shape in types.values():
        counts[dtype] += math.prod(shape)
    if as_json:
        tensors = {name: {"dtype": d, "shape": list(shape)} for name, (d, shape) in types.items()}
        print_json({
            "parameters": counts.total(), "bytes": path.stat().st_size, "dtypes": dict(counts),
            "metadata": metadata, "tensors": tensors,
        })  # fmt: skip
        return
    out = console()
    facts = table("", "")
    facts.show_header = False
    facts.add_row("file", path.name)
    facts.add_row("parameters", f"{counts.total():,}")
    facts.add_row("size", amount(path.stat().st_size))
    facts.add_row("dtypes", _counts(dict(counts)))
    for name, text in metadata.items():
        facts.add_row(name, text)
    out.print(facts)
    rows = table("tensor", "type")
    for name, (dtype, shape) in types.items():
        rows.add_row(name, f"{dtype}{list(shape)}")
    out.print()
    out.print(rows)


def _counts(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in found.items()) or "none"
