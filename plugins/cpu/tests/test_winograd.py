"""Convolutions by Winograd's algorithm: the results of those that multiply everything."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.ops import evaluate_reference, operators
from hal.plugin import Layout, Signature
from hal_cpu.convolutions import find_convolution
from hal_cpu.dnn import library
from hal_cpu.winograd import find_winograd

pytestmark = pytest.mark.skipif(library() is None, reason="oneDNN has no build for this platform")


def drawn(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def channels_last(array):
    """Return an array of the same shape whose channels lie last."""
    return np.ascontiguousarray(np.moveaxis(array, 1, -1)).transpose(0, 3, 1, 2)


def layout(array):
    return Layout(hal.float32, array.shape, tuple([s // 4 for s in array.strides]))


def signature(out, *arrays, **attributes):
    given = tuple([None if a is None else layout(a) for a in arrays])
    op = operators["convolution_fused" if "steps" in attributes else "convolution"]
    attributes = op.infer(given, attributes).attributes
    return Signature(given, (layout(out),), attributes)


def found(x, weight, *others, padding=((1, 1), (1, 1)), **attributes):
    """Return the results: of one call, and of two on arrays that stay where they are."""
    shape = [n + sum(p) - 2 for n, p in zip(x.shape[2:], padding, strict=True)]
    out = channels_last(np.full((x.shape[0], weight.shape[0], *shape), np.nan, np.float32))
    make = find_winograd(signature(out, x, weight, *others, padding=padding, **attributes))
    kernel = make(weight)
    given = [x, None, *others]
    kernel.into(None, [out], given)
    once = out.copy()
    run = kernel.place([out], given)
    for _ in range(2):
        out[...] = np.nan
        run(None, [out], given)
        np.testing.assert_array_equal(out, once)
    return once


def near(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [(32, 32), (33, 70), (128, 40)])
@pytest.mark.parametrize("size", [(1, 14, 14), (2, 15, 17), (3, 2, 40), (2, 56, 56)])
@pytest.mark.parametrize("padding", [((1, 1), (1, 1)), ((0, 2), (2, 0))])
def test_every_size_is_the_reference(channels, size, padding):
    batch, *shape = size
    x, weight = channels_last(drawn(batch, channels[0], *shape)), drawn(*channels[::-1], 3, 3)
    weight /= np.sqrt(weight[0].size, dtype=np.float32)
    bias = drawn(channels[1])
    attributes = (
        operators["convolution"]
        .infer([layout(a) for a in (x, weight, bias)], {"padding": padding})
        .attributes
    )
    inputs = [a.astype(np.float64) for a in (x, weight, bias)]
    near(
        found(x, weight, bias, padding=padding),
        evaluate_reference(operators["convolution"], inputs, attributes),
    )


def test_without_padding_the_edges_are_left_out():
    x, weight = channels_last(drawn(1, 32, 16, 16)), drawn(32, 32, 3, 3)
    inner = found(x, weight)[:, :, 1:-1, 1:-1]
    np.testing.assert_allclose(
        found(x, weight, padding=((0, 0), (0, 0))), inner, rtol=1e-3, atol=1e-3
    )


def test_bias_and_chain_follow():
    x, weight, bias = channels_last(drawn(1, 32, 14, 14)), drawn(64, 32, 3, 3), drawn(64)
    residual, scale = channels_last(drawn(1, 64, 14, 14)), drawn(64, 1, 1)
    steps = (("add", (0, 1), ()), ("relu", (3,), ()), ("multiply", (4, 2), ()))
    plain = found(x, weight, bias)
    fused = found(x, weight, bias, residual, scale, steps=steps, results=(5,))
    near(fused, np.maximum(plain + residual, 0) * scale)
    steps = (("relu", (0,), ()),)
    near(found(x, weight, steps=steps, results=(1,)), np.maximum(plain - bias[:, None, None], 0))


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_what_is_not_finite_shows(value):
    x, weight = channels_last(drawn(1, 32, 14, 14)), drawn(32, 32, 3, 3)
    x[0, 3, 6, 7] = value
    finite = np.isfinite(found(x, weight))[0].all(0)
    assert not finite[5:8, 6:9].any()
    # At the most the tiles that the window meets are lost with it.
    finite[4:8, 6:10] = True
    assert finite.all()


def test_other_convolutions_are_left_to_the_library():
    x, weight, out = drawn(1, 64, 16, 16), drawn(64, 64, 3, 3), drawn(1, 64, 16, 16)
    last = channels_last(x), weight
    target = channels_last(out)
    same = {"padding": ((1, 1), (1, 1))}
    assert find_winograd(signature(target, *last, **same)) is not None
    assert find_winograd(signature(out, x, weight, **same)) is None
    assert find_winograd(signature(target, *last, **same, stride=(2, 2))) is None
    assert find_winograd(signature(target, *last, **same, dilation=(2, 2))) is None
    assert find_winograd(signature(target, last[0], drawn(64, 32, 3, 3), **same, groups=2)) is None
    assert find_winograd(signature(target, last[0], drawn(64, 64, 1, 1))) is None
    small = channels_last(drawn(1, 64, 8, 8))
    assert find_winograd(signature(small, small, weight, **same)) is None


def test_a_kernel_is_made_so_for_weights_that_never_change():
    x, weight, bias = channels_last(drawn(1, 64, 20, 20)), drawn(64, 64, 3, 3), drawn(64)
    out = np.empty_like(x)
    steps = (("relu", (0,), ()),)
    asked = signature(out, x, weight, bias, padding=((1, 1), (1, 1)), steps=steps, results=(1,))
    kernel = find_convolution(operators["convolution_fused"], asked)
    prepared = kernel.prepare([None, weight, None])
    prepared.into(None, [out], [x, None, bias])
    wanted = found(x, weight, bias, steps=steps, results=(1,))
    np.testing.assert_array_equal(out, wanted)
    kernel.into(None, [out], [x, weight, bias])
    assert 0 < np.abs(out - wanted).max() < 1e-3


def test_a_program_with_two_is_the_single_calls():
    x, *weights = drawn(1, 64, 20, 20), drawn(64, 64, 3, 3) / 24, drawn(64, 64, 3, 3) / 24
    given, *kept = (hal.asarray(a, device="cpu:0") for a in (x, *weights))

    def two(x):
        for weight in kept:
            x = hal.nn.relu(hal.nn.conv2d(x, weight, padding=1))
        return x

    near(hal.compile(two)(given).numpy(), two(given).numpy())
