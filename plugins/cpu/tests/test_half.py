"""Half precision: loops round after every operator, layers once at the end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hal
from hal import dtypes
from hal.ops import operators
from hal.plugin import Layout, Signature
from hal_cpu.dnn import library
from hal_cpu.half import is_native
from hal_cpu.jit import HALVES, find_loop
from hal_cpu.kernels import find_kernel

FUSED = operators["fused"]
BOTH = pytest.mark.parametrize(
    "dtype",
    [
        pytest.param(
            x, id=str(x), marks=pytest.mark.skipif(x not in HALVES, reason="no instructions for it")
        )
        for x in (dtypes.float16, dtypes.bfloat16)
    ],
)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape).astype(np.float32)


def layout(array):
    strides = tuple(s // array.itemsize for s in array.strides)
    return Layout(dtypes.as_dtype(array.dtype), array.shape, strides)


def chain(steps, *arrays):
    """Return what a compiled chain makes of arrays."""
    attributes = {"steps": steps, "results": (len(arrays) + len(steps) - 1,)}
    given = tuple(map(layout, arrays))
    ((dtype, shape),) = FUSED.infer(given, attributes).outputs
    kernel = find_loop(FUSED, Signature(given, (Layout(dtype, shape),), attributes))
    out = np.empty(shape, dtype.numpy)
    kernel.into(None, [out], list(arrays))
    return out


def cast(array, dtype):
    return chain((("cast", (0,), (("dtype", dtype),)),), array)


@BOTH
def test_every_number_of_half_precision_is_a_float32_and_comes_back(dtype):
    every = np.arange(1 << 16, dtype=np.uint16).view(dtype.numpy)
    found = cast(every, dtypes.float32)
    np.testing.assert_array_equal(found, every.astype(np.float32))
    back = cast(found, dtype)
    there = ~np.isnan(found)
    np.testing.assert_array_equal(back[there].view(np.uint16), every[there].view(np.uint16))
    assert np.isnan(back[~there].astype(np.float32)).all()


@BOTH
@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(width=32), min_size=1, max_size=40))
def test_a_float32_is_rounded_to_the_nearest(dtype, values):
    x = np.asarray(values, np.float32)
    with np.errstate(all="ignore"):
        expected = x.astype(dtype.numpy).astype(np.float32)
    np.testing.assert_array_equal(cast(x, dtype).astype(np.float32), expected)


@BOTH
def test_a_chain_rounds_after_every_operator(dtype):
    x, y = (drawn(3, 500, seed=n).astype(dtype.numpy) for n in (1, 2))
    steps = (("multiply", (0, 1), ()), ("add", (2, 0), ()), ("divide", (3, 1), ()))
    expected = FUSED.reference(x, y, steps=steps, results=(4,))
    np.testing.assert_array_equal(chain(steps, x, y), expected)


@BOTH
@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "gelu", "silu", "sqrt", "relu"])
def test_functions_are_those_of_float32_rounded(dtype, name):
    x = np.abs(drawn(4000)).astype(dtype.numpy)
    defaults = tuple(operators[name].defaults.items())
    found = chain(((name, (0,), defaults),), x).astype(np.float32)
    expected = operators[name].reference(x, **dict(defaults)).astype(np.float32)
    step = 2.0 ** -(11 if dtype is dtypes.float16 else 8)
    np.testing.assert_allclose(found, expected, rtol=2 * step, atol=1e-7)


@BOTH
def test_a_large_array_is_added_by_a_loop(dtype):
    x = drawn(60, 512).astype(dtype.numpy)
    given = Signature((layout(x), layout(x)), (layout(x),), {})
    assert find_loop(operators["add"], given) is not None
    np.testing.assert_array_equal((hal.asarray(x) + hal.asarray(x)).numpy(), x + x)


LAYERS = {
    "matmul": ({}, (40, 50), (50, 60)),
    "matmul in batches": ({}, (3, 40, 50), (3, 50, 60)),
    "linear": ({}, (40, 50), (60, 50), (60,)),
    "linear on few rows": ({}, (2, 50), (60, 50)),
    "convolution": (
        {"stride": (1, 1), "dilation": (1, 1), "padding": ((1, 1), (1, 1)), "groups": 1},
        (2, 8, 9, 9), (12, 8, 3, 3), (12,),
    ),
    "attention": ({"causal": True}, (2, 4, 9, 16), (2, 2, 9, 16), (2, 2, 9, 16)),
    "softmax": ({"axis": -1}, (7, 33)),
    "layer_norm": ({"axes": (1,)}, (7, 33), (33,), (33,)),
    "rms_norm": ({"axes": (1,)}, (7, 33), (33,)),
}  # fmt: skip


def layer(name, dtype):
    """Return an operator, its kernel and arrays for it, the second of them transposed in memory."""
    op = operators[name.split(" ")[0]]
    attributes, *shapes = LAYERS[name]
    arrays = [drawn(*s, seed=n).astype(dtype.numpy) for n, s in enumerate(shapes)]
    if op.name == "linear":
        arrays[1] = np.ascontiguousarray(arrays[1].T).T
    inference = op.infer(tuple(map(layout, arrays)), attributes)
    outputs = tuple([Layout(*x) for x in inference.outputs])
    asked = Signature(tuple(map(layout, arrays)), outputs, inference.attributes)
    return op, find_kernel(op, asked), arrays, dict(inference.attributes)


@BOTH
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_calculated_in_float32_and_rounded_once(dtype, name):
    op, kernel, arrays, attributes = layer(name, dtype)
    wide = op.reference(*[a.astype(np.float32) for a in arrays], **attributes)
    out = np.empty(wide.shape, dtype.numpy)
    kernel.into(None, [out], arrays)
    step = 2.0 ** -(11 if dtype is dtypes.float16 else 8)
    np.testing.assert_allclose(out.astype(np.float32), wide, rtol=step * 1.01, atol=step / 100)


@BOTH
@pytest.mark.parametrize("name", ["linear", "linear on few rows", "convolution"])
def test_weights_that_never_change_are_converted_once(dtype, name):
    op, kernel, arrays, attributes = layer(name, dtype)
    out = np.empty(op.infer(tuple(map(layout, arrays)), attributes).outputs[0][1], dtype.numpy)
    expected = out.copy()
    kernel.into(None, [expected], arrays)
    prepared = kernel.prepare([None, *arrays[1:]])
    given = [None if n in prepared.released else a for n, a in enumerate(arrays)]
    prepared.into(None, [out], given)
    assert 1 in prepared.released
    step = 2.0 ** -(10 if dtype is dtypes.float16 else 7)
    np.testing.assert_allclose(
        out.astype(np.float32), expected.astype(np.float32), rtol=step, atol=step / 100
    )


@BOTH
def test_a_program_in_half_precision_is_the_functions(dtype):
    weight = hal.astype(hal.asarray(drawn(96, 80), device="cpu:0"), dtype)
    x = hal.astype(hal.asarray(drawn(64, 80), device="cpu:0"), dtype)

    def function(x):
        y = hal.nn.linear(x, weight)
        return hal.nn.softmax(hal.nn.gelu(y * 0.1 + y[:1]) - y[:, :1], -1)

    program = hal.compile(function)
    assert [c.op.name for c in program.program(x).calls if not c.view][-1] == "softmax"
    found, expected = (f(x).numpy().astype(np.float32) for f in (program, function))
    np.testing.assert_allclose(found, expected, rtol=2.0**-5, atol=1e-5)


@BOTH
def test_what_follows_a_layer_is_done_in_float32_too_and_rounded_once(dtype):
    if library() is None:
        pytest.skip("oneDNN has no build for this platform")
    x, weight, bias, other = (
        hal.astype(hal.asarray(drawn(*s), device="cpu:0"), dtype)
        for s in ((64, 80), (96, 80), (96,), (64, 96))
    )
    image, kernel = (
        hal.astype(hal.asarray(drawn(*s), device="cpu:0"), dtype)
        for s in ((2, 16, 9, 9), (32, 16, 3, 3))
    )

    def layers(x, image, other):
        rows = hal.nn.gelu(hal.nn.linear(x, weight, bias)) * 0.5 + other
        return rows, hal.nn.silu(hal.nn.conv2d(image, kernel, None))

    program = hal.compile(layers)
    calls = {c.op.name for c in program.program(x, image, other).calls if not c.view}
    assert {"linear_fused", "convolution_fused"} <= calls
    step = 2.0 ** -(11 if dtype is dtypes.float16 else 8)
    for found, expected in zip(program(x, image, other), layers(x, image, other), strict=True):
        found, expected = (a.numpy().astype(np.float32) for a in (found, expected))
        # One by one, each step is rounded.
        np.testing.assert_allclose(found, expected, rtol=4 * step, atol=40 * step)


def test_float32_is_not_half_precision():
    assert not is_native(dtypes.float32)
