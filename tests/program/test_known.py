"""Known indices become slices; constants lie as they are read."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.program import Executable, record
from hal.program.passes import pack_constants, read_in_place, slice_takes

from .conftest import random


def through(change, function, *arguments):
    """Return the calls after a pass, having compared the results with those before."""
    device = hal.device("cpu:0")
    before = record("f", device, list(arguments), lambda xs: [function(*xs)])
    after = change(before, device)
    expected, found = (Executable(device, p)(list(arguments))[0] for p in (before, after))
    np.testing.assert_array_equal(found.numpy(), expected.numpy())
    return [c for c in after.calls if not c.view]


def names(calls):
    return [call.op.name for call in calls]


X = random(4, 6, 5)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("places", [2, [0], [1, 2, 3], [0, 2], [[1]]])
def test_evenly_spaced_elements_are_a_slice(places, axis):
    index = hal.asarray(places)
    shape = "take" if index.ndim == 2 else "copy"
    assert names(through(slice_takes, lambda x: hal.take(x, index, axis=axis), X)) == [shape]


@pytest.mark.parametrize("places", [[0, 1, 3], [2, 1], [1, 1], [-1]])
def test_others_are_taken_one_by_one(places):
    index = hal.asarray(places)
    assert names(through(slice_takes, lambda x: hal.take(x, index, axis=1), X)) == ["take"]


def test_what_is_read_of_a_slice_alone_needs_no_copy():
    index = hal.asarray(3)
    calls = through(
        lambda program, device: read_in_place(slice_takes(program, device), device),
        lambda x: hal.exp(hal.take(x, index, axis=1)),
        X,
    )
    assert names(calls) == ["exp"]


def test_an_index_that_is_an_argument_stays_one():
    assert names(
        through(slice_takes, lambda x, n: hal.take(x, n, axis=0), X, hal.asarray([0, 1]))
    ) == ["take"]


def test_a_transposed_constant_is_transposed_beforehand():
    constant = random(5, 6)
    (call,) = through(pack_constants, lambda x: x * constant.T, X)
    assert call.inputs[1].layout.contiguous


def test_products_and_expanded_constants_are_left_alone():
    weight, row = random(3, 5), hal.broadcast_to(random(5), (6, 5))
    (call,) = through(pack_constants, lambda x: x @ weight.T, X)
    assert call.inputs[1].layout.strides == (1, 5)
    (call,) = through(pack_constants, lambda x: x * row, X)
    assert call.inputs[1].layout.strides == (0, 1)
