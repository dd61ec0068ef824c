"""Masked attention by cuDNN: with a NumPy cuDNN, which gives NaN where a query sees no key."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

import hal
from hal.dtypes import as_dtype
from hal.ops import evaluate_reference, operators
from hal.plugin import Layout, Signature, extent
from hal_cuda.driver import compiled
from hal_cuda.kernels import find_kernel
from hal_cuda.kernels.masked import bias_of, bias_source, blind_source, masked
from hal_cuda.standin import StandinDriver, compiler


def at(pointer, layout):
    """Return the host array that lies at an address."""
    high = extent(layout)[1] * layout.dtype.itemsize
    raw = (ctypes.c_char * high).from_address(pointer)
    steps = tuple(s * layout.dtype.itemsize for s in layout.strides)
    return np.ndarray(layout.shape, layout.dtype.numpy, raw, 0, steps)


class Written:
    """The tensor a graph writes; each setter returns it."""

    def set_output(self, flag):
        return self

    def set_dim(self, dim):
        self.dim = tuple(dim)
        return self

    def set_stride(self, stride):
        self.stride = tuple(stride)
        return self

    def set_data_type(self, kind):
        self.layout = Layout(kind, self.dim, self.stride)
        return self


class NumpyCudnn:
    """What the plugin asks of cuDNN, done with NumPy as cuDNN documents it."""

    workspace = 0

    def build(self, dtype, make, exact):
        self.tensors = []
        _, self.result = make(self, lambda dtype: dtype)
        return self

    def tensor(self, name, dim, stride, data_type):
        self.tensors.append(Layout(data_type, tuple(dim), tuple(stride)))
        return name

    def sdpa(self, name, q, k, v, generate_stats, attn_scale, use_causal_mask, bias=None):
        assert (q, k, v) == ("q", "k", "v")
        assert bias in (None, "bias")
        self.scale, self.causal = attn_scale, use_causal_mask
        return Written(), None

    def start(self, stream, workspace, out, inputs):
        stream.run(self.run, out, inputs)

    def run(self, out, inputs):
        arrays = [at(p, x).astype(np.float64) for p, x in zip(inputs, self.tensors, strict=True)]
        q, k, v, *rest = arrays
        k, v = (np.repeat(x, q.shape[1] // x.shape[1], 1) for x in (k, v))
        with np.errstate(invalid="ignore"):
            scores = q @ k.swapaxes(-1, -2) * self.scale + (rest[0] if rest else 0)
            if self.causal:
                scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            result = weights / weights.sum(-1, keepdims=True) @ v
        at(out, self.result.layout)[...] = result


class Driver(StandinDriver):
    """The stand-in, with a cuDNN."""

    def networks(self):
        return NumpyCudnn()


def case(mask, causal, dtype=hal.float16, length=9, keys=21):
    rng = np.random.default_rng(length * keys + mask.size)
    q, k, v = (
        rng.standard_normal((2, heads, n, 16)).astype(dtype.numpy)
        for heads, n in ((4, length), (2, keys), (2, keys))
    )
    arrays = (q, k, v, mask)
    layouts = [
        Layout(as_dtype(a.dtype), a.shape, tuple(s // a.itemsize for s in a.strides))
        for a in arrays
    ]
    op = operators["attention"]
    inference = op.infer(layouts, {"causal": causal})
    outputs = tuple(Layout(d, s) for d, s in inference.outputs)
    asked = Signature(tuple(layouts), outputs, inference.attributes)
    return op, arrays, asked


def run(op, arrays, asked):
    driver = Driver()
    stream = driver.stream()
    kernel = masked(driver, op, asked)
    assert kernel is not None
    given = []
    for array, layout in zip(arrays, asked.inputs, strict=True):
        buffer = driver.allocate(extent(layout)[1] * layout.dtype.itemsize, stream)
        at(buffer.pointer, layout)[...] = array
        given.append(buffer)
    out = driver.allocate(asked.outputs[0].nbytes, stream)
    kernel.into(stream, [out], given)
    driver.synchronize(stream)
    return at(out.pointer, asked.outputs[0]).copy()


def seen(*shape, hidden=()):
    found = np.random.default_rng(len(shape)).random(shape) > 0.3
    for place in hidden:
        found[place] = False
    return found


def added(dtype, *shape, hidden=()):
    values = np.random.default_rng(len(shape)).standard_normal(shape).astype(dtype.numpy)
    values[~seen(*shape, hidden=hidden)] = -np.inf
    return values


MASKS = {
    "keys": seen(21),
    "queries and keys": seen(9, 21, hidden=[3, 8]),
    "padding": seen(2, 1, 1, 21, hidden=[1]),
    "first keys": ~(np.arange(21) < 4).reshape(1, 1, 1, 21) & np.ones((2, 1, 1, 1), bool),
    "heads": seen(4, 9, 21, hidden=[(0, 0), (3, 8)]),
    "all": seen(2, 4, 9, 21, hidden=[(1, 2), (0, 0, 5)]),
    "turned": seen(21, 9, hidden=[(slice(None), 4)]).T,
    "added, half": added(hal.float16, 2, 1, 9, 21, hidden=[(0, 0, 0), (1, 0, 7)]),
    "added, float32": added(hal.float32, 4, 9, 21, hidden=[(2, 6)]),
}


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_masked_attention_means_what_the_reference_means(mask, causal):
    op, arrays, asked = case(MASKS[mask], causal)
    expected = evaluate_reference(op, arrays, asked.attributes)
    found = run(op, arrays, asked)
    np.testing.assert_allclose(found.astype(np.float64), expected, rtol=2e-3, atol=2e-3)


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
def test_a_query_that_sees_no_key_gets_zeros_in_bfloat16_too():
    op, arrays, asked = case(seen(9, 21, hidden=[5]), False, hal.bfloat16)
    found = run(op, arrays, asked).astype(np.float64)
    assert not found[:, :, 5].any()
    assert found[:, :, 4].all()


def test_a_bias_keeps_what_a_mask_shares_and_the_dtype_of_what_is_added():
    _, _, asked = case(MASKS["padding"], False)
    assert bias_of(asked) == (hal.float16, (2, 1, 9, 21), (288, 288, 32, 1))
    _, _, asked = case(MASKS["added, float32"], False)
    assert bias_of(asked).dtype is hal.float32


def test_a_bias_too_large_for_memory_and_other_dtypes_go_to_the_own_kernel():
    def kernel_of(dtype, length):
        x, mask = Layout(dtype, (1, 1, length, 64)), Layout(hal.bool, (1, 1, 1, length))
        op = operators["attention"]
        asked = Signature((x, x, x, mask), (x,), op.infer((x, x, x, mask), {}).attributes)
        assert find_kernel(Driver(), op, asked) is not None
        return masked(Driver(), op, asked)

    assert kernel_of(hal.float16, 1 << 10) is not None
    assert kernel_of(hal.float16, 1 << 15) is None
    assert kernel_of(hal.float32, 1 << 10) is None


@pytest.mark.parametrize("capability", [(8, 0), (9, 0), (10, 0)], ids=str)
def test_the_kernels_around_cudnn_compile_for_every_architecture(capability):
    pytest.importorskip("cuda.bindings.nvrtc", reason="needs pip install 'hal-cuda[test]'")
    for mask, dtype in (("bool", "f16"), ("f32", "f32"), ("bf16", "bf16")):
        assert compiled(bias_source(mask, dtype, 2, False), capability).code
    assert compiled(blind_source("bf16", 1, True), capability).code
