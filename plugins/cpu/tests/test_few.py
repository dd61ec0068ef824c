"""Products of few rows by compiled code: the weights in either order, in parts, with a chain."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.special

import hal
from hal.plugin import Layout, Signature
from hal_cpu.jit import NotVectorised, address, compile_loop, few_rows
from hal_cpu.kernels import find_kernel

LINEAR, FUSED = hal.ops.operators["linear"], hal.ops.operators["linear_fused"]


def drawn(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def near(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def layout(array):
    return Layout(hal.float32, array.shape, tuple([s // 4 for s in array.strides]))


def multiplied(x, weight, *others, parts=2, **attributes):
    """Return the product as the code makes it whose parts run one after another."""
    out = np.full((*x.shape[:-1], weight.shape[0]), np.nan, np.float32)
    given = tuple([None if a is None else layout(a) for a in (x, weight, *others)])
    made = few_rows(Signature(given, (layout(out),), attributes), parts)
    scratch = np.full(made.scratch, np.nan, np.float32)
    arrays = [out, x, weight, scratch, *[a for a in others if a is not None]]
    loop = compile_loop(made.code, made.arrays, made.finish)
    loop.on(made.extent, 0, [address(a) for a in arrays], shared=False)()
    return out


@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("parts", [1, 2, 3, 16])
@pytest.mark.parametrize(("taken", "features"), [(768, 96), (50, 3), (7, 130), (1, 300), (65, 1)])
def test_every_number_of_rows_parts_and_features_is_numpys(rows, parts, taken, features):
    x, weight = drawn(rows, taken), drawn(features, taken)
    expected = x.astype(np.float64) @ weight.T
    near(multiplied(x, weight, parts=parts), expected)
    near(multiplied(x, np.asfortranarray(weight), parts=parts), expected)


@pytest.mark.parametrize("turned", [False, True])
def test_weights_may_be_a_part_of_a_matrix(turned):
    whole = drawn(200, 200)
    weight = whole[20:150, 30:110]
    weight = weight.T if turned else weight
    x = drawn(3, weight.shape[1])
    near(multiplied(x, weight), x.astype(np.float64) @ weight.T)


@pytest.mark.parametrize("turned", [False, True])
def test_bias_and_chain_follow_the_product(turned):
    x, weight, bias = drawn(2, 1, 80), drawn(96, 80), drawn(96)
    residual, scale = drawn(2, 1, 96), drawn(1)
    weight = np.asfortranarray(weight) if turned else weight
    steps = (
        ("gelu", (0,), (("approximate", "none"),)),
        ("subtract", (1, 3), ()),
        ("multiply", (4, 2), ()),
        ("add", (5, 0), ()),
    )
    found = multiplied(x, weight, bias, residual, scale, steps=steps, results=(6,))
    product = x.astype(np.float64) @ weight.T + bias
    gelu = product * (1 + scipy.special.erf(product / np.sqrt(2))) / 2
    near(found, (residual - gelu) * scale + product)


def test_a_step_without_code_is_refused():
    with pytest.raises(NotVectorised):
        multiplied(drawn(1, 80), drawn(96, 80), steps=(("nextafter", (0, 0), ()),), results=(1,))


def test_what_is_not_finite_stays_so():
    x, weight = drawn(1, 256), drawn(300, 256)
    weight[3, 4], weight[5, 6] = np.nan, np.inf
    for given in (weight, np.asfortranarray(weight)):
        found = multiplied(x, given)[0]
        assert np.isnan(found[3])
        assert found[5] == np.sign(x[0, 6]) * np.inf
        assert np.isfinite(np.delete(found, [3, 5])).all()


def kernel(op, *arrays, **attributes):
    given = tuple([None if a is None else layout(a) for a in arrays])
    out = Layout(hal.float32, (*arrays[0].shape[:-1], arrays[1].shape[0]))
    return find_kernel(op, Signature(given, (out,), attributes))


def test_weights_are_read_where_they_lie():
    x, weight, out = drawn(1, 768), drawn(700, 768), np.empty((1, 700), np.float32)
    prepared = kernel(LINEAR, x, weight).prepare([None, weight])
    run = prepared.place([out], [x, weight])
    for _ in range(2):
        weight += 1
        run(None, [out], [x, weight])
        near(out, x.astype(np.float64) @ weight.T)
        prepared.into(None, [out], [x, weight])
        near(out, x.astype(np.float64) @ weight.T)


def test_a_chain_that_the_vendors_library_has_not_is_taken_behind_few_rows():
    x, weight, residual = drawn(4, 300), drawn(300, 300), drawn(4, 300)
    found = kernel(
        FUSED, x, weight, None, residual, steps=(("subtract", (1, 0), ()),), results=(2,)
    )
    out = np.empty((4, 300), np.float32)
    found.into(None, [out], [x, weight, None, residual])
    near(out, residual - x.astype(np.float64) @ weight.T)


@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("library", ["", "0"])
def test_the_result_does_not_depend_on_who_lends_the_threads(threads, library):
    code = """
import hal, numpy as np
w = hal.asarray(np.cos(np.arange(400 * 300, dtype=np.float32)).reshape(400, 300), device="cpu:0")
x = hal.asarray(np.sin(np.arange(300, dtype=np.float32)).reshape(1, 300), device="cpu:0")
y = hal.asarray(np.sin(np.arange(400, dtype=np.float32)).reshape(1, 400), device="cpu:0")
f = hal.compile(lambda x, y: (hal.nn.silu(hal.nn.linear(x, w)), hal.nn.silu(y @ w)))
print(*[f"{v:.4f}" for part in f(x, y) for v in part.numpy().ravel()[:40]])
"""
    environment = {**os.environ, "HAL_ONEDNN": library, "HAL_NUM_THREADS": threads}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    w = np.cos(np.arange(400 * 300, dtype=np.float32)).reshape(400, 300)
    x, y = (np.sin(np.arange(n, dtype=np.float32)) for n in (300, 400))
    for part, product in zip(np.reshape(found, (2, 40)).astype(float), (w @ x, y @ w), strict=True):
        expected = product[:40] * scipy.special.expit(product[:40])
        np.testing.assert_allclose(part, expected, atol=2e-3)
