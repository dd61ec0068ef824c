"""Elementwise functions are NumPy's where the standard leaves no freedom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from oracle import ALL, INTEGERS, NUMBERS, REALS, SHAPES, arrays, assert_same, on

import hal

FLOATS = ["float32", "float64"]
ANALYTIC = [np.dtype(d) for d in ("float32", "float64", "complex64", "complex128")]
BITS = [np.dtype("bool"), *INTEGERS]

# hal's name: NumPy's name, dtypes, whether every bit is determined.
UNARY = {
    "abs": ("abs", REALS, True),
    "bitwise_invert": ("invert", BITS, True),
    "conj": ("conj", NUMBERS, True),
    "exp": ("exp", FLOATS, False),
    "isfinite": ("isfinite", NUMBERS, True),
    "isinf": ("isinf", NUMBERS, True),
    "isnan": ("isnan", NUMBERS, True),
    "logical_not": ("logical_not", ["bool"], True),
    "negative": ("negative", NUMBERS, True),
    "positive": ("positive", NUMBERS, True),
    "round": ("rint", FLOATS, True),
    "sign": ("sign", REALS, True),
    "signbit": ("signbit", FLOATS, True),
    "square": ("square", REALS, True),
    "ceil": ("ceil", REALS, True),
    "floor": ("floor", REALS, True),
    "trunc": ("trunc", REALS, True),
    **{
        name: (numpy, FLOATS, False)
        for name, numpy in {
            "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh",
            "atan": "arctan", "atanh": "arctanh", "cos": "cos", "cosh": "cosh", "expm1": "expm1",
            "log": "log", "log10": "log10", "log1p": "log1p", "log2": "log2",
            "reciprocal": "reciprocal", "sin": "sin", "sinh": "sinh", "sqrt": "sqrt", "tan": "tan",
            "tanh": "tanh",
        }.items()
    },
}  # fmt: skip
BINARY = {
    "add": ("add", NUMBERS, True),
    "subtract": ("subtract", NUMBERS, True),
    "multiply": ("multiply", REALS, True),
    "divide": ("divide", FLOATS, True),
    "remainder": ("remainder", REALS, True),
    "maximum": ("maximum", REALS, True),
    "minimum": ("minimum", REALS, True),
    "atan2": ("arctan2", FLOATS, False),
    "copysign": ("copysign", FLOATS, True),
    "hypot": ("hypot", FLOATS, False),
    "logaddexp": ("logaddexp", FLOATS, False),
    "nextafter": ("nextafter", FLOATS, True),
    "equal": ("equal", ALL, True),
    "not_equal": ("not_equal", ALL, True),
    "less": ("less", REALS, True),
    "less_equal": ("less_equal", REALS, True),
    "greater": ("greater", REALS, True),
    "greater_equal": ("greater_equal", REALS, True),
    "bitwise_and": ("bitwise_and", BITS, True),
    "bitwise_or": ("bitwise_or", BITS, True),
    "bitwise_xor": ("bitwise_xor", BITS, True),
    "logical_and": ("logical_and", ["bool"], True),
    "logical_or": ("logical_or", ["bool"], True),
    "logical_xor": ("logical_xor", ["bool"], True),
}


@pytest.mark.parametrize("name", UNARY)
@settings(max_examples=25)
@given(st.data())
def test_functions_of_one_tensor(device, name, data):
    numpy, dtypes, exact = UNARY[name]
    x = data.draw(arrays(dtypes))
    with np.errstate(all="ignore"):
        expected = getattr(np, numpy)(x)
    assert_same(getattr(hal, name)(on(device, x)), expected, exact)


@pytest.mark.parametrize("name", BINARY)
@settings(max_examples=25)
@given(st.data())
def test_functions_of_two_tensors_broadcast(device, name, data):
    numpy, dtypes, exact = BINARY[name]
    shapes = data.draw(npst.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
    dtype = data.draw(st.sampled_from(dtypes))
    x, y = (data.draw(arrays(dtype, shape)) for shape in shapes.input_shapes)
    with np.errstate(all="ignore"):
        expected = getattr(np, numpy)(x, y)
    assert_same(getattr(hal, name)(on(device, x), on(device, y)), expected, exact)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "maximum", "less", "remainder"])
@given(st.data())
def test_a_number_stands_on_either_side(device, name, data):
    x = data.draw(arrays([np.dtype("int32"), np.dtype("float64")]))
    number = data.draw(st.sampled_from([2, -3] if x.dtype.kind == "i" else [2, -3, 0.5, np.inf]))
    function, reference = getattr(hal, name), getattr(np, name)
    with np.errstate(all="ignore"):
        assert_same(function(on(device, x), number), reference(x, number))
        assert_same(function(number, on(device, x)), reference(number, x))


@given(arrays(INTEGERS), st.data())
def test_powers_of_integers_are_exact(device, x, data):
    y = data.draw(arrays(x.dtype, x.shape, min_value=0, max_value=7))
    assert_same(hal.pow(on(device, x), on(device, y)), np.power(x, y))


@given(arrays(FLOATS), st.sampled_from([0.5, 2.0, -1.0, 3]))
def test_powers_of_floats_are_numpys_but_for_the_root_of_infinity(device, x, exponent):
    y = np.full(x.shape, exponent, x.dtype)
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    if exponent == 0.5:
        expected = np.where(np.isneginf(x), np.inf, expected + 0.0).astype(x.dtype)
    assert_same(hal.pow(on(device, x), exponent), expected, exact=False)


@given(arrays(INTEGERS), st.data())
def test_shifts_move_bits(device, x, data):
    y = data.draw(arrays(x.dtype, x.shape, min_value=0, max_value=x.dtype.itemsize * 8 - 1))
    assert_same(hal.bitwise_left_shift(on(device, x), on(device, y)), np.left_shift(x, y))
    assert_same(hal.bitwise_right_shift(on(device, x), on(device, y)), np.right_shift(x, y))


@given(arrays(INTEGERS), st.data())
def test_quotients_of_integers_are_rounded_down(device, x, data):
    y = data.draw(arrays(x.dtype, x.shape).map(lambda a: np.where(a == 0, 1, a).astype(a.dtype)))
    with np.errstate(all="ignore"):
        assert_same(hal.floor_divide(on(device, x), on(device, y)), np.floor_divide(x, y))


@given(arrays(REALS), st.data())
def test_clip_takes_bounds_of_all_kinds(device, x, data):
    low = data.draw(st.none() | st.just(1) | arrays(x.dtype, x.shape[-1:]))
    high = data.draw(st.none() | st.just(3) | arrays(x.dtype, ()))
    expected = x
    if low is not None:
        expected = np.maximum(expected, low)
    if high is not None:
        expected = np.minimum(expected, high)
    bounds = [on(device, b) if isinstance(b, np.ndarray) else b for b in (low, high)]
    assert_same(hal.clip(on(device, x), *bounds), expected.astype(x.dtype))


@given(arrays(NUMBERS))
def test_the_parts_of_numbers(device, x):
    tensor = on(device, x)
    assert_same(hal.real(tensor), x.real)
    assert_same(hal.imag(tensor), x.imag)


def test_the_parts_of_complex_numbers_are_views(device):
    x = hal.asarray([1 + 2j, 3 + 4j], device=device)
    hal.real(x)[0] = 9.0
    hal.imag(x)[1] = -1.0
    assert x.tolist() == [9 + 2j, 3 - 1j]


def test_clip_refuses_bounds_that_would_change_the_dtype(device):
    with pytest.raises(hal.DTypeError, match="bound"):
        hal.clip(hal.asarray([1], device=device), 0.5)
    with pytest.raises(hal.DTypeError):
        hal.clip(hal.asarray([1], device=device), "a")


@pytest.mark.parametrize("name", sorted({*UNARY, *BINARY, "pow", "floor_divide"}))
def test_something_else_than_tensors_is_refused(name):
    function = getattr(hal, name)
    for arguments in ([[1.0, 2.0]], ["a"], [None], [np.ones(2)]):
        with pytest.raises(TypeError):
            function(*arguments * (1 if name in UNARY else 2))


@pytest.mark.parametrize("name", ["logical_and", "bitwise_xor", "bitwise_left_shift", "nextafter"])
def test_dtypes_a_function_is_not_defined_for_are_named(name):
    x = hal.ones(2, dtype=hal.complex64)
    with pytest.raises(hal.DTypeError, match=f"{name} is not defined for complex64; it takes"):
        getattr(hal, name)(x, x)


@given(SHAPES, SHAPES)
def test_shapes_that_do_not_broadcast_are_refused(device, first, second):
    x, y = hal.ones(first, device=device), hal.ones(second, device=device)
    try:
        expected = np.broadcast_shapes(first, second)
    except ValueError:
        with pytest.raises(hal.ShapeError, match="add"):
            hal.add(x, y)
    else:
        assert hal.add(x, y).shape == expected
