"""Reductions: dtypes of results, empty axes, decompositions, scans."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hal
from hal.ops import evaluate_reference, operators
from hal.plugin import Layout

X = np.array([[0.5, -2.0, 3.0], [1.0, 0.0, -1.5]])


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1), ()], ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("mean", {}),
        ("var", {}),
        ("var", {"correction": 1}),
        ("std", {"correction": 0.5}),
        ("logsumexp", {}),
        ("count_nonzero", {}),
    ],
)
def test_decompositions_mean_what_the_reference_means(
    name, attributes, axis, keepdims, check_decomposition
):
    if axis == () and attributes:
        return  # One element has no variance with a correction: both give NaN or infinity.
    check_decomposition(name, X, axis=axis, keepdims=keepdims, **attributes)


@given(
    st.sampled_from(["sum", "prod", "max", "min", "any", "all"]),
    st.sampled_from([None, 0, 1, (0, 1)]),
    st.booleans(),
)
def test_references_are_numpys(name, axis, keepdims):
    found = evaluate_reference(operators[name], [X], {"axis": axis, "keepdims": keepdims})
    np.testing.assert_allclose(found, getattr(np, name)(X, axis=axis, keepdims=keepdims))


@pytest.mark.parametrize(
    ("given_dtype", "expected"),
    [
        (hal.bool, hal.int64),
        (hal.int8, hal.int64),
        (hal.uint8, hal.uint64),
        (hal.float16, hal.float16),
        (hal.bfloat16, hal.bfloat16),
        (hal.complex64, hal.complex64),
    ],
    ids=str,
)
def test_sums_of_integers_are_as_wide_as_integers_get(given_dtype, expected):
    x = hal.ones(300, dtype=given_dtype, device="cpu:0")
    total = x.sum()
    assert total.dtype is expected
    if given_dtype.kind != "float":
        assert total.item() == 300


def test_half_precision_sums_are_accumulated_in_float32():
    x = hal.ones(4096, dtype=hal.float16, device="cpu:0")
    assert x.sum().item() == 4096.0
    assert (x * 16).mean().item() == 16.0


def test_the_sum_of_nothing_is_zero_and_the_maximum_of_nothing_is_an_error():
    x = hal.zeros((0, 3), device="cpu:0")
    assert x.sum().item() == 0.0
    assert x.sum(axis=0).tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(hal.ValueRangeError, match="no elements"):
        x.max()
    assert x.max(axis=1).shape == (0,)


@pytest.mark.parametrize(
    ("axis", "error"), [(2, hal.HalIndexError), ((0, 0), hal.ShapeError), (0.5, hal.DTypeError)]
)
def test_an_axis_that_is_none_is_refused(axis, error):
    with pytest.raises(error, match="sum"):
        operators["sum"].infer([Layout(hal.float32, (2, 3))], {"axis": axis})


def test_the_first_of_several_extremes_is_found():
    x = np.array([3.0, 7.0, 7.0, 1.0, 1.0])
    assert evaluate_reference(operators["argmax"], [x], {}) == 1
    assert evaluate_reference(operators["argmin"], [x], {}) == 3
    nan = np.array([3.0, np.nan, 9.0])
    assert evaluate_reference(operators["argmax"], [nan], {}) == 1


@pytest.mark.parametrize(
    ("name", "numpys"), [("cumulative_sum", np.cumsum), ("cumulative_prod", np.cumprod)]
)
def test_scans_are_numpys(name, numpys):
    for axis in (0, 1):
        found = evaluate_reference(operators[name], [X], {"axis": axis})
        np.testing.assert_allclose(found, numpys(X, axis=axis))
    small = evaluate_reference(operators[name], [np.ones(300, np.int8)], {"axis": 0})
    assert small.dtype == np.int64


def test_the_mean_of_nothing_is_nan_without_a_warning():
    found = evaluate_reference(operators["mean"], [np.empty((2, 0), np.float32)], {"axis": 1})
    assert np.isnan(found).all()
    assert found.dtype == np.float32


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_positions_take_their_own_canonical_attributes(name, axis):
    x = np.array([[3, 1], [2, 5]], np.int32)
    op = operators[name]
    canonical = op.infer([Layout(hal.int32, x.shape)], {"axis": axis}).attributes
    found = evaluate_reference(op, [x], canonical)
    np.testing.assert_array_equal(found, evaluate_reference(op, [x], {"axis": axis}))


def test_positions_along_some_axes_at_once_are_refused():
    with pytest.raises(hal.DTypeError, match="an axis must be an integer"):
        evaluate_reference(operators["argmax"], [np.zeros((2, 3, 4))], {"axis": (0, 1)})
