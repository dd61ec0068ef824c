"""A device without collectives says so, and what to do instead."""

from __future__ import annotations

import pytest

import hal
from hal.plugin import backends


def test_a_backend_without_collectives_says_so():
    with pytest.raises(hal.Unsupported, match="cpu has no collectives; move tensors"):
        backends()["cpu"].communicator_identity()


def test_a_device_without_collectives_says_so(cpu):
    with pytest.raises(hal.Unsupported, match="no collectives; move tensors with to_device"):
        cpu.runtime.communicator(b"", 0, 1)
