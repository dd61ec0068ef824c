"""The walkthrough of porting a model: its commands run, and print what the page says."""

from __future__ import annotations

import difflib
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import hal
from hal.errors import HalError

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import run_page

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "porting.md"
FILES = ROOT / "examples" / "port_to_ascend"
VERDICTS = ("agrees", "differs", "values", "output", "introduced", "infinity", "NaN", "exit")


@pytest.fixture
def pages():
    """The page as it is, and as its commands print it now, both without numbers."""
    try:
        emulated = hal.device("ascend:0").info.emulated
    except HalError as error:
        pytest.skip(str(error))
    if not emulated.startswith("stand-in"):
        pytest.skip("the page shows the stand-in, and a chip is here")
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    page = PAGE.read_text(encoding="utf-8")
    return run_page.masked(page), run_page.masked(run_page.rewritten(page, FILES))


def test_the_commands_print_what_the_page_shows(pages):
    """Verdicts to the word; of tables about all, for close errors may change the order of rows."""
    old, new = pages
    verdicts = [[line for line in page if line.startswith(VERDICTS)] for page in pages]
    anew = f"write the page anew: python tools/run_page.py {PAGE} {FILES} --write"
    assert sum(line.startswith(("agrees", "differs")) for line in verdicts[1]) == 5
    assert verdicts[1] == verdicts[0], anew
    assert difflib.SequenceMatcher(None, old, new, autojunk=False).ratio() > 0.75, anew
