"""Creation functions: values, dtypes, devices, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import ALL, SHAPES, arrays, assert_same, on

import hal

INTEGER = st.integers(-50, 50)


@given(start=INTEGER, stop=INTEGER, step=INTEGER.filter(bool))
def test_ranges_of_integers_are_exact(device, start, stop, step):
    assert_same(hal.arange(start, stop, step, device=device), np.arange(start, stop, step))


@given(stop=st.floats(-30, 30), step=st.sampled_from([0.5, 1.0, -0.25]))
def test_ranges_of_floats_are_float32_and_end_before_the_stop(device, stop, step):
    expected = np.arange(0.0, stop, step).astype(np.float32)
    assert_same(hal.arange(0.0, stop, step, device=device), expected)


@given(
    start=st.floats(-10, 10), stop=st.floats(-10, 10), num=st.integers(0, 9), endpoint=st.booleans()
)
def test_linspace_divides_an_interval(device, start, stop, num, endpoint):
    found = hal.linspace(start, stop, num, endpoint=endpoint, dtype=hal.float64, device=device)
    assert_same(found, np.linspace(start, stop, num, endpoint=endpoint))


def test_linspace_of_complex_ends_is_complex(device):
    assert_same(
        hal.linspace(0, 1 + 2j, 3, device=device), np.array([0, 0.5 + 1j, 1 + 2j], np.complex64)
    )


@given(st.integers(0, 5), st.none() | st.integers(0, 5), st.integers(-6, 6))
def test_eye_has_ones_on_a_diagonal(device, rows, columns, k):
    found = hal.eye(rows, columns, k=k, device=device)
    assert_same(found, np.eye(rows, columns, k, dtype=np.float32))


@given(arrays(ALL, SHAPES.filter(lambda s: len(s) >= 2)), st.integers(-4, 4))
def test_triangles_are_numpys(device, x, k):
    assert_same(hal.tril(on(device, x), k=k), np.tril(x, k))
    assert_same(hal.triu(on(device, x), k=k), np.triu(x, k))


@given(arrays(ALL), st.sampled_from([None, "int16", "complex128"]))
def test_tensors_like_others_take_what_is_not_given(device, x, dtype):
    like = on(device, x)
    for make, value in ((hal.zeros_like, 0), (hal.ones_like, 1)):
        assert_same(make(like, dtype=dtype), np.full(x.shape, value, dtype or x.dtype))
        assert make(like).device is device
    empty = hal.empty_like(like, dtype=dtype)
    assert (empty.shape, empty.device) == (x.shape, device)
    assert empty.dtype.numpy == np.dtype(dtype or x.dtype)


def test_tensors_like_others_can_be_elsewhere(device):
    x = hal.ones(2, device=device)
    for make in (hal.zeros_like, hal.ones_like, hal.empty_like):
        assert make(x, device="cpu:0").device is hal.device("cpu:0")
    assert hal.full_like(x, 3, device="cpu:0").tolist() == [3.0, 3.0]


@given(st.sampled_from(ALL), SHAPES)
def test_full_holds_one_number_everywhere(device, dtype, shape):
    value = dtype.type(1).item()
    assert_same(
        hal.full(shape, value, dtype=str(dtype), device=device), np.full(shape, value, dtype)
    )


@pytest.mark.parametrize("make", [hal.asarray, np.asarray, lambda x: np.asarray(x)[()]])
def test_full_takes_its_number_from_a_tensor_or_from_numpy(make, device):
    with hal.default_device(device):
        number = make(np.float64(2.5))
        assert_same(hal.full((2, 3), number), np.full((2, 3), 2.5))
        assert_same(hal.full(2, number, dtype="int32"), np.full(2, 2, np.int32))
        assert_same(hal.full_like(hal.zeros(2), number), np.full(2, 2.5, np.float32))
        with pytest.raises(hal.ShapeError, match="one number"):
            hal.full(2, hal.zeros(3))


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(True, hal.bool), (1, hal.int64), (1.0, hal.float32), (1j, hal.complex64)],
)
def test_python_numbers_have_default_dtypes(value, dtype, device):
    assert hal.asarray(value, device=device).dtype is dtype
    assert hal.asarray([value, value], device=device).dtype is dtype
    assert hal.full((), value, device=device).dtype is dtype


def test_a_wanted_dtype_keeps_what_the_default_would_round(device):
    assert hal.asarray([2**24 + 1.0], dtype=hal.float64, device=device).item() == 2**24 + 1
    assert hal.asarray(2**63, dtype=hal.uint64, device=device).item() == 2**63


@pytest.mark.parametrize("dtype", [None, hal.uint64])
def test_lists_of_small_and_large_integers_are_exact(dtype):
    x = hal.asarray([0, 2**63 + 1], dtype=dtype)
    assert (x.dtype, x.tolist()) == (hal.uint64, [0, 2**63 + 1])
    with pytest.raises(hal.HalOverflowError, match="int8"):
        hal.asarray([0, 2**63], dtype=hal.int8)


def test_lists_of_tensors_keep_their_dtype():
    parts = [hal.asarray(0.1, dtype=hal.float64), hal.asarray(0.2, dtype=hal.float64)]
    assert hal.asarray(parts).dtype is hal.float64
    assert hal.asarray([parts, parts]).shape == (2, 2)


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@given(sizes=st.lists(st.integers(0, 3), max_size=3))
def test_meshgrid_is_numpys(device, indexing, sizes):
    axes = [np.arange(n, dtype=np.float32) for n in sizes]
    found = hal.meshgrid(*[on(device, a) for a in axes], indexing=indexing)
    expected = np.meshgrid(*axes, indexing=indexing)
    assert isinstance(found, tuple)
    for grid, array in zip(found, expected, strict=True):
        assert_same(grid, array)


def test_the_grids_of_meshgrid_can_be_written(device):
    x, y = hal.meshgrid(hal.arange(2, device=device), hal.arange(2, device=device))
    x[0, 0] = 9
    assert x.tolist() == [[9, 1], [0, 1]]
    assert y.tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: hal.asarray(2**64), hal.HalOverflowError),
        (lambda: hal.asarray([2**63, -1]), hal.HalOverflowError),
        (lambda: hal.asarray([300], dtype=hal.uint8), hal.HalOverflowError),
        (lambda: hal.asarray(1j, dtype=hal.float32), hal.DTypeError),
        (lambda: hal.asarray([[1], [1, 2]]), hal.DTypeError),
        (lambda: hal.asarray("text"), hal.DTypeError),
        (lambda: hal.asarray([1, 2], copy=False), hal.ExchangeError),
        (lambda: hal.asarray(hal.ones(2), dtype=hal.int8, copy=False), ValueError),
        (lambda: hal.arange(0, 1, 0), hal.ValueRangeError),
        (lambda: hal.arange("a"), hal.DTypeError),
        (lambda: hal.arange(200, 300, dtype=hal.int8), hal.HalOverflowError),
        (lambda: hal.arange(0.0, float("inf")), hal.HalOverflowError),
        (lambda: hal.linspace(0, 1j, 3, dtype=hal.float32), hal.DTypeError),
        (lambda: hal.linspace(0, 1, 2.5), hal.DTypeError),
        (lambda: hal.linspace(0, 1, -1), hal.ValueRangeError),
        (lambda: hal.eye(-1), hal.ShapeError),
        (lambda: hal.eye(2.5), hal.DTypeError),
        (lambda: hal.zeros((-1,)), hal.ShapeError),
        (lambda: hal.empty((2, -1)), hal.ShapeError),
        (lambda: hal.ones("a"), hal.DTypeError),
        (lambda: hal.full(2, 1.5, dtype=hal.int8), hal.DTypeError),
        (lambda: hal.full(2, "a"), hal.DTypeError),
        (lambda: hal.zeros_like([1.0]), hal.DTypeError),
        (lambda: hal.meshgrid(hal.ones((2, 2))), hal.ShapeError),
        (lambda: hal.meshgrid(hal.ones(2), indexing="up"), hal.ValueRangeError),
        (lambda: hal.meshgrid(hal.ones(2), hal.arange(2)), hal.DTypeError),
        (lambda: hal.tril(hal.ones(2)), hal.ShapeError),
        (lambda: hal.triu(hal.ones((2, 2)), k=0.5), hal.DTypeError),
    ],
)
def test_what_makes_no_tensor_is_refused(make, error):
    with pytest.raises(error):
        make()


@pytest.mark.parametrize("like", [hal.empty_like, hal.zeros_like, hal.ones_like])
def test_what_is_no_dtype_is_refused_even_where_it_has_no_truth(like, cpu):
    with pytest.raises(hal.DTypeError, match="not a dtype"):
        like(hal.ones(2, device=cpu), dtype=np.ones(0))
