"""The example is the program behind ``hal demo``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import hal
from hal.demo import model

SCRIPT = Path(__file__).parents[2] / "examples" / "semantic_search.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=120
    )


def test_it_searches(tmp_path):
    try:
        model.model_folder()
    except hal.DependencyMissing as error:
        pytest.skip(str(error))
    path = tmp_path / "texts.txt"
    path.write_text("the cat sleeps\nthe price of gold rose\n")
    done = run("--text", path, "--query", "a resting animal", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["hits"][0]["text"] == "the cat sleeps"


def test_its_errors_are_one_message():
    done = run("--text", "nowhere.txt")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hal: nowhere.txt cannot be read")
