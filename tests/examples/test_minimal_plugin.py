"""The plugin of docs/writing-a-plugin.md gives a whole device."""

from __future__ import annotations

import importlib.util
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import hal
from hal.dispatch import call, plans
from hal.ops import operators
from hal.plugin import register, unregister

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "examples" / "minimal_plugin" / "hal_minimal.py"


@pytest.fixture
def device():
    spec = importlib.util.spec_from_file_location("hal_minimal", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    register(module)
    hal.reset_report()
    yield hal.device("minimal:0")
    unregister("minimal")
    for op in operators.values():
        plans(op).clear()


def routes(name):
    return {
        (r.operator, r.route)
        for r in hal.report().rows
        if r.device == name and r.operator != "cast"
    }


def test_what_it_has_a_kernel_for_runs_natively(device):
    x = hal.asarray([[1.0, 2.0], [3.0, 4.0]], device=device)
    with hal.fallback("error"):
        assert ((x + x.T) @ x).tolist() == [[17.0, 24.0], [29.0, 42.0]]
    assert ("add", "native") in routes(device.name)
    assert ("matmul", "native") in routes(device.name)


def test_views_share_its_memory(device):
    x = hal.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], device=device)
    x[::-1, ::2][...] = 0.0
    assert x.tolist() == [[0.0, 2.0, 0.0], [0.0, 5.0, 0.0]]


def test_what_it_lacks_is_composed_of_what_it_has(device):
    x = hal.asarray([[1.0, 2.0, 3.0]], device=device)
    with hal.fallback("allow"):
        result = call(operators["softmax"], x, axis=-1)
    e = np.exp(x.numpy() - 3.0)
    np.testing.assert_allclose(result.numpy(), e / e.sum(), rtol=1e-6)
    assert {("softmax", "decomposed"), ("exp", "native")} <= routes(device.name)


def test_a_primitive_it_lacks_runs_on_the_host_with_one_warning(device):
    x = hal.asarray([4.0, 9.0], device=device)
    with pytest.warns(hal.HalWarning, match="minimal:0 has no sqrt"):
        assert call(operators["sqrt"], x).tolist() == [2.0, 3.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call(operators["sqrt"], x)
    assert ("sqrt", "host") in routes(device.name)


def test_memory_is_counted_given_back_and_limited(device):
    hal.zeros(1, device=device)  # the zero itself stays on the device
    before = device.memory_stats().allocated
    x = hal.zeros((256, 1024), device=device)
    assert device.memory_stats().allocated == before + x.nbytes
    del x
    assert device.memory_stats().allocated == before
    with pytest.raises(hal.OutOfMemory, match="bytes were asked for"):
        hal.zeros((64, 1024, 1024), device=device)


def test_dtypes_it_lacks_are_refused_with_the_alternatives(device):
    with pytest.raises(hal.Unsupported, match=r"float64.*float32"):
        hal.zeros(2, dtype=hal.float64, device=device)


def test_it_imports_only_what_a_plugin_may():
    imported = re.findall(r"^from (hal[\w.]*) import", SOURCE.read_text(), re.MULTILINE)
    assert set(imported) <= {"hal", "hal.dtypes", "hal.errors", "hal.ops", "hal.plugin"}
