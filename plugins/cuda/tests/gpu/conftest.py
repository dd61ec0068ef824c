"""The GPU that these tests need; without one they are skipped with the plugin's own reason."""

from __future__ import annotations

import pytest

import hal
from hal_cuda.probe import probe


@pytest.fixture(scope="session")
def gpu(request):
    """The first GPU as a device of hal."""
    state = probe()
    if not state.found:
        pytest.skip(f"needs a GPU: {state.reason}")
    return hal.device(f"cuda:{state.found[0].index}")


@pytest.fixture
def two(gpu):
    """Two GPUs."""
    found = [d for d in hal.devices("cuda") if not d.info.emulated]
    if len(found) < 2:
        pytest.skip("needs two GPUs; there is one")
    return found[:2]
