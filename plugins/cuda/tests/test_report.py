"""The script for a machine with a GPU goes through its parts where none is, on the stand-in."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hal_cuda.standin import compiler

ROOT = Path(__file__).parents[3]


def report(folder, *parts):
    environment = {**os.environ, "REHEARSE": "1", "FOLDER": str(folder), "PYTHON": sys.executable}
    command = [ROOT / "tools" / "gpu_report.sh", "cuda:0", *parts]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    (written,) = folder.glob("*.md")
    return done.returncode, written.read_text()


@pytest.mark.slow
@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
def test_every_part_runs_and_what_is_missing_does_not_stop_the_others(tmp_path):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("needs PyTorch, which is not installed")
    status, text = report(tmp_path, "bench", "quick", "sanitize")
    assert text.count("gave status 0") == 4, text
    assert status == 0
    (figures,) = tmp_path.glob("*-bench.json")
    rows = json.loads(figures.read_text())["rows"]
    assert len(rows) == 8
    assert not any(row["error"] for row in rows)


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
def test_a_part_that_does_not_exist_is_refused(tmp_path):
    status, text = report(tmp_path, "nothing")
    assert status == 2
    assert text.startswith("# CUDA kernels on the host")
