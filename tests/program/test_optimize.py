"""All passes together: whatever a function is made of, its program gives its results."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hal

BATCH, LENGTH, WIDTH = 2, 32, 64


def random(*shape, seed):
    values = np.random.default_rng(seed).standard_normal(shape) / math.sqrt(shape[-1])
    return hal.asarray(values.astype(np.float32), device="cpu:0")


SQUARES = [random(WIDTH, WIDTH, seed=n) for n in range(3)]
VECTOR = random(WIDTH, seed=3)
TAPS = random(WIDTH, WIDTH, 3, seed=4) * 0.5
SEEN = hal.asarray(np.tril(np.ones((LENGTH, LENGTH), bool)), device="cpu:0")


def turned(x):
    return hal.permute_dims(x, (0, 2, 1))


def heads(x):
    return hal.permute_dims(hal.reshape(x, (BATCH, LENGTH, 4, WIDTH // 4)), (0, 2, 1, 3))


def attention(x, mask=lambda scores: scores):
    query, key, value = (heads(x @ w) for w in SQUARES)
    scores = mask(query @ key.mT * 0.25)
    found = hal.permute_dims(hal.nn.softmax(scores, -1) @ value, (0, 2, 1, 3))
    return hal.reshape(found, (BATCH, LENGTH, WIDTH))


def softmax(x):
    grown = hal.exp(x - hal.max(x, axis=-1, keepdims=True))
    return grown / hal.sum(grown, axis=-1, keepdims=True)


def log_softmax(x):
    centred = x - hal.max(x, axis=-1, keepdims=True)
    return centred - hal.log(hal.sum(hal.exp(centred), axis=-1, keepdims=True))


STEPS = {
    "product": lambda x, first, w: x @ SQUARES[0] + VECTOR,
    "layer": lambda x, first, w: hal.nn.linear(x, SQUARES[1], VECTOR),
    "product by an argument": lambda x, first, w: hal.tanh(x @ w + 1),
    "gelu": lambda x, first, w: hal.nn.gelu(x),
    "leaky relu": lambda x, first, w: hal.nn.leaky_relu(x, 0.1),
    "gate": lambda x, first, w: hal.nn.silu(x @ SQUARES[0]) * (x @ SQUARES[1]),
    "residual": lambda x, first, w: x + first,
    "difference": lambda x, first, w: first - x,
    "factor": lambda x, first, w: (x @ SQUARES[2]) * 0.5,
    "chain": lambda x, first, w: x * VECTOR + hal.exp(-x * x),
    "norm": lambda x, first, w: hal.nn.layer_norm(x, (WIDTH,), VECTOR),
    "mean square of rows": lambda x, first, w: x - hal.mean(x * x, axis=-1, keepdims=True),
    "mean square of columns": lambda x, first, w: x - hal.mean(x * x, axis=1, keepdims=True),
    "softmax": lambda x, first, w: softmax(x) * 8.0,
    "log softmax": lambda x, first, w: log_softmax(x) * 0.2,
    "attention": lambda x, first, w: attention(x),
    "causal attention": lambda x, first, w: attention(
        x, lambda scores: hal.where(SEEN, scores, -math.inf)
    ),
    "transposed chain": lambda x, first, w: turned(hal.tanh(turned(x)) + 1),
    "transposed copy": lambda x, first, w: turned(hal.asarray(turned(x), copy=True) * 2),
    "convolution": lambda x, first, w: turned(
        hal.nn.silu(hal.nn.conv1d(turned(x), TAPS, None, padding=1))
    ),
    "transposed convolution": lambda x, first, w: turned(
        hal.nn.conv_transpose1d(turned(x), TAPS, None, padding=1)
    ),
    "halves exchanged": lambda x, first, w: hal.concat(
        [hal.asarray(x[..., WIDTH // 2 :], copy=True), x[..., : WIDTH // 2]], axis=-1
    ),
}


def agrees(names):
    def function(x, w):
        first = x
        for name in names:
            x = STEPS[name](x, first, w)
        return x

    x, w = random(BATCH, LENGTH, WIDTH, seed=5), random(WIDTH, WIDTH, seed=6)
    expected, found = function(x, w).numpy(), hal.compile(function)(x, w).numpy()
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize("name", STEPS)
def test_each_step_gives_its_results(name):
    agrees([name, name])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=2, max_size=6))
def test_steps_in_any_order_give_their_results(names):
    agrees(names)
