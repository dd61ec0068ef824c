"""Chains go into the reductions that read them, and results stay."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.dispatch import call
from hal.ops import operators
from hal.program import Executable, record
from hal.program.passes import fuse_elementwise, fuse_reductions

from .conftest import random


def names(program):
    return [call.op.name for call in program.calls if not call.view]


def through(function, *arguments):
    """Return the names of the calls after the pass, having compared the results."""
    device = hal.device("cpu:0")
    before = record("f", device, list(arguments), lambda xs: list(function(*xs)))
    after = fuse_reductions(fuse_elementwise(before, device), device)
    expected, found = (Executable(device, p)(list(arguments)) for p in (before, after))
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-5, atol=1e-5)
    return names(after)


REDUCTIONS = {
    "a mean of squares": lambda x, y: [hal.mean(x * x, axis=-1)],
    "a sum of exponentials": lambda x, y: [hal.sum(hal.exp(x - 1) * y, axis=0)],
    "the largest of differences": lambda x, y: [hal.max(hal.abs(x - y), keepdims=True)],
    "of a broadcast": lambda x, y: [hal.min(x[:, :1] + y, axis=1)],
    "of a square": lambda x, y: [hal.sum(hal.square(x))],
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_calculates_what_it_reduces(name):
    assert through(REDUCTIONS[name], random(3, 40), random(3, 40, seed=1)) == ["fused_reduction"]


KEPT = {
    "read twice": (lambda x: (lambda y: [hal.sum(y), y])(hal.exp(x)), ["exp", "sum"]),
    "read through a view": (lambda x: [hal.sum(hal.exp(x)[:, :3])], ["exp", "sum"]),
    "no chain": (lambda x: [hal.sum(hal.nn.softmax(x, -1))], ["softmax", "sum"]),
    "integers": (lambda x: [hal.sum(hal.astype(x, hal.int32) * 2)], ["cast", "multiply", "sum"]),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_others_see_or_no_kernel_takes_stays_as_it_is(name):
    function, expected = KEPT[name]
    assert through(function, random(3, 40)) == expected


def test_a_chain_is_not_moved_behind_a_write_into_what_it_reads():
    def function(x):
        y = hal.exp(x)
        x[...] = 0.0
        return [hal.sum(y) + hal.sum(x)]

    device = hal.device("cpu:0")
    before = record("f", device, [random(3, 40)], lambda xs: function(xs[0]))
    assert names(fuse_reductions(before, device)) == names(before)


@pytest.mark.parametrize(
    ("results", "reduction", "message"),
    [
        ((2, 0), ("sum", ()), "must have one"),
        ((2,), ("softmax", ()), "is no reduction"),
        ((2,), ("fused_reduction", ()), "is no reduction"),
        ((2,), ("sum", (("dtype", hal.int32),)), "cast it"),
    ],
)
def test_what_is_no_chain_before_a_reduction_is_refused(cpu, results, reduction, message):
    x = hal.ones(3, device=cpu)
    steps = (("add", (0, 1), ()),)
    with pytest.raises(hal.HalError, match=message):
        call(operators["fused_reduction"], x, x, steps=steps, results=results, reduction=reduction)
