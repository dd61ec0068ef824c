"""What subcommands print with: tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hal.tools.words import amount

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["amount", "console", "print_json", "progress", "remark", "table"]

WIDTH_WITHOUT_TERMINAL = 120


def console(stderr: bool = False) -> Console:
    """Return a console: for results, or on the standard error output for progress and remarks.

    Colour and width follow the terminal, ``NO_COLOR`` and ``COLUMNS``; a file or a pipe gets plain
    text.
    """
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    known = stream.isatty() or "COLUMNS" in os.environ
    width = None if known else WIDTH_WITHOUT_TERMINAL
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table in hal's style.

    Parameters
    ----------
    *columns : str
        The headings; one that starts with ``>`` is aligned to the right.
    title : str, optional
        A line above.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(
        box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False, show_edge=False
    )
    for heading in columns:
        made.add_column(
            heading.removeprefix(">"),
            justify="right" if heading.startswith(">") else "left",
            overflow="fold",
        )
    return made


def print_json(value: Any) -> None:
    """Print a value as JSON on the standard output."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def remark(message: str) -> None:
    """Print one line on the standard error output, beside the result."""
    print(f"hal: {message}", file=sys.stderr)


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show on the standard error output how much of some work is done, until the block ends.

    Yields
    ------
    callable
        To be told how much more is done. On a terminal a bar moves and goes away at the end;
        elsewhere one line says what is done.
    """
    if not sys.stderr.isatty():
        remark(label)
        yield lambda done: None
        return
    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.advance(task, done)
