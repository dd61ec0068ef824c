"""Norms are NumPy's."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hal
from hal import linalg

everywhere = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
values = st.floats(-10, 10, width=32).map(lambda v: round(v, 3))
dtypes = st.sampled_from([np.float32, np.float64, np.complex64, np.complex128])


def arrays(min_dims):
    shapes = hnp.array_shapes(min_dims=min_dims, max_dims=3, max_side=4)
    wide = hnp.arrays(np.float64, shapes, elements=values)
    return st.builds(lambda x, dtype: x.astype(dtype), wide, dtypes)


def assert_like_numpy(found, expected):
    assert found.shape == expected.shape
    assert found.dtype.numpy == expected.dtype
    tolerance = 1e-4 if expected.dtype == np.float32 else 1e-10
    np.testing.assert_allclose(found.numpy(), expected, rtol=tolerance, atol=tolerance)


@everywhere
@given(
    array=arrays(1),
    order=st.sampled_from([0, 1, 2, 3, 0.5, 2.5, -1, -2, -0.5, inf, -inf]),
    keepdims=st.booleans(),
    data=st.data(),
)
def test_vector_norms(anywhere, array, order, keepdims, data):
    axes = st.none() | st.integers(-array.ndim, array.ndim - 1)
    axis = data.draw(axes | st.lists(st.integers(0, array.ndim - 1), min_size=1, unique=True))
    axis = tuple(axis) if isinstance(axis, list) else axis
    found = linalg.vector_norm(
        hal.asarray(array, device=anywhere), axis=axis, ord=order, keepdims=keepdims
    )
    with np.errstate(all="ignore"):
        expected = np.linalg.vector_norm(array, axis=axis, ord=order, keepdims=keepdims)
    assert_like_numpy(found, np.asarray(expected).astype(np.abs(array).dtype))


@everywhere
@given(
    array=arrays(2),
    order=st.sampled_from(["fro", "nuc", 1, -1, 2, -2, inf, -inf]),
    keepdims=st.booleans(),
)
def test_matrix_norms(anywhere, array, order, keepdims):
    found = linalg.matrix_norm(hal.asarray(array, device=anywhere), ord=order, keepdims=keepdims)
    expected = np.linalg.matrix_norm(array, ord=order, keepdims=keepdims)
    assert_like_numpy(found, np.asarray(expected))


def test_the_default_norms_are_the_lengths(anywhere):
    x = hal.asarray([[3.0, 0.0], [0.0, 4.0]], device=anywhere)
    assert linalg.vector_norm(x).item() == linalg.matrix_norm(x).item() == 5.0
    assert linalg.matrix_norm(x, ord=None).item() == 5.0


def test_half_precision_is_calculated_in_single(anywhere):
    x = hal.full(4096, 16.0, dtype=hal.float16, device=anywhere)
    norm = linalg.vector_norm(x)
    assert (norm.dtype, norm.item()) == (hal.float16, 1024.0)
    assert linalg.vector_norm(x, ord=1).item() == inf  # 65536 is beyond float16


@pytest.mark.parametrize("order", [0, 1, 2, 3, inf])
def test_the_norm_of_nothing_is_zero(anywhere, order):
    empty = hal.zeros((2, 0), device=anywhere)
    assert linalg.vector_norm(empty, axis=1, ord=order).tolist() == [0, 0]


def test_a_norm_along_no_axes_is_the_size_of_each_element(anywhere):
    x = hal.asarray([3 + 4j, -1.0], device=anywhere)
    assert linalg.vector_norm(x, axis=()).tolist() == pytest.approx([5, 1])


def test_nan_is_a_norm_too(anywhere):
    x = hal.asarray([[1.0, float("nan")], [2.0, 3.0]], device=anywhere)
    found = linalg.vector_norm(x, axis=1)
    assert np.isnan(found[0].item())
    assert found[1].item() == pytest.approx(sqrt(13))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: linalg.matrix_norm(x, ord=3), hal.ValueRangeError, "one of"),
        (lambda x: linalg.matrix_norm(x, ord="two"), hal.ValueRangeError, "one of"),
        (lambda x: linalg.matrix_norm(x[0]), hal.ShapeError, "two or more axes"),
        (lambda x: linalg.vector_norm(x, ord="fro"), hal.ValueRangeError, "a number"),
        (lambda x: linalg.vector_norm(x.astype("int8")), hal.DTypeError, "int8"),
        (lambda x: linalg.vector_norm(x, axis=2), hal.HalIndexError, "no axis 2"),
        (lambda x: linalg.vector_norm(x[:, :0], axis=1, ord=-inf), hal.ValueRangeError, "no value"),
    ],
)
def test_what_does_not_fit_is_refused(cpu, call, error, message):
    with pytest.raises(error, match=message):
        call(hal.ones((2, 3), device=cpu))
