"""What the tests on the stand-in share: its device, built once, and control over its faults."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import metadata
from typing import Any

import pytest

import hal
from hal_ascend.locate import GROUP


def missing() -> str:
    """Return why there can be no stand-in here; empty when there can."""
    if not metadata.entry_points(group=GROUP) or "ascend" not in hal.plugin.backends():
        return "the stand-in is not installed: pip install -e plugins/ascend/standin"
    from hal_ascend_standin.build import built

    if not built() and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        return "there is no C++ compiler to build the stand-in with"
    return ""


@pytest.fixture(scope="session")
def ascend() -> hal.Device:
    """The stand-in's device."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    return hal.device("ascend:0")


@pytest.fixture
def control(ascend: hal.Device) -> Any:
    """The stand-in's control functions, with every fault taken away at the end."""
    from hal_ascend_standin.control import Control

    found = Control.attach()
    yield found
    found.no_faults()


@pytest.fixture(scope="session")
def in_python(ascend: hal.Device) -> Any:
    """Runs code in a process of its own, with settings of the stand-in, and returns its output."""

    def run(code: str, expect: int = 0, preload: str = "", **environment: Any) -> str:
        given = {f"HAL_{name}": str(value) for name, value in environment.items()}
        if preload:
            given |= {
                "LD_PRELOAD": preload,
                "ASAN_OPTIONS": "detect_leaks=0:handle_segv=0",
                "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:report_signal_unsafe=0",
            }
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={**os.environ, **given},
            timeout=120,
        )
        assert done.returncode == expect, done.stderr or done.stdout
        return done.stdout + done.stderr

    return run
