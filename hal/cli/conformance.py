"""Find out whether a device means what hal means, and what of it runs where.

Every operator is tried in every dtype, with shapes, layouts and values of every kind, and compared
with its reference; then the rules of the runtime are checked: order, memory, errors, threads. The
table says of each operator and dtype whether it runs natively (N), as a decomposition (D), on the
host (H), or fails (F).

  hal conformance cpu:0 --quick
  hal conformance cpu:0 --only matmul --only memory
  hal conformance cpu:0 --json today.json
  hal conformance --compare yesterday.json today.json

exit status: 0, 1 when a case fails or, with --compare, something got worse, 2 for an error
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hal.cli.output import progress, remark
from hal.device import device
from hal.errors import ValueRangeError
from hal.testing import Result, compare, load, summary, table, tasks, to_junit
from hal.testing import run as run_kit
from hal.testing.result import LEGEND

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which device, which part of the kit, and where to save what comes of it."""
    parser.add_argument("device", nargs="?", metavar="DEVICE", help="such as cpu:0")
    parser.add_argument(
        "--quick", action="store_true", help="without large tensors and most layouts"
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        default=[],
        help="an operator, a chapter of rules, or part of a rule's name; may be repeated",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="save the result for --compare")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="save the result as JUnit XML")
    parser.add_argument(
        "--failures",
        metavar="N",
        type=int,
        default=20,
        help="how many failed cases to print (default 20)",
    )
    parser.add_argument(
        "--compare",
        metavar=("BEFORE", "AFTER"),
        nargs=2,
        type=Path,
        help="compare two saved results instead",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the kit, or compare two runs."""
    if arguments.compare:
        return _compare(*arguments.compare)
    if arguments.device is None:
        raise ValueRangeError("name the device to test, such as cpu:0; `hal devices` lists them")
    found = device(arguments.device)
    only = tuple(arguments.only)
    todo = tasks(only, arguments.quick)
    with progress(f"conformance of {found.name}, {len(todo)} tasks", len(todo)) as done:
        result = run_kit(
            found, only, arguments.quick, lambda number, total, task: done(1 if number else 0)
        )
    _print(result, arguments.failures)
    if arguments.json:
        _save(arguments.json, result.to_json())
    if arguments.junit:
        _save(arguments.junit, to_junit(result))
    return 0 if result.ok else 1


def _print(result: Result, most: int) -> None:
    print(table(result))
    print(LEGEND)
    if result.failures:
        print()
        for failure in result.failures[: max(most, 0)]:
            print(f"FAILED {failure.group} {failure.dtype}: {failure.case}: {failure.message}")
        rest = len(result.failures) - max(most, 0)
        if rest > 0:
            print(f"... and {rest} more; --json saves them all")
    skipped = [
        f"skipped: {note.group}: {note.case}: {note.message}"
        for group in result.groups.values()
        for note in group.notes
        if note.status == "skipped"
    ]
    print("\n".join(["", *skipped, summary(result)]))


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ValueRangeError(f"{path} cannot be written: {error.strerror}") from None


def _compare(before_path: Path, after_path: Path) -> int:
    before, after = load(before_path), load(after_path)
    for result, path in ((before, before_path), (after, after_path)):
        kind = "quick run" if result.quick else "full run"
        emulated = f", emulated: {result.emulated}" if result.emulated else ""
        print(
            f"{path}: {kind} of {result.date} ({result.description}{emulated}); {summary(result)}"
        )
    if before.quick != after.quick:
        remark("one of the runs is quick and one is full: fewer cases show fewer failures")
    found = compare(before, after)
    print(f"\n{found}")
    return 1 if found.worse else 0
