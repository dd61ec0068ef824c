"""PoCL gets a processor's name that its compiler knows, and no other driver is touched."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from hal_opencl import pocl


def device(platform="Portable Computing Language", version="pthread-x86_64-generic"):
    return SimpleNamespace(platform=SimpleNamespace(name=platform), version=version, int_ptr=0)


@pytest.mark.parametrize(
    "other", [device(platform="Another Vendor"), device(version="pthread-x86_64-haswell")]
)
def test_a_driver_that_needs_no_name_is_left_alone(other, monkeypatch):
    monkeypatch.setattr(Path, "open", None)
    assert not pocl.name_the_processor(other)


def test_memory_that_cannot_be_read_is_no_crash():
    assert not pocl.name_the_processor(device())


def test_the_best_name_is_one_whose_features_the_processor_has(monkeypatch):
    flags = {"sse2"} | pocl._NAMES[b"haswell\0"]
    monkeypatch.setattr(Path, "read_text", lambda path: f"flags : {' '.join(flags)}\n")
    assert pocl._best_name() == b"haswell\0"
    monkeypatch.setattr(Path, "read_text", lambda path: "flags : fpu\n")
    assert pocl._best_name() is None


def test_a_name_fits_where_the_unknown_one_was():
    assert all(len(name) <= len(pocl._UNKNOWN) for name in pocl._NAMES)
