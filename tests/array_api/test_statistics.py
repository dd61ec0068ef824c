"""Statistical, utility and linear algebra functions of the main namespace."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ALL, INTEGERS, NUMBERS, REALS, SHAPES, arrays, assert_same, on

import hal

TAME = {"min_value": -100, "max_value": 100}
FLOATS = ["float32", "float64"]


def reduced(data, x):
    """Draw axes to reduce an array along."""
    if not x.ndim:
        return None
    some = st.lists(st.integers(0, x.ndim - 1), unique=True, min_size=1).map(tuple)
    return data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1) | some)


def accumulator(dtype):
    """Return the dtype in which the standard lets integers be added."""
    return {"i": np.int64, "b": np.int64, "u": np.uint64}.get(dtype.kind, dtype.type)


@settings(max_examples=50)
@given(arrays([np.dtype("bool"), *INTEGERS]), st.booleans(), st.data())
def test_sums_and_products_of_integers_are_exact(device, x, keepdims, data):
    axis, dtype = reduced(data, x), accumulator(x.dtype)
    for name in ("sum", "prod"):
        expected = np.asarray(getattr(np, name)(x, axis=axis, keepdims=keepdims, dtype=dtype))
        assert_same(getattr(hal, name)(on(device, x), axis=axis, keepdims=keepdims), expected)


@settings(max_examples=50)
@given(arrays(FLOATS, **TAME), st.booleans(), st.data())
def test_sums_and_moments_of_floats(device, x, keepdims, data):
    axis = reduced(data, x)
    wide = x.astype(np.float64)
    for name in ("sum", "mean", "var", "std"):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = getattr(np, name)(wide, axis=axis, keepdims=keepdims)
        found = getattr(hal, name)(on(device, x), axis=axis, keepdims=keepdims)
        assert found.dtype.numpy == x.dtype
        eps = np.finfo(x.dtype).eps
        rtol, atol = 64 * eps, 1e4 * (np.sqrt(eps) if name == "std" else 64 * eps)
        np.testing.assert_allclose(found.numpy(), expected, rtol=rtol, atol=atol)


def test_moments_of_nothing_are_nan_without_a_warning(device):
    empty = hal.zeros((0,), device=device)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for function in (hal.mean, hal.var, hal.std):
            assert np.isnan(function(empty).item())
        assert np.isnan(hal.std(hal.ones(1, device=device), correction=2).item())
    assert hal.sum(empty).item() == 0.0
    assert hal.prod(empty).item() == 1.0


def test_a_correction_changes_the_divisor(device):
    x = hal.asarray([1.0, 3.0], device=device)
    assert (hal.var(x).item(), hal.var(x, correction=1).item()) == (1.0, 2.0)


@settings(max_examples=50)
@given(arrays(REALS, SHAPES.filter(lambda s: 0 not in s)), st.booleans(), st.data())
def test_extremes_are_numpys(device, x, keepdims, data):
    axis = reduced(data, x)
    for name in ("max", "min"):
        expected = np.asarray(getattr(np, name)(x, axis=axis, keepdims=keepdims))
        assert_same(getattr(hal, name)(on(device, x), axis=axis, keepdims=keepdims), expected)


@settings(max_examples=50)
@given(arrays(ALL), st.booleans(), st.data())
def test_all_and_any_are_numpys(device, x, keepdims, data):
    axis = reduced(data, x)
    for name in ("all", "any"):
        expected = np.asarray(getattr(np, name)(x, axis=axis, keepdims=keepdims))
        assert_same(getattr(hal, name)(on(device, x), axis=axis, keepdims=keepdims), expected)


@settings(max_examples=50)
@given(arrays(INTEGERS, SHAPES.filter(len)), st.booleans(), st.data())
def test_scans_start_with_what_nothing_gives(device, x, initial, data):
    axis, dtype = data.draw(st.integers(-x.ndim, x.ndim - 1)), accumulator(x.dtype)
    for name, numpy, start in (
        ("cumulative_sum", np.cumsum, 0),
        ("cumulative_prod", np.cumprod, 1),
    ):
        expected = numpy(x, axis, dtype=dtype)
        if initial:
            width = [(int(a == axis % x.ndim), 0) for a in range(x.ndim)]
            expected = np.pad(expected, width, constant_values=start)
        found = getattr(hal, name)(on(device, x), axis=axis, include_initial=initial)
        assert_same(found, expected)


@settings(max_examples=50)
@given(arrays(NUMBERS, SHAPES.filter(len)), st.integers(0, 3), st.data())
def test_differences_are_numpys(device, x, n, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    with np.errstate(all="ignore"):
        assert_same(hal.diff(on(device, x), axis=axis, n=n), np.diff(x, n, axis))
        joined = np.diff(np.concatenate([x, x, x], axis), n, axis)
    tensor = on(device, x)
    assert_same(hal.diff(tensor, axis=axis, n=n, prepend=tensor, append=tensor), joined)


@settings(max_examples=50)
@given(st.data())
def test_products_of_integers_are_exact(device, data):
    n, m, k = (data.draw(st.integers(0, 3)) for _ in range(3))
    batch = data.draw(st.sampled_from([(), (2,), (1, 2)]))
    dtype = data.draw(st.sampled_from(["int32", "int64", "uint8"]))
    x, y = data.draw(arrays(dtype, (*batch, n, m))), data.draw(arrays(dtype, (m, k)))
    assert_same(hal.matmul(on(device, x), on(device, y)), np.matmul(x, y))
    assert_same(hal.tensordot(on(device, x), on(device, y), axes=1), np.tensordot(x, y, 1))
    pair = ([x.ndim - 1], [-2])
    assert_same(hal.tensordot(on(device, x), on(device, y), axes=pair), np.tensordot(x, y, pair))
    assert_same(hal.matrix_transpose(on(device, x)), np.matrix_transpose(x))
    assert_same(hal.vecdot(on(device, x), on(device, x)), np.vecdot(x, x))


def test_vecdot_conjugates_the_first(device):
    x = hal.asarray([[1 + 2j], [3j]], device=device)
    assert hal.vecdot(x, x, axis=-2).tolist() == [14 + 0j]
    y = hal.asarray([1j, 1.0], device=device)
    assert hal.vecdot(y, hal.asarray([1.0, 1j], device=device)).item() == 0j


X = hal.ones((2, 3), device="cpu:0")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: hal.sum(X, axis=2), hal.HalIndexError),
        (lambda: hal.sum(X, axis=(0, 0)), hal.ShapeError),
        (lambda: hal.sum(X, axis=0.5), hal.DTypeError),
        (lambda: hal.sum([1.0]), hal.DTypeError),
        (lambda: hal.max(hal.zeros(0)), hal.ValueRangeError),
        (lambda: hal.var(X, correction="a"), hal.DTypeError),
        (lambda: hal.std(hal.asarray([1j])), hal.DTypeError),
        (lambda: hal.cumulative_sum(X), hal.HalIndexError),
        (lambda: hal.cumulative_prod(X, axis=2), hal.HalIndexError),
        (lambda: hal.diff(X, n=-1), hal.ValueRangeError),
        (lambda: hal.diff(hal.asarray(1.0)), hal.HalIndexError),
        (lambda: hal.matmul(X, X), hal.ShapeError),
        (lambda: hal.matmul(X, hal.asarray(1.0)), hal.ShapeError),
        (lambda: hal.tensordot(X, X, axes=3), hal.ShapeError),
        (lambda: hal.tensordot(X, X, axes=((0,), (0, 1))), hal.ShapeError),
        (lambda: hal.tensordot(X, X, axes=((0,), (1,))), hal.ShapeError),
        (lambda: hal.tensordot(X, X, axes="a"), hal.DTypeError),
        (lambda: hal.vecdot(X, hal.ones(2)), hal.ShapeError),
        (lambda: hal.vecdot(X, X, axis=2), hal.HalIndexError),
        (lambda: hal.matrix_transpose(hal.ones(2)), hal.ShapeError),
    ],
)
def test_what_does_not_fit_is_refused(call, error):
    with pytest.raises(error):
        call()
