"""Factorisations multiply to the matrix they are of, and have the properties they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hal
from hal import linalg
from hal.dtypes import complex_counterpart

DTYPES = (hal.float32, hal.float64, hal.complex64, hal.complex128)
EPSILON = {hal.float32: 1e-4, hal.complex64: 1e-4, hal.float64: 1e-11, hal.complex128: 1e-11}

anywhere = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


def random(shape, dtype, seed=0):
    """Return an array of normally distributed numbers."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape)
    if dtype.kind == "complex":
        values = values + 1j * rng.normal(size=shape)
    return values.astype(dtype.numpy)


def adjoint(x):
    return np.swapaxes(np.conj(x), -1, -2)


def assert_equal(found, expected, dtype):
    np.testing.assert_allclose(found, expected, rtol=0, atol=EPSILON[dtype])


def assert_orthonormal(columns, dtype):
    product = adjoint(columns) @ columns
    expected = np.broadcast_to(np.eye(columns.shape[-1]), product.shape)
    assert_equal(product, expected, dtype)


matrices = st.builds(
    random,
    st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 5)).map(
        lambda s: s[1:] if s[0] == 0 else s
    ),
    st.sampled_from(DTYPES),
    st.integers(0, 1000),
)
squares = st.builds(
    random,
    st.tuples(st.integers(0, 3), st.integers(0, 5)).map(lambda s: (s[0], s[1], s[1])),
    st.sampled_from(DTYPES),
    st.integers(0, 1000),
)


@anywhere
@given(given_matrix=squares, upper=st.booleans())
def test_cholesky_gives_a_triangle_whose_square_is_the_matrix(anywhere, given_matrix, upper):
    matrix = given_matrix @ adjoint(given_matrix) + np.eye(given_matrix.shape[-1])
    x = hal.asarray(matrix.astype(given_matrix.dtype), device=anywhere)
    triangle = linalg.cholesky(x, upper=upper)
    assert (triangle.dtype, triangle.shape) == (x.dtype, x.shape)
    factor = triangle.numpy()
    kept = np.triu(factor) if upper else np.tril(factor)
    np.testing.assert_array_equal(factor, kept)
    product = adjoint(factor) @ factor if upper else factor @ adjoint(factor)
    np.testing.assert_allclose(product, matrix, rtol=1e-3, atol=EPSILON[x.dtype])


@anywhere
@given(matrix=matrices, mode=st.sampled_from(["reduced", "complete"]))
def test_qr_gives_an_orthonormal_basis_and_an_upper_triangle(anywhere, matrix, mode):
    x = hal.asarray(matrix, device=anywhere)
    result = linalg.qr(x, mode=mode)
    q, r = result.Q.numpy(), result.R.numpy()
    *batch, rows, columns = matrix.shape
    inner = rows if mode == "complete" else min(rows, columns)
    assert (q.shape, r.shape) == ((*batch, rows, inner), (*batch, inner, columns))
    assert result.Q.dtype is result.R.dtype is x.dtype
    assert_orthonormal(q, x.dtype)
    np.testing.assert_array_equal(r, np.triu(r))
    assert_equal(q @ r, matrix, x.dtype)


@anywhere
@given(matrix=matrices, full=st.booleans())
def test_svd_gives_orthonormal_vectors_and_descending_values(anywhere, matrix, full):
    x = hal.asarray(matrix, device=anywhere)
    u, s, vh = (t.numpy() for t in linalg.svd(x, full_matrices=full))
    *batch, rows, columns = matrix.shape
    inner = min(rows, columns)
    left, right = (rows, columns) if full else (inner, inner)
    shapes = ((*batch, rows, left), (*batch, inner), (*batch, right, columns))
    assert (u.shape, s.shape, vh.shape) == shapes
    assert_orthonormal(u, x.dtype)
    assert_orthonormal(adjoint(vh), x.dtype)
    assert s.dtype == np.abs(matrix).dtype
    assert np.all(s >= 0)
    assert np.all(np.diff(s) <= 0)
    assert_equal((u[..., :inner] * s[..., None, :]) @ vh[..., :inner, :], matrix, x.dtype)
    assert_equal(linalg.svdvals(x).numpy(), s, x.dtype)


@anywhere
@given(given_matrix=squares)
def test_eigh_gives_real_values_and_orthonormal_vectors(anywhere, given_matrix):
    matrix = (given_matrix + adjoint(given_matrix)) / 2
    x = hal.asarray(matrix, device=anywhere)
    result = linalg.eigh(x)
    values, vectors = result.eigenvalues.numpy(), result.eigenvectors.numpy()
    assert values.dtype == np.abs(matrix).dtype
    assert_orthonormal(vectors, x.dtype)
    assert_equal(matrix @ vectors, vectors * values[..., None, :], x.dtype)
    assert_equal(linalg.eigvalsh(x).numpy(), values, x.dtype)


@anywhere
@given(matrix=squares)
def test_eig_gives_complex_values_and_vectors(anywhere, matrix):
    x = hal.asarray(matrix, device=anywhere)
    result = linalg.eig(x)
    assert result.eigenvalues.dtype is result.eigenvectors.dtype is complex_counterpart(x.dtype)
    values, vectors = result.eigenvalues.numpy(), result.eigenvectors.numpy()
    assert_equal(matrix @ vectors, vectors * values[..., None, :], x.dtype)
    alone = np.sort_complex(linalg.eigvals(x).numpy())
    np.testing.assert_allclose(alone, np.sort_complex(values), rtol=0, atol=1e-3)


def test_the_results_of_several_tensors_have_names(cpu):
    x = hal.asarray(random((3, 3), hal.float64), device=cpu)
    for function, names in {
        linalg.qr: ("Q", "R"),
        linalg.svd: ("U", "S", "Vh"),
        linalg.eig: ("eigenvalues", "eigenvectors"),
        linalg.eigh: ("eigenvalues", "eigenvectors"),
        linalg.slogdet: ("sign", "logabsdet"),
    }.items():
        assert function(x)._fields == names


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: linalg.cholesky(-x), "cholesky: .*positive definite.*symmetric"),
        (lambda x: linalg.inv(x * 0), "[Ss]ingular.*pinv"),
        (lambda x: linalg.solve(x * 0, x), "solve: .*[Ss]ingular.*pinv"),
        (lambda x: linalg.eig(x * float("nan")), "eig: "),
        (lambda x: linalg.svd(x * float("nan")), "svd: .*converge"),
        (lambda x: linalg.matrix_power(x * 0, -1), "[Ss]ingular.*pinv"),
    ],
)
def test_a_matrix_that_has_no_such_thing_is_an_error_of_hal_and_of_numpy(anywhere, call, message):
    x = hal.eye(3, device=anywhere)
    with pytest.raises(hal.LinAlgError, match=message) as caught:
        call(x)
    assert isinstance(caught.value, np.linalg.LinAlgError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: linalg.inv(x), hal.ShapeError, "2 rows and 3 columns"),
        (lambda x: linalg.det(x[0]), hal.ShapeError, "it needs 2 or more"),
        (lambda x: linalg.qr(x, mode="full"), hal.ValueRangeError, "'reduced' or 'complete'"),
        (lambda x: linalg.svd(x.astype("int32")), hal.DTypeError, "float32"),
        (lambda x: linalg.qr(x.astype("float16")), hal.DTypeError, "astype|float32"),
        (lambda x: linalg.cholesky([[1.0]]), hal.DTypeError, "hal tensors"),
        (lambda x: linalg.solve(x @ x.T, x.T), hal.ShapeError, "right-hand side of shape"),
        (
            lambda x: linalg.solve(hal.ones((2, 3, 3)), hal.ones((4, 3, 1))),
            hal.ShapeError,
            "the stacks of",
        ),
    ],
)
def test_what_does_not_fit_is_refused(cpu, call, error, message):
    with pytest.raises(error, match=message):
        call(hal.ones((2, 3), device=cpu))
