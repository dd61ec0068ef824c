"""What the tests of the command share."""

from __future__ import annotations

import pytest

from hal.cli import main


@pytest.fixture
def hal_command(capsys, monkeypatch):
    """Run ``hal`` in this process; return its status, output and errors."""
    for name in ("HAL_DEVICE", "HAL_FALLBACK", "HAL_SYNC", "HAL_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "300")  # so that no table breaks a sentence
    capsys.readouterr()

    def run(*arguments):
        status = main(arguments)
        return (status, *capsys.readouterr())

    return run
