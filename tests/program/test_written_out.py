"""Layers that a model writes out in parts become single calls, and mean what they meant."""

from __future__ import annotations

import math

import numpy as np
import pytest

import hal
from hal.dispatch import call
from hal.ops import operators
from hal.program import Executable, record
from hal.program.passes import (
    common_subexpressions,
    expand_powers,
    find_gelu,
    find_norms,
    find_softmax,
    fuse_elementwise,
)

from .conftest import random


def names(program):
    return [call.op.name for call in program.calls if not call.view]


def through(change, function, *arguments):
    """Return the names of the calls after a pass, having compared the results with those before."""
    device = hal.device("cpu:0")
    before = record("f", device, list(arguments), lambda xs: [function(*xs)])
    after = change(before, device)
    expected, found = (Executable(device, p)(list(arguments))[0] for p in (before, after))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    return names(after)


def operator(name, x):
    return call(operators[name], x)


def mean(x, axis=-1):
    return x.mean(axis=axis, keepdims=True)


def centred(x, axis=-1):
    return x - mean(x, axis)


W, B = random(8, seed=1), random(8, seed=2)

LAYER_NORMS = {
    "over a root": lambda c: c / hal.sqrt(mean(c * c) + 1e-5),
    "over a root of a power": lambda c: c / hal.sqrt(1e-5 + mean(c**2)),
    "times an inverse root": lambda c: c * operator("rsqrt", mean(hal.square(c)) + 1e-5),
    "an inverse root times it": lambda c: operator("reciprocal", hal.sqrt(mean(c * c) + 1e-5)) * c,
    "one over a root": lambda c: c * (1.0 / hal.sqrt(mean(c * c) + 1e-5)),
}


@pytest.mark.parametrize("name", LAYER_NORMS)
def test_a_layer_norm_in_parts_becomes_one(name):
    def function(x):
        return LAYER_NORMS[name](centred(x)) * W + B

    assert through(find_norms, function, random(2, 3, 8)) == ["layer_norm"]


def test_a_layer_norm_may_lack_its_weight_or_its_bias():
    def norm(x):
        return LAYER_NORMS["over a root"](centred(x))

    x = random(2, 3, 8)
    assert through(find_norms, norm, x) == ["layer_norm"]
    assert through(find_norms, lambda x: norm(x) * W, x) == ["layer_norm"]
    assert through(find_norms, lambda x: B + norm(x), x) == ["layer_norm"]


def test_a_layer_norm_may_use_the_variance_and_several_axes():
    def function(x):
        root = hal.sqrt(hal.var(x, axis=(-2, -1), keepdims=True) + 1e-5)
        return centred(x, (-2, -1)) / root * random(3, 8, seed=1)

    assert through(find_norms, function, random(2, 3, 8)) == ["layer_norm"]


def test_an_rms_norm_in_parts_becomes_one():
    x = random(2, 3, 8)
    for function in (
        lambda x: x / hal.sqrt(mean(x * x) + 1e-5) * W,
        lambda x: W * (x * operator("rsqrt", mean(x**2) + 1e-5)),
    ):
        assert through(find_norms, function, x) == ["rms_norm"]


def test_a_vector_added_to_an_rms_norm_stays_outside():
    def function(x):
        return x / hal.sqrt(mean(x * x) + 1e-5) * W + B

    assert through(find_norms, function, random(2, 8)) == ["rms_norm", "add"]


NOT_NORMS = {
    "the mean of another axis": lambda x: (x - mean(x, 0)) / hal.sqrt(mean(centred(x) ** 2) + 1e-5),
    "a number of each row": lambda x: centred(x) / hal.sqrt(mean(centred(x) ** 2) + x[:, :1]),
    "another tensor": lambda x: centred(x) / hal.sqrt(mean(centred(x * 2) ** 2) + 1e-5),
    "cubes": lambda x: centred(x) / hal.sqrt(mean(centred(x) ** 3) ** 2 + 1e-5),
    "a variance of a sample": lambda x: (
        centred(x) / hal.sqrt(hal.var(x, axis=-1, correction=1, keepdims=True) + 1e-5)
    ),
}


@pytest.mark.parametrize("name", NOT_NORMS)
def test_what_is_no_norm_stays_as_it_is(name):
    found = through(find_norms, NOT_NORMS[name], random(8, 8))
    assert not {"layer_norm", "rms_norm"} & set(found)


def test_a_weight_for_each_row_is_not_the_norms():
    rows = random(8, 1, seed=3)
    found = through(find_norms, lambda x: LAYER_NORMS["over a root"](centred(x)) * rows,
                    random(8, 8))  # fmt: skip
    assert found == ["layer_norm", "multiply"]


def test_parts_that_others_read_stay_for_them():
    def function(x):
        c = centred(x)
        return c / hal.sqrt(mean(c * c) + 1e-5) + c

    assert through(find_norms, function, random(2, 8)) == ["mean", "subtract", "layer_norm", "add"]


def test_a_norm_of_what_is_written_over_later_keeps_its_order():
    def function(x):
        y = x * 1.0
        c = centred(y)
        found = c / hal.sqrt(mean(c * c) + 1e-5)
        y[0] = 7.0
        return found * 1.0 + y

    assert "layer_norm" not in through(find_norms, function, random(2, 8))


def test_softmax_in_parts_becomes_one():
    def function(x, axis):
        grown = hal.exp(x - hal.max(x, axis=axis, keepdims=True))
        return grown / hal.sum(grown, axis=axis, keepdims=True)

    for axis in (-1, 0, 1):
        assert through(find_softmax, lambda x, a=axis: function(x, a), random(2, 3, 4)) == [
            "softmax"
        ]


def test_softmax_may_multiply_by_a_reciprocal():
    def grown(x):
        return hal.exp(x - hal.max(x, axis=-1, keepdims=True))

    def total(x):
        return hal.sum(grown(x), axis=-1, keepdims=True)

    def change(program, device):
        return find_softmax(common_subexpressions(program), device)

    for function in (
        lambda x: grown(x) * (1.0 / total(x)),
        lambda x: operator("reciprocal", total(x)) * grown(x),
    ):
        assert through(change, function, random(2, 5)) == ["softmax"]
    assert "softmax" not in through(change, lambda x: grown(x) * (2.0 / total(x)), random(2, 5))


@pytest.mark.parametrize("axis", [-1, 0])
def test_the_logarithm_of_softmax_in_parts_becomes_one(axis):
    def top(x):
        return hal.max(x, axis=axis, keepdims=True)

    def logarithm(x):
        return hal.log(hal.sum(hal.exp(x - top(x)), axis=axis, keepdims=True))

    def change(program, device):
        return find_softmax(common_subexpressions(program), device)

    for function in (
        lambda x: (x - top(x)) - logarithm(x),
        lambda x: x - (logarithm(x) + top(x)),
        lambda x: x - (top(x) + logarithm(x)),
    ):
        assert through(change, function, random(3, 3)) == ["log_softmax"]
    for function in (
        lambda x: x - logarithm(x),
        lambda x: (x - top(x)) - logarithm(x * 2.0),
        lambda x: (x - top(x)) - hal.reshape(logarithm(x), (1, 3) if axis else (3, 1)),
    ):
        assert "log_softmax" not in through(change, function, random(3, 3))


def test_exponentials_that_are_not_softmax_stay():
    def without_the_largest(x):
        return hal.exp(x) / hal.sum(hal.exp(x), axis=-1, keepdims=True)

    def over_other_axes(x):
        grown = hal.exp(x - hal.max(x, axis=0, keepdims=True))
        return grown / hal.sum(grown, axis=-1, keepdims=True)

    def over_a_row_for_a_column(x):
        grown = hal.exp(x - hal.max(x, axis=-1, keepdims=True))
        return grown / hal.sum(grown, axis=-1)

    for function in (without_the_largest, over_other_axes, over_a_row_for_a_column):
        assert "softmax" not in through(find_softmax, function, random(3, 3))


ROOT, SCALE = math.sqrt(2), math.sqrt(2 / math.pi)
GELUS = {
    "erf, half first": lambda x: 0.5 * x * (1 + operator("erf", x / ROOT)),
    "erf, half last": lambda x: (x * (operator("erf", x * (1 / ROOT)) + 1)) * 0.5,
    "erf, halved": lambda x: (1 + operator("erf", x / ROOT)) * (x / 2),
    "tanh": lambda x: 0.5 * x * (1 + hal.tanh(SCALE * (x + 0.044715 * x**3))),
    "tanh, multiplied out": lambda x: (
        0.5 * x * (1 + hal.tanh((x + x * x * x * 0.044715) * SCALE))
    ),
    "tanh, a quadratic": lambda x: (
        x * 0.5 * (hal.tanh(x * SCALE * (1 + 0.044715 * x * x)) + 1)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GELUS)
def test_gelu_in_parts_becomes_one(name):
    def change(program, device):
        return find_gelu(expand_powers(program, device), device)

    assert through(change, GELUS[name], random(40)) == ["gelu"]
    assert through(change, lambda x: GELUS[name](x * 3.0), random(40)) == ["multiply", "gelu"]


def test_what_is_not_gelu_stays_as_it_is():
    for function in (
        lambda x: 0.5 * x * (1 + operator("erf", x)),
        lambda x: x * (1 + operator("erf", x / ROOT)),
        lambda x: 0.5 * x * (2 + operator("erf", x / ROOT)),
        lambda x: 0.5 * x[::-1] * (1 + operator("erf", x / ROOT)),
        lambda x: 0.5 * x * (1 + hal.tanh(SCALE * (x + 0.05 * x * x * x))),
    ):
        assert "gelu" not in through(find_gelu, function, random(40))


def test_squares_and_cubes_are_products_that_chains_take_in():
    x = random(40)
    assert through(expand_powers, lambda x: x**2, x) == ["multiply"]
    assert through(expand_powers, lambda x: x**3, x) == ["multiply", "multiply"]

    def change(program, device):
        return fuse_elementwise(expand_powers(program, device), device)

    assert through(change, lambda x: x**3 * 2 + 1, x) == ["fused"]


def test_other_powers_stay_as_they_are():
    x = hal.abs(random(40))
    for exponent in (0.5, 4, -2, 2.5):
        assert through(expand_powers, lambda x, e=exponent: x**e, x) == ["power"]
    assert through(expand_powers, lambda x: x ** hal.asarray([[2.0], [3.0]]), x) == ["power"]
