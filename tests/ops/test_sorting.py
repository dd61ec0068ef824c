"""Sorting operators: order, stability, NaN, decompositions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hal
from hal.dtypes import FLOATING
from hal.ops import evaluate_reference, operators
from hal.plugin import Layout

arrays = hnp.arrays(np.int32, hnp.array_shapes(max_dims=2), elements=st.integers(-3, 3))


@given(arrays, st.booleans())
def test_argsort_is_stable_in_both_directions(x, descending):
    order = evaluate_reference(operators["argsort"], [x], {"descending": descending})
    key = -x if descending else x
    np.testing.assert_array_equal(order, np.argsort(key, axis=-1, kind="stable"))


@pytest.mark.parametrize("dtype", FLOATING)
def test_nan_sorts_behind_every_number(dtype):
    x = np.array([np.nan, 1.0, -np.inf, np.inf], dtype.numpy)
    assert evaluate_reference(operators["argsort"], [x], {}).tolist() == [2, 1, 3, 0]


def test_decompositions_order_alike(reference, decompose):
    x = np.array([[3.0, 1.0, 2.0, 1.0], [0.0, 5.0, 5.0, -1.0]])
    for attributes in ({"axis": 0}, {"descending": True}):
        np.testing.assert_array_equal(
            decompose("sort", x, **attributes), reference("sort", x, **attributes)
        )
    for attributes in ({"k": 2}, {"k": 0}, {"k": 4, "largest": False}, {"k": 1, "axis": 0}):
        found = operators["topk"].infer([Layout(hal.float64, x.shape)], attributes)
        ours = operators["topk"].decompose(hal.ops.ReferenceEvaluator(), x, **found.attributes)
        for mine, theirs in zip(ours, reference("topk", x, **attributes), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_searchsorted_finds_both_ends_of_equal_values(reference):
    x = np.array([1.0, 2.0, 2.0, 3.0])
    assert reference("searchsorted", x, np.array([2.0, 9.0]), side="left").tolist() == [1, 4]
    assert reference("searchsorted", x, np.array([2.0, 0.0]), side="right").tolist() == [3, 0]


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "attributes", "error"),
    [
        ("sort", hal.complex64, (3,), {}, hal.DTypeError),
        ("sort", hal.float32, (), {}, hal.ShapeError),
        ("argsort", hal.float32, (3,), {"axis": 1}, hal.HalIndexError),
        ("topk", hal.float32, (3,), {"k": 4}, hal.ValueRangeError),
    ],
)
def test_what_does_not_fit_is_refused_by_name(name, dtype, shape, attributes, error):
    with pytest.raises(error, match=name):
        operators[name].infer([Layout(dtype, shape)], attributes)


def test_bfloat16_sorts_as_float32_does():
    x = np.array([np.nan, 1.0, -1.0, np.nan, 0.0, np.inf, -0.0], np.float32)
    for descending in (False, True):
        narrow, wide = (
            evaluate_reference(operators["argsort"], [a], {"descending": descending}).tolist()
            for a in (x.astype(hal.bfloat16.numpy), x)
        )
        assert narrow == wide
