"""One step of GPT-2 small's decoding: a token, and keys and values of those before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from zoo.model import Arrays, Graph, Model, generated

LAYERS, WIDTH, HEADS, WORDS, POSITIONS = 12, 768, 12, 50257, 1024
HEAD = WIDTH // HEADS
EPSILON = 1e-5
CACHES = [f"{part}.{n}" for n in range(LAYERS) for part in ("key", "value")]


def weights() -> Arrays:
    """Return the weights; matrices are (features in, features out), as the model has them."""
    shapes: dict[str, tuple[int, ...]] = {"words": (WORDS, WIDTH), "positions": (POSITIONS, WIDTH)}
    sizes = {"attention": 3 * WIDTH, "projection": WIDTH, "first": 4 * WIDTH, "second": WIDTH}
    for n in range(LAYERS):
        for name, size in sizes.items():
            shapes[f"{n}.{name}.weight"] = (4 * WIDTH if name == "second" else WIDTH, size)
            shapes[f"{n}.{name}.bias"] = (size,)
    for norm in [f"{n}.norm{m}" for n in range(LAYERS) for m in (1, 2)] + ["norm"]:
        shapes[f"{norm}.gamma"] = shapes[f"{norm}.bias"] = (WIDTH,)
    return generated(shapes, lambda name: 1.0 if name.endswith("gamma") else 0.05)


def inputs(batch: int, *, past: int) -> Arrays:
    """Return a token, its position, and a cache of ``past`` tokens."""
    rng = np.random.default_rng(1)
    token = rng.integers(0, WORDS, (batch, 1))
    shape = (batch, HEADS, past, HEAD)
    caches = {name: rng.standard_normal(shape, np.float32) for name in CACHES}
    return {"token": token, "position": np.full((batch, 1), past), **caches}


def operations(batch: int, *, past: int) -> int:
    """Return the operations of the projections, of attention and of the scores of all words."""
    layer = 12 * WIDTH * WIDTH + 2 * (past + 1) * WIDTH
    return 2 * batch * (LAYERS * layer + WIDTH * WORDS)


def nbytes(batch: int, *, past: int) -> int:
    """Return the bytes of the matrices, and of the cache: read, and written one token longer."""
    cache = 2 * LAYERS * batch * WIDTH * (2 * past + 1)
    return 4 * (12 * LAYERS * WIDTH * WIDTH + WIDTH * WORDS + cache)


def in_torch(w: Mapping[str, Any]) -> Callable[..., Any]:
    """Return the step as a user of PyTorch writes it."""
    import torch
    from torch.nn import functional

    def linear(x: Any, name: str) -> Any:
        return torch.addmm(w[f"{name}.bias"], x.view(-1, x.shape[-1]), w[f"{name}.weight"]).view(
            *x.shape[:-1], -1
        )

    def norm(x: Any, name: str) -> Any:
        return functional.layer_norm(x, (WIDTH,), w[f"{name}.gamma"], w[f"{name}.bias"], EPSILON)

    def step(token: Any, position: Any, **caches: Any) -> Any:
        x = w["words"][token] + w["positions"][position]
        batch = x.shape[0]
        present = []
        for n in range(LAYERS):
            parts = linear(norm(x, f"{n}.norm1"), f"{n}.attention").split(WIDTH, -1)
            q, k, v = (p.view(batch, 1, HEADS, HEAD).transpose(1, 2) for p in parts)
            k = torch.cat((caches[f"key.{n}"], k), 2)
            v = torch.cat((caches[f"value.{n}"], v), 2)
            present += [k, v]
            mixed = functional.scaled_dot_product_attention(q, k, v)
            x = x + linear(mixed.transpose(1, 2).reshape(batch, 1, WIDTH), f"{n}.projection")
            inner = linear(norm(x, f"{n}.norm2"), f"{n}.first")
            x = x + linear(functional.gelu(inner, approximate="tanh"), f"{n}.second")
        return functional.linear(norm(x, "norm"), w["words"]), *present

    return step


def onnx(w: Arrays) -> Any:
    """Return the step as exporters of opset 13 write it: norms, gelu and attention in parts."""
    g = Graph()
    number = partial(g.constant, dtype=np.float32)
    split = g.constant([0, 0, HEADS, HEAD], np.int64)
    joined = g.constant([0, 0, WIDTH], np.int64)
    thirds = g.constant([WIDTH] * 3, np.int64)

    def linear(x: str, name: str) -> str:
        product = g.node("MatMul", x, g.constant(w[f"{name}.weight"]))
        return g.node("Add", product, g.constant(w[f"{name}.bias"]))

    def norm(x: str, name: str) -> str:
        centred = g.node("Sub", x, g.node("ReduceMean", x, axes=[-1]))
        variance = g.node("ReduceMean", g.node("Pow", centred, number(2)), axes=[-1])
        root = g.node("Sqrt", g.node("Add", variance, number(EPSILON)))
        scaled = g.node("Mul", g.node("Div", centred, root), g.constant(w[f"{name}.gamma"]))
        return g.node("Add", scaled, g.constant(w[f"{name}.bias"]))

    def gelu(x: str) -> str:
        cubic = g.node("Mul", g.node("Pow", x, number(3)), number(0.044715))
        bend = g.node("Mul", g.node("Add", x, cubic), number(math.sqrt(2 / math.pi)))
        return g.node(
            "Mul",
            g.node("Mul", x, number(0.5)),
            g.node("Add", g.node("Tanh", bend), number(1)),
        )

    words = g.constant(w["words"])
    x = g.node(
        "Add",
        g.node("Gather", words, "token"),
        g.node("Gather", g.constant(w["positions"]), "position"),
    )
    for n in range(LAYERS):
        parts = (f"{n}.query", f"{n}.key", f"{n}.value")
        mixed = linear(norm(x, f"{n}.norm1"), f"{n}.attention")
        g.node("Split", mixed, thirds, outputs=parts, axis=-1)
        q, k, v = (
            g.node("Transpose", g.node("Reshape", part, split), perm=[0, 2, 1, 3]) for part in parts
        )
        k = g.node("Concat", f"key.{n}", k, outputs=(f"present.key.{n}",), axis=2)
        v = g.node("Concat", f"value.{n}", v, outputs=(f"present.value.{n}",), axis=2)
        scores = g.node("MatMul", q, g.node("Transpose", k, perm=[0, 1, 3, 2]))
        scores = g.node("Softmax", g.node("Div", scores, number(math.sqrt(HEAD))), axis=-1)
        mixed = g.node("Transpose", g.node("MatMul", scores, v), perm=[0, 2, 1, 3])
        mixed = g.node("Reshape", mixed, joined)
        x = g.node("Add", x, linear(mixed, f"{n}.projection"))
        inner = gelu(linear(norm(x, f"{n}.norm2"), f"{n}.first"))
        x = g.node("Add", x, linear(inner, f"{n}.second"))
    scores = g.node("MatMul", norm(x, "norm"), g.node("Transpose", words, perm=[1, 0]))
    whole = ["batch", 1]
    past, present = (["batch", HEADS, length, HEAD] for length in ("past", "present"))
    return g.model(
        {"token": (7, whole), "position": (7, whole), **dict.fromkeys(CACHES, past)},
        {scores: [*whole, WORDS], **{f"present.{name}": present for name in CACHES}},
        opset=13,
    )


def _decoding(past: int) -> Model:
    return Model(
        f"gpt2-{past}",
        f"GPT-2 small, one token after {past}",
        weights,
        onnx,
        partial(inputs, past=past),
        partial(operations, past=past),
        partial(nbytes, past=past),
        in_torch,
    )


DECODE_128, DECODE_512 = map(_decoding, (128, 512))
