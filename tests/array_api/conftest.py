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
def device(request: Any, sparse: hal.Device) -> hal.Device:
    """Each device in turn; results are the same on both."""
    return hal.device(request.param)


@pytest.fixture(scope="module", autouse=True)
def host_may_help():
    """Let the host run what a device lacks, in the tests of this folder alone."""
    with hal.fallback("allow"):
        yield
