"""Kernels for whole layers: products through BLAS, the rest in place in the result's memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from hal.dtypes import float32, float64
from hal.plugin import Signature

__all__ = ["erf", "find_layer"]

Run = Callable[..., None]
"""``run(out, *inputs)`` writes the result into ``out``."""


def find_layer(name: str, signature: Signature) -> Run | None:
    """Return a function that runs the operator for this signature, or None."""
    make = _LAYERS.get(name)
    out = signature.outputs[0]
    if (
        make is None
        or out.size == 0
        or any(x is not None and x.size == 0 for x in signature.inputs)
    ):
        return None
    if name in _ANY_FLOAT:
        return make(signature)
    plain = all(x is None or x.dtype in (float32, float64) for x in (*signature.inputs, out))
    return make(signature) if plain else None


@cache
def erf() -> Any:
    """Return SciPy's function. SciPy is imported when it is wanted: it takes a quarter second."""
    from scipy import special

    return special.erf


def _erf(signature: Signature) -> Run:
    def run(out: Any, x: Any) -> None:
        out[...] = erf()(x if x.dtype.itemsize >= 4 else x.astype(np.float32))

    return run


def _gelu(signature: Signature) -> Run:
    exact = signature.attributes["approximate"] == "none"
    scratch = signature.outputs[0].dtype.bits < 32

    def run(out: Any, x: Any) -> None:
        x = x.astype(np.float32) if scratch else x
        result = np.empty(x.shape, np.float32) if scratch else out
        if exact:
            np.multiply(x, math.sqrt(0.5), out=result)
            erf()(result, out=result)
        else:
            np.multiply(x, x, out=result)
            result *= 0.044715
            result += 1.0
            result *= x
            result *= math.sqrt(2 / math.pi)
            np.tanh(result, out=result)
        result += 1.0
        result *= x
        result *= 0.5
        if scratch:
            out[...] = result

    return run


def _softmax(signature: Signature) -> Run:
    axis = signature.attributes["axis"]

    def run(out: Any, x: Any) -> None:
        np.subtract(x, np.max(x, axis=axis, keepdims=True), out=out)
        np.exp(out, out=out)
        out /= np.sum(out, axis=axis, keepdims=True)

    return run


def _layer_norm(signature: Signature) -> Run | None:
    ndim = signature.outputs[0].ndim
    axes = signature.attributes["axes"]
    epsilon = signature.attributes["epsilon"]
    if axes != tuple(range(ndim - len(axes), ndim)):
        return None
    size = math.prod(signature.outputs[0].shape[axes[0] :])

    def run(out: Any, x: Any, weight: Any = None, bias: Any = None) -> None:
        rows = out.reshape(-1, size)
        values = x.reshape(-1, size)
        np.subtract(values, values.mean(axis=1, keepdims=True), out=rows)
        variance = np.einsum("ij,ij->i", rows, rows)
        variance /= size
        variance += epsilon
        np.sqrt(variance, out=variance)
        rows /= variance[:, None]
        if weight is not None:
            rows *= weight.reshape(-1)
        if bias is not None:
            rows += bias.reshape(-1)

    return run


def _linear(signature: Signature) -> Run:
    def run(out: Any, x: Any, weight: Any, bias: Any = None) -> None:
        rows = out.reshape(-1, weight.shape[0])
        np.matmul(x.reshape(-1, weight.shape[1]), weight.T, out=rows)
        if bias is not None:
            rows += bias

    return run


def _convolution(signature: Signature) -> Run:
    x_layout, weight_layout = signature.inputs[:2]
    assert x_layout is not None
    assert weight_layout is not None
    stride, dilation = signature.attributes["stride"], signature.attributes["dilation"]
    padding, groups = signature.attributes["padding"], signature.attributes["groups"]
    batch, channels = x_layout.shape[:2]
    window = weight_layout.shape[2:]
    count = len(window)
    out_channels = weight_layout.shape[0]
    taps = channels // groups * math.prod(window)
    pointwise = all(n == 1 for n in (*window, *stride)) and not any(map(any, padding))
    reach = tuple((n - 1) * d + 1 for n, d in zip(window, dilation, strict=True))

    def columns(x: Any) -> Any:
        """Return (batch, groups, taps, positions): every window laid out as a column."""
        if pointwise:
            return x.reshape(batch, groups, taps, -1)
        if any(map(any, padding)):
            x = np.pad(x, ((0, 0), (0, 0), *padding))
        windows = np.lib.stride_tricks.sliding_window_view(x, reach, tuple(range(2, 2 + count)))
        every = (slice(None), slice(None))
        windows = windows[
            every
            + tuple(slice(None, None, s) for s in stride)
            + tuple(slice(None, None, d) for d in dilation)
        ]
        order = (0, 1, *range(2 + count, 2 + 2 * count), *range(2, 2 + count))
        return windows.transpose(order).reshape(batch, groups, taps, -1)

    def run(out: Any, x: Any, weight: Any, bias: Any = None) -> None:
        rows = weight.reshape(groups, out_channels // groups, taps)
        result = out.reshape(batch, groups, out_channels // groups, -1)
        np.matmul(rows, columns(x), out=result)
        if bias is not None:
            out += bias.reshape(-1, *(1,) * count)

    return run


_LAYERS: dict[str, Callable[[Signature], Run | None]] = {
    "erf": _erf,
    "gelu": _gelu,
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "linear": _linear,
    "convolution": _convolution,
}
_ANY_FLOAT = ("erf", "gelu")
