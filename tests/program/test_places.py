"""A view of memory that was laid out anew finds the very same elements."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import hal
from hal.plugin import Array, Layout
from hal.program.passes.places import moved


def array(buffer, view, base):
    """Describe a NumPy view of a flat array."""
    offset = (view.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // 8
    strides = tuple(s // 8 for s in view.strides)
    return Array(buffer, Layout(hal.float64, view.shape, strides), offset)


def read(place, memory):
    strides = [s * 8 for s in place.layout.strides]
    return np.ndarray(place.layout.shape, np.float64, memory, place.offset * 8, strides)


def laid_out(shape, order):
    """Return memory, and an array of a shape in it whose axes lie in an order."""
    flat = np.zeros(math.prod(shape))
    return flat, flat.reshape([shape[n] for n in order]).transpose(np.argsort(order))


@st.composite
def views(draw, base):
    """Draw a view: axes in another order, split, joined, cut."""
    view = base
    for _ in range(draw(st.integers(0, 4))):
        way = draw(st.sampled_from(["permute", "reshape", "slice", "broadcast"]))
        if way == "permute":
            view = view.transpose(draw(st.permutations(range(view.ndim))))
        elif way == "broadcast":
            view = np.broadcast_to(view, (2, *view.shape))
        elif way == "slice":
            axis = draw(st.integers(0, view.ndim - 1))
            start = draw(st.integers(0, view.shape[axis] - 1))
            cut = slice(start, None, draw(st.integers(1, 3)))
            view = view[(slice(None),) * axis + (cut,)]
        else:
            sizes = [m for n in view.shape for m in ([2, n // 2] if n % 2 == 0 else [n])]
            first = draw(st.integers(0, len(sizes) - 1))
            last = draw(st.integers(first, len(sizes)))
            joined = [*sizes[:first], math.prod(sizes[first:last]), *sizes[last:]]
            changed = view.reshape(joined)
            assume(np.shares_memory(changed, view))
            view = changed
    return view


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_view_finds_its_elements_in_their_new_place(data):
    shape = data.draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4))
    axes = range(len(shape))
    old, made = laid_out(shape, data.draw(st.permutations(axes)))
    new, lies = laid_out(shape, data.draw(st.permutations(axes)))
    view = data.draw(views(made))
    found = moved(array(0, view, old), array(0, made, old), array(1, lies, new))
    if found is None:
        return
    made[...] = lies[...] = np.arange(made.size).reshape(shape)
    assert found.buffer == 1
    np.testing.assert_array_equal(read(found, new), view)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_a_view_of_what_stays_in_place_is_found_always(data):
    shape = data.draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4))
    old, made = laid_out(shape, range(len(shape)))
    view = array(0, data.draw(views(made)), old)
    assert moved(view, array(0, made, old), array(0, made, old)) == view


def test_axes_that_lie_apart_are_not_joined():
    made = Array(0, Layout(hal.float32, (4, 6)))
    lies = Array(1, Layout(hal.float32, (4, 6), (1, 4)))
    assert moved(Array(0, Layout(hal.float32, (24,))), made, lies) is None


def test_another_dtype_is_another_matter():
    made = Array(0, Layout(hal.float32, (4,)))
    assert moved(Array(0, Layout(hal.int32, (4,))), made, made) is None
