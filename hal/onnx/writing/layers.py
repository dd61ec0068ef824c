"""Products, activations, norms, convolutions and poolings in ONNX's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hal import dtypes
from hal.onnx.writing.evaluator import CONVERTERS, Converter, Exporter, Outputs, converter

# Runtimes have these in few dtypes; the decompositions do for the others.
_COMMON = (dtypes.float32, dtypes.float16)


@converter("matmul")
def _matmul(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.node("MatMul", x, *out[0])


@converter("det")
def _det(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.node("Det", x, *out[0])


_ACTIVATIONS = {
    "sigmoid": "Sigmoid", "relu": "Relu", "leaky_relu": "LeakyRelu", "elu": "Elu", "celu": "Celu",
    "mish": "Mish", "softsign": "Softsign", "hard_sigmoid": "HardSigmoid",
    "hard_swish": "HardSwish", "gelu": "Gelu", "softmax": "Softmax", "log_softmax": "LogSoftmax",
}  # fmt: skip
_ATTRIBUTES = {"negative_slope": "alpha"}
_FIXED: dict[str, dict[str, Any]] = {"hard_sigmoid": {"alpha": 1 / 6, "beta": 0.5}}


def _activation(name: str, kind: str) -> Converter:
    def convert(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
        dtype, shape = out[0]
        if dtype not in _COMMON or (name == "celu" and dtype is not dtypes.float32):
            return None
        given = {_ATTRIBUTES.get(k, k): v for k, v in a.items()} | _FIXED.get(name, {})
        return f.node(kind, x, dtype, shape, **given)

    return convert


CONVERTERS.update({name: _activation(name, kind) for name, kind in _ACTIVATIONS.items()})


# Norms


@converter("layer_norm")
def _layer_norm(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    value, *parameters = x
    first = a["axes"][0]
    if a["axes"] != tuple(range(first, value.ndim)) or out[0][0] not in _COMMON:
        return None
    weight, bias = (*parameters, None, None)[:2]
    if weight is None:
        weight = f.writer.constant(np.ones(value.shape[first:], value.dtype.numpy))
    given = [value, weight, bias]
    return f.node("LayerNormalization", given, *out[0], axis=first, epsilon=a["epsilon"])


@converter("batch_norm")
def _batch_norm(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    value, mean, variance, *parameters = x
    if out[0][0] not in _COMMON:
        return None
    weight, bias = (*parameters, None, None)[:2]
    channels = (value.shape[1],)
    if weight is None:
        weight = f.writer.constant(np.ones(channels, value.dtype.numpy))
    if bias is None:
        bias = f.writer.constant(np.zeros(channels, value.dtype.numpy))
    given = [value, weight, bias, mean, variance]
    return f.node("BatchNormalization", given, *out[0], epsilon=a["epsilon"])


# Windows


def _pads(padding: Any) -> list[int]:
    return [before for before, _ in padding] + [after for _, after in padding]


@converter("convolution")
def _convolution(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.node(
        "Conv", x, *out[0], kernel_shape=list(x[1].shape[2:]), strides=list(a["stride"]),
        pads=_pads(a["padding"]), dilations=list(a["dilation"]), group=a["groups"],
    )  # fmt: skip


@converter("convolution_transpose")
def _convolution_transpose(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.node(
        "ConvTranspose", x, *out[0], kernel_shape=list(x[1].shape[2:]), strides=list(a["stride"]),
        pads=_pads(a["padding"]), dilations=list(a["dilation"]), group=a["groups"],
        output_padding=list(a["output_padding"]),
    )  # fmt: skip


@converter("max_pool")
def _max_pool(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    spans = [(w - 1) * d + 1 for w, d in zip(a["window"], a["dilation"], strict=True)]
    # With ceil_mode the padding may be as large as the window, which ONNX does not take.
    if any(max(p) >= n for p, n in zip(a["padding"], spans, strict=True)) or len(spans) > 3:
        return None
    return f.node(
        "MaxPool", x, *out[0], kernel_shape=list(a["window"]), strides=list(a["stride"]),
        pads=_pads(a["padding"]), dilations=list(a["dilation"]),
    )  # fmt: skip


@converter("average_pool")
def _average_pool(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    if a.get("divisor") is not None or a.get("ceil_mode") or out[0][0] not in _COMMON:
        return None
    if len(a["window"]) > 3:
        return None
    return f.node(
        "AveragePool", x, *out[0], kernel_shape=list(a["window"]), strides=list(a["stride"]),
        pads=_pads(a["padding"]), dilations=list(a["dilation"]),
        count_include_pad=int(a["count_include_pad"]),
    )  # fmt: skip
