"""Results that are written straight into place are the references' results."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.ops import evaluate_reference, operators

X = np.linspace(-3, 3, 60_000, dtype=np.float32).reshape(300, 200)
LARGE = 1 << 18


def check(name, *inputs, device="cpu:0", **attributes):
    from hal.dispatch import call

    tensors = [None if x is None else hal.asarray(x, device=device) for x in inputs]
    found = call(operators[name], *tensors, **attributes).numpy()
    expected = evaluate_reference(operators[name], list(inputs), attributes)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("exponent", [2.0, 0.5, 3.0, -1.0, 0.0])
@pytest.mark.parametrize("array", [X, np.float32([-0.0, 0.0, -np.inf, np.inf, np.nan, -8])])
def test_powers_with_one_exponent(array, exponent):
    check("power", array, np.float32(exponent).reshape(()))


def test_powers_with_many_exponents():
    check("power", np.abs(X) + 1, X)


@pytest.mark.parametrize("bounds", [(-1, 1), (None, 1), (-1, None), (None, None)])
def test_bounds_may_be_left_out(bounds):
    check("clip", X, *[None if b is None else np.float32(b).reshape(()) for b in bounds])


@pytest.mark.parametrize("axis", [0, 1])
def test_parts_are_written_behind_one_another(axis):
    check("concat", X, X + 1, X[:, ::-1], axis=axis)
    check("concat", X, axis=axis)
    check("concat", np.arange(6).reshape(2, 3), np.arange(9).reshape(3, 3), axis=0)
    check("concat", X > 0, X < 1, axis=axis)


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)], ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("mean", {}),
        ("sum", {}),
        ("sum", {"dtype": hal.float64}),
        ("max", {}),
        ("any", {}),
        ("var", {}),
        ("std", {"correction": 1}),
        ("var", {"correction": 1e9}),
    ],
)
def test_reductions(name, attributes, axis, keepdims):
    check(name, X, axis=axis, keepdims=keepdims, **attributes)


@pytest.mark.parametrize("dtype", ["int8", "int32", "float64", "float16", "complex64", "bool"])
def test_conversions(dtype):
    check("cast", X, dtype=hal.dtypes.as_dtype(dtype))


def test_running_sums():
    check("cumulative_sum", X / 100, axis=1)
    check("cumulative_sum", np.ones((300, 300), np.int8), axis=0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(LARGE,), (4, LARGE)], ids=str)
def test_selection_in_large_arrays(dtype, shape):
    rng = np.random.default_rng(0)
    x, y = (rng.integers(0, 2, shape).astype(dtype) for _ in range(2))
    check("where", rng.random(shape) < 0.5, x, y)
    check("where", rng.random(shape[-1:]) < 0.5, x, y)
    check("where", rng.random(shape) < 0.5, x, y[..., :1])
