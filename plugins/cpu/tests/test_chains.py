"""Compiled chains: the same as their steps, one after another, on any layout."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from hal import dtypes
from hal.dtypes import as_dtype
from hal.ops import operators
from hal.plugin import Layout, Signature
from hal_cpu.jit import find_loop

FUSED = operators["fused"]
UNARY = ["negative", "abs", "floor", "tanh", "sigmoid", "relu", "silu", "sign", "hard_swish", "erf"]
BINARY = ["add", "subtract", "multiply", "maximum", "minimum"]


def layout(array):
    itemsize = array.dtype.itemsize
    strides = tuple(s // itemsize for s in array.strides)
    return Layout(as_dtype(array.dtype), array.shape, strides)


def run(steps, results, *arrays):
    attributes = {"steps": tuple(steps), "results": tuple(results)}
    inference = FUSED.infer([layout(a) for a in arrays], attributes)
    outputs = tuple(Layout(dtype, shape) for dtype, shape in inference.outputs)
    kernel = find_loop(FUSED, Signature(tuple(layout(a) for a in arrays), outputs, attributes))
    if kernel is None:
        return None
    outs = [np.full(x.shape, 0x55, x.dtype.numpy) for x in outputs]
    kernel.into(None, outs, list(arrays))
    return outs


def reference(steps, results, *arrays):
    with np.errstate(all="ignore"):
        found = FUSED.reference(*arrays, steps=tuple(steps), results=tuple(results))
    return found if isinstance(found, tuple) else (found,)


def agree(steps, results, *arrays):
    found = run(steps, results, *arrays)
    assert found is not None
    for x, y in zip(found, reference(steps, results, *arrays), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=2e-6, atol=2e-6)


@st.composite
def chains(draw):
    steps = []
    for n in range(draw(st.integers(1, 5))):
        earlier = st.integers(0, 1 + n)
        if draw(st.booleans()):
            steps.append((draw(st.sampled_from(UNARY)), (draw(earlier),), ()))
        else:
            steps.append((draw(st.sampled_from(BINARY)), (draw(earlier), draw(earlier)), ()))
    return steps


@settings(max_examples=40)
@given(chains(), st.sampled_from([(7,), (3, 5), (2, 3, 4)]), st.integers(0, 9))
def test_a_chain_is_its_steps(steps, shape, seed):
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    # A chain has the shape of its operands together: the last step looks at both.
    steps = [*steps, ("add", (0, 1), ()), ("add", (len(steps) + 1, len(steps) + 2), ())]
    agree(steps, [len(steps) + 1, len(steps) - 1], x, y)


LAYOUTS = {
    "packed": lambda a: a,
    "turned": lambda a: a.transpose(2, 1, 0).copy().transpose(2, 1, 0),
    "every second": lambda a: np.repeat(a, 2, axis=2)[..., ::2],
    "backwards": lambda a: a[:, ::-1, ::-1].copy()[:, ::-1, ::-1],
    "one row": lambda a: np.broadcast_to(a[0, 0], a.shape),
    "one column": lambda a: np.broadcast_to(a[..., :1], a.shape),
    "one number": lambda a: np.broadcast_to(a[0, 0, 0], a.shape),
    "the middle": lambda a: np.pad(a, 1)[1:-1, 1:-1, 1:-1],
}


@pytest.mark.parametrize("first", LAYOUTS)
@pytest.mark.parametrize("second", LAYOUTS)
def test_memory_may_lie_in_any_way(first, second):
    rng = np.random.default_rng(0)
    x, y, z = (rng.normal(size=(3, 4, 5)).astype(np.float32) for _ in range(3))
    steps = [("multiply", (0, 1), ()), ("add", (3, 2), ())]
    agree(steps, [4], LAYOUTS[first](x), LAYOUTS[second](y), z)


def test_smaller_operands_are_broadcast():
    rng = np.random.default_rng(0)
    x, row, column, number = (
        rng.normal(size=s).astype(np.float32) for s in [(4, 6), (6,), (4, 1), ()]
    )
    steps = [("add", (0, 1), ()), ("multiply", (4, 2), ()), ("subtract", (5, 3), ())]
    agree(steps, [6], x, row, column, number)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8, np.float64])
def test_other_numbers_have_their_own_arithmetic(dtype):
    x = np.array([1, 2, 100, 7], dtype)
    steps = [("multiply", (0, 0), ()), ("add", (1, 0), ()), ("less", (2, 0), ())]
    agree(steps, [2, 3], x)


def test_comparisons_and_choices_handle_nan():
    x = np.array([np.nan, 1.0, -1.0, np.inf], np.float32)
    y = np.array([0.0, np.nan, 1.0, np.nan], np.float32)
    steps = [
        ("less", (0, 1), ()),
        ("where", (2, 0, 1), ()),
        ("not_equal", (0, 1), ()),
        ("isnan", (3,), ()),
        ("maximum", (0, 1), ()),
        ("minimum", (0, 1), ()),
        ("isfinite", (0,), ()),
        ("isinf", (0,), ()),
    ]
    agree(steps, range(2, 10), x, y)


def test_conversions_between_kinds():
    x = np.array([0, 1, -3, 100], np.int32)
    steps = [
        ("cast", (0,), (("dtype", dtypes.float32),)),
        ("cast", (1,), (("dtype", dtypes.float64),)),
        ("cast", (0,), (("dtype", dtypes.bool),)),
        ("cast", (0,), (("dtype", dtypes.uint8),)),
        ("cast", (3,), (("dtype", dtypes.int64),)),
    ]
    agree(steps, range(1, 6), x)


@pytest.mark.parametrize(
    ("steps", "array"),
    [
        ([("sin", (0,), ())], np.ones(3, np.float32)),
        ([("exp", (0,), ())], np.ones(3, np.float64)),
        ([("add", (0, 0), ())], np.ones(3, np.complex64)),
        ([("cast", (0,), (("dtype", dtypes.float16),))], np.ones(3, np.float64)),
        ([("cast", (0,), (("dtype", dtypes.int32),))], np.ones(3, np.float32)),
    ],
)
def test_what_no_loop_is_made_for_is_left_to_other_kernels(steps, array):
    assert run(steps, [1], array) is None


def test_a_result_may_lie_where_an_operand_lies():
    x = np.linspace(-1, 1, 1000, dtype=np.float32)
    wanted = x * x + x
    steps = (("multiply", (0, 0), ()), ("add", (1, 0), ()))
    given = Signature((layout(x),), (layout(x),), {"steps": steps, "results": (2,)})
    find_loop(FUSED, given).into(None, [x], [x])
    np.testing.assert_array_equal(x, wanted)
