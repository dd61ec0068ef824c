"""Gather and scatter operators: references against NumPy, decompositions, bad indices."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.ops import operators
from hal.plugin import Layout

X = np.arange(24.0).reshape(2, 3, 4)
I = np.array([[0, -1], [1, 1]])  # noqa: E741


def test_take_follows_numpy_on_every_axis(reference):
    for axis in range(-3, 3):
        np.testing.assert_array_equal(
            reference("take", X, I % 2, axis=axis), np.take(X, I % 2, axis)
        )


def test_a_negative_index_counts_from_the_end(reference):
    assert reference("take", X, np.array([-1]), axis=2).tolist() == X[:, :, 3:].tolist()


def test_gather_and_scatter_decompose_to_one_axis(reference, decompose):
    for name, inputs in (
        ("gather_nd", (X, I, I)),
        ("gather_nd", (X, I)),
        ("scatter_nd", (X, np.full((2, 2, 4), -1.0), np.array([[0, 0], [1, 1]]), I)),
        ("embedding", (I % 2, X[0])),
    ):
        np.testing.assert_array_equal(decompose(name, *inputs), reference(name, *inputs))


@pytest.mark.parametrize(
    ("reduce", "expected"),
    [
        ("none", [9, 3]),
        ("add", [9, 6]),
        ("multiply", [8, 6]),
        ("maximum", [8, 3]),
        ("minimum", [1, 1]),
    ],
)
def test_updates_of_one_place_are_combined_as_told(reference, reduce, expected):
    x, index = np.array([1.0, 1.0]), np.array([0, 1, 1])
    updates = np.array([8.0, 2.0, 3.0])
    if reduce == "none":
        updates[0], expected = 9.0, [9, 3]
    found = reference("put", x, index, updates, axis=0, reduce=reduce)
    assert found.tolist() == expected
    assert x.tolist() == [1.0, 1.0]


def test_put_along_axis_writes_where_take_along_axis_reads(reference):
    index = np.argsort(-X, axis=1)
    taken = reference("take_along_axis", X, index, axis=1)
    back = reference("put_along_axis", np.zeros_like(X), index, taken, axis=1)
    np.testing.assert_array_equal(back, X)


@pytest.mark.parametrize("name", ["take", "take_along_axis"])
@pytest.mark.parametrize("index", [3, -4])
def test_an_index_outside_is_an_index_error_on_the_host(reference, name, index):
    shape = (1,) if name == "take" else (2, 1, 4)
    with pytest.raises(hal.HalIndexError, match=f"index {index} is outside an axis of size 3"):
        reference(name, X, np.full(shape, index), axis=1)


def test_nonzero_lists_positions_in_order(reference):
    x = np.array([[0, 3], [4, 0]])
    assert reference("nonzero", x, size=2).tolist() == [[0, 1], [1, 0]]
    with pytest.raises(hal.ValueRangeError, match="2 elements are nonzero, size says 3"):
        reference("nonzero", x, size=3)


@pytest.mark.parametrize(
    ("name", "layouts", "attributes", "error"),
    [
        ("take", [("float32", (3,)), ("float32", (2,))], {"axis": 0}, hal.DTypeError),
        ("take", [("float32", (0,)), ("int64", (2,))], {"axis": 0}, hal.HalIndexError),
        ("take_along_axis", [("float32", (3, 4)), ("int64", (2, 2))], {"axis": 0}, hal.ShapeError),
        (
            "put",
            [("float32", (3,)), ("int64", (2,)), ("float32", (3,))],
            {"axis": 0},
            hal.ShapeError,
        ),
        (
            "put",
            [("float32", (3,)), ("int64", (2,)), ("float32", (2,))],
            {"axis": 0, "reduce": "average"},
            hal.ValueRangeError,
        ),
        ("gather_nd", [("float32", (3,)), ("int64", (2,)), ("int64", (2,))], {}, hal.ShapeError),
        ("gather_nd", [("float32", (3, 3)), ("int64", (2,)), ("int64", (3,))], {}, hal.ShapeError),
        ("embedding", [("int64", (2,)), ("float32", (3,))], {}, hal.ShapeError),
    ],
)
def test_what_does_not_fit_is_refused_by_name(name, layouts, attributes, error):
    inputs = [Layout(hal.dtypes.as_dtype(d), s) for d, s in layouts]
    with pytest.raises(error, match=name):
        operators[name].infer(inputs, attributes)
