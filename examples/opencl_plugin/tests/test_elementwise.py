"""Elementwise kernels mean what the references mean, for every dtype and any memory layout."""

from __future__ import annotations

import numpy as np
import pytest

from hal import dtypes
from hal.dtypes import REAL
from hal_opencl.expressions import expression
from hal_opencl.types import CTYPES

INTEGER = (dtypes.int8, dtypes.int64, dtypes.uint8)
CONVERTED = (
    dtypes.bool, dtypes.int8, dtypes.uint32, dtypes.float16, dtypes.bfloat16, dtypes.float64,
)  # fmt: skip
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 3.0, -7.0, 100.0, np.inf, -np.inf, np.nan]
UNARY_FLOAT = [
    "abs",
    "negative",
    "sign",
    "square",
    "reciprocal",
    "floor",
    "ceil",
    "trunc",
    "round",
    "rsqrt",
    "isnan",
    "isinf",
    "isfinite",
    "signbit",
    "exp",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "erf",
    "conj",
]
BINARY_FLOAT = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "floor_divide",
    "remainder",
    "power",
    "maximum",
    "minimum",
    "atan2",
    "hypot",
    "copysign",
    "logaddexp",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
]
UNARY_INTEGER = [
    "abs",
    "negative",
    "sign",
    "square",
    "floor",
    "ceil",
    "trunc",
    "bitwise_invert",
    "isnan",
    "isinf",
    "isfinite",
    "conj",
]
BINARY_INTEGER = [
    "add",
    "subtract",
    "multiply",
    "floor_divide",
    "remainder",
    "power",
    "maximum",
    "minimum",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "bitwise_left_shift",
    "bitwise_right_shift",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
]
LOGICAL = [
    "logical_and",
    "logical_or",
    "logical_xor",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "equal",
    "less",
]


def floats(dtype):
    """Return pairs of all special values and some random ones."""
    rng = np.random.default_rng(7)
    values = np.concatenate([SPECIAL, rng.normal(scale=3, size=30)]).astype(dtype.numpy)
    a, b = np.meshgrid(values, values)
    return a.ravel().copy(), b.ravel().copy()


def integers(dtype):
    """Return pairs of integers with the ends of the range, zero, and both signs."""
    low, high = dtypes.integer_range(dtype)
    some = [low, low + 1, high, high - 1, 0, 1, 2, 3, 5, 7, dtype.bits, dtype.bits - 1]
    some += [] if low == 0 else [-1, -2, -3, -5]
    a, b = np.meshgrid(np.array(some, dtype.numpy), np.array(some, dtype.numpy))
    return a.ravel().copy(), b.ravel().copy()


# float16 and bfloat16 are calculated in float; the conformance kit goes through every dtype.
@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.float64], ids=str)
@pytest.mark.parametrize("name", UNARY_FLOAT)
def test_functions_of_a_float_match_their_reference(kernels, name, dtype):
    kernels.check(name, floats(dtype)[0][:43])


@pytest.mark.parametrize("dtype", [dtypes.bfloat16, dtypes.float32], ids=str)
@pytest.mark.parametrize("name", BINARY_FLOAT)
def test_functions_of_two_floats_match_their_reference(kernels, name, dtype):
    # The sum under the logarithm may be near 1, where the logarithm is near 0.
    scale = 1 if name == "logaddexp" else 1e-3
    kernels.check(name, *floats(dtype), scale=scale, ulps=16 if name == "power" else 4)


@pytest.mark.parametrize("dtype", [dtypes.float32, dtypes.float64], ids=str)
def test_nextafter_is_the_neighbour(kernels, dtype):
    kernels.check("nextafter", *floats(dtype), ulps=0)


def test_nextafter_of_half_precision_is_left_to_hal():
    assert expression("nextafter", dtypes.float16) is None


@pytest.mark.parametrize("dtype", INTEGER, ids=str)
@pytest.mark.parametrize("name", UNARY_INTEGER)
def test_functions_of_an_integer_match_their_reference(kernels, name, dtype):
    kernels.check(name, integers(dtype)[0])


@pytest.mark.parametrize("dtype", INTEGER, ids=str)
@pytest.mark.parametrize("name", BINARY_INTEGER)
def test_functions_of_two_integers_match_their_reference(kernels, name, dtype):
    kernels.check(name, *integers(dtype))


@pytest.mark.parametrize("name", LOGICAL)
def test_functions_of_booleans_match_their_reference(kernels, name):
    kernels.check(name, np.array([0, 0, 1, 1], bool), np.array([0, 1, 0, 1], bool))


@pytest.mark.parametrize("target", CONVERTED, ids=str)
@pytest.mark.parametrize("source", CONVERTED, ids=str)
def test_conversion_matches_its_reference(kernels, source, target):
    values = [0, 1, 2, 3, 100, 127] + ([] if source.kind in ("uint", "bool") else [-1, -3, -128])
    if target.kind == "uint":
        values = [v for v in values if v >= 0]
    if source.kind == "float":
        values += [0.4, 1.5, 2.5]
        if target.kind in ("float", "bool"):
            values += [1e-3, 1.0009765625 + 2**-20, 65504, np.inf, -np.inf, np.nan]
    kernels.check("cast", np.array(values).astype(source.numpy), dtype=target, ulps=0)


@pytest.mark.parametrize("dtype", CTYPES, ids=str)
def test_selection_and_copies_keep_every_bit(kernels, dtype):
    rng = np.random.default_rng(3)
    a, b = (rng.integers(0, 2, (5, 7)).astype(dtype.numpy) for _ in range(2))
    kernels.check("where", rng.random((5, 7)) < 0.5, a, b, ulps=0)
    kernels.check("copy", a.T[::-1], ulps=0)
    kernels.check("full", a[3, 2, ...], shape=(3, 4), ulps=0)
    kernels.check("concat", a, b[:2], a[::-2], axis=0, ulps=0)


VIEWS = {
    "whole": lambda x: x,
    "transposed": lambda x: x.transpose(2, 1, 0),
    "backwards": lambda x: x[::-1, :, ::-1],
    "every second": lambda x: x[:, 1::2, ::2],
    "one row": lambda x: x[2:3],
    "repeated": lambda x: np.broadcast_to(x[:, :1], x.shape),
    "empty": lambda x: x[:, :0],
    "single": lambda x: x[1, 2, 3, ...],
}


@pytest.mark.parametrize("second", VIEWS)
@pytest.mark.parametrize("first", VIEWS)
def test_any_two_views_that_broadcast_are_added(kernels, first, second):
    x = np.arange(4 * 6 * 8, dtype=np.float32).reshape(4, 6, 8)
    a, b = VIEWS[first](x), VIEWS[second](x * 100)
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        # Shapes that do not broadcast never reach a backend; their last rows alone do.
        a, b = a.reshape(-1)[:5], b.reshape(-1)[:5]
        if a.size != b.size:
            a = a[:0] if b.size == 0 else a
            b = b[:0] if a.size == 0 else b
    kernels.check("add", a, b, ulps=0)


@pytest.mark.parametrize("ndim", [1, 2, 3, 4, 5, 9])
def test_tensors_may_have_many_axes(kernels, ndim):
    x = np.arange(2**ndim, dtype=np.int32).reshape((2,) * ndim)
    kernels.check("add", x.T, x)
    kernels.check("subtract", x[::-1], x.T)


def test_a_long_axis_is_covered_to_its_end(kernels):
    x = np.arange(100_003, dtype=np.int64)
    kernels.check("add", x, x[::-1])


@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_ranges_match_their_reference(kernels, dtype):
    kernels.check("arange", start=2, stop=100, step=3, dtype=dtype)
    if dtype.kind == "float":
        kernels.check("arange", start=0.5, stop=-8, step=-0.25, dtype=dtype)


def test_a_range_of_large_integers_is_exact(kernels):
    kernels.check("arange", start=2**62, stop=2**62 + 50, step=7, dtype=dtypes.int64)


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.float32, dtypes.int32], ids=str)
@pytest.mark.parametrize("endpoint", [True, False])
def test_evenly_spaced_numbers_match_their_reference(kernels, dtype, endpoint):
    for start, stop, num in [(0.0, 1.0, 7), (5.0, -3.0, 12), (2.0, 9.0, 1)]:
        kernels.check("linspace", start=start, stop=stop, num=num, endpoint=endpoint, dtype=dtype)


@pytest.mark.parametrize("k", [0, 2, -1, 100, -100])
def test_ones_lie_on_the_diagonal(kernels, k):
    kernels.check("eye", rows=4, columns=6, k=k, dtype=dtypes.float32)
