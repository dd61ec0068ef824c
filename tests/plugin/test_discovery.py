"""Plugins are found, and one that fails harms nobody else."""

from __future__ import annotations

import re
import sys
import textwrap
import types

import numpy as np
import pytest

import hal
from hal.plugin import (
    CONTRACT_VERSION,
    Backend,
    DeviceInfo,
    Devices,
    Runtime,
    backends,
    discovery,
    hookimpl,
    register,
    unregister,
)


class HostRuntime(Runtime):
    """The least a backend can be: bytes, views, copies, and no kernel at all."""

    def allocate(self, nbytes, stream):
        return np.empty(max(nbytes, 1), np.uint8)

    def free(self, buffer, stream):
        assert buffer.base is None

    def view(self, buffer, dtype, shape, strides, offset):
        size = dtype.itemsize
        return np.ndarray(shape, dtype.numpy, buffer, offset * size, [s * size for s in strides])

    def upload(self, array, host, stream):
        array[...] = host

    def download(self, array, host, stream):
        host[...] = array

    def kernel(self, op, signature):
        return None


class HostBackend(Backend):
    def __init__(self, name="least", contract=CONTRACT_VERSION, found=1):
        self.name = name
        self.contract = contract
        self.found = found

    def devices(self):
        infos = tuple(DeviceInfo(i, "test device", "none", 1 << 20) for i in range(self.found))
        return Devices(infos, "it is unplugged", "plug it in")

    def open(self, index):
        return HostRuntime()


def plugin(backend):
    module = types.ModuleType("test_plugin")
    module.hal_backend = hookimpl(lambda: backend)
    return module


@pytest.fixture
def least():
    register(plugin(HostBackend()))
    yield hal.device("least:0")
    unregister("least")


def test_the_cpu_plugin_is_found_by_its_entry_point():
    assert "cpu" in backends()


@pytest.mark.filterwarnings("ignore::hal.HalWarning")
def test_a_backend_without_kernels_is_a_complete_device(least):
    x = hal.asarray([[1.0, 2.0], [3.0, 4.0]], device=least)
    x[0] = x[:, ::-1][1] * 2
    np.testing.assert_array_equal((x @ x.T).numpy(), [[100.0, 48.0], [48.0, 25.0]])


def test_a_backend_of_another_contract_is_refused_with_both_versions():
    own = re.escape("{}.{}".format(*CONTRACT_VERSION))
    with pytest.raises(hal.PluginError, match=rf"contract 99\.0.*contract {own}"):
        register(plugin(HostBackend(contract=(99, 0))))


def test_a_newer_minor_contract_is_accepted():
    register(plugin(HostBackend("newer", contract=(CONTRACT_VERSION[0], 99))))
    unregister("newer")


def test_a_name_is_taken_once(least):
    with pytest.raises(hal.PluginError, match="already loaded"):
        register(plugin(HostBackend()))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (types.ModuleType("empty"), "0 hal_backend hooks"),
        (plugin("not a backend"), "returned str"),
        (plugin(HostBackend(name="bad name")), "letters, digits"),
    ],
)
def test_a_plugin_that_is_none_is_refused(module, message):
    with pytest.raises(hal.PluginError, match=message):
        register(module)


def test_an_absent_device_comes_with_reason_and_remedy():
    register(plugin(HostBackend("unplugged", found=0)))
    try:
        with pytest.raises(hal.DeviceError, match="it is unplugged; plug it in"):
            hal.device("unplugged:0")
    finally:
        unregister("unplugged")


@pytest.fixture
def rediscovery(monkeypatch):
    """Discover from scratch inside the test."""
    monkeypatch.setattr(discovery, "_manager", None)
    monkeypatch.setattr(discovery, "_backends", {})
    monkeypatch.setattr(discovery, "_failures", {})
    monkeypatch.setattr(discovery, "_pending", [])


@pytest.mark.usefixtures("rediscovery")
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import a_module_that_is_not_there", "ModuleNotFoundError"),
        ("this is no python", "SyntaxError"),
        ("raise OSError('libdriver.so: cannot open')", "libdriver.so: cannot open"),
        ("x = 1", "0 hal_backend hooks"),
    ],
)
def test_a_plugin_that_fails_to_import_is_listed_and_harms_nobody(
    tmp_path, monkeypatch, code, reason
):
    (tmp_path / "broken_plugin.py").write_text(textwrap.dedent(code))
    info = tmp_path / "hal_broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hal-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hal.plugins]\nbroken = broken_plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_plugin", raising=False)
    assert "cpu" in backends()
    failed = hal.plugin.failures()["broken"]
    assert reason in failed.reason
    assert failed.distribution == "hal-broken"
    assert "pip install --upgrade hal-broken" in failed.remedy
    with pytest.raises(hal.PluginMissing, match="was not loaded"):
        hal.device("broken:0")


@pytest.mark.usefixtures("rediscovery")
def test_a_device_by_its_name_loads_no_other_plugin(tmp_path, monkeypatch):
    (tmp_path / "other_plugin.py").write_text("loaded = True")
    info = tmp_path / "hal_other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hal-other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hal.plugins]\nother = other_plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "other_plugin", raising=False)
    assert discovery.backend("cpu").name == "cpu"
    assert "other_plugin" not in sys.modules
    assert discovery.backend("nobody") is None  # It could have been that plugin's.
    assert "other_plugin" in sys.modules
    assert "other" in hal.plugin.failures()


def test_forgetting_an_unknown_backend_is_an_error():
    with pytest.raises(hal.PluginError, match="no backend is named 'nobody'"):
        unregister("nobody")
