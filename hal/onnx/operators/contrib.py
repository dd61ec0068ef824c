"""Fused operators of the domain com.microsoft: products, activations, normalization.

Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hal import dtypes
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import axis_of, cast, narrow, transpose, widen
from hal.onnx.operators.convolution import placed
from hal.onnx.registry import operator
from hal.onnx.values import dtype_of
from hal.precision import current_precision

MICROSOFT = "com.microsoft"


def _fused(F: Any, x: Any, activation: str, params: Any) -> Any:
    first, second = (*(params or ()), 0.0, 0.0)[:2]
    functions: dict[str, Callable[[], Any]] = {
        "": lambda: x,
        "Relu": lambda: F.relu(x),
        "Tanh": lambda: F.tanh(x),
        "Sigmoid": lambda: F.sigmoid(x),
        "LeakyRelu": lambda: F.leaky_relu(x, negative_slope=first if params else 0.01),
        "Clip": lambda: F.minimum(F.maximum(x, first), second),
        "HardSigmoid": lambda: F.minimum(F.maximum(F.add(F.multiply(x, first), second), 0.0), 1.0),
    }
    if activation not in functions:
        raise ValueRangeError(f"activation is {activation!r}; it may be {', '.join(functions)}")
    return functions[activation]()


@operator("FusedConv", domain=MICROSOFT)
def _fused_conv(
    F: Any,
    x: Any,
    weight: Any,
    bias: Any = None,
    more: Any = None,
    *,
    activation: str = "",
    activation_params: Any = None,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    window = placed(tuple(x.shape[2:]), tuple(weight.shape[2:]), strides, dilations, pads, auto_pad)
    found = F.convolution(
        x, weight, bias, stride=window.strides, dilation=window.dilations, groups=group,
        padding=tuple(zip(window.before, window.after, strict=True)),
        precision=current_precision(),
    )  # fmt: skip
    found = found if more is None else F.add(found, more)
    return _fused(F, found, activation, activation_params)


@operator("FusedGemm", domain=MICROSOFT)
def _fused_gemm(
    F: Any,
    a: Any,
    b: Any,
    c: Any = None,
    *,
    activation: str = "",
    activation_alpha: float = 0.0,
    activation_beta: float = 0.0,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Any:
    a = transpose(F, a, (1, 0)) if transA else a
    b = transpose(F, b, (1, 0)) if transB else b
    found = F.multiply(F.matmul(a, b, precision=current_precision()), alpha)
    if c is not None and beta:
        found = F.add(found, F.multiply(c, beta))
    return _fused(F, found, activation, (activation_alpha, activation_beta))


@operator("FusedMatMul", domain=MICROSOFT)
def _fused_matmul(
    F: Any,
    a: Any,
    b: Any,
    *,
    alpha: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    transBatchA: int = 0,
    transBatchB: int = 0,
) -> Any:
    if transBatchA or transBatchB:
        raise ValueRangeError("transBatchA and transBatchB are not in use in exported models")

    def turned(x: Any) -> Any:
        ndim = len(x.shape)
        return transpose(F, x, (*range(ndim - 2), ndim - 1, ndim - 2))

    a, b = turned(a) if transA else a, turned(b) if transB else b
    found = F.matmul(a, b, precision=current_precision())
    return found if alpha == 1 else narrow(F, F.multiply(widen(F, found), alpha), found)


def _gelu(approximate: str) -> Callable[..., Any]:
    def function(F: Any, x: Any, bias: Any = None) -> Any:
        return F.gelu(x if bias is None else F.add(x, bias), approximate=approximate)

    return function


operator("Gelu", domain=MICROSOFT)(_gelu("none"))
operator("BiasGelu", domain=MICROSOFT)(_gelu("none"))
operator("FastGelu", domain=MICROSOFT)(_gelu("tanh"))


@operator("QuickGelu", domain=MICROSOFT)
def _quick_gelu(F: Any, x: Any, *, alpha: float = 1.702) -> Any:
    wide = widen(F, x)
    return narrow(F, F.multiply(wide, F.sigmoid(F.multiply(wide, alpha))), x)


@operator("BiasAdd", domain=MICROSOFT)
def _bias_add(F: Any, x: Any, bias: Any, skip: Any) -> Any:
    return F.add(F.add(x, bias), skip)


@operator("BiasSplitGelu", domain=MICROSOFT)
def _bias_split_gelu(F: Any, x: Any, bias: Any) -> Any:
    total = F.add(x, bias)
    half = total.shape[-1] // 2
    parts = F.reshape(total, shape=(*total.shape[:-1], 2, half))
    left, right = (
        F.reshape(F.take(parts, F.place(np.array([n], np.int64)), axis=len(parts.shape) - 2),
                  shape=(*total.shape[:-1], half)) for n in range(2)
    )  # fmt: skip
    return F.multiply(left, F.gelu(right, approximate="none"))


# Normalization


def _normalized(F: Any, x: Any, scale: Any, bias: Any, epsilon: float, centre: bool) -> Any:
    """Return what is normalized over the last axis, its mean and inverse deviation."""
    axis = (len(x.shape) - 1,)
    wide = widen(F, x)
    mean = F.mean(wide, axis=axis, keepdims=True)
    moved = F.subtract(wide, mean) if centre else wide
    power = F.mean(F.multiply(moved, moved), axis=axis, keepdims=True)
    inverse = F.divide(F.like(1, wide), F.sqrt(F.add(power, epsilon)))
    found = F.multiply(F.multiply(moved, inverse), widen(F, scale))
    found = found if bias is None else F.add(found, widen(F, bias))
    return narrow(F, found, x), mean, inverse


@operator("SkipLayerNormalization", domain=MICROSOFT)
def _skip_layer_normalization(
    F: Any,
    x: Any,
    skip: Any,
    scale: Any,
    beta: Any = None,
    bias: Any = None,
    *,
    epsilon: float = 1e-12,
) -> Any:
    total = F.add(x, skip)
    total = total if bias is None else F.add(total, bias)
    return (*_normalized(F, total, scale, beta, epsilon, True), total)


@operator("SkipSimplifiedLayerNormalization", domain=MICROSOFT)
def _skip_simplified_layer_normalization(
    F: Any, x: Any, skip: Any, scale: Any, bias: Any = None, *, epsilon: float = 1e-12
) -> Any:
    total = F.add(x, skip)
    total = total if bias is None else F.add(total, bias)
    return (*_normalized(F, total, scale, None, epsilon, False), total)


def _simplified(
    F: Any, x: Any, scale: Any, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    axis = axis_of(axis, len(x.shape))
    if axis != len(x.shape) - 1:
        raise ValueRangeError("only the last axis is normalized in exported models")
    found, _, inverse = _normalized(F, x, scale, None, epsilon, False)
    return found, inverse


# ONNX Runtime's optimizer writes it without a domain.
operator("SimplifiedLayerNormalization")(_simplified)
operator("SimplifiedLayerNormalization", domain=MICROSOFT)(_simplified)


@operator("EmbedLayerNormalization", domain=MICROSOFT)
def _embed_layer_normalization(
    F: Any,
    words: Any,
    segments: Any,
    word_table: Any,
    position_table: Any,
    segment_table: Any,
    scale: Any,
    beta: Any,
    mask: Any = None,
    positions: Any = None,
    *,
    epsilon: float = 1e-12,
    mask_index_type: int = 1,
) -> Any:
    batch, length = words.shape
    total = F.take(word_table, words, axis=0)
    if positions is None:
        line = F.arange(start=0, stop=length, step=1, dtype=dtypes.int64)
        total = F.add(total, F.take(position_table, line, axis=0))
    else:
        total = F.add(total, F.take(position_table, positions, axis=0))
    if segments is not None:
        total = F.add(total, F.take(segment_table, segments, axis=0))
    found = _normalized(F, total, scale, beta, epsilon, True)[0]
    if mask is None:
        counts = F.full(F.place(np.int32(0)), shape=(batch,))
    else:
        counts = F.sum(mask, axis=(1,), keepdims=False, dtype=dtypes.int32)
    return found, counts, total


@operator("GroupNorm", domain=MICROSOFT)
def _group_norm(
    F: Any,
    x: Any,
    scale: Any,
    bias: Any,
    *,
    groups: int,
    epsilon: float = 1e-5,
    activation: int = 0,
    channels_last: int = 1,
) -> Any:
    ndim = len(x.shape)
    if ndim < 3:
        raise ShapeError(f"the input {tuple(x.shape)} needs spatial axes")
    first = transpose(F, x, (0, ndim - 1, *range(1, ndim - 1))) if channels_last else x
    found = F.group_norm(
        first, cast(F, scale, dtype_of(x)), cast(F, bias, dtype_of(x)), groups=groups,
        epsilon=epsilon,
    )  # fmt: skip
    found = F.silu(found) if activation else found
    return F.copy(transpose(F, found, (0, *range(2, ndim), 1))) if channels_last else found
