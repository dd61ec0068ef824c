"""Searching, sorting, set and indexing functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ALL, INTEGERS, REALS, SHAPES, arrays, assert_same, on

import hal

FILLED = SHAPES.filter(lambda s: len(s) and 0 not in s)


@settings(max_examples=50)
@given(arrays(REALS, FILLED), st.booleans(), st.data())
def test_positions_of_extremes_are_the_first(device, x, keepdims, data):
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    for name in ("argmax", "argmin"):
        expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
        found = getattr(hal, name)(on(device, x), axis=axis, keepdims=keepdims)
        assert_same(found, np.asarray(expected, np.int64))


@settings(max_examples=50)
@given(arrays(ALL, SHAPES.filter(len)), st.data())
def test_what_is_not_zero_is_found_and_counted(device, x, data):
    found = hal.nonzero(on(device, x))
    assert isinstance(found, tuple)
    for positions, expected in zip(found, np.nonzero(x), strict=True):
        assert_same(positions, expected)
    axis = data.draw(st.none() | st.integers(0, x.ndim - 1))
    expected = np.asarray(np.count_nonzero(x, axis=axis, keepdims=True), np.int64)
    assert_same(hal.count_nonzero(on(device, x), axis=axis, keepdims=True), expected)


@settings(max_examples=50)
@given(arrays(REALS, (6,)), st.sampled_from(["left", "right"]), st.data())
def test_searchsorted_is_numpys(device, x, side, data):
    values = data.draw(arrays(x.dtype))
    ordered = np.sort(x)
    expected = np.asarray(np.searchsorted(ordered, values, side), np.int64)
    assert_same(hal.searchsorted(on(device, ordered), on(device, values), side=side), expected)
    sorter = on(device, np.argsort(x, kind="stable"))
    found = hal.searchsorted(on(device, x), on(device, values), side=side, sorter=sorter)
    assert_same(found, expected)


@settings(max_examples=50)
@given(arrays(ALL), st.data())
def test_where_chooses_and_promotes(device, x, data):
    condition = data.draw(arrays("bool", x.shape))
    mask = on(device, condition)
    other = x[::-1] if x.ndim else x
    assert_same(hal.where(mask, on(device, x), on(device, other)), np.where(condition, x, other))
    zero = x.dtype.type(0).item()
    assert_same(hal.where(mask, on(device, x), zero), np.where(condition, x, zero).astype(x.dtype))
    assert hal.where(mask, 1, 2.5).dtype is hal.float32


@settings(max_examples=50)
@given(arrays(REALS, SHAPES.filter(len)), st.booleans(), st.data())
def test_sorting_is_stable_in_both_directions(device, x, descending, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    tensor = on(device, x)
    order = hal.argsort(tensor, axis=axis, descending=descending)
    found = hal.sort(tensor, axis=axis, descending=descending)
    assert_same(found, np.take_along_axis(x, order.numpy(), axis))
    ascending = np.sort(x, axis)
    np.testing.assert_array_equal(
        found.numpy(), np.flip(ascending, axis) if descending else ascending
    )
    if not descending:
        assert_same(order, np.argsort(x, axis, kind="stable"))


def test_equal_elements_keep_their_order(device):
    x = hal.asarray([1.0, 2.0, 1.0, 2.0], device=device)
    assert hal.argsort(x).tolist() == [0, 2, 1, 3]
    assert hal.argsort(x, descending=True).tolist() == [1, 3, 0, 2]
    assert hal.topk(x, 3)[1].tolist() == [1, 3, 0]


@settings(max_examples=50)
@given(arrays(ALL))
def test_distinct_elements_are_found(device, x):
    found = hal.unique_all(on(device, x))
    values, counts = np.unique(x, return_counts=True, equal_nan=False)
    assert_same(found.values, values)
    assert_same(found.counts, counts.astype(np.int64))
    # The first of each, and the way back.
    flat = x.reshape(-1)
    np.testing.assert_array_equal(flat[found.indices.numpy()], values)
    np.testing.assert_array_equal(found.values.numpy()[found.inverse_indices.numpy()], x)
    for value, index in zip(values, found.indices.tolist(), strict=True):
        assert not np.any(flat[:index] == value)
    assert_same(hal.unique_values(on(device, x)), values)
    assert_same(hal.unique_counts(on(device, x)).counts, counts.astype(np.int64))
    assert_same(hal.unique_inverse(on(device, x)).inverse_indices, found.inverse_indices.numpy())


@settings(max_examples=50)
@given(arrays(ALL), st.booleans(), st.data())
def test_isin_means_equal_to_one(device, x, invert, data):
    y = data.draw(arrays(x.dtype))
    expected = (x[..., None] == y.reshape(-1)).any(-1) != invert
    assert_same(hal.isin(on(device, x), on(device, y), invert=invert), expected)


def test_isin_takes_a_number_on_either_side(device):
    x = hal.asarray([1, 2, 3], device=device)
    assert hal.isin(x, 2).tolist() == [False, True, False]
    assert hal.isin(2, x).item() is True
    assert hal.isin(x, 2, invert=True).tolist() == [True, False, True]


@settings(max_examples=50)
@given(arrays(ALL, FILLED), st.data())
def test_taking_along_an_axis(device, x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    size = x.shape[axis]
    dtype = data.draw(st.sampled_from(["int8", "int64"]))
    indices = data.draw(arrays(dtype, (3,), min_value=-size, max_value=size - 1))
    found = hal.take(on(device, x), on(device, indices), axis=axis)
    assert_same(found, np.take(x, indices, axis))
    shape = list(x.shape)
    shape[axis] = 2
    each = data.draw(arrays("int64", tuple(shape), min_value=-size, max_value=size - 1))
    found = hal.take_along_axis(on(device, x), on(device, each), axis=axis)
    assert_same(found, np.take_along_axis(x, each, axis))


def test_indices_broadcast_against_the_other_axes(device):
    x = hal.reshape(hal.arange(6, device=device), (2, 3))
    assert hal.take_along_axis(x, hal.asarray([[2]], device=device)).tolist() == [[2], [5]]


def test_a_single_boolean_chooses_one_or_none(device):
    x = hal.reshape(hal.arange(6, device=device), (2, 3))
    assert (x[True].shape, x[hal.asarray(False, device=device)].shape) == ((1, 2, 3), (0, 2, 3))
    assert x[hal.zeros((0, 3), dtype=hal.bool, device=device)].shape == (0,)
    x[hal.asarray(True, device=device)] = 7
    assert x.tolist() == [[7, 7, 7], [7, 7, 7]]


@settings(max_examples=50)
@given(arrays(INTEGERS, FILLED), st.data())
def test_assignment_by_index_tensors_and_masks(device, x, data):
    tensor, expected = on(device, x), x.copy()
    rows = data.draw(arrays("int64", (2,), min_value=-len(x), max_value=len(x) - 1))
    tensor[on(device, rows)], expected[rows] = 1, 1
    mask = data.draw(arrays("bool", x.shape))
    tensor[on(device, mask)], expected[mask] = 0, 0
    tensor[::-1][on(device, mask)], expected[::-1][mask] = 3, 3
    assert_same(tensor, expected)


X = hal.ones((2, 3), device="cpu:0")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: hal.argmax(hal.zeros(0)), hal.ValueRangeError),
        (lambda: hal.argmin(X, axis=(0, 1)), hal.DTypeError),
        (lambda: hal.nonzero(hal.asarray(1)), hal.ShapeError),
        (lambda: hal.searchsorted(X, 1.0), hal.ShapeError),
        (lambda: hal.searchsorted(X[0], 1.0, side="up"), hal.ValueRangeError),
        (lambda: hal.searchsorted(X[0], 1.0, sorter=hal.asarray([0])), hal.ShapeError),
        (lambda: hal.where(X, 1, 2), hal.DTypeError),
        (lambda: hal.where(True, X, X), hal.DTypeError),
        (lambda: hal.where(X > 1, "a", "b"), hal.DTypeError),
        (lambda: hal.sort(hal.asarray(1.0)), hal.ShapeError),
        (lambda: hal.sort(hal.asarray([1j])), hal.DTypeError),
        (lambda: hal.topk(X, 4), hal.ValueRangeError),
        (lambda: hal.topk(X, 0.5), hal.DTypeError),
        (lambda: hal.isin(1, 2), hal.DTypeError),
        (lambda: hal.unique_all([1]), hal.DTypeError),
        (lambda: hal.take(X, hal.asarray([0])), hal.ShapeError),
        (lambda: hal.take(X, hal.asarray([7]), axis=0), hal.HalIndexError),
        (lambda: hal.take(X, hal.asarray([0.0]), axis=0), hal.DTypeError),
        (lambda: hal.take_along_axis(X, hal.asarray([0])), hal.ShapeError),
    ],
)
def test_what_does_not_fit_is_refused(call, error):
    with pytest.raises(error):
        call()
