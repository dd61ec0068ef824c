"""A product has the shape in which it is read."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.program import Executable, record
from hal.program.passes import fuse_elementwise, fuse_epilogues, shape_linears

from .conftest import random

X, WEIGHT, BIAS = random(2, 24, 64), random(64, 64, seed=1), random(64, seed=2)


def through(change, function, *arguments):
    """Return the calls after a pass, having compared the results with those before."""
    device = hal.device("cpu:0")
    before = record("f", device, list(arguments), lambda xs: [function(*xs)])
    after = change(before, device)
    expected, found = (Executable(device, p)(list(arguments))[0] for p in (before, after))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-5)
    return [c for c in after.calls if not c.view]


def product(x, shape=(2, 24, 64)):
    return hal.reshape(hal.nn.linear(hal.reshape(x, (48, 64)), WEIGHT, BIAS), shape)


def test_a_reshape_behind_a_product_moves_in_front_of_it():
    first, second = through(shape_linears, lambda x: product(x) + x, X)
    assert first.outputs[0].layout.shape == second.outputs[0].layout.shape == (2, 24, 64)
    assert first.inputs[0].layout.shape == (2, 24, 64)


def test_what_follows_then_becomes_part_of_it():
    def change(program, device):
        program = fuse_elementwise(shape_linears(program, device), device)
        return fuse_epilogues(program, device)

    assert len(through(change, lambda x: hal.exp(product(x)), X)) <= 2


@pytest.mark.parametrize(
    "function",
    [
        lambda x: product(x, (2, 24, 4, 16)) * 2.0,
        lambda x: product(x, (48, 64)) + 1.0,
        lambda x: (lambda y: y.sum() + hal.reshape(y, (48, 64)).sum())(product(x)),
        lambda x: hal.permute_dims(product(x), (1, 0, 2)) * 2.0,
    ],
    ids=["split features", "as it is", "in two shapes", "across"],
)
def test_other_shapes_stay_behind(function):
    calls = through(shape_linears, function, X)
    assert calls[0].outputs[0].layout.shape == (48, 64)
