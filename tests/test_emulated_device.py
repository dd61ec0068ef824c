"""Devices that emulate a chip: their names, where they are asked for, what they print."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

import hal
from hal.plugin import Chip, backends

TEXT = """
name = "mine"
description = "My chip"
backend = "mine"
architecture = "m1"
memory = 1_048_576
bandwidth = 1e12
dtypes = ["float32", "int64"]

[matrix]
float32 = 1e13

[vector]
float32 = 1e12
"""

NAME = next(iter(backends()["cpu"].chips()))


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "chip.toml"
    path.write_text(TEXT.replace('"mine"', f'"mine-{tmp_path.name}"'))
    return path


def test_there_is_one_device_for_each_chip():
    found = hal.device("cpu:0", emulate=NAME)
    assert found is hal.device(f"cpu:0/{NAME}") is hal.device(hal.device("cpu"), emulate=NAME)
    assert found is not hal.device("cpu:0")
    assert found.name == str(found) == f"cpu:0/{NAME}"
    assert pickle.loads(pickle.dumps(found)) is found
    assert found.chip == backends()["cpu"].chips()[NAME]
    assert hal.device("cpu:0").chip is None


def test_an_emulated_device_says_so():
    assert "emulate" in hal.device(f"cpu:0/{NAME}").info.emulated


def test_a_file_describes_a_chip_of_ones_own(mine):
    found = hal.device("cpu:0", emulate=mine)
    assert found is hal.device(f"cpu:0/{mine}")
    assert found is hal.device("cpu:0", emulate=str(mine))
    assert found is hal.device("cpu:0", emulate=Chip.read(mine))
    assert found.info.memory == 1 << 20
    assert found.name == f"cpu:0/{Chip.read(mine).name}"


def test_a_chip_in_use_keeps_its_figures(mine):
    hal.device("cpu:0", emulate=mine)
    mine.write_text(mine.read_text().replace("bandwidth = 1e12", "bandwidth = 2e12"))
    with pytest.raises(hal.errors.ValueRangeError, match="other figures"):
        hal.device("cpu:0", emulate=mine)


@pytest.mark.parametrize("name", ["cpu:0/nothing-1", "cpu:0/", "cpu:0/./nothing.toml"])
def test_a_chip_that_is_unknown_says_which_there_are(name):
    with pytest.raises(hal.errors.ValueRangeError, match=NAME):
        hal.device(name)


def test_a_chip_emulates_no_other():
    with pytest.raises(hal.errors.ValueRangeError, match="emulates"):
        hal.device(f"cpu:0/{NAME}", emulate=NAME)
    with pytest.raises(hal.errors.ValueRangeError, match="emulated itself"):
        hal.device(hal.device(f"cpu:0/{NAME}"), emulate=NAME)


def test_the_environment_makes_the_default_device_a_chip(monkeypatch, mine):
    monkeypatch.delenv("HAL_DEVICE", raising=False)
    monkeypatch.setenv("HAL_EMULATE", NAME)
    assert hal.default_device().name == f"cpu:0/{NAME}"
    assert hal.zeros(2).device.chip is not None
    monkeypatch.setenv("HAL_DEVICE", "cpu:0")
    assert hal.default_device().name == f"cpu:0/{NAME}"
    monkeypatch.setenv("HAL_DEVICE", f"cpu:0/{NAME}")
    assert hal.default_device().name == f"cpu:0/{NAME}"
    monkeypatch.setenv("HAL_DEVICE", "cpu:0")
    monkeypatch.setenv("HAL_EMULATE", "nothing-1")
    with pytest.raises(hal.errors.ValueRangeError, match="HAL_EMULATE=nothing-1"):
        hal.default_device()


def test_a_dtype_that_the_chip_lacks_is_refused(mine):
    with pytest.raises(hal.Unsupported, match=r"My chip.* has no float64; .*float32"):
        hal.zeros(2, dtype=hal.float64, device=hal.device("cpu:0", emulate=mine))


def test_memory_ends_where_the_chips_does(mine):
    device = hal.device("cpu:0", emulate=mine)
    with pytest.raises(hal.OutOfMemory, match="of 1048576 are held"):
        hal.zeros(1_000_000, device=device)


def test_the_same_results_come_from_eager_and_compiled_calls(mine):
    device = hal.device("cpu:0", emulate=mine)
    x = hal.asarray(np.float32([[1, 2], [3, 4]]), device=device)

    def function(x):
        return hal.exp(x @ x) / 2

    assert hal.compile(function)(x).tolist() == function(x).tolist()


def test_events_tell_the_chips_time(mine):
    device = hal.device("cpu:0", emulate=mine)
    x = hal.zeros((100, 100), device=device)
    start, end = hal.Event(device), hal.Event(device)
    start.record()
    y = x + x
    end.record()
    assert y.shape == (100, 100)
    assert start.elapsed_time(end) == pytest.approx(120_000 / 1e12 * 1e3)


def test_work_that_nobody_waited_for_does_not_hold_up_the_end_of_the_process():
    code = f"import hal; x = hal.ones(9, device='cpu:0/{NAME}'); y = x + x"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
