"""Images are laid out with their channels last between convolutions, and nobody notices."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.dispatch import call
from hal.ops import operators
from hal.plugin import Call
from hal.program import Executable, record
from hal.program.passes import fuse_elementwise, fuse_epilogues, lay_channels_last

from .conftest import random


@pytest.fixture
def preferring(cpu):
    if not cpu.runtime.channels_last:
        pytest.skip("the CPU's convolutions want channels first without oneDNN")
    return cpu


def through(change, function, *arguments):
    """Return the calls after a pass, having compared the results with those before."""
    device = hal.device("cpu:0")
    before = record("f", device, list(arguments), lambda xs: list(function(*xs)))
    after = change(before, device)
    expected, found = (Executable(device, p)(list(arguments)) for p in (before, after))
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-4, atol=1e-4)
    return [c for c in after.calls if not c.view]


def names(calls):
    return [call.op.name for call in calls]


def last(call: Call):
    """Return whether a call writes its result with the channels last."""
    layout = call.outputs[0].layout
    return layout.strides[1] == 1 and not layout.contiguous


X = random(2, 4, 8, 8)
W1, W2 = random(8, 4, 3, 3, seed=1), random(8, 8, 3, 3, seed=2)
W3, ONE = random(4, 16, 3, 3, seed=3), hal.ones(1)


def conv(x, weight, **given):
    return hal.nn.conv2d(x, weight, None, **given)


def test_what_lies_between_convolutions_is_laid_out_anew(preferring):
    def function(x):
        y = hal.nn.max_pool2d(hal.nn.relu(conv(x, W1)), 2, 1)
        return [conv(y, W2).sum()]

    calls = through(lay_channels_last, function, X)
    assert names(calls) == ["convolution", "relu", "max_pool", "convolution", "sum"]
    assert [last(c) for c in calls[:4]] == [True] * 4


def test_transposed_convolutions_are_convolutions_in_this(preferring):
    weight = random(8, 4, 4, 4, seed=3)

    def function(x):
        y = hal.nn.silu(conv(x, W1, padding=1))
        return [hal.nn.conv_transpose2d(y, weight, stride=2, padding=1).sum()]

    calls = through(lay_channels_last, function, X)
    assert names(calls) == ["convolution", "silu", "convolution_transpose", "sum"]
    assert [last(c) for c in calls[:3]] == [True] * 3


def test_results_of_the_program_keep_their_order(preferring):
    calls = through(lay_channels_last, lambda x: [conv(x, W1), conv(conv(x, W1), W2)], X)
    assert names(calls).count("copy") == 2
    assert not last(calls[-1])


def test_what_reads_the_memory_in_another_way_gets_a_copy(preferring):
    def function(x):
        y = conv(x, W1)
        return [y.reshape(2, -1) @ random(288, 3, seed=3), hal.permute_dims(y, (1, 0, 3, 2)) + 1.0]

    calls = through(lay_channels_last, function, X)
    assert names(calls).count("copy") == 1


def test_positions_of_an_image_are_rows_already(preferring):
    weight = random(16, 8, seed=3)

    def function(x):
        y = conv(x, W1)
        rows = hal.nn.layer_norm(hal.permute_dims(y, (0, 2, 3, 1)), (8,))
        tokens = hal.permute_dims(y.reshape(2, 8, 36), (0, 2, 1))
        return [hal.nn.linear(rows, weight), tokens * 2.0]

    calls = through(lay_channels_last, function, X)
    assert names(calls) == ["convolution", "layer_norm", "linear", "multiply"]
    assert all(call.inputs[0].layout.contiguous for call in calls)


def test_a_residual_is_added_where_a_convolution_stores_its_result(preferring):
    def change(program, device):
        program = lay_channels_last(fuse_elementwise(program, device), device)
        return fuse_epilogues(program, device)

    def function(x):
        y = hal.nn.silu(conv(x, W1, padding=1))
        return [hal.nn.silu(conv(y, W2, padding=1) + y).mean()]

    calls = through(change, function, X)
    assert names(calls) == ["convolution_fused", "convolution_fused", "mean"]


def test_an_activation_is_done_where_a_transposed_convolution_stores_its_result(preferring):
    weight = random(4, 8, 4, 4, seed=3)

    def change(program, device):
        return fuse_epilogues(lay_channels_last(program, device), device)

    calls = through(
        change,
        lambda x: [hal.nn.silu(hal.nn.conv_transpose2d(x, weight, stride=2, padding=1)).mean()],
        X,
    )
    assert names(calls) == ["convolution_transpose_fused", "mean"]


def test_chains_of_other_images_are_not_read_across_the_memory(preferring):
    calls = through(
        lay_channels_last, lambda x, y: [(conv(x, W1) + y).sum()], X, random(2, 8, 6, 6)
    )
    assert [last(c) for c in calls if c.op.name == "add"] == [False]


def test_a_program_without_convolutions_stays_as_it_is(preferring):
    x = random(2, 4, 8, 8)
    before = record("f", preferring, [x], lambda xs: [hal.nn.max_pool2d(xs[0], 2)])
    assert lay_channels_last(before, preferring) is before


def test_a_device_that_does_not_ask_keeps_its_layouts(cpu, monkeypatch):
    monkeypatch.setattr(cpu.runtime, "channels_last", False)
    before = record("f", cpu, [X], lambda xs: [conv(conv(xs[0], W1), W2)])
    assert lay_channels_last(before, cpu) is before


def test_images_that_are_joined_stay_as_they_lie(preferring):
    def function(x):
        return [conv(hal.concat([conv(x, W1), hal.nn.relu(conv(x, W1))], axis=1), W3).sum()]

    calls = through(lay_channels_last, function, X)
    assert names(calls) == ["convolution", "convolution", "relu", "concat", "convolution", "sum"]
    assert last(calls[3])


def test_a_chain_with_two_results_lays_out_both(preferring):
    def function(x):
        y = conv(x, W1) * 2.0
        z = hal.exp(y)
        return [conv(y, W2).sum(), conv(z, W2).sum()]

    def change(program, device):
        return lay_channels_last(fuse_elementwise(program, device), device)

    (chain,) = [c for c in through(change, function, X) if len(c.outputs) == 2]
    assert all(x.layout.strides[1] == 1 for x in chain.outputs)


def test_rows_of_channels_that_become_an_image_are_one_already(preferring):
    weight = random(8, 4, seed=3)

    def function(tokens):
        rows = hal.nn.linear(tokens, weight)
        grid = hal.reshape(hal.permute_dims(rows, (0, 2, 1)), (1, 8, 6, 6))
        return [conv(grid, W2).sum()]

    calls = through(lay_channels_last, function, random(1, 36, 4))
    assert names(calls) == ["linear", "convolution", "sum"]
    assert calls[1].inputs[0].layout.strides[1] == 1


def test_heads_that_become_channels_are_copied_into_place(preferring):
    def function(heads):
        image = hal.reshape(hal.permute_dims(heads, (0, 1, 3, 2)), (1, 8, 6, 6))
        return [conv(image, W2)]

    calls = through(lay_channels_last, function, random(1, 2, 36, 4))
    assert names(calls)[0] == "copy"
    assert calls[1].inputs[0].layout.strides[1] == 1


def test_the_mean_of_whole_images_does_not_mind_their_order(preferring):
    def function(x):
        y = hal.reshape(conv(x, W1), (2, 1, -1))
        normal = call(operators["instance_norm"], y, ONE, ONE, epsilon=1e-5)
        return [conv(hal.reshape(normal, (2, 8, 6, 6)), W2).sum()]

    calls = through(lay_channels_last, function, X)
    assert names(calls) == ["convolution", "instance_norm", "convolution", "sum"]
    assert calls[2].inputs[0].layout.strides[1] == 1
