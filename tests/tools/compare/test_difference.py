"""How far two arrays are apart."""

import ml_dtypes
import numpy as np
import pytest

from hal.tools.compare.difference import Allowance, difference, peak, same_bits, unusual


def test_errors_are_absolute_relative_scaled_and_in_direction():
    found = difference(np.float64([1, 2, 5]), np.float64([1, 4, 4]))
    assert (found.elements, found.unequal, found.wrong) == (3, 2, 2)
    assert (found.max_abs, found.max_rel, found.scaled) == (2, 0.5, 0.5)
    assert found.cosine == pytest.approx(29 / np.sqrt(30 * 33))


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"]
)
def test_units_in_the_last_place_count_representable_numbers(dtype):
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    unsigned = f"u{kind.itemsize}"
    one = np.array([1], kind)
    next_but_two = (one.view(unsigned) + np.array(3, unsigned)).view(kind)
    assert difference(next_but_two, one).ulp == 3
    tiny = np.array([1], unsigned).view(kind)
    assert difference(tiny, -tiny).ulp == 2


def test_zeros_of_both_signs_are_equal_but_not_bit_by_bit():
    assert difference(np.float32([-0.0]), np.float32([0])).unequal == 0
    assert not same_bits(np.float32([-0.0]), np.float32([0]))


def test_nan_and_infinity_agree_with_themselves_alone():
    special = np.float32([np.nan, np.inf, -np.inf])
    assert difference(special, special).unequal == 0
    anything = Allowance(1e9, 1e9)
    for found, expected in ((np.nan, 1), (1, np.nan), (np.inf, 1), (np.inf, -np.inf)):
        assert difference(np.float32([found]), np.float32([expected]), anything).wrong == 1
    assert unusual(special) == (1, 2)
    assert peak(special) == 0


def test_integers_are_compared_exactly_at_any_size():
    big = np.array([2**62, -(2**63)])
    assert difference(big + np.array([1, 0]), big).max_abs == 1
    assert difference(np.array([127], np.int8), np.array([-128], np.int8)).max_abs == 255
    assert difference(np.array([2**64 - 1], np.uint64), np.array([0], np.uint64)).max_abs == 2**64


def test_an_allowance_is_relative_and_absolute_for_each_element():
    expected = np.float32([1, 10])
    assert difference(expected + np.float32([0.1, 1]), expected, Allowance(0.11)).wrong == 0
    assert difference(expected + np.float32([0.1, 2]), expected, Allowance(0.11)).wrong == 1
    each = Allowance(absolute=np.array([0.0, 3.0]))
    assert difference(expected + np.float32([0.1, 2]), expected, each).wrong == 1


def test_other_shapes_and_other_kinds_are_wrong_throughout():
    assert difference(np.ones((2, 3)), np.ones((3, 2))).note == "shape [2, 3] against [3, 2]"
    assert difference(np.ones(2), np.ones(2, np.int32)).wrong == 2
    assert difference(np.array(["1"]), np.ones(1)).note == "strings against numbers"


def test_large_values_are_compared_piece_by_piece(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=1000), rng.normal(size=1000)
    allowed = Allowance(0.1, np.linspace(0, 1, 1000))
    whole = difference(a, b, allowed)
    monkeypatch.setattr("hal.tools.compare.difference._CHUNK", 7)
    pieces = difference(a, b, allowed)
    assert pieces.cosine == pytest.approx(whole.cosine)
    assert (pieces.wrong, pieces.max_abs, pieces.ulp) == (whole.wrong, whole.max_abs, whole.ulp)
