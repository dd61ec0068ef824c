"""scikit-learn and SciPy calculate with hal's tensors, on a full device and on a small one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hal

ROOT = Path(hal.__file__).parents[1]
ON_DEVICE = """
import sys
sys.path[:0] = {folders}
import hal, sparse_device
sparse_device.add_device("small", (hal.bool, hal.int32, hal.int64, hal.float32))
import scientific_python
sys.exit(scientific_python.main(["--device", {device!r}]))
"""


def run(device):
    """Run the example on a device in a process of its own; SciPy reads a variable at import."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    folders = [str(ROOT / "examples" / "array_api"), str(ROOT / "tests" / "array_api")]
    code = ON_DEVICE.format(folders=folders, device=device)
    environment = {**os.environ, "SCIPY_ARRAY_API": "1", "HAL_FALLBACK": "allow"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_device_gives_the_same_results():
    on_cpu, on_small = run("cpu:0"), run("small:0")
    assert "R2 is 0.9999" in on_cpu[0]
    assert on_cpu[-1].endswith("0 calls decomposed, 0 calls host")
    # The last digits depend on the order in which sums are taken.
    assert [line.split(" ")[0] for line in on_small[:3]] == ["scikit-learn:", "SciPy:", "SciPy:"]
    assert on_small[1:3] == on_cpu[1:3]
    assert "R2 is 0.9999" in on_small[0]
    assert on_small[-1].startswith("small:0: ")
    assert " 0 calls native" not in on_small[-1]
