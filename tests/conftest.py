"""Fixtures and settings that all tests share."""

from __future__ import annotations

import hypothesis
import pytest

import hal

# Machines are shared and slow at times, so a single example has no deadline. Where CI is set,
# hypothesis takes its own profile for it, whose examples are the same in every run.
hypothesis.settings.register_profile("default", deadline=None)


@pytest.fixture
def cpu() -> hal.Device:
    """The device that is always there."""
    return hal.device("cpu:0")
