"""Compiled code is kept in a folder of the test run's own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def cache_folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAL_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield
