"""The faulty device, registered for a test at a time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import hal
from hal.dispatch import plans
from hal.ops import operators
from hal.plugin import register, unregister

sys.path.insert(0, str(Path(__file__).parent))
import faulty as device_with_bugs


@pytest.fixture(scope="session")
def bugs():
    """What can be switched on, with what it does."""
    return device_with_bugs.BUGS


@pytest.fixture
def faulty():
    """The runtime of an asynchronous device, without bugs until some are added to ``bugs``."""
    plugin = device_with_bugs.Plugin()
    register(plugin, "faulty")
    runtime = plugin.backend.runtime
    runtime.device = hal.device("faulty:0")
    yield runtime
    runtime.bugs.clear()
    unregister("faulty")
    for op in operators.values():
        plans(op).clear()
