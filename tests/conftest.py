"""Fixtures that all tests share."""

from __future__ import annotations

import pytest

import hal


@pytest.fixture
def cpu() -> hal.Device:
    """The device that is always there."""
    return hal.device("cpu:0")
