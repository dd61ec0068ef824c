"""The own kernels that run before and behind the vendor's libraries compile for GPUs."""

from __future__ import annotations

from unittest.mock import MagicMock

import numpy as np
import pytest

import hal

FACTORISED = ("cholesky", "inv", "slogdet", "eig", "eigh", "svd", "qr")


def calls(dtype):
    """Yield calls that need every such kernel."""
    square, high = np.ones((2, 3, 3), dtype), np.ones((2, 5, 3), dtype)
    yield from ((name, [square], {}) for name in FACTORISED)
    yield from ((name, [high], {}) for name in ("svd", "qr"))
    yield "slogdet", [square[0]], {}
    yield "qr", [high[:, :0]], {"mode": "complete"}
    yield "qr", [high[:, :, :0]], {"mode": "complete"}
    yield "solve", [square, high[0, :3, :2]], {}
    yield "solve", [square, high[0, :3, 0]], {}
    for axis in (0, 1, 2):
        if square.dtype.kind == "f":
            yield "rfft", [square], {"axis": axis, "norm": "forward"}
        else:
            yield "fft", [square], {"axis": axis, "norm": "ortho"}
            yield "irfft", [square], {"axis": axis, "n": 2 * square.shape[axis] - 2}


def products(dtype):
    x, weight = np.ones((16, 32), hal.float8_e4m3fn.numpy), np.ones((48, 32), hal.float8_e5m2.numpy)
    one, rows, columns = (np.ones(s, np.float32) for s in ((), (16, 1), (48, 1)))
    for scales in ((one, one), (rows, columns), (one, columns)):
        yield "scaled_linear", [x, weight, *scales, np.ones(48, dtype.numpy)], {"dtype": dtype}


CALLS = {
    **{d: lambda d=d: calls(d) for d in ("float32", "float64", "complex64", "complex128")},
    **{f"float8 to {d}": lambda d=d: products(d) for d in (hal.float32, hal.float16, hal.bfloat16)},
}


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize("architecture", [90, pytest.param(100, marks=pytest.mark.slow)])
def test_what_runs_beside_a_library_compiles(
    carry_out, compile_all, monkeypatch, what, architecture
):
    found = {}
    monkeypatch.setattr(carry_out.driver, "function", lambda source: found.setdefault(source, 0))
    monkeypatch.setattr(carry_out.driver, "launch", lambda *given: None)
    library = MagicMock()
    library.plan.return_value.workspace = 8
    having = dict.fromkeys(("products", "transforms", "solvers"), lambda: library)
    for name, arrays, attributes in CALLS[what]():
        carry_out(name, arrays, attributes, capability=(9, 0), **having)
    assert found
    compile_all(list(found), architecture)
