"""``hal devices`` lists what is there and says why the rest is not."""

from __future__ import annotations

import json

import pytest

import hal
from hal.plugin import (
    Backend,
    DeviceInfo,
    Devices,
    backends,
    discovery,
    hookimpl,
    register,
    unregister,
)
from hal.plugin.discovery import PluginFailure


def info(index, **more):
    return DeviceInfo(index, "Probe 1", "probe64", 3 * 2**30, **more)


@pytest.fixture
def probe():
    """Give a function that registers a backend ``probe`` with the given devices."""

    class Probe(Backend):
        name = "probe"

        def devices(self):
            return self.state

        def open(self, index):
            raise AssertionError("listing opens nothing")

    class Plugin:
        @hookimpl
        def hal_backend(self):
            return Probe()

    def add(*found, reason="", remedy=""):
        register(Plugin()).state = Devices(found, reason, remedy)

    yield add
    unregister("probe")


def test_the_table_has_the_devices_and_marks_the_default(hal_command):
    status, out, err = hal_command("devices")
    assert (status, err) == (0, "")
    assert "cpu:0 *" in out
    assert "GiB" in out


def test_json_has_what_the_backend_says(hal_command):
    status, out, _ = hal_command("devices", "--json")
    assert status == 0
    listed = json.loads(out)
    assert listed["default"] == "cpu:0"
    cpu = next(d for d in listed["devices"] if d["name"] == "cpu:0")
    said = hal.device("cpu:0").info
    assert (cpu["memory"], cpu["architecture"]) == (said.memory, said.architecture)
    assert cpu["dtypes"] == [d.name for d in said.dtypes]
    assert cpu["emulated"] == ""


def test_an_emulated_device_says_so(probe, hal_command):
    probe(info(0, emulated="stand-in for the driver"))
    assert "Probe 1 (emulated: stand-in for the driver)" in hal_command("devices")[1]
    listed = json.loads(hal_command("devices", "probe", "--json")[1])
    assert listed["devices"][0]["emulated"] == "stand-in for the driver"


def test_dtypes_are_told_the_shorter_way(probe, hal_command):
    few = (hal.float32, hal.int32)
    most = tuple(d for d in hal.device("cpu:0").info.dtypes if d is not hal.float64)
    probe(info(0, dtypes=few), info(1, dtypes=most))
    _, out, _ = hal_command("devices", "probe")
    assert "float32, int32" in out
    assert "all but float64" in out


def test_properties_that_json_lacks_become_text(probe, hal_command):
    probe(info(0, properties={"clock": 1.5e9, "modes": ("slow", "fast"), "ratio": float("nan")}))
    listed = json.loads(hal_command("devices", "probe", "--json")[1])
    properties = listed["devices"][0]["properties"]
    assert properties == {"clock": 1.5e9, "modes": "('slow', 'fast')", "ratio": "nan"}


def test_a_backend_without_devices_says_why_and_what_to_do(probe, hal_command):
    probe(reason="no card answers", remedy="plug one in")
    status, out, _ = hal_command("devices")
    assert status == 0
    assert "probe is not available: no card answers" in out
    assert "plug one in" in out
    listed = json.loads(hal_command("devices", "--json")[1])
    (probed,) = (entry for entry in listed["unavailable"] if entry["backend"] == "probe")
    assert probed["reason"] == "no card answers"


def test_a_backend_that_raises_takes_away_nobody_elses_devices(probe, hal_command, monkeypatch):
    def raises(self):
        raise OSError("the driver is gone")

    probe()
    monkeypatch.setattr(type(backends()["probe"]), "devices", raises)
    status, out, _ = hal_command("devices")
    assert status == 0
    assert "cpu:0 *" in out
    assert "probe is not available: looking for its devices raised OSError: the driver" in out
    with pytest.raises(hal.DeviceError, match="the driver is gone; update or reinstall"):
        hal.device("probe:0")


def test_no_device_of_the_backend_asked_for_is_a_no(probe, hal_command):
    probe(reason="no card answers", remedy="plug one in")
    assert hal_command("devices", "probe")[0] == 1
    status, _, err = hal_command("devices", "probe:0")
    assert status == 2
    assert "no card answers; plug one in" in err


def test_a_plugin_that_failed_to_load_is_listed(hal_command, monkeypatch):
    failed = PluginFailure("odd", "hal-odd", "importing it raised ImportError", "pip install odd")
    monkeypatch.setitem(discovery._failures, "odd", failed)
    status, out, _ = hal_command("devices")
    assert status == 0
    assert "odd (hal-odd) is not available: importing it raised ImportError" in out
    assert "pip install odd" in out


def test_one_device_or_one_backend(probe, hal_command):
    probe(info(0), info(1))
    assert "probe:0" not in hal_command("devices", "probe:1")[1]
    assert "cpu:0" not in hal_command("devices", "probe")[1]


def test_an_unknown_device_names_the_package_and_the_known_devices(hal_command):
    status, out, err = hal_command("devices", "toaster")
    assert (status, out) == (2, "")
    assert "hal-toaster" in err
    assert "cpu:0" in err


def test_a_wrong_hal_device_is_told_below_the_list(hal_command, monkeypatch):
    monkeypatch.setenv("HAL_DEVICE", "toaster:0")
    status, out, err = hal_command("devices")
    assert status == 1
    assert "cpu:0" in out
    assert err.startswith("hal: HAL_DEVICE=toaster:0")


def test_chips_to_emulate_are_named(hal_command):
    chip = next(iter(backends()["cpu"].chips()))
    _, out, _ = hal_command("devices")
    assert "cpu:0 can emulate: " in out
    _, text, _ = hal_command("devices", "--json")
    assert chip in json.loads(text)["chips"]["cpu:0"]


def test_the_default_device_is_listed_when_it_is_emulated(hal_command, monkeypatch):
    chip = next(iter(backends()["cpu"].chips()))
    monkeypatch.setenv("HAL_EMULATE", chip)
    status, out, _ = hal_command("devices")
    assert status == 0
    assert f"cpu:0/{chip} *" in out
    status, out, _ = hal_command("devices", f"cpu:0/{chip}")
    assert (status, "emulate" in out) == (0, True)
