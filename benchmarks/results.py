"""Writes a benchmark's results: as JSON, and as a page of ``docs/results``."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["PAGES", "machine", "versions", "write_json", "write_page"]

PAGES = Path(__file__).parents[1] / "docs" / "results"
_PACKAGES = ("hal-sdk", "hal-cpu", "numpy", "onednn-cpu-gomp", "onnxruntime", "openvino", "torch")
_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "HAL_NUM_THREADS")


def machine() -> str:
    """Return the class of machine: processor, cores, vector instructions, memory."""
    model, flags = platform.processor() or platform.machine(), set[str]()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            model = value.strip()
        elif key.strip() == "flags":
            flags = set(value.split())
    widest = next((f for f in ("avx512f", "avx2", "avx") if f in flags), "no AVX")
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cores} cores of {model} ({widest}), {memory:.0f} GiB"


def versions() -> dict[str, str]:
    """Return the versions of Python and of what is installed of the contestants."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def command() -> str:
    """Return the command that is running, as a reader of the repository types it."""
    script = Path(sys.argv[0]).resolve()
    root = PAGES.parents[1]
    name = script.relative_to(root) if script.is_relative_to(root) else script.name
    settings = [f"{k}={os.environ[k]}" for k in _SETTINGS if k in os.environ]
    kept = [a for a in sys.argv[1:] if a not in ("--page", "--json")]
    return " ".join([*settings, "python", str(name), *map(shlex.quote, kept)])


def _context() -> dict[str, Any]:
    return {
        "command": command(),
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": versions(),
    }


def write_json(values: Mapping[str, Any]) -> None:
    """Print results with the command, the machine and the versions they belong to."""
    print(json.dumps({**_context(), **values}, indent=2))


def write_page(
    name: str, title: str, text: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> Path:
    """Write a page of results and return its path.

    Parameters
    ----------
    name : str
        The page's file name without its ending.
    title, text : str
        What was measured, and how to read it.
    columns : sequence of str
        Headings; the first column is text, the others are numbers.
    rows : sequence of sequence of str
    """
    context = _context()
    listed = ", ".join(f"{k} {v}" for k, v in context["versions"].items())

    def row(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    ruler = f"|{'|'.join(['---', *['---:'] * (len(columns) - 1)])}|"
    table = "\n".join([row(columns), ruler, *map(row, rows)])
    page = PAGES / f"{name}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(
        f"# {title}\n\n{text}\n\n{table}\n\n"
        f"- Command: `{context['command']}`\n"
        f"- Machine: {context['machine']}\n"
        f"- Versions: {listed}\n"
        f"- Date: {context['date']}\n"
    )
    return page
