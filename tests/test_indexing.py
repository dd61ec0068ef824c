"""Indexing reads and writes what NumPy's does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hal

shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def numbered(shape):
    return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)


def on_device(host):
    return hal.asarray(host, copy=True, device="cpu:0")


@st.composite
def basic(draw):
    shape = draw(shapes)
    key = draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    return numbered(shape), key


@st.composite
def advanced(draw):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    common = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3))
    key = []
    for size in shape:
        kind = draw(st.sampled_from(["slice", "array", "integer", "stop"]))
        if kind == "stop":
            break
        if kind == "slice":
            key.append(draw(st.slices(size)))
        elif kind == "integer":
            key.append(draw(st.integers(-size, size - 1)))
        else:
            key.append(draw(hnp.arrays(np.int64, common, elements=st.integers(-size, size - 1))))
    return numbered(shape), tuple(key)


def as_hal(key):
    if isinstance(key, tuple):
        return tuple(as_hal(k) for k in key)
    return on_device(key) if isinstance(key, np.ndarray) else key


@given(basic())
def test_basic_indices_give_numpys_elements_as_a_view(case):
    host, key = case
    x = on_device(host)
    view = x[key]
    np.testing.assert_array_equal(view.numpy(), host[key])
    if host[key].size:
        view[...] = -1
        host[key] = -1
        np.testing.assert_array_equal(x.numpy(), host)


@settings(max_examples=200)
@given(advanced())
def test_index_tensors_gather_numpys_elements(case):
    host, key = case
    np.testing.assert_array_equal(on_device(host)[as_hal(key)].numpy(), host[key])


@settings(max_examples=200)
@given(advanced(), st.booleans())
def test_index_tensors_scatter_where_numpys_do(case, broadcast):
    host, key = case
    target = host[key]
    x = on_device(host)
    # Equal values for equal positions: which of several writes wins is not defined.
    value = np.int64(-7) if broadcast else -target - 1
    x[as_hal(key)] = int(value) if broadcast else on_device(np.asarray(value))
    host[key] = value
    np.testing.assert_array_equal(x.numpy(), host)


@given(st.data())
def test_a_mask_selects_and_assigns_what_numpys_does(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    host = numbered(shape)
    axes = data.draw(st.integers(1, len(shape)))
    mask = data.draw(hnp.arrays(bool, shape[:axes]))
    x = on_device(host)
    np.testing.assert_array_equal(x[on_device(mask)].numpy(), host[mask])
    x[on_device(mask)] = 5
    host[mask] = 5
    np.testing.assert_array_equal(x.numpy(), host)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (3, "outside axis 0 of size 2"),
        (-3, "outside axis 0"),
        ((0, 0, 0), "too many"),
        ((..., ...), "more than one"),
        (1.5, "is no index"),
        ("a", "is no index"),
        ((0, slice(None, None, 0)), "zero"),
        (slice(1.5, None), "no slice"),
        (np.array([True, False, True]), "mask of shape"),
        (np.array([0.5]), "no index"),
        ([0, 5], "outside an axis of size 2"),
        ([[0], [1, 2]], "rectangular|no numbers"),
    ],
    ids=repr,
)
def test_an_index_that_does_not_fit_is_an_index_error_or_type_error(cpu, key, message):
    x = hal.zeros((2, 3), device=cpu)
    with pytest.raises(hal.HalError, match=message) as error:
        x[key]
    assert isinstance(error.value, IndexError | TypeError)
    with pytest.raises(hal.HalError):
        x[key] = 1.0
    assert x.tolist() == [[0.0] * 3] * 2


def test_a_value_that_does_not_fit_leaves_the_tensor_as_it_was(cpu):
    x = hal.zeros((2, 3), dtype=hal.int32, device=cpu)
    for value, error in (
        (hal.ones(2, dtype=hal.int32, device=cpu), hal.ShapeError),
        (0.5, hal.DTypeError),
        (1j, hal.DTypeError),
        ("text", hal.DTypeError),
        (2**40, hal.HalOverflowError),
        (None, hal.DTypeError),
    ):
        with pytest.raises(error):
            x[0] = value
        with pytest.raises(error):
            x[x == 0] = value if value is not None else object()
    assert not x.numpy().any()


def test_an_index_tensor_may_have_any_integer_dtype(cpu):
    x = hal.asarray([10, 20, 30], device=cpu)
    for dtype in (hal.int8, hal.uint8, hal.uint64, hal.int32):
        assert x[hal.asarray([2, 0], dtype=dtype, device=cpu)].tolist() == [30, 10]


def test_a_broadcast_view_refuses_to_be_written_into(cpu):
    x = hal.zeros(3, device=cpu)
    view = hal.broadcast_to(x, (2, 3))
    with pytest.raises(hal.errors.ValueRangeError, match="share memory"):
        view[...] = hal.ones((2, 3), device=cpu)
    with pytest.raises(hal.errors.ValueRangeError, match="share memory"):
        view += 1
    assert x.tolist() == [0, 0, 0]
    copy = hal.asarray(view, copy=True)
    copy[0, :] = 1
    assert copy.tolist() == [[1, 1, 1], [0, 0, 0]]
