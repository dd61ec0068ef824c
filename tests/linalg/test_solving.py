"""Solutions, inverses, determinants, ranks are NumPy's, also where they are decomposed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hal
from hal import linalg

DTYPES = ("float32", "float64", "complex64", "complex128")
everywhere = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


def random(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape)
    return (values + 1j * rng.normal(size=shape) if "c" in dtype else values).astype(dtype)


def well_conditioned(shape, dtype, seed):
    """Return matrices far from singular: the diagonal outweighs the rest."""
    return random(shape, dtype, seed) + 4 * shape[-1] * np.eye(shape[-1], dtype=dtype)


squares = st.builds(
    well_conditioned,
    st.tuples(st.lists(st.integers(0, 3), max_size=2), st.integers(0, 5)).map(
        lambda s: (*s[0], s[1], s[1])
    ),
    st.sampled_from(DTYPES),
    st.integers(0, 1000),
)
matrices = st.builds(
    random,
    st.lists(st.integers(0, 4), min_size=2, max_size=3).map(tuple),
    st.sampled_from(DTYPES),
    st.integers(0, 1000),
)


def assert_like_numpy(found, expected):
    assert found.shape == expected.shape
    assert found.dtype.numpy == expected.dtype
    single = expected.dtype.itemsize // (1 + (expected.dtype.kind == "c")) == 4
    tolerance = 2e-4 if single else 1e-11
    np.testing.assert_allclose(found.numpy(), expected, rtol=tolerance, atol=tolerance)


@everywhere
@given(matrix=squares)
def test_determinants_and_inverses(anywhere, matrix):
    x = hal.asarray(matrix, device=anywhere)
    assert_like_numpy(linalg.det(x), np.asarray(np.linalg.det(matrix)))
    assert_like_numpy(linalg.inv(x), np.linalg.inv(matrix))
    for found, expected in zip(linalg.slogdet(x), np.linalg.slogdet(matrix), strict=True):
        assert_like_numpy(found, np.asarray(expected))


@everywhere
@given(matrix=squares, data=st.data())
def test_solutions(anywhere, matrix, data):
    batch, size = matrix.shape[:-2], matrix.shape[-1]
    shape = data.draw(st.sampled_from([(size,), (size, 2), (*batch, size, 3), (*batch, size, 0)]))
    right = random(shape, data.draw(st.sampled_from(DTYPES)), 7)
    found = linalg.solve(hal.asarray(matrix, device=anywhere), hal.asarray(right, device=anywhere))
    assert_like_numpy(found, np.linalg.solve(matrix, right))


@everywhere
@given(matrix=matrices, rtol=st.sampled_from([None, 0.0, 0.3]))
def test_ranks_and_pseudo_inverses(anywhere, matrix, rtol):
    x = hal.asarray(matrix, device=anywhere)
    inverse = linalg.pinv(x, rtol=rtol)
    rank = linalg.matrix_rank(x, rtol=rtol)
    assert rank.dtype is hal.int64
    numpys = max(matrix.shape[-2:]) * np.finfo(matrix.dtype).eps if rtol is None else rtol
    assert_like_numpy(inverse, np.linalg.pinv(matrix, rtol=numpys))
    if 0 in matrix.shape[-2:]:
        assert np.all(rank.numpy() == 0)
    else:
        assert_like_numpy(rank, np.asarray(np.linalg.matrix_rank(matrix, rtol=numpys)))


def test_a_tolerance_may_be_given_for_each_matrix(anywhere):
    matrix = np.stack([np.diag([1.0, 0.1, 0.01])] * 2)
    x = hal.asarray(matrix, device=anywhere)
    rtol = hal.asarray([0.5, 0.05], dtype=hal.float64, device=anywhere)
    assert linalg.matrix_rank(x, rtol=rtol).tolist() == [1, 2]
    inverse = linalg.pinv(x, rtol=rtol).numpy()
    np.testing.assert_allclose(inverse[0], np.diag([1, 0, 0]), atol=1e-12)
    np.testing.assert_allclose(inverse[1], np.diag([1, 10, 0]), atol=1e-12)


def test_the_pseudo_inverse_of_zero_is_zero(anywhere):
    zero = hal.zeros((2, 3), device=anywhere)
    assert linalg.pinv(zero).tolist() == [[0, 0]] * 3
    assert linalg.matrix_rank(zero).item() == 0


def test_extreme_determinants_have_a_logarithm(anywhere):
    x = hal.eye(400, dtype=hal.float64, device=anywhere) * 10.0
    sign, logarithm = linalg.slogdet(x)
    assert sign.item() == 1
    assert logarithm.item() == pytest.approx(400 * np.log(10))
    singular = linalg.slogdet(hal.zeros((2, 2), device=anywhere))
    assert (singular.sign.item(), singular.logabsdet.item()) == (0, -np.inf)


@pytest.mark.parametrize(
    ("rtol", "error", "message"),
    [
        ("0.1", hal.DTypeError, "a number or a tensor"),
        (True, hal.DTypeError, "a number or a tensor"),
        (hal.ones(3, dtype=hal.int64), hal.DTypeError, "real floating"),
        (hal.ones(3), hal.ShapeError, "must broadcast"),
        (hal.ones((2, 2)), hal.ShapeError, "must broadcast"),
    ],
)
def test_a_tolerance_that_does_not_fit_is_refused(cpu, rtol, error, message):
    with pytest.raises(error, match=message):
        linalg.matrix_rank(hal.ones((2, 3, 3), device=cpu), rtol=rtol)
