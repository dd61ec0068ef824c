"""Reductions, softmax, normalization and products match their references."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hal import dtypes
from hal.dtypes import FLOATING, INTEGER, REAL

AXES = [axes for n in range(4) for axes in itertools.combinations(range(3), n)]


def sample(dtype, shape, seed=0):
    """Return small numbers, which every dtype holds."""
    rng = np.random.default_rng(seed)
    if dtype.kind == "float":
        return rng.normal(size=shape).astype(dtype.numpy)
    return rng.integers(0, 2 if dtype.kind == "bool" else 9, shape).astype(dtype.numpy)


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "max", "min", "any", "all"])
def test_any_axes_are_reduced(kernels, name, axes):
    x = sample(dtypes.float32, (3, 70, 5))
    for view in (x, x.transpose(2, 0, 1), x[::-1, ::3]):
        kernels.check(name, view, axis=axes, scale=1, ulps=64)
        kernels.check(name, view, axis=axes, keepdims=True, scale=1, ulps=64)


@pytest.mark.parametrize("dtype", [dtypes.bool, *REAL], ids=str)
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "any", "all"])
def test_every_dtype_is_reduced(kernels, name, dtype):
    kernels.check(name, sample(dtype, (4, 33)), axis=1, scale=1, ulps=64)


@pytest.mark.parametrize("out", [dtypes.float32, dtypes.float64], ids=str)
def test_a_sum_is_calculated_in_the_dtype_asked_for(kernels, out):
    kernels.check("sum", sample(dtypes.float16, (300,)) * 100, axis=0, dtype=out, ulps=64)


def test_narrow_integers_wrap_around(kernels):
    kernels.check("sum", np.full(5, 100, np.int8), axis=0, dtype=dtypes.int8)
    kernels.check("prod", np.full(70, 3, np.int64), axis=0)


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("position", [0, 1, 63, 64, 99])
def test_nan_is_the_largest_and_the_smallest(kernels, name, position):
    x = sample(dtypes.float32, (100,))
    x[position] = np.nan
    kernels.check(name, x, axis=0)


@pytest.mark.parametrize("dtype", INTEGER, ids=str)
def test_the_ends_of_an_integers_range_are_found(kernels, dtype):
    low, high = dtypes.integer_range(dtype)
    kernels.check("max", np.full(40, low, dtype.numpy), axis=0)
    kernels.check("min", np.full(40, high, dtype.numpy), axis=0)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "any", "all"])
def test_nothing_reduces_to_the_identity(kernels, name):
    kernels.check(name, np.empty((3, 0, 2), np.float32), axis=1)
    kernels.check(name, np.empty((0, 2), np.float32), axis=1)


def test_a_long_sum_keeps_its_precision(kernels):
    x = np.random.default_rng(0).random(1_000_000, np.float32)
    found, _ = kernels.compare("sum", x, axis=0)
    assert abs(found / x.astype(np.float64).sum() - 1) < 1e-6


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_matches_its_reference(kernels, name, dtype):
    x = sample(dtype, (3, 100, 4))
    for axis in range(3):
        kernels.check(name, x, axis=axis, ulps=32)


def test_softmax_meets_infinities_and_nan_as_its_reference(kernels):
    rows = [[1, np.inf, 2], [-np.inf, 0, 1], [-np.inf] * 3, [np.nan, 0, 1], [1e30, -1e30, 0]]
    for name in ("softmax", "log_softmax"):
        kernels.check(name, np.array(rows, np.float32), axis=1)


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
@pytest.mark.parametrize("given", [(), ("weight",), ("weight", "bias"), (None, "bias")], ids=str)
def test_layer_norm_matches_its_reference(kernels, dtype, given):
    x = sample(dtype, (5, 3, 130))
    rest = [None if g is None else sample(dtype, (130,), 1) for g in given]
    kernels.check("layer_norm", x, *rest, axes=(-1,), scale=1, ulps=64)
    rest = [None if g is None else sample(dtype, (3, 130), 1) for g in given]
    kernels.check("layer_norm", x, *rest, axes=(1, 2), epsilon=1e-3, scale=1, ulps=64)


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
def test_rms_norm_matches_its_reference(kernels, dtype):
    x = sample(dtype, (5, 130))
    kernels.check("rms_norm", x, sample(dtype, (130,), 1), scale=1, ulps=64)


SHAPES = [
    ((1, 1), (1, 1)),
    ((33, 65), (65, 70)),
    ((7, 0), (0, 5)),
    ((0, 4), (4, 5)),
    ((64,), (64,)),
    ((64,), (64, 3)),
    ((3, 64), (64,)),
    ((2, 5, 40), (40, 9)),
    ((2, 1, 5, 40), (3, 40, 9)),
    ((2, 3, 4, 5, 6), (2, 3, 4, 6, 5)),
    ((5, 40), (2, 40, 9)),
]


def close(found, expected, size):
    wide = [np.asarray(a, np.float64) for a in (found, expected)]
    step = 2.0**-8 if found.dtype.itemsize == 2 else 2.0**-23
    # Both are rounded in float32, in different orders.
    np.testing.assert_allclose(*wide, rtol=step, atol=2 * step * max(size, 4))


@pytest.mark.parametrize(("left", "right"), SHAPES, ids=str)
def test_matrices_of_any_shape_are_multiplied(kernels, left, right):
    a, b = sample(dtypes.float32, left), sample(dtypes.float32, right, 1)
    close(*kernels.compare("matmul", a, b), left[-1])


@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_matrices_of_any_dtype_are_multiplied(kernels, dtype):
    found, expected = kernels.compare("matmul", sample(dtype, (9, 40)), sample(dtype, (40, 20), 1))
    if dtype.kind == "float":
        close(found, expected, 40)
    else:
        np.testing.assert_array_equal(found, expected)


def test_views_are_multiplied_where_they_lie(kernels):
    a, b = sample(dtypes.float32, (4, 40, 30)), sample(dtypes.float32, (4, 50, 40), 1)
    close(*kernels.compare("matmul", a.transpose(0, 2, 1), b.transpose(0, 2, 1)), 40)
    close(
        *kernels.compare(
            "matmul", a[::-1, ::-2].transpose(0, 2, 1), b[:, ::5, ::2].transpose(0, 2, 1)
        ),
        20,
    )


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.float32], ids=str)
@pytest.mark.parametrize("shape", [(384,), (3, 384), (2, 3, 384)], ids=str)
@pytest.mark.parametrize("biased", [True, False])
def test_a_layer_matches_its_reference(kernels, dtype, shape, biased):
    x, weight = sample(dtype, shape), sample(dtype, (70, 384), 1)
    bias = sample(dtype, (70,), 2) if biased else None
    close(*kernels.compare("linear", x, weight, bias), 384)
