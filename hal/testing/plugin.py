"""Options for pytest: which device to test, how thoroughly, where to save what came of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

# pytest loads this in every project where hal is installed, so it imports little.
if TYPE_CHECKING:
    import pytest

__all__ = ["PROPERTY"]

PROPERTY = "hal_outcomes"
_started = time.perf_counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the kit's options."""
    group = parser.getgroup("hal", "conformance of a device with hal")
    group.addoption(
        "--hal-device",
        metavar="NAME:INDEX",
        help="the device to test with: pytest --pyargs hal.testing --hal-device=NAME:0",
    )
    group.addoption(
        "--hal-quick",
        action="store_true",
        help="leave out large tensors, most layouts and slow rules",
    )
    group.addoption(
        "--hal-only",
        metavar="NAME",
        action="append",
        default=[],
        help="an operator or a chapter of rules to run alone; may be given several times",
    )
    group.addoption("--hal-json", metavar="FILE", help="save what came of it for --compare")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table of operators and dtypes, and save the result if asked to."""
    found = [
        json.loads(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == PROPERTY and getattr(report, "when", "") == "call"
    ]
    if not found:
        return
    from hal.device import as_device
    from hal.testing.kit import empty_result
    from hal.testing.outcome import Outcome
    from hal.testing.result import LEGEND, summary, table

    device = as_device(config.getoption("hal_device"))
    result = empty_result(device, config.getoption("hal_quick"))
    result.seconds = time.perf_counter() - _started
    for outcomes in found:
        result.add(Outcome(**o) for o in outcomes)
    terminalreporter.section(f"hal on {device.name}")
    terminalreporter.write_line(table(result))
    terminalreporter.write_line(LEGEND)
    terminalreporter.write_line(summary(result))
    if config.getoption("hal_json"):
        Path(config.getoption("hal_json")).write_text(result.to_json(), encoding="utf-8")
