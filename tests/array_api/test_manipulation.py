"""Manipulation functions: shapes, order, joining, views and copies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from oracle import ALL, SHAPES, arrays, assert_same, on

import hal

AXES = SHAPES.filter(len)


def axes_of(data, x, several=True):
    """Draw an axis of an array, or some of them."""
    one = st.integers(-x.ndim, x.ndim - 1)
    some = st.lists(st.integers(0, x.ndim - 1), unique=True).map(tuple)
    return data.draw(one | some if several else one)


@settings(max_examples=50)
@given(st.data())
def test_broadcasting_is_numpys(device, data):
    shapes = data.draw(npst.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3))
    given_arrays = [data.draw(arrays(ALL, shape)) for shape in shapes.input_shapes]
    tensors = [on(device, x) for x in given_arrays]
    found = hal.broadcast_arrays(*tensors)
    assert isinstance(found, tuple)
    for tensor, array in zip(found, np.broadcast_arrays(*given_arrays), strict=True):
        assert_same(tensor, array)
    assert hal.broadcast_shapes(*shapes.input_shapes) == shapes.result_shape
    assert_same(
        hal.broadcast_to(tensors[0], shapes.result_shape),
        np.broadcast_to(given_arrays[0], shapes.result_shape),
    )


@settings(max_examples=50)
@given(arrays(ALL, AXES), st.integers(1, 3), st.data())
def test_joining_is_numpys(device, x, count, data):
    axis = axes_of(data, x, several=False)
    parts = [x] * count
    tensors = [on(device, p) for p in parts]
    assert_same(hal.concat(tensors, axis=axis), np.concatenate(parts, axis))
    assert_same(hal.concat(tuple(tensors), axis=None), np.concatenate(parts, None))
    new = data.draw(st.integers(-x.ndim - 1, x.ndim))
    assert_same(hal.stack(tensors, axis=new), np.stack(parts, new))
    for part, expected in zip(
        hal.unstack(tensors[0], axis=axis), np.moveaxis(x, axis, 0), strict=True
    ):
        assert_same(part, expected)


@settings(max_examples=50)
@given(arrays(ALL, AXES), st.data())
def test_axes_move_as_numpys_do(device, x, data):
    tensor = on(device, x)
    order = data.draw(st.permutations(range(x.ndim)))
    assert_same(hal.permute_dims(tensor, tuple(order)), np.transpose(x, order))
    count = data.draw(st.integers(0, x.ndim))
    source, target = (tuple(data.draw(st.permutations(range(x.ndim)))[:count]) for _ in "ab")
    assert_same(hal.moveaxis(tensor, source, target), np.moveaxis(x, source, target))
    axis = axes_of(data, x)
    assert_same(hal.flip(tensor, axis=axis), np.flip(x, axis))
    assert_same(hal.flip(tensor), np.flip(x))
    shift = data.draw(st.integers(-5, 5))
    assert_same(hal.roll(tensor, shift), np.roll(x, shift))
    assert_same(hal.roll(tensor, shift, axis=axis), np.roll(x, shift, axis))


@settings(max_examples=50)
@given(arrays(ALL), st.data())
def test_axes_of_size_one_come_and_go(device, x, data):
    axis = data.draw(
        st.integers(-x.ndim - 1, x.ndim)
        | st.lists(st.integers(0, x.ndim + 1), unique=True, min_size=2, max_size=2).map(tuple)
    )
    expected = np.expand_dims(x, axis)
    opened = hal.expand_dims(on(device, x), axis)
    assert_same(opened, expected)
    assert_same(hal.squeeze(opened, axis), np.squeeze(expected, axis))


@settings(max_examples=50)
@given(arrays(ALL), st.data())
def test_repetition_is_numpys(device, x, data):
    tensor = on(device, x)
    count = data.draw(st.integers(0, 3))
    assert_same(hal.repeat(tensor, count), np.repeat(x, count))
    repetitions = tuple(data.draw(st.lists(st.integers(0, 2), max_size=4)))
    assert_same(hal.tile(tensor, repetitions), np.tile(x, repetitions))
    if x.ndim:
        axis = axes_of(data, x, several=False)
        counts = data.draw(arrays("int32", x.shape[axis], min_value=0, max_value=3))
        assert_same(hal.repeat(tensor, on(device, counts), axis=axis), np.repeat(x, counts, axis))


@settings(max_examples=50)
@given(arrays(ALL), st.booleans())
def test_reshape_keeps_c_order(device, x, transposed):
    x = x.T if transposed else x
    tensor = on(device, x)
    assert_same(hal.reshape(tensor, (-1,)), x.reshape(-1))
    assert_same(hal.reshape(tensor, (1, *x.shape), copy=True), x[None])


def test_reshape_copies_as_it_is_told(device):
    x = hal.arange(6, device=device)
    hal.reshape(x, (2, 3), copy=True)[0, 0] = 9
    assert x[0].item() == 0
    hal.reshape(x, (2, 3), copy=False)[0, 0] = 9
    assert x[0].item() == 9
    with pytest.raises(ValueError, match="without a copy"):
        hal.reshape(hal.reshape(x, (2, 3)).T, (6,), copy=False)


def test_views_share_memory_with_their_tensor(device):
    for view in (
        lambda x: hal.permute_dims(x, (1, 0)),
        lambda x: hal.moveaxis(x, 0, 1),
        lambda x: hal.flip(x),
        lambda x: hal.expand_dims(x, 0),
        lambda x: hal.matrix_transpose(x),
        lambda x: hal.unstack(x)[0],
    ):
        x = hal.zeros((2, 2), device=device)
        view(x)[...] = 1.0
        assert bool(hal.any(x != 0))


X = hal.ones((2, 3), device="cpu:0")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: hal.concat([]), hal.ValueRangeError),
        (lambda: hal.concat(X), hal.DTypeError),
        (lambda: hal.concat([X, [1.0]]), hal.DTypeError),
        (lambda: hal.concat([X, X], axis=2), hal.HalIndexError),
        (lambda: hal.concat([X, X.T]), hal.ShapeError),
        (lambda: hal.stack([X, X.T]), hal.ShapeError),
        (lambda: hal.unstack(hal.asarray(1.0)), hal.HalIndexError),
        (lambda: hal.squeeze(X, 0), hal.ShapeError),
        (lambda: hal.expand_dims(X, 5), hal.HalIndexError),
        (lambda: hal.expand_dims(X, (0, 0)), hal.ShapeError),
        (lambda: hal.permute_dims(X, (0, 0)), hal.ShapeError),
        (lambda: hal.permute_dims(X, ("a", 0)), hal.DTypeError),
        (lambda: hal.moveaxis(X, (0, 1), 0), hal.ShapeError),
        (lambda: hal.moveaxis(X, 3, 0), hal.HalIndexError),
        (lambda: hal.reshape(X, (4,)), hal.ShapeError),
        (lambda: hal.reshape(X, (-1, -1)), hal.ShapeError),
        (lambda: hal.reshape(X, ("a",)), hal.DTypeError),
        (lambda: hal.roll(X, (1, 2), axis=0), hal.ShapeError),
        (lambda: hal.roll(X, 0.5), hal.DTypeError),
        (lambda: hal.repeat(X, -1), hal.ValueRangeError),
        (lambda: hal.repeat(X, hal.asarray([1, 2])), hal.ShapeError),
        (lambda: hal.repeat(X, hal.asarray([-1])), hal.ValueRangeError),
        (lambda: hal.repeat(X, hal.asarray([1.0])), hal.DTypeError),
        (lambda: hal.tile(X, (-1,)), hal.ValueRangeError),
        (lambda: hal.broadcast_to(X, (3,)), hal.ShapeError),
        (lambda: hal.broadcast_to(hal.asarray(1.0), -1), hal.ShapeError),
        (lambda: hal.broadcast_shapes((2,), (3,)), hal.ShapeError),
        (lambda: hal.flip(X, axis=2), hal.HalIndexError),
    ],
)
def test_what_does_not_fit_is_refused(call, error):
    with pytest.raises(error):
        call()
