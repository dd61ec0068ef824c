"""Products, powers and diagonals are NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hal
from hal import linalg

everywhere = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
numeric = st.sampled_from(
    ["int8", "uint8", "int32", "int64", "uint64", "float32", "float64", "complex64", "complex128"]
)


def of(dtype, shape):
    return hnp.arrays(np.int64, shape, elements=st.integers(0, 9)).map(lambda x: x.astype(dtype))


@everywhere
@given(
    data=st.data(),
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=3, max_side=3),
    dtypes=st.sampled_from([("int8", "int32"), ("float32", "float32"), ("complex64", "float64")]),
)
def test_cross_products(anywhere, data, shapes, dtypes):
    ndim = min(map(len, shapes.input_shapes))
    axis = data.draw(st.integers(-ndim, -1))
    shapes = [(*s[:axis], 3, *s[axis:][1:]) for s in shapes.input_shapes]
    a, b = (data.draw(of(d, s)) for d, s in zip(dtypes, shapes, strict=True))
    found = linalg.cross(*(hal.asarray(x, device=anywhere) for x in (a, b)), axis=axis)
    expected = np.moveaxis(np.cross(a, b, axisa=axis, axisb=axis), -1, axis)
    np.testing.assert_array_equal(found.numpy(), expected)
    assert found.dtype.numpy == np.result_type(a, b)


@everywhere
@given(data=st.data(), dtype=numeric)
def test_outer_products(anywhere, data, dtype):
    a, b = (data.draw(of(dtype, data.draw(st.integers(0, 4)))) for _ in range(2))
    found = linalg.outer(hal.asarray(a, device=anywhere), hal.asarray(b, device=anywhere))
    np.testing.assert_array_equal(found.numpy(), np.outer(a, b))
    assert found.dtype.numpy == a.dtype


@everywhere
@given(data=st.data(), dtype=numeric, offset=st.integers(-5, 5))
def test_diagonals_and_traces(anywhere, data, dtype, offset):
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=4))
    array = data.draw(of(dtype, shape))
    x = hal.asarray(array, device=anywhere)
    expected = np.diagonal(array, offset, -2, -1)
    np.testing.assert_array_equal(linalg.diagonal(x, offset=offset).numpy(), expected)
    found = linalg.trace(x, offset=offset)
    np.testing.assert_array_equal(found.numpy(), expected.sum(axis=-1))
    widest = {"i": "int64", "u": "uint64"}.get(array.dtype.kind, dtype)
    assert found.dtype.name == widest


def test_a_diagonal_is_a_view(cpu):
    x = hal.zeros((2, 2), device=cpu)
    linalg.diagonal(x)[...] = 1.0
    assert x.tolist() == [[1, 0], [0, 1]]


def test_a_trace_is_added_in_the_dtype_that_is_asked_for(anywhere):
    x = hal.eye(300, dtype=hal.int8, device=anywhere)
    assert linalg.trace(x, dtype=hal.float64).item() == 300.0
    assert linalg.trace(x, dtype=hal.int8).item() == 44


@everywhere
@given(n=st.integers(-4, 9), dtype=st.sampled_from(["float64", "complex128"]), data=st.data())
def test_powers_of_matrices(anywhere, n, dtype, data):
    size = data.draw(st.integers(0, 3))
    array = data.draw(of(dtype, (2, size, size))) / 10 + 2 * np.eye(size)
    found = linalg.matrix_power(hal.asarray(array, device=anywhere), n)
    np.testing.assert_allclose(found.numpy(), np.linalg.matrix_power(array, n), rtol=1e-9)


def test_a_power_owns_its_memory(cpu):
    x = hal.eye(2, device=cpu)
    for n in (0, 1):
        linalg.matrix_power(x, n)[...] = 7.0
    assert x.tolist() == [[1, 0], [0, 1]]


def test_integer_matrices_have_powers_too(anywhere):
    x = hal.asarray([[1, 1], [1, 0]], device=anywhere)
    assert linalg.matrix_power(x, 10).tolist() == [[89, 55], [55, 34]]
    with pytest.raises(hal.DTypeError, match="inv"):
        linalg.matrix_power(x, -1)


def test_the_products_of_the_main_namespace_are_here_too():
    for name in ("matmul", "matrix_transpose", "tensordot", "vecdot"):
        assert getattr(linalg, name) is getattr(hal, name)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: linalg.cross(x, x, axis=-2), hal.ShapeError, "3 elements"),
        (lambda x: linalg.cross(x, x[0], axis=-2), hal.HalIndexError, "-1 to -1"),
        (lambda x: linalg.cross(x, x[0], axis=1), hal.HalIndexError, "counted from the end"),
        (lambda x: linalg.cross(x, x > 0), hal.DTypeError, "bool"),
        (lambda x: linalg.cross(x, x, axis=0.5), hal.DTypeError, "an integer"),
        (lambda x: linalg.outer(x, x), hal.ShapeError, "one axis"),
        (lambda x: linalg.matrix_power(x, 2), hal.ShapeError, "square"),
        (lambda x: linalg.matrix_power(x @ x.T, 0.5), hal.DTypeError, "an integer"),
        (lambda x: linalg.trace(x > 0), hal.DTypeError, "bool"),
        (lambda x: linalg.diagonal(x, offset=1.0), hal.DTypeError, "an integer"),
        (lambda x: linalg.diagonal(x[0]), hal.ShapeError, "2 or more"),
    ],
)
def test_what_does_not_fit_is_refused(cpu, call, error, message):
    with pytest.raises(error, match=message):
        call(hal.ones((2, 3), device=cpu))
