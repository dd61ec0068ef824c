"""Compiled rows and blocked attention: the references' results."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.dtypes import float32
from hal.ops import evaluate_reference, operators
from hal.plugin import Layout, Signature

CPU = hal.device("cpu:0")


def run(name, arrays, **attributes):
    op = operators[name]
    layouts = [None if a is None else Layout(float32, a.shape) for a in arrays]
    layouts = [
        Layout(hal.bool, a.shape) if a is not None and a.dtype == bool else x
        for a, x in zip(arrays, layouts, strict=True)
    ]
    inference = op.infer(layouts, attributes)
    outputs = tuple(Layout(dtype, shape) for dtype, shape in inference.outputs)
    kernel = CPU.runtime.kernel(op, Signature(tuple(layouts), outputs, inference.attributes))
    out = np.full(outputs[0].shape, np.nan, np.float32)
    kernel.into(None, [out], arrays)
    return out, evaluate_reference(op, arrays, attributes)


def values(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(1,), (5,), (3, 17), (2, 3, 64), (1, 1000)])
def test_softmax_of_rows(shape):
    found, wanted = run("softmax", [values(*shape) * 5], axis=-1)
    np.testing.assert_allclose(found, wanted, rtol=3e-6, atol=1e-7)
    found, wanted = run("log_softmax", [values(*shape) * 5], axis=-1)
    np.testing.assert_allclose(found, wanted, rtol=3e-6, atol=1e-6)


def test_softmax_of_extremes():
    x = np.array(
        [[1e30, 1e30, -1e30], [-np.inf, 0, 1], [np.nan, 0, 1], [0, 1, np.nan], [-87, -80, 6]],
        np.float32,
    )
    found, wanted = run("softmax", [x], axis=-1)
    # What is smaller than a normal number may become zero.
    np.testing.assert_allclose(found, wanted, rtol=3e-6, atol=1.2e-38)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
@pytest.mark.parametrize("axes", [(-1,), (-2, -1)])
@pytest.mark.parametrize("weighted", ["neither", "weight", "both"])
def test_norms_of_rows(name, axes, weighted):
    x = values(3, 4, 33) + 100
    size = x.shape[-len(axes) :]
    weight = None if weighted == "neither" else values(*size, seed=1)
    given = [x, weight]
    if name == "layer_norm":
        given.append(values(*size, seed=2) if weighted == "both" else None)
    found, wanted = run(name, given, axes=axes, epsilon=1e-5)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


MASKS = {
    "none": lambda: None,
    "numbers": lambda: values(5, 7, seed=5),
    "per key": lambda: np.where(np.arange(7) < 4, 0, -np.inf).astype(np.float32)[None, None, None],
    "allowed": lambda: values(2, 1, 5, 7, seed=6) > 0,
    "nothing allowed": lambda: np.zeros((5, 7), bool),
    "per head": lambda: values(2, 4, 5, 7, seed=7),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("key_heads", [4, 2, 1])
def test_attention(mask, causal, key_heads):
    arrays = [values(2, 4, 5, 8), *(values(2, key_heads, 7, 8, seed=n) for n in (1, 2))]
    given = MASKS[mask]()
    found, wanted = run("attention", [*arrays, given], causal=causal)
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("length", [1, 3, 7, 8])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("turned", [(), (1,), (2,), (0, 1, 2)])
def test_attention_of_few_queries_on_arrays_that_lie_in_any_way(length, causal, turned):
    sizes = [(2, 4, length, 24), (2, 2, 37, 24), (2, 2, 37, 18)]
    arrays = [values(*size, seed=n) for n, size in enumerate(sizes)]
    for n in turned:
        arrays[n] = np.ascontiguousarray(arrays[n].swapaxes(2, 3)).swapaxes(2, 3)
    out = np.full((2, 4, length, 18), np.nan, np.float32)
    op, device = operators["attention"], CPU.runtime
    layouts = [Layout(float32, a.shape, [s // 4 for s in a.strides]) for a in (*arrays, out)]
    attributes = op.infer(layouts[:3], {"causal": causal}).attributes
    kernel = device.kernel(op, Signature(tuple(layouts[:3]), (layouts[3],), attributes))
    kernel.into(None, [out], arrays)
    wanted = run("attention", arrays, causal=causal)[1]
    np.testing.assert_allclose(out, wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_longer_than_a_block(causal):
    arrays = [values(1, 2, 300, 16, seed=n) for n in range(3)]
    mask = values(300, 300, seed=9)
    found, wanted = run("attention", [*arrays, mask], causal=causal)
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("mask", MASKS)
def test_attention_on_arrays_that_stay_where_they_are(mask):
    arrays = [values(2, 4, 5, 8), *(values(2, 4, 7, 8, seed=n) for n in (1, 2)), MASKS[mask]()]
    wanted = run("attention", arrays)[1]
    types = [None if a is None else hal.bool if a.dtype == bool else float32 for a in arrays]
    layouts = [
        None if a is None else Layout(t, a.shape) for a, t in zip(arrays, types, strict=True)
    ]
    op = operators["attention"]
    attributes = op.infer(layouts, {}).attributes
    kernel = CPU.runtime.kernel(op, Signature(tuple(layouts), tuple(layouts[:1]), attributes))
    out = np.zeros_like(arrays[0])
    into = kernel.place([out], arrays) if kernel.place else None
    if types[3] is hal.bool:
        assert into is None  # Such a mask is made into numbers at every run.
    elif into is not None:
        arrays[0] *= 0
        into(None, [out], arrays)
        np.testing.assert_allclose(out, run("attention", arrays)[1], rtol=2e-5, atol=2e-6)
        assert not np.allclose(out, wanted)


def test_the_scores_of_long_sequences_are_never_all_there():
    import tracemalloc

    arrays = [values(1, 1, 4096, 8, seed=n) for n in range(3)]
    layouts = tuple(Layout(float32, a.shape) for a in arrays)
    attributes = operators["attention"].infer(layouts, {}).attributes
    kernel = CPU.runtime.kernel(operators["attention"], Signature(layouts, layouts[:1], attributes))
    out = np.empty_like(arrays[0])
    kernel.into(None, [out], arrays)
    tracemalloc.start()
    kernel.into(None, [out], arrays)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4096 * 4096 * 4 // 20
