"""Constant factors and summands of channels become part of the layer before them."""

from __future__ import annotations

import pytest

import hal
from hal.program.passes import fold_scales, spread_norms

from .conftest import random, through

X = random(2, 4, 6, 6)
WEIGHT, BIAS = random(8, 4, 3, 3, seed=1), random(8, seed=2)
MEAN, VARIANCE = random(8, seed=3), hal.abs(random(8, seed=4)) + 0.5
GAMMA, BETA = random(8, seed=5), random(8, seed=6)
CHANNELS = random(8, 1, 1, seed=7)


def convolution(x, bias=BIAS, **given):
    return hal.nn.conv2d(x, WEIGHT, bias, **given)


@pytest.mark.parametrize("bias", [None, BIAS])
def test_batch_normalization_becomes_part_of_a_convolution(bias):
    def function(x):
        return hal.nn.batch_norm(convolution(x, bias), MEAN, VARIANCE, GAMMA, BETA)

    assert through(fold_scales, function, X) == ["convolution"]
    assert through(
        fold_scales, lambda x: hal.nn.batch_norm(convolution(x, bias), MEAN, VARIANCE), X
    ) == ["convolution"]


def test_factors_and_summands_of_channels_do_too():
    def function(x):
        return (2.0 * convolution(x) * CHANNELS + BETA.reshape(1, 8, 1, 1)) / CHANNELS - 3.0

    assert through(fold_scales, function, X) == ["convolution"]


def test_groups_and_one_axis_are_no_difference():
    weight = random(8, 2, 3, seed=1)

    def function(x):
        return hal.nn.conv1d(x, weight, None, groups=2) * random(8, 1, seed=2)

    assert through(fold_scales, function, random(2, 4, 9)) == ["convolution"]


STAYS = {
    "each element": lambda x: convolution(x) * random(8, 4, 4, seed=1),
    "each image": lambda x: convolution(x) * random(2, 1, 1, 1, seed=1),
    "a number less a convolution": lambda x: 1.0 - convolution(x),
    "by zero": lambda x: convolution(x) / 0.0,
    "an argument": lambda x: convolution(x) * x[0, 0, 0, 0],
    "read twice": lambda x: (lambda y: y * 2.0 + y)(convolution(x)),
}


@pytest.mark.parametrize("name", STAYS)
def test_what_is_no_constant_of_channels_stays(name):
    assert len(through(fold_scales, STAYS[name], X)) > 1


FEATURES = random(8, 4, seed=1)


def test_they_become_part_of_a_product_by_constant_weights():
    def function(x):
        return (hal.nn.linear(x, FEATURES, BIAS) + BETA) * GAMMA / 3.0

    assert through(fold_scales, function, random(2, 5, 4)) == ["linear"]


def test_rows_may_be_counted_otherwise_in_between():
    def function(x):
        rows = hal.nn.linear(x, FEATURES).reshape(10, 8)
        return hal.nn.batch_norm(rows, MEAN, VARIANCE, GAMMA, BETA).reshape(2, 5, 8)

    assert through(fold_scales, function, random(2, 5, 4)) == ["linear"]


def test_factors_of_rows_are_none_of_features():
    assert through(fold_scales, lambda x: hal.nn.linear(x, FEATURES) * BETA[:, None], FEATURES) == [
        "linear",
        "multiply",
    ]


def test_normalization_by_constants_that_stands_alone_is_spread_into_a_chain():
    def function(x):
        return hal.nn.relu(hal.nn.batch_norm(x, MEAN[:4], VARIANCE[:4], GAMMA[:4], BETA[:4]))

    assert through(spread_norms, function, X) == ["multiply", "add", "relu"]
    assert through(spread_norms, lambda x: hal.nn.batch_norm(x, MEAN[:4], VARIANCE[:4]), X) == [
        "multiply",
        "add",
    ]


def test_normalization_by_what_is_no_constant_or_no_number_is_not():
    def varying(x):
        return hal.nn.batch_norm(x, x[0, :, 0, 0], VARIANCE[:4])

    def infinite(x):
        return hal.nn.batch_norm(x, MEAN[:4], hal.zeros(4), eps=0.0)

    for function in (varying, infinite):
        assert "batch_norm" in through(spread_norms, function, X)
