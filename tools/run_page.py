"""Runs the commands in a page's console blocks, and writes what they print into the page.

A block is fenced as ``console``; each of its lines that starts with ``$ `` is a command, and the
lines behind it are what it prints. The commands run one after another in a folder of their own, in
which the files of an example lie; so the page is the script. Without --write the page is compared
with what is printed now; numbers, processors' names and widths may differ.

python tools/run_page.py docs/porting.md examples/port_to_ascend --write
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COLUMNS = 120
SECONDS = 120


def commands(block: str) -> list[str]:
    """Return the commands of a block; one that ends in a backslash goes on in the next line."""
    return re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.MULTILINE)


def run(given: list[str], folder: Path) -> list[str]:
    """Run commands in one shell and return what each prints, errors among it."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("HAL_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": str(COLUMNS),
        "NO_COLOR": "1",
    }
    # A mark behind each command, which leaves its status to the next.
    script = "".join(f"{c}\nstatus=$?; printf '\\0'; (exit $status)\n" for c in given)
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, text=True, timeout=SECONDS,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    outputs = done.stdout.split("\0")[: len(given)]
    return ["".join(f"{line.rstrip()}\n" for line in text.splitlines()) for text in outputs]


def rewritten(page: str, files: Path) -> str:
    """Return a page with what its commands print now."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in sorted(files.iterdir()):
            if file.is_file():
                shutil.copy(file, folder)

        def fresh(block: re.Match[str]) -> str:
            given = commands(block[1])
            outputs = run(given, folder)
            lines = [f"$ {c}\n{text}" for c, text in zip(given, outputs, strict=True)]
            return f"```console\n{''.join(lines)}```"

        return BLOCK.sub(fresh, page)


def masked(text: str) -> list[str]:
    """Return a text's lines without what may differ between machines: numbers, names, widths."""
    text = re.sub(r" \([^)]*\)", "", text)
    text = re.sub(r"\d[\d.]*(e[-+]?\d+)?", "#", text)
    return [re.sub(r"[\s─]+", " ", line).strip() for line in text.splitlines()]


def main() -> int:
    """Write the page, or say whether it is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("files", type=Path, help="the folder with the example's files")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    page = options.page.read_text(encoding="utf-8")
    fresh = rewritten(page, options.files)
    if options.write:
        options.page.write_text(fresh, encoding="utf-8")
        return 0
    old, new = masked(page), masked(fresh)
    if old == new:
        return 0
    print(*difflib.unified_diff(old, new, str(options.page), "now", lineterm=""), sep="\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
