"""Layouts and the arithmetic of views, against NumPy's strides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hal
from hal.plugin import (
    Layout,
    broadcast_shapes,
    broadcast_strides,
    contiguous_strides,
    extent,
    reshape_strides,
)

shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@st.composite
def strided_arrays(draw: st.DrawFn) -> np.ndarray:
    """Draw an int64 array whose values are its own positions in memory, in any layout."""
    shape = draw(shapes)
    array = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    array = array.transpose(draw(st.permutations(range(array.ndim))))
    for axis in range(array.ndim):
        step = draw(st.sampled_from([1, 1, 2, -1]))
        index = [slice(None)] * array.ndim
        index[axis] = slice(None, None, step)
        array = array[tuple(index)]
    return array


def in_elements(array: np.ndarray) -> tuple[int, ...]:
    return tuple(s // array.itemsize for s in array.strides)


@given(shapes)
def test_contiguous_strides_are_those_of_a_new_numpy_array(shape):
    if 0 not in shape:
        assert contiguous_strides(shape) == in_elements(np.empty(shape, np.int64))


@given(strided_arrays(), st.data())
def test_a_reshape_is_a_view_exactly_where_numpy_makes_one(array, data):
    merged = data.draw(st.booleans())
    to = (array.size,) if merged else (*array.shape, 1)
    strides = reshape_strides(array.shape, in_elements(array), to)
    reshaped = array.reshape(to)
    shares = np.shares_memory(reshaped, array) or array.size == 0
    assert (strides is not None) == shares
    if strides is not None and array.size:
        seen = np.lib.stride_tricks.as_strided(array, to, [s * array.itemsize for s in strides])
        np.testing.assert_array_equal(seen, reshaped)


@given(st.lists(shapes, min_size=1, max_size=3))
def test_shapes_broadcast_as_in_numpy(given_shapes):
    try:
        expected = np.broadcast_shapes(*given_shapes)
    except ValueError:
        with pytest.raises(hal.ShapeError, match="do not broadcast"):
            broadcast_shapes(*given_shapes)
    else:
        assert broadcast_shapes(*given_shapes) == expected


def test_broadcast_strides_are_zero_along_repeated_axes():
    array = np.ones((3, 1), np.int64)
    expected = in_elements(np.broadcast_to(array, (2, 3, 4)))
    assert broadcast_strides((3, 1), (1, 1), (2, 3, 4)) == expected


@given(strided_arrays())
def test_extent_spans_every_element(array):
    layout = Layout(hal.int64, array.shape, in_elements(array))
    low, high = extent(layout)
    if array.size:
        positions = array - array[(0,) * array.ndim]
        assert (low, high) == (positions.min(), positions.max() + 1)
    else:
        assert (low, high) == (0, 0)


def test_equal_memory_means_equal_layouts():
    assert Layout(hal.float32, (1, 3), (77, 1)) == Layout(hal.float32, (1, 3))
    assert Layout(hal.float32, (0, 3), (5, 5)).contiguous
    assert Layout(hal.float32, (2, 3), (1, 2)) != Layout(hal.float32, (2, 3))
    assert hash(Layout(hal.int8, (2,))) == hash(Layout(hal.int8, (2,), (1,)))
