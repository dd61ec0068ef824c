"""Operators on each element: what NumPy alone does not settle."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from hal.dtypes import ALL, FLOATING


@pytest.mark.parametrize("target", [d for d in ALL if d.kind != "bool"], ids=str)
@pytest.mark.parametrize("source", [d for d in ALL if d.kind != "complex"], ids=str)
def test_every_real_dtype_converts_to_every_other(reference, source, target):
    found = reference("cast", np.ones(3, np.float32).astype(source.numpy), dtype=target)
    assert found.dtype == target.numpy
    np.testing.assert_array_equal(found.astype(np.complex64), np.ones(3))


EDGES = [0.0, -0.0, 1.0, -1.0, 1.5, np.inf, -np.inf, np.nan, 3e-5, -3e-5, 300.0, -300.0]


def test_hypot_decomposes_without_overflow(check_decomposition):
    x, y = np.meshgrid(np.array(EDGES), np.array(EDGES))
    check_decomposition("hypot", x, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hypot_of_what_has_no_square_is_found_by_its_decomposition(decompose, dtype):
    huge = dtype(np.finfo(dtype).max / 4)
    tiny = dtype(np.finfo(dtype).tiny * 4)
    x = np.array([huge, tiny, huge], dtype)
    y = np.array([huge, tiny, tiny], dtype)
    found = decompose("hypot", x, y)
    np.testing.assert_allclose(found / np.hypot(x, y), 1, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [d for d in ALL if d in FLOATING], ids=str)
def test_nextafter_decomposes_to_a_step_of_its_bits(reference, decompose, dtype):
    info = ml_dtypes.finfo(dtype.numpy)
    numbers = [*EDGES, float(info.max), float(info.tiny), float(info.smallest_subnormal)]
    x, y = np.meshgrid(*[np.array(numbers).astype(dtype.numpy)] * 2)
    expected, found = (run("nextafter", x, y) for run in (reference, decompose))
    np.testing.assert_array_equal(found.astype(np.float64), expected.astype(np.float64))
    zeros = (found == 0) & (x == 0) & (y == 0)
    np.testing.assert_array_equal(np.signbit(found[zeros]), np.signbit(y[zeros]))
    small = (found == 0) & (x != 0)
    np.testing.assert_array_equal(np.signbit(found[small]), np.signbit(x[small]))
