"""Padding and divisors become part of the layer beside them."""

from __future__ import annotations

import math

import hal
from hal.dispatch import call
from hal.ops import operators
from hal.program.passes import fold_divisors, fold_padding

from .conftest import random, through

X = random(2, 4, 6, 6)
WEIGHT, BIAS = random(8, 4, 3, 3, seed=1), random(8, seed=2)


def convolution(x, bias=BIAS, **given):
    return hal.nn.conv2d(x, WEIGHT, bias, **given)


def padded(x, value, sides=((1, 2), (2, 1))):
    before, after = ((0, 0, *side) for side in zip(*sides, strict=True))
    return call(operators["pad"], x, hal.asarray(value, dtype=x.dtype), before=before, after=after)


def test_zeros_around_become_a_convolutions_padding():
    assert through(fold_padding, lambda x: convolution(padded(x, 0.0)), X) == ["convolution"]
    found = through(fold_padding, lambda x: convolution(padded(x, 0.0), padding=1), X)
    assert found == ["convolution"]


def test_the_lowest_numbers_around_become_a_maximums_padding():
    def pool(x, value):
        return hal.nn.max_pool2d(padded(x, value), 3, 2)

    assert through(fold_padding, lambda x: pool(x, -math.inf), X) == ["max_pool"]
    assert through(fold_padding, lambda x: pool(x, 0.0), X) == ["pad", "max_pool"]


def test_padding_that_is_wider_than_a_window_stays():
    found = through(fold_padding, lambda x: hal.nn.max_pool2d(padded(x, -math.inf), 2, 2), X)
    assert found == ["pad", "max_pool"]
    assert through(fold_padding, lambda x: convolution(padded(x, 1.0)), X) == ["pad", "convolution"]


def pool(x, divisor=1.0, **given):
    attributes = {"window": (3, 3), "stride": (1, 1), "padding": ((0, 0), (0, 0)), **given}
    return call(operators["average_pool"], x, divisor=divisor, **attributes)


def test_zeros_around_become_the_padding_of_an_average_with_a_divisor_of_its_own():
    assert through(fold_padding, lambda x: pool(padded(x, 0.0)), X) == ["average_pool"]
    assert through(fold_padding, lambda x: pool(padded(x, 1.0)), X) == ["pad", "average_pool"]
    assert through(fold_padding, lambda x: pool(padded(x, 0.0), None), X) == ["pad", "average_pool"]


def test_a_division_by_one_number_becomes_an_averages_divisor():
    nines, ramp = hal.full((1, 1, 4, 4), 9.0), hal.arange(1.0, 5.0)
    assert through(fold_divisors, lambda x: pool(x) / nines, X) == ["average_pool"]
    assert through(fold_divisors, lambda x: pool(x) / ramp, X) == ["average_pool", "divide"]
    assert through(fold_divisors, lambda x: nines / pool(x), X) == ["average_pool", "divide"]
    assert through(fold_divisors, lambda x: pool(x, None) / nines, X) == ["average_pool", "divide"]
