"""Compiled functions of real numbers: close to the exact value, right at the special ones."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from hal.dtypes import float32
from hal.ops import operators
from hal.plugin import Layout, Signature
from hal_cpu.jit import find_loop

EXACT = {
    "exp": np.exp,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "erf": scipy.special.erf,
    "log": np.log,
    "log1p": np.log1p,
}
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1e-38, 3e38, -3e38], np.float32
)


def run(name, x):
    layout = Layout(float32, x.shape)
    attributes = {"steps": ((name, (0,), ()),), "results": (1,)}
    kernel = find_loop(operators["fused"], Signature((layout,), (layout,), attributes))
    out = np.empty_like(x)
    kernel.into(None, [out], [x])
    return out


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(0)
    spread = np.exp2(rng.uniform(-120, 120, 200_000)) * rng.choice([-1, 1], 200_000)
    return np.concatenate([np.linspace(-110, 110, 400_001), spread]).astype(np.float32)


@pytest.mark.parametrize("name", EXACT)
def test_values_are_within_a_few_units_in_the_last_place(name, values):
    found = run(name, values).astype(np.float64)
    with np.errstate(all="ignore"):
        exact = EXACT[name](values.astype(np.float64))
        rounded = exact.astype(np.float32)
        unit = np.spacing(np.abs(rounded)).astype(np.float64)
        wrong = np.abs(found - exact) / unit
    ordinary = np.isfinite(rounded) & (np.abs(rounded) > 1e-37)
    assert wrong[ordinary].max() <= 4
    np.testing.assert_array_equal(found[~np.isfinite(rounded)], rounded[~np.isfinite(rounded)])


@pytest.mark.parametrize("name", EXACT)
def test_special_values_are_those_of_the_function(name):
    with np.errstate(all="ignore"):
        exact = EXACT[name](SPECIAL.astype(np.float64)).astype(np.float32)
    found = run(name, SPECIAL)
    np.testing.assert_allclose(found, exact, rtol=5e-7, atol=1e-45)
    np.testing.assert_array_equal(np.signbit(found[:2]), np.signbit(exact[:2]))
