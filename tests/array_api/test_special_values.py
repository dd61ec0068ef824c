"""Special values by the tables of the standard, signs of zeros included.

Source: https://data-apis.org/array-api/latest/API_specification/elementwise_functions.html
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from oracle import on

import hal

INF, NAN = math.inf, math.nan
HALF_PI = math.pi / 2

REAL = {
    "acos": {2.0: NAN, -2.0: NAN, 1.0: 0.0},
    "acosh": {0.5: NAN, 1.0: 0.0, INF: INF},
    "asin": {2.0: NAN, -0.0: -0.0},
    "asinh": {-0.0: -0.0, INF: INF, -INF: -INF},
    "atan": {-0.0: -0.0, INF: HALF_PI, -INF: -HALF_PI},
    "atanh": {-2.0: NAN, -1.0: -INF, 1.0: INF, -0.0: -0.0},
    "ceil": {INF: INF, -0.0: -0.0, -0.5: -0.0},
    "cos": {-0.0: 1.0, INF: NAN},
    "cosh": {-0.0: 1.0, -INF: INF},
    "exp": {-0.0: 1.0, INF: INF, -INF: 0.0},
    "expm1": {-0.0: -0.0, INF: INF, -INF: -1.0},
    "floor": {-0.0: -0.0, -INF: -INF, 0.5: 0.0},
    "log": {-1.0: NAN, -0.0: -INF, 1.0: 0.0, INF: INF},
    "log10": {-1.0: NAN, 0.0: -INF, 1.0: 0.0, INF: INF},
    "log1p": {-2.0: NAN, -1.0: -INF, -0.0: -0.0, INF: INF},
    "log2": {-1.0: NAN, 0.0: -INF, 1.0: 0.0, INF: INF},
    "round": {0.5: 0.0, 1.5: 2.0, -0.5: -0.0, -2.5: -2.0, INF: INF},
    "sign": {-0.0: 0.0, -INF: -1.0, 3.0: 1.0},
    "sin": {-0.0: -0.0, INF: NAN, -INF: NAN},
    "sinh": {-0.0: -0.0, -INF: -INF},
    "sqrt": {-1.0: NAN, -0.0: -0.0, INF: INF},
    "tan": {-0.0: -0.0, INF: NAN},
    "tanh": {-0.0: -0.0, INF: 1.0, -INF: -1.0},
    "trunc": {-0.5: -0.0, 0.5: 0.0, -INF: -INF, -1.5: -1.0},
}
COMPLEX = {
    "acos": {
        complex(-INF, INF): complex(3 * math.pi / 4, -INF),
        complex(0, NAN): complex(HALF_PI, NAN),
    },
    "acosh": {
        complex(INF, INF): complex(INF, math.pi / 4),
        complex(-INF, 1): complex(INF, math.pi),
    },
    "asinh": {complex(1, INF): complex(INF, HALF_PI), complex(0, 0): 0j},
    "atanh": {complex(1, 0): complex(INF, 0), complex(INF, NAN): complex(0, NAN)},
    "cosh": {complex(0, 0): 1 + 0j, complex(INF, NAN): complex(INF, NAN)},
    "exp": {
        complex(-INF, INF): 0j,
        complex(INF, 0): complex(INF, 0),
        complex(NAN, 0): complex(NAN, 0),
    },
    "expm1": {
        complex(-0.0, 0): 0j,
        complex(1, INF): complex(NAN, NAN),
        complex(INF, 0): complex(INF, 0),
        complex(-INF, INF): -1 + 0j,
        complex(INF, INF): complex(INF, NAN),
        complex(-INF, NAN): -1 + 0j,
        complex(NAN, 0): complex(NAN, 0),
        complex(NAN, 1): complex(NAN, NAN),
    },
    "log": {complex(-INF, INF): complex(INF, 3 * math.pi / 4), complex(INF, 1): complex(INF, 0)},
    "sinh": {complex(0, 0): 0j, complex(INF, 0): complex(INF, 0)},
    "sqrt": {complex(1, INF): complex(INF, INF), complex(INF, 1): complex(INF, 0)},
    "tanh": {
        complex(INF, 1e150): 1 + 0j,
        complex(INF, 2): 1 + 0j,
        complex(-INF, 2): -1 + 0j,
        complex(INF, INF): 1 + 0j,
        complex(INF, -2): complex(1, -0.0),
        complex(0, 0): 0j,
    },
}  # fmt: skip
BINARY = {
    "add": [(INF, -INF, NAN), (-0.0, -0.0, -0.0), (-0.0, 0.0, 0.0)],
    "atan2": [(0.0, -0.0, math.pi), (-0.0, 0.0, -0.0), (-INF, INF, -math.pi / 4)],
    "copysign": [(1.0, -0.0, -1.0), (NAN, 1.0, NAN)],
    "divide": [(INF, INF, NAN), (0.0, 0.0, NAN), (1.0, -0.0, -INF), (-1.0, INF, -0.0)],
    "floor_divide": [
        (INF, 2.0, INF), (-INF, 2.0, -INF), (INF, -2.0, -INF), (1.0, -INF, -0.0),
        (-1.0, INF, -0.0), (1.0, INF, 0.0), (INF, INF, NAN), (1.0, 0.0, INF), (-7.0, 2.0, -4.0),
    ],
    "hypot": [(INF, NAN, INF), (NAN, -INF, INF), (-0.0, 0.0, 0.0)],
    "logaddexp": [(INF, NAN, NAN), (INF, INF, INF), (-INF, -INF, -INF), (INF, -INF, INF)],
    "maximum": [(NAN, 1.0, NAN), (1.0, NAN, NAN), (-INF, INF, INF)],
    "minimum": [(NAN, 1.0, NAN), (1.0, NAN, NAN), (-INF, INF, -INF)],
    "multiply": [(INF, 0.0, NAN), (-0.0, 1.0, -0.0)],
    "nextafter": [(NAN, 1.0, NAN), (-0.0, 0.0, 0.0), (0.0, -0.0, -0.0)],
    "pow": [
        (NAN, 0.0, 1.0), (1.0, NAN, 1.0), (-INF, 0.5, INF), (-0.0, 0.5, 0.0), (-INF, 3.0, -INF),
        (-0.0, 3.0, -0.0), (-0.0, -3.0, -INF), (-0.0, 2.0, 0.0), (0.5, INF, 0.0), (-2.0, 0.5, NAN),
    ],
    "remainder": [
        (1.0, INF, 1.0), (1.0, -INF, -INF), (-1.0, INF, INF), (-0.0, 2.0, 0.0), (0.0, -2.0, -0.0),
        (INF, 2.0, NAN), (1.0, 0.0, NAN),
    ],
    "subtract": [(INF, INF, NAN), (0.0, -0.0, 0.0)],
}  # fmt: skip


def assert_identical(found, expected):
    """Assert equal values with equal signs of zeros; NaN has no sign."""
    for part in ("real", "imag"):
        a, b = (np.asarray(getattr(np.asarray(x), part), np.float64) for x in (found, expected))
        np.testing.assert_allclose(a, b, rtol=1e-6)
        plain = ~np.isnan(b)
        np.testing.assert_array_equal(np.signbit(a)[plain], np.signbit(b)[plain])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", REAL)
def test_functions_of_real_numbers(device, name, dtype):
    table = {**REAL[name], NAN: NAN}
    x = on(device, np.array(list(table), dtype))
    assert_identical(getattr(hal, name)(x).numpy(), np.array(list(table.values())))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("name", COMPLEX)
def test_functions_of_complex_numbers(device, name, dtype):
    table = COMPLEX[name]
    if dtype == "complex64":
        table = {x: y for x, y in table.items() if x.imag != 1e150}
    x = np.array(list(table), dtype)
    for lay_out in (lambda a: a, lambda a: a[:, None].repeat(5, 1)):
        found = getattr(hal, name)(on(device, lay_out(x))).numpy()
        expected = lay_out(np.array(list(table.values())))
        finite = np.isfinite(x.imag)
        assert_identical(found[finite], expected[finite])
        # The sign of a zero part is open where the imaginary part is infinite or NaN.
        assert_identical(np.abs(found.real), np.abs(expected.real))
        assert_identical(np.abs(found.imag), np.abs(expected.imag))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_numbers(device, name, dtype):
    first, second, expected = np.array(BINARY[name]).T
    x, y = on(device, first.astype(dtype)), on(device, second.astype(dtype))
    assert_identical(getattr(hal, name)(x, y).numpy(), expected)


@pytest.mark.parametrize("name", ["floor_divide", "pow", "remainder"])
def test_numbers_and_tensors_without_axes_have_the_same_special_values(device, name):
    for first, second, expected in BINARY[name]:
        x = hal.asarray(first, dtype=hal.float64, device=device)
        y = hal.asarray(second, dtype=hal.float64, device=device)
        assert_identical(getattr(hal, name)(x, y).numpy(), expected)
        assert_identical(getattr(hal, name)(x, second).numpy(), expected)


def test_properties_of_numbers(device):
    x = hal.asarray([0.0, -0.0, INF, -INF, NAN, 1.0], device=device)
    assert hal.isnan(x).tolist() == [False] * 4 + [True, False]
    assert hal.isinf(x).tolist() == [False, False, True, True, False, False]
    assert hal.isfinite(x).tolist() == [True, True, False, False, False, True]
    assert hal.signbit(x).tolist()[:4] == [False, True, False, True]


def test_properties_of_complex_numbers(device):
    x = hal.asarray([1j, complex(INF, NAN), complex(0, NAN), complex(-INF, 0)], device=device)
    assert hal.isnan(x).tolist() == [False, True, True, False]
    assert hal.isinf(x).tolist() == [False, True, False, True]
    assert hal.isfinite(x).tolist() == [True, False, False, False]


def test_complex_numbers_too_large_for_their_magnitude_are_finite(device):
    x = hal.asarray([complex(3e38, 3e38)], device=device)
    assert not hal.isinf(x).item()
    assert hal.isfinite(x).item()
