"""The faulty device, registered for a test at a time."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import hal
from hal.dispatch import plans
from hal.ops import operators
from hal.plugin import register, unregister


def _load():
    path = Path(__file__).parent / "faulty.py"
    spec = importlib.util.spec_from_file_location("hal_faulty", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


faulty_module = _load()


@pytest.fixture(scope="session")
def bugs():
    """What can be switched on, with what it does."""
    return faulty_module.BUGS


@pytest.fixture
def faulty():
    """The runtime of an asynchronous device, without bugs until some are added to ``bugs``."""
    plugin = faulty_module.Plugin()
    register(plugin, "faulty")
    runtime = plugin.backend.runtime
    runtime.device = hal.device("faulty:0")
    yield runtime
    runtime.bugs.clear()
    unregister("faulty")
    for op in operators.values():
        plans(op).clear()
