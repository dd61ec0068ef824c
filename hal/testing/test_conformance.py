"""The kit under pytest: a test per operator and dtype, and per rule."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from hal.testing.kit import Task, tasks
from hal.testing.plugin import PROPERTY

_SHOWN = 20


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each task, once a device is named."""
    config = metafunc.config
    if config.getoption("hal_device", None) is None:
        reason = pytest.mark.skip(reason="name a device to test: --hal-device=NAME:0")
        metafunc.parametrize("task", [pytest.param(None, marks=reason)], ids=["no device"])
        return
    chosen = tasks(tuple(config.getoption("hal_only")), config.getoption("hal_quick"))
    metafunc.parametrize("task", chosen, ids=[t.name for t in chosen])


def test_conforms(task: Task, request: pytest.FixtureRequest, record_property: Any) -> None:
    """Run the task's cases; every one that fails is listed."""
    config = request.config
    outcomes = list(task.run(config.getoption("hal_device"), config.getoption("hal_quick")))
    record_property(PROPERTY, json.dumps([dataclasses.asdict(o) for o in outcomes]))
    failed = [o for o in outcomes if o.status == "failed"]
    if failed:
        lines = [f"{o.case}: {o.message}" for o in failed[:_SHOWN]]
        if len(failed) > _SHOWN:
            lines.append(f"... and {len(failed) - _SHOWN} more")
        pytest.fail(f"{len(failed)} of {len(outcomes)} cases\n" + "\n".join(lines), pytrace=False)
    if outcomes and not any(o.status == "passed" for o in outcomes):
        pytest.skip(outcomes[0].message)
