"""A sentence encoder of MiniLM-L6's sizes, over 128 tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from zoo.model import Arrays, Graph, Model, generated

LAYERS, WIDTH, INNER, HEADS, LENGTH = 6, 384, 1536, 12, 128
EPSILON = 1e-12


def weights() -> Arrays:
    """Return each layer's weights; matrices are (features out, features in)."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(LAYERS):
        for name in ("query", "key", "value", "output"):
            shapes[f"{layer}.{name}.weight"] = (WIDTH, WIDTH)
            shapes[f"{layer}.{name}.bias"] = (WIDTH,)
        shapes[f"{layer}.first.weight"] = (INNER, WIDTH)
        shapes[f"{layer}.first.bias"] = (INNER,)
        shapes[f"{layer}.second.weight"] = (WIDTH, INNER)
        shapes[f"{layer}.second.bias"] = (WIDTH,)
        for norm in ("norm1", "norm2"):
            shapes[f"{layer}.{norm}.weight"] = shapes[f"{layer}.{norm}.bias"] = (WIDTH,)
    return generated(shapes, lambda name: 0.05)


def inputs(batch: int) -> Arrays:
    """Return what the embedding layer would give."""
    shape = (batch, LENGTH, WIDTH)
    return {"x": np.random.default_rng(1).normal(size=shape).astype(np.float32)}


def operations(batch: int) -> int:
    """Return the operations of the projections and of attention's two products."""
    linear = 4 * WIDTH * WIDTH + 2 * WIDTH * INNER
    attention = 2 * LENGTH * WIDTH
    return 2 * LAYERS * batch * LENGTH * (linear + attention)


def nbytes(batch: int) -> int:
    """Return the bytes of the matrices."""
    return 4 * LAYERS * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)


def function(w: Mapping[str, Any]) -> Callable[..., Any]:
    """Return the encoder as a user of hal writes it."""
    import hal

    def linear(x: Any, name: str) -> Any:
        return hal.nn.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(x: Any, name: str) -> Any:
        return hal.nn.layer_norm(x, (WIDTH,), w[f"{name}.weight"], w[f"{name}.bias"], eps=EPSILON)

    def encode(x: Any) -> Any:
        batch = x.shape[0]
        for n in range(LAYERS):
            parts = [
                hal.permute_dims(
                    linear(x, f"{n}.{name}").reshape(batch, LENGTH, HEADS, WIDTH // HEADS),
                    (0, 2, 1, 3),
                )
                for name in ("query", "key", "value")
            ]
            mixed = hal.nn.scaled_dot_product_attention(*parts)
            mixed = hal.permute_dims(mixed, (0, 2, 1, 3)).reshape(batch, LENGTH, WIDTH)
            x = norm(x + linear(mixed, f"{n}.output"), f"{n}.norm1")
            inner = hal.nn.gelu(linear(x, f"{n}.first"))
            x = norm(x + linear(inner, f"{n}.second"), f"{n}.norm2")
        return x

    return encode


def in_torch(w: Mapping[str, Any]) -> Callable[..., Any]:
    """Return the encoder as a user of PyTorch writes it."""
    from torch.nn import functional

    def linear(x: Any, name: str) -> Any:
        return functional.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(x: Any, name: str) -> Any:
        return functional.layer_norm(x, (WIDTH,), w[f"{name}.weight"], w[f"{name}.bias"], EPSILON)

    def encode(x: Any) -> Any:
        batch = x.shape[0]
        for n in range(LAYERS):
            parts = [
                linear(x, f"{n}.{name}").view(batch, LENGTH, HEADS, -1).transpose(1, 2)
                for name in ("query", "key", "value")
            ]
            mixed = functional.scaled_dot_product_attention(*parts)
            mixed = mixed.transpose(1, 2).reshape(batch, LENGTH, WIDTH)
            x = norm(x + linear(mixed, f"{n}.output"), f"{n}.norm1")
            inner = functional.gelu(linear(x, f"{n}.first"))
            x = norm(x + linear(inner, f"{n}.second"), f"{n}.norm2")
        return x

    return encode


def onnx(w: Arrays) -> Any:
    """Return the encoder with attention in parts and the rest as operators of opset 20."""
    g = Graph()
    split = g.constant([0, LENGTH, HEADS, WIDTH // HEADS], np.int64)
    joined = g.constant([0, LENGTH, WIDTH], np.int64)
    scale = g.constant(1 / math.sqrt(WIDTH // HEADS), np.float32)

    def linear(x: str, name: str) -> str:
        product = g.node("MatMul", x, g.constant(w[f"{name}.weight"].T.copy()))
        return g.node("Add", product, g.constant(w[f"{name}.bias"]))

    def norm(x: str, name: str) -> str:
        parts = [g.constant(w[f"{name}.{part}"]) for part in ("weight", "bias")]
        return g.node("LayerNormalization", x, *parts, axis=-1, epsilon=EPSILON)

    x = "x"
    for n in range(LAYERS):
        q, k, v = (
            g.node("Reshape", linear(x, f"{n}.{name}"), split) for name in ("query", "key", "value")
        )
        q, v = (g.node("Transpose", part, perm=[0, 2, 1, 3]) for part in (q, v))
        scores = g.node("MatMul", q, g.node("Transpose", k, perm=[0, 2, 3, 1]))
        weights = g.node("Softmax", g.node("Mul", scores, scale), axis=-1)
        mixed = g.node("Transpose", g.node("MatMul", weights, v), perm=[0, 2, 1, 3])
        mixed = g.node("Reshape", mixed, joined)
        x = norm(g.node("Add", x, linear(mixed, f"{n}.output")), f"{n}.norm1")
        inner = g.node("Gelu", linear(x, f"{n}.first"))
        x = norm(g.node("Add", x, linear(inner, f"{n}.second")), f"{n}.norm2")
    shape = ["batch", LENGTH, WIDTH]
    return g.model({"x": shape}, {x: shape}, opset=20)


MODEL = Model(
    "encoder",
    f"Encoder of MiniLM-L6's sizes, {LENGTH} tokens",
    weights,
    onnx,
    inputs,
    operations,
    nbytes,
    in_torch,
    function,
    batches=(1, 8),
    limits={1: 1.4, 8: 1.25},
)
