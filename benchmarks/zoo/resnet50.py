"""ResNet-50 (version 1.5) on images of 224 x 224, with batch normalization written out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from zoo.model import Arrays, Graph, Model, generated

SIZE, CLASSES, EPSILON = 224, 1000, 1e-5
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
PARTS = ("gamma", "beta", "mean", "variance")


class Convolution(NamedTuple):
    """One convolution: its name, channels in and out, kernel, stride, and the size it sees."""

    name: str
    inputs: int
    outputs: int
    kernel: int
    stride: int
    size: int


class Block(NamedTuple):
    """A residual block; ``short`` is the convolution on the way around it, where there is one."""

    body: tuple[Convolution, ...]
    short: Convolution | None


STEM = Convolution("stem", 3, 64, 7, 2, SIZE)


def blocks() -> Iterator[Block]:
    """Yield the sixteen blocks in order."""
    inputs, size = 64, SIZE // 4
    for stage, (width, count) in enumerate(STAGES):
        for number in range(count):
            stride = 2 if stage and not number else 1
            name, after = f"{stage}.{number}", size // stride
            body = (
                Convolution(f"{name}.a", inputs, width, 1, 1, size),
                Convolution(f"{name}.b", width, width, 3, stride, size),
                Convolution(f"{name}.c", width, 4 * width, 1, 1, after),
            )
            short = Convolution(f"{name}.short", inputs, 4 * width, 1, stride, size)
            yield Block(body, None if number else short)
            inputs, size = 4 * width, after


def convolutions() -> Iterator[Convolution]:
    """Yield every convolution."""
    yield STEM
    for block in blocks():
        yield from block.body
        if block.short is not None:
            yield block.short


def weights() -> Arrays:
    """Return weights that keep activations near 1."""
    shapes: dict[str, tuple[int, ...]] = {}
    for c in convolutions():
        shapes[f"{c.name}.weight"] = (c.outputs, c.inputs, c.kernel, c.kernel)
        shapes |= {f"{c.name}.{part}": (c.outputs,) for part in PARTS}
    shapes["classes.weight"] = (CLASSES, 2048)
    shapes["classes.bias"] = (CLASSES,)
    fan = {f"{c.name}.weight": c.inputs * c.kernel**2 for c in convolutions()}

    def scale(name: str) -> float:
        if name in fan:
            return math.sqrt(2 / fan[name])
        if name.endswith("c.gamma"):
            return 0.2
        return 1.0 if name.endswith(("gamma", "variance")) else 0.02

    return generated(shapes, scale)


def inputs(batch: int) -> Arrays:
    """Return images of noise."""
    shape = (batch, 3, SIZE, SIZE)
    return {"image": np.random.default_rng(1).standard_normal(shape, np.float32)}


def operations(batch: int) -> int:
    """Return the operations of the convolutions and of the last product."""
    taps = sum(
        c.outputs * c.inputs * c.kernel**2 * (c.size // c.stride) ** 2 for c in convolutions()
    )
    return 2 * batch * (taps + 2048 * CLASSES)


def nbytes(batch: int) -> int:
    """Return the bytes of the weights."""
    return 4 * (sum(c.outputs * c.inputs * c.kernel**2 for c in convolutions()) + 2048 * CLASSES)


def in_torch(w: Mapping[str, Any]) -> Callable[..., Any]:
    """Return the network as a user of PyTorch writes it."""
    from torch.nn import functional

    def convolution(x: Any, c: Convolution) -> Any:
        x = functional.conv2d(x, w[f"{c.name}.weight"], None, c.stride, c.kernel // 2)
        gamma, beta, mean, variance = (w[f"{c.name}.{part}"] for part in PARTS)
        return functional.batch_norm(x, mean, variance, gamma, beta, eps=EPSILON)

    def classify(image: Any) -> Any:
        x = functional.relu(convolution(image, STEM))
        x = functional.max_pool2d(x, 3, 2, 1)
        for block in blocks():
            a, b, c = block.body
            y = functional.relu(convolution(x, a))
            y = convolution(functional.relu(convolution(y, b)), c)
            x = functional.relu(y + (x if block.short is None else convolution(x, block.short)))
        return functional.linear(x.mean((2, 3)), w["classes.weight"], w["classes.bias"])

    return classify


def onnx(w: Arrays) -> Any:
    """Return the network as a training framework leaves it: normalization not folded in."""
    g = Graph()

    def convolution(x: str, c: Convolution) -> str:
        border = [c.kernel // 2] * 4
        weight = g.constant(w[f"{c.name}.weight"])
        kernel, strides = [c.kernel] * 2, [c.stride] * 2
        x = g.node("Conv", x, weight, kernel_shape=kernel, pads=border, strides=strides)
        parts = [g.constant(w[f"{c.name}.{part}"]) for part in PARTS]
        return g.node("BatchNormalization", x, *parts, epsilon=EPSILON)

    x = g.node("Relu", convolution("image", STEM))
    x = g.node("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])
    for block in blocks():
        a, b, c = block.body
        y = g.node("Relu", convolution(x, a))
        y = convolution(g.node("Relu", convolution(y, b)), c)
        short = x if block.short is None else convolution(x, block.short)
        x = g.node("Relu", g.node("Add", y, short))
    x = g.node("Flatten", g.node("GlobalAveragePool", x))
    classes = [g.constant(w[f"classes.{part}"]) for part in ("weight", "bias")]
    x = g.node("Gemm", x, *classes, transB=1)
    return g.model({"image": ["batch", 3, SIZE, SIZE]}, {x: ["batch", CLASSES]}, opset=13)


MODEL = Model(
    "resnet50",
    f"ResNet-50, {SIZE} x {SIZE}",
    weights,
    onnx,
    inputs,
    operations,
    nbytes,
    in_torch,
)
