"""Linear algebra: what cuSOLVER is asked, carried out by LAPACK in the stand-in's memory."""

from __future__ import annotations

import ctypes
import sys
from functools import partial
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import scipy.linalg

import hal
from hal.dispatch import plans
from hal.errors import DeviceError, LinAlgError, OutOfMemory
from hal.ops import evaluate_reference, operators
from hal.plugin import Layout, Signature
from hal_cuda.cusolver import Cusolver, load
from hal_cuda.errors import translated
from hal_cuda.kernels.linalg import linalg

TYPES = SimpleNamespace(CUDA_R_32F=0, CUDA_R_64F=1, CUDA_C_32F=4, CUDA_C_64F=5)
NUMPY = {0: np.float32, 1: np.float64, 4: np.complex64, 5: np.complex128}
REAL = {0: 0, 1: 1, 4: 0, 5: 1}
PRECISE = (hal.float32, hal.float64, hal.complex64, hal.complex128)
NAMES = (
    "cholesky", "slogdet", "solve", "inv", "qr", "svd", "svdvals", "eig", "eigvals", "eigh",
    "eigvalsh",
)  # fmt: skip


def columns(address, rows, count, leading, kind):
    """Return the memory at an address as a matrix, columns first."""
    dtype = np.dtype(NUMPY[kind])
    nbytes = ((count - 1) * leading + rows) * dtype.itemsize
    whole = np.frombuffer((ctypes.c_uint8 * nbytes).from_address(address), dtype)
    steps = (dtype.itemsize, leading * dtype.itemsize)
    return np.lib.stride_tricks.as_strided(whole, (rows, count), steps)


def vector(address, count, kind):
    return columns(address, count, 1, count, kind)[:, 0]


class Api:
    """``nvmath.bindings.cusolverDn``, as its documentation and cuSOLVER's have it, on the host."""

    def __init__(self, streams):
        self.streams = streams
        self.called = []
        self.sizes = {}

    def create(self):
        return 3

    def create_params(self):
        return 4

    def set_stream(self, handle, stream):
        assert handle == 3
        self.stream = self.streams[stream]

    def __getattr__(self, name):
        if name.endswith("_buffer_size"):
            return lambda *given: self._size(name.removesuffix("_buffer_size"), *given)
        if name.endswith("potrf_batched"):
            return partial(self._potrf_batched, name)
        if name == "xsyev_batched":
            return self._syev_batched
        work = getattr(type(self), f"_{name.lstrip('x')}" if name[0] == "x" else "_orgqr")

        def start(handle, *given):
            assert handle == 3
            self.called.append(name)
            if name == "xgetrs":
                given = given[1:]
            elif name[0] == "x":
                given = self._checked(name, given[1:])
            else:
                *given, there, size, status = given
                assert self.sizes[name] == (size, 0)
                ctypes.memset(there, 0xAA, size)
                given = (*given, "sdcz".index(name[0]), status)
            *given, status = given
            self.stream.run(self._done, work, given, status)

        return start

    def _potrf_batched(self, name, handle, upper, n, matrices, leading, statuses, count):
        self.called.append(name)
        kind = dict(zip("sdcz", NUMPY, strict=True))[name[0]]

        def work():
            for number, a in enumerate(words(matrices, count, np.uint64).tolist()):
                given = (upper, n, kind, a, leading)
                self._done(type(self)._potrf, given, statuses + 4 * number)

        self.stream.run(work)

    def _syev_batched(self, handle, params, job, upper, n, kind, a, leading, w_kind, w, *rest):
        self.called.append("xsyev_batched")
        *rest, count = rest
        (status,) = self._checked("xsyev_batched", rest)
        sizes = [n * np.dtype(NUMPY[k]).itemsize for k in (kind, w_kind)]
        for number in range(count):
            given = (job, upper, n, kind, a + number * n * sizes[0], leading,
                     w_kind, w + number * sizes[1])  # fmt: skip
            self.stream.run(self._done, type(self)._syevd, given, status + 4 * number)

    def _size(self, name, handle, *given):
        if name[0] != "x":
            self.sizes[name] = (40, 0)
            return 40
        assert given[0] == 4
        self.sizes[name] = (48, 16)
        return self.sizes[name]

    def _checked(self, name, given):
        *given, compute, there, device, here, host, status = given
        assert (device, host) == self.sizes[name]
        assert compute in NUMPY
        ctypes.memset(there, 0xAA, device)
        ctypes.memset(here, 0xAA, host)
        return (*given, status)

    def _done(self, work, given, status):
        code = ctypes.c_int32.from_address(status)
        code.value = 77
        code.value = work(*given)

    @staticmethod
    def _getrf(m, n, kind, a, leading, pivots):
        matrix = columns(a, m, n, leading, kind)
        factors, rows = scipy.linalg.lapack.get_lapack_funcs("getrf", [matrix])(matrix)[:2]
        matrix[...] = factors
        found = np.frombuffer((ctypes.c_int64 * min(m, n)).from_address(pivots), np.int64)
        found[...] = rows + 1
        zero = np.flatnonzero(np.diag(factors) == 0)
        return zero[0] + 1 if zero.size else 0

    @staticmethod
    def _getrs(transposed, n, count, kind, a, leading, pivots, right_kind, b, right_leading):
        assert kind == right_kind
        rows = np.frombuffer((ctypes.c_int64 * n).from_address(pivots), np.int64) - 1
        right = columns(b, n, count, right_leading, kind)
        factors = columns(a, n, n, leading, kind)
        with np.errstate(all="ignore"):
            right[...] = scipy.linalg.lapack.get_lapack_funcs("getrs", [factors])(
                factors, rows.astype(np.int32), right, trans=transposed
            )[0]
        return 0

    @staticmethod
    def _potrf(upper, n, kind, a, leading):
        matrix = columns(a, n, n, leading, kind)
        lower = scipy.linalg.lapack.get_lapack_funcs("potrf", [matrix])
        found, status = lower(matrix, lower=not upper, clean=0)
        matrix[...] = found
        return status

    @staticmethod
    def _geqrf(m, n, kind, a, leading, tau_kind, tau):
        assert kind == tau_kind
        matrix = columns(a, m, n, leading, kind)
        found, scales, _, status = scipy.linalg.lapack.get_lapack_funcs("geqrf", [matrix])(matrix)
        matrix[...] = found
        vector(tau, min(m, n), kind)[...] = scales
        return status

    @staticmethod
    def _orgqr(m, n, k, a, leading, tau, letter):
        kind = (0, 1, 4, 5)[letter]
        assert m >= n >= k > 0
        matrix = columns(a, m, n, leading, kind)
        name = "orgqr" if kind < 4 else "ungqr"
        make = scipy.linalg.lapack.get_lapack_funcs(name, [matrix])
        matrix[...] = make(matrix, vector(tau, k, kind))[0]
        return 0

    @staticmethod
    def _gesvd(jobu, jobv, m, n, kind, a, leading, s_kind, s, u_kind, u, u_leading, v_kind, v,
               v_leading):  # fmt: skip
        assert m >= n, "the library has no matrices with fewer rows than columns"
        assert s_kind == REAL[kind]
        assert kind == u_kind == v_kind
        assert chr(jobu) == chr(jobv)
        matrix = columns(a, m, n, leading, kind)
        full = chr(jobu) == "A"
        found = np.linalg.svd(matrix, full_matrices=full)
        vector(s, n, s_kind)[...] = found[1]
        if chr(jobu) != "N":
            columns(u, m, m if full else n, u_leading, kind)[...] = found[0]
            columns(v, n, n, v_leading, kind)[...] = found[2]
        matrix[...] = np.nan
        return 0

    @staticmethod
    def _syevd(vectors, upper, n, kind, a, leading, w_kind, w):
        assert w_kind == REAL[kind]
        matrix = columns(a, n, n, leading, kind)
        values, found = np.linalg.eigh(matrix, "U" if upper else "L")
        vector(w, n, w_kind)[...] = values
        matrix[...] = found if vectors else np.nan
        return 0

    @staticmethod
    def _geev(left, right, n, kind, a, leading, w_kind, w, l_kind, left_vectors, l_leading, v_kind,
              v, v_leading):  # fmt: skip
        assert left == left_vectors == 0, "the library makes no left eigenvectors"
        assert l_kind == v_kind == kind
        assert l_leading >= n
        assert NUMPY[w_kind] == np.result_type(NUMPY[kind], np.complex64)
        matrix = columns(a, n, n, leading, kind)
        made = scipy.linalg.lapack.get_lapack_funcs("geev", [matrix])(matrix, compute_vl=0)
        parts = made[:2] if kind < 4 else (made[0].real, made[0].imag)
        vector(w, n, w_kind)[...] = parts[0] + 1j * parts[1]
        if right:
            columns(v, n, n, v_leading, kind)[...] = made[-2]
        matrix[...] = np.nan
        return made[-1]


class Blas:
    """``nvmath.bindings.cublas``, of which batches of small matrices are asked."""

    def __init__(self, streams, called):
        self.streams = streams
        self.called = called

    def create(self):
        return 9

    def set_stream(self, handle, stream):
        assert handle == 9
        self.stream = self.streams[stream]

    def __getattr__(self, name):
        kind = dict(zip("sdcz", NUMPY, strict=True))[name[0]]
        work = {"getrf_batched": self._getrf, "getrs_batched": self._getrs}[name[1:]]

        def start(handle, *given):
            assert handle == 9
            self.called.append(name)
            self.stream.run(work, kind, *given)

        return start

    def _getrf(self, kind, n, matrices, leading, pivots, statuses, count):
        for number, a in enumerate(words(matrices, count, np.uint64).tolist()):
            rows = np.zeros(n, np.int64)
            status = Api._getrf(n, n, kind, a, leading, rows.ctypes.data)
            words(pivots + 4 * n * number, n, np.int32)[...] = rows
            words(statuses + 4 * number, 1, np.int32)[...] = status

    def _getrs(self, kind, transposed, n, columns, matrices, leading, pivots, sides, side_leading,
               status, count):  # fmt: skip
        places = [words(at, count, np.uint64).tolist() for at in (matrices, sides)]
        for number, (a, b) in enumerate(zip(*places, strict=True)):
            rows = words(pivots + 4 * n * number, n, np.int32).astype(np.int64)
            given = (kind, a, leading, rows.ctypes.data, kind, b, side_leading)
            Api._getrs(transposed, n, columns, *given)


def words(address, count, dtype):
    nbytes = count * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_uint8 * nbytes).from_address(address), dtype)


@pytest.fixture
def api(carry_out):
    """cuSOLVER's bindings on the stand-in."""
    return Api(carry_out.streams)


@pytest.fixture
def library(api):
    """cuSOLVER on the stand-in."""
    return Cusolver(api, TYPES, Blas(api.streams, api.called))


@pytest.mark.parametrize("dtype", PRECISE, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_every_operator_is_what_it_says(try_samples, library, name, dtype):
    try_samples(name, dtype, solvers=lambda: library)


def matrices(*shape, dtype=np.complex128):
    rng = np.random.default_rng(sum(shape))
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)


@pytest.mark.parametrize("upper", [False, True])
def test_only_the_triangle_that_is_meant_is_read(carry_out, library, upper):
    x = matrices(2, 4, 4)
    whole = x @ x.conj().swapaxes(-1, -2) + 4 * np.eye(4)
    half = (np.triu if upper else np.tril)(whole) + 100 * (np.tril if upper else np.triu)(
        np.ones((4, 4)), -1 if upper else 1
    )
    found = carry_out("cholesky", [half], {"upper": upper}, solvers=lambda: library)
    np.testing.assert_allclose(found, np.linalg.cholesky(whole, upper=upper), atol=1e-12)
    if not upper:
        values, _ = carry_out("eigh", [half], solvers=lambda: library)
        np.testing.assert_allclose(values, np.linalg.eigvalsh(whole), atol=1e-12)


def test_eigenvectors_of_a_real_matrix_are_complex_where_its_eigenvalues_are(carry_out, library):
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 5]])
    values, vectors = carry_out("eig", [np.stack([turn, turn.T])], solvers=lambda: library)
    assert sorted(values[0].imag) == [-1, 0, 1]
    for matrix, w, v in zip((turn, turn.T), values, vectors, strict=True):
        np.testing.assert_allclose(matrix @ v, v * w, atol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(v, axis=0), 1)


def test_each_matrix_is_factorised_once_whatever_it_is_solved_for(carry_out, api, library):
    a, b = matrices(2, 1, 3, 3), matrices(5, 3, 2)
    found = carry_out("solve", [a, b], solvers=lambda: library)
    np.testing.assert_allclose(found, np.linalg.solve(a, b), atol=1e-12)
    assert api.called == ["xgetrf"] * 2 + ["xgetrs"] * 10


@pytest.mark.parametrize(("name", "calls"), [("solve", 2), ("inv", 2), ("slogdet", 1)])
def test_many_small_matrices_are_factorised_and_solved_for_at_once(
    carry_out, api, library, name, calls
):
    arrays = [matrices(2, 5, 3, 3), matrices(2, 5, 3, 2)][: 2 if name == "solve" else 1]
    found = carry_out(name, arrays, solvers=lambda: library)
    both = (found, getattr(np.linalg, name)(*arrays))
    for a, b in zip(*[x if isinstance(x, tuple) else (x,) for x in both], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    assert api.called == ["zgetrf_batched", "zgetrs_batched"][:calls]


@pytest.mark.parametrize(
    ("name", "call"), [("cholesky", "zpotrf_batched"), ("eigvalsh", "xsyev_batched")]
)
def test_many_small_symmetric_matrices_are_factorised_at_once(carry_out, api, library, name, call):
    root = matrices(2, 5, 3, 3)
    a = root @ root.conj().swapaxes(-1, -2)
    found = carry_out(name, [a], solvers=lambda: library)
    np.testing.assert_allclose(found, getattr(np.linalg, name)(a), atol=1e-12)
    assert api.called == [call]


def test_large_matrices_are_factorised_one_by_one(carry_out, api, library):
    a = matrices(2, 257, 257)
    found = carry_out("inv", [a], solvers=lambda: library)
    np.testing.assert_allclose(found @ a, np.broadcast_to(np.eye(257), a.shape), atol=1e-9)
    assert api.called == ["xgetrf"] * 2 + ["xgetrs"] * 2


def test_what_cublas_does_not_know_is_a_fault_of_the_device(carry_out, library, monkeypatch):
    def refuse(*given):
        words(given[-2], 1, np.int32)[...] = -4

    monkeypatch.setattr(library.batches._api, "zgetrs_batched", refuse, raising=False)
    with pytest.raises(DeviceError, match="refused argument 4 of zgetrs_batched"):
        carry_out("inv", [matrices(2, 3, 3)], solvers=lambda: library)


@pytest.mark.parametrize(
    ("name", "arrays", "said"),
    [
        ("solve", [np.ones((2, 2)), np.ones(2)], "solve: Singular matrix"),
        ("solve", [np.stack([np.eye(2), np.ones((2, 2))]), np.ones((2, 0))], "Singular matrix"),
        ("inv", [np.stack([np.eye(2), np.ones((2, 2))])], "inv: Singular matrix; use pinv"),
        ("cholesky", [np.stack([np.eye(2), -np.eye(2)])], "cholesky: Matrix is not positive"),
    ],
)
def test_a_matrix_without_a_result_is_the_error_that_other_devices_raise(
    carry_out, library, name, arrays, said
):
    with pytest.raises(LinAlgError, match=said) as here:
        carry_out(name, arrays, solvers=lambda: library)
    with pytest.raises(LinAlgError) as elsewhere:
        evaluate_reference(operators[name], arrays, {})
    assert str(here.value) == str(elsewhere.value)


def test_the_determinant_of_a_singular_matrix_is_zero(carry_out, library):
    x = np.stack([np.ones((3, 3)), np.eye(3)[[1, 0, 2]]])
    sign, logarithm = carry_out("slogdet", [x], solvers=lambda: library)
    assert sign.tolist() == [0, -1]
    assert logarithm.tolist() == [-np.inf, 0]


@pytest.mark.parametrize("name", ["eig", "eigh", "eigvals", "eigvalsh", "svd", "svdvals"])
def test_what_does_not_converge_is_said(carry_out, api, library, monkeypatch, name):
    for work in ("_gesvd", "_syevd", "_geev"):
        monkeypatch.setattr(Api, work, staticmethod(lambda *given: 2))
    with pytest.raises(LinAlgError, match=f"{name}: .* not converge; check the matrix for NaN"):
        carry_out(name, [np.eye(3)], solvers=lambda: library)


def test_what_the_library_does_not_know_is_a_fault_of_the_device(carry_out, library, monkeypatch):
    monkeypatch.setattr(Api, "_syevd", staticmethod(lambda *given: -5))
    with pytest.raises(DeviceError, match="refused argument 5 of xsyevd"):
        carry_out("eigh", [np.eye(3)], solvers=lambda: library)


def test_a_call_that_is_refused_is_an_error_of_hals(carry_out, api, library, monkeypatch):
    class cuSOLVERError(Exception):  # noqa: N801
        """As the bindings name it and write it."""

    def refuse(*given):
        raise cuSOLVERError("ALLOC_FAILED (2)")

    monkeypatch.setattr(api, "xsyevd", refuse, raising=False)
    with pytest.raises(OutOfMemory, match="CUSOLVER_STATUS_ALLOC_FAILED"):
        carry_out("eigh", [np.eye(3)], solvers=lambda: library)
    assert type(translated(cuSOLVERError("INTERNAL_ERROR (7)"))) is DeviceError


def test_a_compiled_function_that_looks_at_a_result_is_not_captured(
    standin, driver, api, library, monkeypatch
):
    monkeypatch.setattr(driver, "solvers", lambda: library)
    stream = standin.current_stream().handle
    api.streams[stream.handle] = stream
    solved = hal.compile(lambda a, b: hal.linalg.solve(a + a, b) + 1)
    try:
        for seed in range(4):
            a, b = (np.random.default_rng(seed).random(s) for s in ((3, 3), (3, 2)))
            with hal.fallback("error"):
                found = solved(*(hal.asarray(x, device=standin) for x in (a, b)))
            np.testing.assert_allclose(found.numpy(), np.linalg.solve(a + a, b) + 1)
            singular = hal.asarray(np.ones((3, 3)), device=standin)
            with pytest.raises(LinAlgError, match="solve: Singular matrix"):
                solved(singular, hal.asarray(b, device=standin))
        assert api.called.count("xgetrf") == 8
    finally:
        for op in operators.values():
            plans(op).clear()  # They hold a library that only this test has.


def test_packed_matrices_and_a_library_are_needed(carry_out, library, monkeypatch):
    packed, turned = Layout(hal.float32, (3, 3)), Layout(hal.float32, (3, 3), (1, 3))
    for x, solvers in ((turned, library), (packed, None)):
        monkeypatch.setattr(carry_out.driver, "solvers", lambda found=solvers: found)
        asked = Signature((x,), (packed,), {"upper": False})
        assert linalg(carry_out.driver, operators["cholesky"], asked) is None


def test_a_library_that_does_not_load_is_said_and_done_without(monkeypatch):
    def create():
        raise RuntimeError("libcusolver.so was not found")

    bindings, nvmath = ModuleType("nvmath.bindings"), ModuleType("nvmath")
    bindings.cusolverDn = bindings.cublas = SimpleNamespace(create=create)
    nvmath.CudaDataType = TYPES
    monkeypatch.setitem(sys.modules, "nvmath", nvmath)
    monkeypatch.setitem(sys.modules, "nvmath.bindings", bindings)
    with pytest.warns(hal.HalWarning, match="libcusolver.so was not found"):
        assert load() is None
    monkeypatch.setitem(sys.modules, "nvmath.bindings", None)
    assert load() is None
