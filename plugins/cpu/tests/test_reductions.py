"""Reductions by loops, with chains in front: the same as one after another, on any layout."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.dtypes import as_dtype, float16
from hal.ops import operators
from hal.plugin import Layout, Signature
from hal_cpu.jit import HALVES, find_reduction

FUSED = operators["fused_reduction"]
KINDS = ("sum", "mean", "max", "min")
CHAINS = {
    "nothing": ((), 0),
    "squares": ((("multiply", (0, 0), ()),), 2),
    "exponentials": ((("subtract", (0, 1), ()), ("exp", (2,), ())), 3),
}


def layout(array):
    strides = tuple(s // array.itemsize for s in array.strides)
    return Layout(as_dtype(array.dtype), array.shape, strides)


def kernel_of(op, arrays, attributes):
    """Return the kernel, and the shape of its result."""
    inference = op.infer(tuple(map(layout, arrays)), attributes)
    ((dtype, shape),) = inference.outputs
    asked = Signature(tuple(map(layout, arrays)), (Layout(dtype, shape),), inference.attributes)
    return find_reduction(op, asked), shape


def agree(chain, kind, axis, keepdims, x, y):
    steps, result = CHAINS[chain]
    reduction = (kind, (("axis", axis), ("keepdims", keepdims)))
    attributes = {"steps": steps, "results": (result,), "reduction": reduction}
    kernel, shape = kernel_of(FUSED, [x, y], attributes)
    out = np.full(shape, 7, np.float32)
    kernel.into(None, [out], [x, y])
    with np.errstate(all="ignore"):
        value = operators["fused"].reference(
            x.astype(np.float64), y.astype(np.float64), steps=steps, results=(result,)
        )
        expected = getattr(np, kind)(value, axis=axis, keepdims=keepdims)
    scale = np.max(np.abs(value), initial=0, where=np.isfinite(value))
    np.testing.assert_allclose(out, expected, rtol=2e-5, atol=1e-5 * max(scale, 1))


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_a_reduction_is_its_parts(data):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    order = data.draw(st.permutations(range(len(shape))))
    x = rng.standard_normal([shape[n] for n in order], np.float32).transpose(np.argsort(order))
    y = np.broadcast_to(rng.standard_normal(shape[-1:], np.float32), shape)
    axes = data.draw(st.sets(st.sampled_from(range(len(shape))), min_size=1))
    agree(
        data.draw(st.sampled_from(sorted(CHAINS))),
        data.draw(st.sampled_from(KINDS)),
        tuple(sorted(axes)),
        data.draw(st.booleans()),
        x,
        y,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((100_003,), (0,)), ((300, 401), (1,)), ((300, 401), (0,)), ((20, 30, 200), (0, 2)),
     ((20, 30, 200), (1,)), ((7, 5000), (0,))],
)  # fmt: skip
def test_threads_share_what_is_large(kind, shape, axis):
    rng = np.random.default_rng(3)
    x = rng.standard_normal(shape, np.float32)
    agree("squares", kind, axis, False, x, x)


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_reduction_needs_no_chain(kind):
    x = np.random.default_rng(4).standard_normal((400, 300), np.float32)
    op = operators[kind]
    kernel, shape = kernel_of(op, [x], {"axis": -1, "keepdims": False})
    out = np.empty(shape, np.float32)
    kernel.into(None, [out], [x])
    np.testing.assert_allclose(out, getattr(np, kind)(x, -1), rtol=1e-5, atol=1e-4)
    assert kernel_of(op, [x[:3]], {"axis": -1, "keepdims": False})[0] is None


@pytest.mark.parametrize("size", [5, 9000])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_number_and_what_has_no_end_are_seen(kind, size):
    for special in (math.nan, math.inf, -math.inf):
        x = np.ones(size, np.float32)
        x[size // 2] = special
        agree("nothing", kind, (0,), False, x, x)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "axis"), [((9000,), 0), ((7, 500), 1), ((3, 4, 50), (1, 2))])
def test_half_precision_is_added_up_in_float32_and_rounded_once(kind, dtype, shape, axis):
    x = (np.random.default_rng(5).standard_normal(shape, np.float32) / 8).astype(dtype.numpy)
    reduction = (kind, (("axis", axis), ("keepdims", False)))
    attributes = {"steps": (), "results": (0,), "reduction": reduction}
    kernel, size = kernel_of(FUSED, [x], attributes)
    out = np.empty(size, dtype.numpy)
    kernel.into(None, [out], [x])
    expected = getattr(np, kind)(x.astype(np.float64), axis=axis)
    step = 2.0 ** -(11 if dtype is float16 else 8)
    np.testing.assert_allclose(out.astype(np.float64), expected, rtol=1.01 * step, atol=1e-5)


def test_what_no_loop_is_made_for_is_left_to_other_kernels():
    x = np.ones((3, 4))
    attributes = {
        "steps": (), "results": (0,), "reduction": ("sum", (("axis", 0), ("keepdims", False))),
    }  # fmt: skip
    assert kernel_of(FUSED, [x], attributes)[0] is None
    attributes["reduction"] = ("prod", (("axis", 0), ("keepdims", False)))
    assert kernel_of(FUSED, [x.astype(np.float32)], attributes)[0] is None
