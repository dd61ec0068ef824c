"""Kernels that follow indices, sort, and go along lines match their references."""

from __future__ import annotations

import numpy as np
import pytest

from hal import dtypes

SHAPES = [((7,), 0), ((3, 130), 1), ((3, 130), 0), ((2, 65, 4), 1)]
NAN = np.array([[3, np.nan, 1, np.nan, 3, -np.inf, np.inf, 0.0, -0.0, 1]], np.float32)


def sample(shape, low=-4, high=5, dtype=np.float32, seed=0):
    """Return few different numbers, so that there are equal ones."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def test_positions_are_taken_from_both_ends(kernels):
    x = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    kernels.check("take", x, np.array([[0, 3], [-1, 2]]), axis=1)
    kernels.check("embedding", np.array([2, -1, 0], np.int32), x[:, :, 0].copy())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_line_is_read_at_its_own_positions(kernels, axis):
    x = sample((3, 4, 5))
    shape = [*x.shape]
    shape[axis] = 6
    kernels.check("take_along_axis", x, sample(shape, -3, 3, np.int64), axis=axis)


def test_a_position_outside_reads_inside_the_tensor(kernels):
    x = np.arange(5, dtype=np.float32)
    assert kernels.run("take", x, np.array([7, -9, 2]), axis=0).tolist() == [4, 0, 2]


def test_a_position_outside_writes_inside_the_tensor(kernels):
    x, ones = np.zeros(5, np.float32), np.ones(2, np.float32)
    found = kernels.run("put", x, np.array([7, -9]), ones, axis=0, reduce="none")
    assert found.tolist() == [1, 0, 0, 0, 1]


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.float32, dtypes.int8], ids=str)
@pytest.mark.parametrize("reduce", ["none", "add", "multiply", "maximum", "minimum"])
def test_updates_are_written_in_their_order(kernels, reduce, dtype):
    x, updates = sample((3, 6, 4), dtype=dtype.numpy), sample((3, 9, 4), 0, 5, dtype.numpy, 1)
    positions = sample((9,), -6, 6, np.int64, 2)
    kernels.check("put", x, positions, updates, axis=1, reduce=reduce, ulps=0)
    own = sample((3, 9, 4), -6, 6, np.int32, 3)
    kernels.check("put_along_axis", x, own, updates, axis=1, reduce=reduce, ulps=0)


@pytest.mark.parametrize(("shape", "axis"), SHAPES, ids=str)
@pytest.mark.parametrize("descending", [False, True])
def test_sorting_is_stable_in_both_directions(kernels, shape, axis, descending):
    kernels.check("argsort", sample(shape), axis=axis, descending=descending)


@pytest.mark.parametrize("descending", [False, True])
def test_nan_sorts_behind_every_number(kernels, descending):
    kernels.check("argsort", NAN, axis=1, descending=descending)


@pytest.mark.parametrize("length", [1, 2, 3, 64, 65, 1000])
def test_lines_of_any_length_are_sorted(kernels, length):
    x = np.random.default_rng(1).permutation(length).astype(np.int64)
    kernels.check("argsort", x, axis=0)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize(("shape", "axis"), [*SHAPES, ((3, 130), None)], ids=str)
def test_the_first_of_equal_extremes_is_found(kernels, name, shape, axis):
    kernels.check(name, sample(shape), axis=axis)
    kernels.check(name, sample(shape), axis=axis, keepdims=True)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_the_first_nan_is_the_extreme(kernels, name):
    kernels.check(name, NAN, axis=1)
    kernels.check(name, NAN[:, 2:], axis=None)


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.float32, dtypes.int8], ids=str)
@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
@pytest.mark.parametrize(("shape", "axis"), SHAPES, ids=str)
def test_running_totals_match_their_reference(kernels, name, dtype, shape, axis):
    x = sample(shape, 1, 3, dtype.numpy)
    kernels.check(name, x, axis=axis, dtype=dtype, scale=1)
