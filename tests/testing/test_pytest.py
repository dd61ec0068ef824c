"""The kit runs under pytest, for a device that is named on the command line."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from hal.testing import load

pytestmark = pytest.mark.skipif(
    not metadata.entry_points(group="pytest11", name="hal"),
    reason="hal-sdk was installed before it had a plugin for pytest: pip install -e .",
)


def run_pytest(folder, *arguments, before=""):
    options = ["--pyargs", "hal.testing", "-p", "no:cacheprovider", "-q", *arguments]
    code = f"{before}\nimport pytest\nraise SystemExit(pytest.main({options!r}))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300
    )


def test_a_device_that_conforms_passes_with_a_table(tmp_path):
    path = tmp_path / "result.json"
    names = ["--hal-only=logical_not", "--hal-only=backend"]
    done = run_pytest(tmp_path, "--hal-device=cpu:0", "--hal-quick", *names, f"--hal-json={path}")
    assert done.returncode == 0, done.stdout
    assert "logical_not                 N" in done.stdout
    assert "rules of" in done.stdout
    saved = load(path)
    assert (saved.ok, saved.device, saved.quick) == (True, "cpu:0", True)
    assert saved.cases > 30


def test_each_failed_case_is_named(tmp_path):
    before = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import faulty, hal.plugin\n"
        "plugin = faulty.Plugin()\n"
        "plugin.backend.runtime.bugs.add('last of equal')\n"
        "hal.plugin.register(plugin, 'faulty')\n"
    )
    arguments = ["--hal-device=faulty:0", "--hal-only=argmax", "--hal-quick"]
    done = run_pytest(tmp_path, *arguments, before=before)
    assert done.returncode == 1
    assert "31; axis=0, keepdims=False: 1 of 1 elements differ" in done.stdout
    assert "argmax int8" in done.stdout
    assert "Traceback" not in done.stdout


def test_without_a_device_it_asks_for_one(tmp_path):
    done = run_pytest(tmp_path, "-rs")
    assert done.returncode == 0
    assert "--hal-device=NAME:0" in done.stdout


def test_a_name_that_fits_nothing_is_an_error(tmp_path):
    done = run_pytest(tmp_path, "--hal-device=cpu:0", "--hal-only=frobnicate")
    assert done.returncode != 0
    assert "no rule is called frobnicate" in done.stdout + done.stderr
