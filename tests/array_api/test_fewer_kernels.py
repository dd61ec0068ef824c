"""A device with few kernels and few dtypes has the whole namespace, and says what the host did."""

from __future__ import annotations

import numpy as np
import pytest
from sparse_device import add_device

import hal
from hal.plugin import unregister


@pytest.fixture(scope="module")
def minimal():
    yield add_device("small", (hal.bool, hal.int32, hal.int64, hal.float32))
    unregister("small")


def on_host(result):
    """Return a result's values, whether it is one tensor or several."""
    return [x.numpy() for x in result] if isinstance(result, tuple) else [result.numpy()]


CALLS = {
    "arange": lambda x: hal.arange(4, device=x.device),
    "argmax": lambda x: hal.argmax(x, axis=1),
    "argsort": lambda x: hal.argsort(x, descending=True),
    "clip": lambda x: hal.clip(x, -1, 1),
    "concat": lambda x: hal.concat([x, x], axis=None),
    "count_nonzero": lambda x: hal.count_nonzero(x),
    "cumulative_sum": lambda x: hal.cumulative_sum(x, axis=0, include_initial=True),
    "diff": lambda x: hal.diff(x),
    "eye": lambda x: hal.eye(3, device=x.device),
    "flip": lambda x: hal.flip(x),
    "isfinite": lambda x: hal.isfinite(x / 0),
    "isin": lambda x: hal.isin(x, x[0]),
    "linspace": lambda x: hal.linspace(0, 1, 5, device=x.device),
    "logaddexp": lambda x: hal.logaddexp(x, 0.0),
    "mask": lambda x: x[x > 0],
    "matmul": lambda x: x @ x.mT,
    "maximum": lambda x: hal.maximum(x, 0),
    "mean": lambda x: hal.mean(x, axis=0),
    "nonzero": lambda x: hal.nonzero(x),
    "pow": lambda x: x**2,
    "repeat": lambda x: hal.repeat(x, hal.asarray([1, 0, 2], device=x.device), axis=1),
    "roll": lambda x: hal.roll(x, 1),
    "searchsorted": lambda x: hal.searchsorted(hal.sort(x[0]), x),
    "sign": lambda x: hal.sign(x),
    "std": lambda x: hal.std(x, correction=1),
    "take_along_axis": lambda x: hal.take_along_axis(x, hal.argsort(x)),
    "tensordot": lambda x: hal.tensordot(x, x),
    "tile": lambda x: hal.tile(x, (2, 1)),
    "tril": lambda x: hal.tril(x, k=-1),
    "trunc": lambda x: hal.trunc(x),
    "unique_all": lambda x: hal.unique_all(x),
    "vecdot": lambda x: hal.vecdot(x, x),
    "where": lambda x: hal.where(x > 0, x, 0),
}


@pytest.mark.parametrize("name", CALLS)
def test_functions_mean_the_same_with_few_kernels(minimal, name):
    values = [[1.5, -2.0, 0.0], [3.0, 1.5, -0.5]]
    with hal.fallback("allow"):
        found = on_host(CALLS[name](hal.asarray(values, device=minimal)))
    expected = on_host(CALLS[name](hal.asarray(values, device="cpu:0")))
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_what_the_host_did_is_counted(minimal):
    x = hal.asarray([1.0, 2.0], device=minimal)
    hal.reset_report()
    with hal.fallback("allow"):
        hal.square(x)
        hal.sin(x)
    routes = {r.operator: r.route for r in hal.report().rows if r.device == "small:0"}
    assert routes["square"] == "decomposed"
    assert routes["multiply"] == "native"
    assert routes["sin"] == "host"


def test_the_host_can_be_forbidden(minimal):
    x = hal.asarray([1.0, 2.0], device=minimal)
    with hal.fallback("error"), pytest.raises(hal.Unsupported, match="small:0 has no sin"):
        hal.sin(x)


def test_the_dtypes_a_device_has_are_told(minimal):
    info = hal.__array_namespace_info__()
    assert set(info.dtypes(device=minimal)) == {"bool", "int32", "int64", "float32"}
