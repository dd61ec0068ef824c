"""Devices by name, the default device, memory statistics."""

from __future__ import annotations

import pickle
import threading

import pytest

import hal


def test_there_is_one_object_for_each_device():
    assert hal.device("cpu:0") is hal.device("cpu") is hal.device(hal.device("cpu:0"))
    assert pickle.loads(pickle.dumps(hal.device("cpu:0"))) is hal.device("cpu:0")


def test_a_missing_plugin_names_the_package_to_install():
    with pytest.raises(hal.PluginMissing, match=r"pip install hal-quantum") as error:
        hal.device("quantum:0")
    assert "cpu:0" in str(error.value)
    assert isinstance(error.value, LookupError)


def test_an_unknown_index_lists_the_known_devices():
    with pytest.raises(hal.DeviceError, match="no device cpu:7; there are: cpu:0"):
        hal.device("cpu:7")


@pytest.mark.parametrize("name", ["cpu:x", "cpu:-1", "cpu:1.5", 3, None, "cpu:٣", "", ":0", "c pu"])
def test_a_name_that_is_none_says_how_to_write_one(name):
    with pytest.raises(hal.HalError, match="cpu:0"):
        hal.device(name)


def test_the_default_device_follows_the_innermost_block(monkeypatch):
    monkeypatch.delenv("HAL_DEVICE", raising=False)
    assert hal.default_device() is hal.device("cpu:0")
    with hal.default_device("cpu:0") as inside:
        assert hal.zeros(1).device is inside
    with pytest.raises(hal.PluginMissing), hal.default_device("quantum:0"):
        pass


def test_the_environment_names_the_default_device(monkeypatch):
    monkeypatch.setenv("HAL_DEVICE", "cpu:0")
    assert hal.default_device().name == "cpu:0"
    monkeypatch.setenv("HAL_DEVICE", "quantum:0")
    with pytest.raises(hal.PluginMissing, match="HAL_DEVICE=quantum:0"):
        hal.default_device()


def test_the_default_device_of_a_block_is_that_threads_own():
    seen = []
    with hal.default_device("cpu:0"):
        thread = threading.Thread(target=lambda: seen.append(hal.default_device()))
        thread.start()
        thread.join()
    assert seen == [hal.device("cpu:0")]


def test_memory_statistics_count_what_lives(cpu):
    hal.zeros(1, dtype=hal.float64, device=cpu)  # hal keeps small constants such as 0.0
    before = cpu.memory_stats()
    x = hal.zeros((1000, 1000), dtype=hal.float64, device=cpu)
    during = cpu.memory_stats()
    assert during.allocated - before.allocated == pytest.approx(8_000_000, rel=0.2)
    assert during.allocated - before.allocated >= x.nbytes
    view = x[1:]
    del x
    assert cpu.memory_stats().allocated == during.allocated
    del view
    assert cpu.memory_stats().allocated == before.allocated
    assert cpu.memory_stats().peak >= during.allocated


def test_more_memory_than_there_is_raises_before_anything_is_taken(cpu):
    before = cpu.memory_stats().allocated
    with pytest.raises(hal.OutOfMemory, match="bytes were asked for") as error:
        hal.zeros(1 << 50, dtype=hal.float64, device=cpu)
    assert isinstance(error.value, MemoryError)
    assert cpu.memory_stats().allocated == before
    assert hal.ones(2, device=cpu).numpy().tolist() == [1.0, 1.0]


def test_a_device_prints_as_its_name(cpu):
    assert str(cpu) == "cpu:0"
    assert eval(repr(cpu), {"hal": hal}) is cpu
