"""Convolutions by oneDNN: every kind, channels first and last, with a chain behind."""

from __future__ import annotations

import numpy as np
import pytest

from hal.dtypes import float32
from hal.ops import operators
from hal.plugin import Layout, Signature
from hal_cpu.convolutions import find_convolution
from hal_cpu.dnn import Window, convolution, describe, library

pytestmark = pytest.mark.skipif(library() is None, reason="oneDNN is not installed")


def channels_last(layout):
    turned = (layout.shape[0], *layout.shape[2:], layout.shape[1])
    batch, *spatial, channels = Layout(layout.dtype, turned).strides
    return Layout(layout.dtype, layout.shape, (batch, channels, *spatial))


def array(layout, values):
    """Return values as a NumPy array of a layout."""
    flat = np.empty(layout.size, np.float32)
    found = np.ndarray(layout.shape, np.float32, flat, 0, [4 * s for s in layout.strides])
    found[...] = values
    return found


def compared(name, shapes, lay=lambda layout: layout, prepared=True, **attributes):
    """Run a kernel and compare it with its operator's reference."""
    op, rng = operators[name], np.random.default_rng(0)
    values = [None if s is None else rng.normal(size=s).astype(np.float32) for s in shapes]
    layouts = [None if s is None else Layout(float32, tuple(s)) for s in shapes]
    inference = op.infer(tuple(layouts), attributes)
    out = lay(Layout(*inference.outputs[0]))
    whole = [n for n, x in enumerate(layouts) if x is not None and x.ndim == out.ndim and n != 1]
    for n in whole:
        layouts[n] = lay(layouts[n])
    inputs = [None if v is None else array(x, v) for x, v in zip(layouts, values, strict=True)]
    kernel = find_convolution(op, Signature(tuple(layouts), (out,), inference.attributes))
    assert kernel is not None
    into = kernel.into
    if prepared:
        into = kernel.prepare([None, *inputs[1:]]).into
    result = array(out, np.nan)
    into(None, [result], inputs)
    expected = op.reference(*values, **inference.attributes)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


KINDS = {
    "direct": ([(2, 16, 9, 7), (32, 16, 3, 3), (32,)], {"padding": 1}),
    "pointwise": ([(2, 16, 9, 7), (32, 16, 1, 1), (32,)], {}),
    "without bias": ([(2, 16, 9, 7), (32, 16, 3, 3), None], {}),
    "of images": ([(1, 3, 20, 20), (64, 3, 7, 7), (64,)], {"stride": 2, "padding": 3}),
    "stride": ([(2, 64, 9, 7), (32, 64, 3, 3), (32,)], {"stride": (2, 1), "padding": 1}),
    "uneven padding": ([(1, 16, 9, 7), (16, 16, 3, 3), None], {"padding": ((0, 2), (1, 0))}),
    "dilation": ([(1, 16, 12, 12), (16, 16, 3, 3), None], {"dilation": 2}),
    "grouped": ([(1, 32, 9, 7), (64, 8, 3, 3), (64,)], {"groups": 4}),
    "depthwise": ([(1, 32, 9, 7), (32, 1, 3, 3), (32,)], {"groups": 32, "padding": 1}),
    "few odd channels": ([(1, 5, 9, 7), (7, 5, 3, 3), (7,)], {}),
    "one axis": ([(2, 16, 30), (8, 16, 5), (8,)], {"padding": 2}),
    "three axes": ([(1, 16, 6, 6, 6), (16, 16, 3, 3, 3), None], {"padding": 1}),
}


@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "given"])
@pytest.mark.parametrize("lay", [lambda x: x, channels_last], ids=["first", "last"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_agrees_with_the_reference(kind, lay, prepared):
    shapes, attributes = KINDS[kind]
    compared("convolution", shapes, lay, prepared, **attributes)


TRANSPOSED = {
    "plain": ([(2, 16, 9, 7), (16, 32, 3, 3), (32,)], {}),
    "stride": ([(2, 16, 9, 7), (16, 32, 4, 4), None], {"stride": 2, "padding": 1}),
    "output padding": (
        [(1, 16, 9, 7), (16, 8, 3, 3), (8,)], {"stride": 2, "padding": 1, "output_padding": (1, 0)},
    ),
    "output padding without padding": (
        [(1, 16, 5, 7), (16, 8, 2, 2), (8,)], {"stride": 3, "output_padding": 2},
    ),
    "uneven padding": ([(1, 16, 9, 7), (16, 16, 3, 3), None], {"padding": ((0, 2), (1, 0))}),
    "dilation": ([(1, 16, 8, 8), (16, 16, 3, 3), None], {"dilation": 2}),
    "grouped": ([(1, 32, 9, 7), (32, 4, 3, 3), (16,)], {"groups": 4, "stride": 2}),
    "depthwise": ([(1, 32, 9, 7), (32, 1, 3, 3), (32,)], {"groups": 32, "padding": 1}),
    "one axis": ([(2, 16, 30), (16, 8, 5), (8,)], {"padding": 2, "stride": 2}),
    "three axes": ([(1, 16, 4, 5, 6), (16, 8, 2, 2, 2), None], {"stride": 2}),
}  # fmt: skip


@pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "given"])
@pytest.mark.parametrize("lay", [lambda x: x, channels_last], ids=["first", "last"])
@pytest.mark.parametrize("kind", TRANSPOSED)
def test_every_kind_of_transposed_convolution_agrees_too(kind, lay, prepared):
    shapes, attributes = TRANSPOSED[kind]
    compared("convolution_transpose", shapes, lay, prepared, **attributes)


def test_a_transposed_convolution_is_never_the_librarys_slow_one():
    op = operators["convolution_transpose"]
    x, weight = Layout(float32, (1, 16, 8, 8)), Layout(float32, (16, 8, 4, 4))
    inference = op.infer((x, weight), {"stride": 2, "padding": 1})
    out = channels_last(Layout(*inference.outputs[0]))
    source, result = (describe(float32, a.shape, a.strides) for a in (x, out))
    given = Window((2, 2), (1, 1), (1, 1), (1, 1))
    weights = describe(float32, (8, 16, 4, 4), None)
    assert convolution(source, weights, result, None, given, transposed=True) is None
    assert find_convolution(op, Signature((x, weight), (out,), inference.attributes)) is not None


SILU = (("silu", (0,), ()),)
CHAINS = {
    "an activation": ([], SILU, (1,)),
    "relu": ([], (("relu", (0,), ()),), (1,)),
    "a residual and relu": ([(2, 32, 9, 7)], (("add", (0, 1), ()), ("relu", (2,), ())), (3,)),
    "another activation": ([], (("hard_swish", (0,), ()),), (1,)),
    "a residual": ([(2, 32, 9, 7)], (("add", (0, 1), ()), ("silu", (2,), ())), (3,)),
    "a residual first": ([(2, 32, 9, 7)], (("add", (1, 0), ()), ("silu", (2,), ())), (3,)),
    "a factor of channels": ([(32, 1, 1)], (("multiply", (0, 1), ()),), (2,)),
    "a number": ([()], (("multiply", (0, 1), ()),), (2,)),
}


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_behind_is_done_on_the_way(chain, kernel):
    others, steps, results = CHAINS[chain]
    shapes = [(2, 16, 9, 7), (32, 16, kernel, kernel), (32,), *others]
    padding = kernel // 2
    compared(
        "convolution_fused", shapes, channels_last, padding=padding, steps=steps, results=results
    )


@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_behind_a_transposed_convolution_is_done_on_the_way(chain):
    others, steps, results = CHAINS[chain]
    compared(
        "convolution_transpose_fused", [(2, 16, 9, 7), (16, 32, 3, 3), (32,), *others],
        channels_last, padding=1, steps=steps, results=results,
    )  # fmt: skip


def test_what_is_not_packed_or_not_float32_has_none():
    op = operators["convolution"]
    weight = Layout(float32, (8, 4, 3, 3))
    attributes = op.infer((Layout(float32, (1, 4, 8, 8)), weight), {}).attributes
    out = Layout(float32, (1, 8, 6, 6))
    strided = Layout(float32, (1, 4, 8, 8), (512, 128, 16, 2))
    assert find_convolution(op, Signature((strided, weight), (out,), attributes)) is None
