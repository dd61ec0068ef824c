"""Attention that a model writes out in parts becomes one call, and means what it meant."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hal
from hal.program import Executable, record
from hal.program.passes import common_subexpressions, dead_code, find_attention, fold_constants

from .conftest import random

QUERIES, KEYS, SIZE = 5, 7, 8
SEEN = np.tri(QUERIES, KEYS, dtype=bool)


def names(program):
    return [call.op.name for call in program.calls if not call.view]


def both(function, *arguments):
    """Return a function's program as passes before this one leave it, and after this one."""
    device = hal.device("cpu:0")
    before = record("f", device, list(arguments), lambda xs: [function(*xs)])
    before = common_subexpressions(fold_constants(dead_code(before), device))
    return before, find_attention(before, device)


def run(program, *arguments):
    return Executable(hal.device("cpu:0"), program)(list(arguments))[0].numpy()


def becomes(expected, function, *arguments):
    """Hold the calls after the pass against a list, and the results against those before."""
    before, after = both(function, *arguments)
    assert names(after) == expected
    found, wanted = run(after, *arguments), run(before, *arguments)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    return after


def attention_of(program):
    return next(call for call in program.calls if call.op.name == "attention")


@pytest.fixture
def qkv():
    return [random(2, 3, n, SIZE, seed=n) for n in (QUERIES, KEYS, KEYS)]


IN_PARTS = {
    "plain": lambda q, k, v, m: hal.nn.softmax(q @ k.mT, -1) @ v,
    "scaled": lambda q, k, v, m: hal.nn.softmax((q @ k.mT) * 0.25, -1) @ v,
    "divided": lambda q, k, v, m: hal.nn.softmax((q @ k.mT) / 4.0, -1) @ v,
    "scaled queries": lambda q, k, v, m: hal.nn.softmax((q * 0.25) @ k.mT, -1) @ v,
    "scaled keys too": lambda q, k, v, m: hal.nn.softmax((q * 0.5) @ (k.mT * 0.5), -1) @ v,
    "masked": lambda q, k, v, m: hal.nn.softmax((q @ k.mT) / 4.0 + m, -1) @ v,
    "mask first": lambda q, k, v, m: hal.nn.softmax(m + 0.5 * (q @ k.mT), -1) @ v,
}


@pytest.mark.parametrize("name", IN_PARTS)
def test_attention_in_parts_becomes_attention(name, qkv):
    becomes(["attention"], IN_PARTS[name], *qkv, random(2, 1, QUERIES, KEYS))


NOT_ATTENTION = {
    "another axis": lambda q, k, v: hal.nn.softmax(q @ k.mT, -2) @ v,
    "a factor that is no constant": lambda q, k, v: (
        hal.nn.softmax((q @ k.mT) * q[0, 0, 0, 0], -1) @ v
    ),
    "no scores": lambda q, k, v: hal.nn.softmax(k @ k.mT + 1.0, -2) @ v,
    "broadcast keys": lambda q, k, v: hal.nn.softmax(q @ k[0].mT, -1) @ v,
    "hidden scores that count": lambda q, k, v: (
        hal.nn.softmax(hal.where(hal.asarray(SEEN), q @ k.mT, -1.0), -1) @ v
    ),
    "two masks that change": lambda q, k, v: (
        hal.nn.softmax(q @ k.mT + v[0, 0, :, 0] + v[0, 1, :, 0], -1) @ v
    ),
    "scores read elsewhere": lambda q, k, v: (
        lambda s: hal.nn.softmax(s, -1) @ v + hal.sum(s)
    )(q @ k.mT),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_ATTENTION)
def test_what_is_not_attention_stays_as_it_is(name, qkv):
    _, after = both(NOT_ATTENTION[name], *qkv)
    assert "attention" not in names(after)


def test_weights_that_are_a_result_too_are_made(qkv):
    device = hal.device("cpu:0")

    def function(xs):
        weights = hal.nn.softmax(xs[0] @ xs[1].mT, -1)
        return [weights @ xs[2], weights]

    before = record("f", device, qkv, function)
    assert names(find_attention(before, device)) == names(before)


def test_a_mask_that_is_chosen_becomes_the_attentions(qkv):
    def function(q, k, v, seen):
        return hal.nn.softmax(hal.where(seen, q @ k.mT, -math.inf), -1) @ v

    becomes(["attention"], function, *qkv, hal.asarray(SEEN[::-1].copy()))


def test_a_mask_of_what_is_hidden_is_turned_around(qkv):
    def function(q, k, v, hidden):
        return hal.nn.softmax(hal.where(hidden, -math.inf, q @ k.mT), -1) @ v

    becomes(["logical_not", "attention"], function, *qkv, hal.asarray(~SEEN))


@pytest.mark.parametrize("turned", [False, True])
def test_hidden_scores_that_are_numbers_count_alike_where_all_are_hidden(qkv, turned):
    seen = SEEN.copy()
    seen[2] = False

    def function(q, k, v, mask):
        pair = (-1e9, q @ k.mT) if turned else (q @ k.mT, -1e9)
        return hal.nn.softmax(hal.where(mask, *pair), -1) @ v

    mask = hal.asarray(~seen if turned else seen)
    after = becomes(["where", "attention"], function, *qkv, mask)
    mean = np.mean(qkv[2].numpy(), axis=-2)
    np.testing.assert_allclose(run(after, *qkv, mask)[..., 2, :], mean, rtol=1e-5, atol=1e-6)


CAUSAL = {
    "chosen": lambda s: hal.where(hal.asarray(SEEN), s, -math.inf),
    "chosen the other way": lambda s: hal.where(hal.asarray(~SEEN), -1e4, s),
    "compared on the way": lambda s: hal.where(
        hal.arange(KEYS) <= hal.reshape(hal.arange(QUERIES), (-1, 1)), s, -1e9
    ),
    "added": lambda s: s + hal.asarray(np.where(SEEN, 0, -np.inf).astype(np.float32)),
    "added, with axes in front": lambda s: (
        hal.asarray(np.where(SEEN, 0, -1e9).astype(np.float32)[None, None]) + s
    ),
}


@pytest.mark.parametrize("name", CAUSAL)
def test_a_mask_that_hides_the_keys_behind_each_query_is_causal(qkv, name):
    after = becomes(
        ["attention"], lambda q, k, v: hal.nn.softmax(CAUSAL[name](q @ k.mT), -1) @ v, *qkv
    )
    assert attention_of(after).attributes["causal"]
    assert len(attention_of(after).inputs) == 3


def test_a_causal_attention_may_have_a_mask_as_well(qkv):
    def function(q, k, v, mask):
        return hal.nn.softmax(CAUSAL["chosen"](0.25 * (q @ k.mT)) + mask, -1) @ v

    after = becomes(["attention"], function, *qkv, random(2, 1, 1, KEYS))
    assert attention_of(after).attributes["causal"]


def test_one_row_of_a_mask_for_all_queries_is_not_causal(qkv):
    row = hal.asarray(SEEN[:1])
    after = becomes(
        ["attention"],
        lambda q, k, v: hal.nn.softmax(hal.where(row, q @ k.mT, -math.inf), -1) @ v,
        *qkv,
    )
    assert not attention_of(after).attributes["causal"]


@pytest.mark.parametrize("way", ["the largest score", "no number"])
def test_weights_of_queries_that_see_nothing_may_be_set_to_zero(qkv, way):
    seen = SEEN.copy()
    seen[2] = False

    def function(q, k, v, mask):
        scores = hal.where(mask, q @ k.mT, -math.inf)
        weights = hal.nn.softmax(scores, -1)
        if way == "no number":
            hidden = hal.isnan(weights)
        else:
            hidden = hal.max(scores, axis=-1, keepdims=True) == -math.inf
        return hal.where(hidden, 0.0, weights) @ v

    mask = hal.asarray(seen)
    after = becomes(["attention"], function, *qkv, mask)
    assert not run(after, *qkv, mask)[..., 2, :].any()


def grouped():
    return [random(2, n, m, SIZE, seed=n) for n, m in ((6, QUERIES), (3, KEYS), (3, KEYS))]


def repeated(x, times):
    """Repeat heads the way models do: through an axis of its own."""
    batch, heads, length, size = x.shape
    wide = hal.broadcast_to(x[:, :, None], (batch, heads, times, length, size))
    return hal.reshape(wide, (batch, heads * times, length, size))


def test_key_heads_that_are_repeated_for_the_queries_are_shared():
    def function(q, k, v):
        return hal.nn.softmax(q @ repeated(k, 2).mT, -1) @ repeated(v, 2)

    after = becomes(["attention"], function, *grouped())
    assert attention_of(after).inputs[1].layout.shape == (2, 3, KEYS, SIZE)


def test_query_heads_that_lie_under_one_another_are_heads_again():
    def function(q, k, v):
        rows = hal.reshape(q * 0.5, (2, 3, 2 * QUERIES, SIZE))
        scores = hal.reshape(rows @ k.mT, (2, 6, QUERIES, KEYS))
        weights = hal.nn.softmax(CAUSAL["chosen"](scores), -1)
        found = hal.reshape(weights, (2, 3, 2 * QUERIES, KEYS)) @ v
        return hal.reshape(found, (2, 6, QUERIES, SIZE))

    after = becomes(["attention"], function, *grouped())
    assert attention_of(after).inputs[0].layout.shape == (2, 6, QUERIES, SIZE)


def test_keys_that_are_written_over_later_keep_their_order(qkv):
    def function(q, k, v):
        keys = k * 1.0
        found = hal.nn.softmax(q @ keys.mT, -1) @ v
        keys[...] = 0.0
        return found + keys[0, 0, 0, 0]

    before, after = both(function, *qkv)
    assert names(after) == names(before)


@settings(deadline=None, max_examples=30)
@given(
    scale=st.sampled_from(["none", "queries", "keys", "scores"]),
    masks=st.lists(st.sampled_from(["causal", "chosen", "added"]), max_size=2, unique=True),
    heads=st.sampled_from(["equal", "repeated"]),
    zeros=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_attention_means_the_same_however_it_is_written(scale, masks, heads, zeros, seed):
    q = random(2, 6, QUERIES, SIZE, seed=seed)
    k, v = (random(2, 3, KEYS, SIZE, seed=seed + n) for n in (1, 2))
    added = random(QUERIES, KEYS, seed=seed + 3)
    seen = hal.asarray(np.random.default_rng(seed).random((QUERIES, KEYS)) < 0.6)

    def function(q, k, v, added, seen):
        times = 2 if heads == "repeated" else 1
        if times == 2:
            k, v = repeated(k, 2), repeated(v, 2)
        else:
            q = q[:, ::2]
        q = q * 0.25 if scale == "queries" else q
        scores = q @ (k.mT * 0.25 if scale == "keys" else k.mT)
        scores = scores * 0.25 if scale == "scores" else scores
        for mask in masks:
            if mask == "added":
                scores = scores + added
            elif mask == "chosen":
                scores = hal.where(seen, scores, -math.inf)
            else:
                scores = CAUSAL["chosen"](scores)
        weights = hal.nn.softmax(scores, -1)
        if zeros:
            weights = hal.where(hal.isnan(weights), 0.0, weights)
        return weights @ v

    before, after = both(function, q, k, v, added, seen)
    many = set(masks) >= {"chosen", "added"}
    assert ("attention" in names(after)) is not many
    wanted, found = (run(p, q, k, v, added, seen) for p in (before, after))
    # A query that sees no key gets zeros from attention, and from its parts what is no number.
    wanted = wanted if zeros or many else np.nan_to_num(wanted)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
