"""Devices that the tests of the standard's functions share."""

from __future__ import annotations

from typing import Any

import pytest
from sparse_device import add_device

import hal
from hal.plugin import unregister


@pytest.fixture(scope="session")
def sparse():
    """A device with every dtype and few kernels."""
    yield add_device()
    unregister("sparse")


@pytest.fixture(scope="session", params=["cpu:0", "sparse:0"])
def device(request: Any, sparse: hal.Device) -> Any:
    """Each device in turn; results are the same on both."""
    with hal.fallback("allow"):
        yield hal.device(request.param)
