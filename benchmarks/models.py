"""Measures a sentence encoder beside ONNX Runtime and PyTorch, against the arithmetic floor.

Run it with ``python benchmarks/models.py``. The model has MiniLM-L6's sizes and random weights. The
floor is its floating-point operations over the rate at which NumPy multiplies large matrices on the
machine. Every contestant gets the same weights and input; their runs are taken in turn, so that all
share the machine's noise, and their results are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import hal

LAYERS, WIDTH, INNER, HEADS, LENGTH = 6, 384, 1536, 12, 128
LIMITS = {1: 1.4, 8: 1.25}
EPSILON = 1e-12
console = Console(stderr=True)

Layer = dict[str, np.ndarray[Any, np.dtype[np.float32]]]


def make_weights() -> list[Layer]:
    """Return each layer's weights by name; matrices are (features out, features in)."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        **{f"{name}_weight": (WIDTH, WIDTH) for name in ("query", "key", "value", "output")},
        **{f"{name}_bias": (WIDTH,) for name in ("query", "key", "value", "output", "second")},
        "first_weight": (INNER, WIDTH),
        "first_bias": (INNER,),
        "second_weight": (WIDTH, INNER),
        **{f"norm{n}_{part}": (WIDTH,) for n in (1, 2) for part in ("weight", "bias")},
    }
    return [
        {name: rng.normal(0, 0.05, shape).astype(np.float32) for name, shape in shapes.items()}
        for _ in range(LAYERS)
    ]


def operations(batch: int) -> int:
    """Return the floating-point operations of the products, two for each multiplication."""
    linear = 4 * WIDTH * WIDTH + 2 * WIDTH * INNER
    attention = 2 * LENGTH * WIDTH
    return 2 * LAYERS * batch * LENGTH * (linear + attention)


def hal_encoder(weights: list[Layer]) -> Callable[[Any], Any]:
    """Return the encoder as a user of hal writes it."""
    layers = [{name: hal.asarray(w) for name, w in layer.items()} for layer in weights]

    def encode(x: hal.Tensor) -> hal.Tensor:
        batch = x.shape[0]
        for layer in layers:

            def linear(x: hal.Tensor, name: str, layer: Any = layer) -> hal.Tensor:
                return hal.nn.linear(x, layer[f"{name}_weight"], layer[f"{name}_bias"])

            def heads(name: str, x: hal.Tensor = x) -> hal.Tensor:
                split = linear(x, name).reshape(batch, LENGTH, HEADS, WIDTH // HEADS)
                return hal.permute_dims(split, (0, 2, 1, 3))

            def norm(x: hal.Tensor, number: int, layer: Any = layer) -> hal.Tensor:
                weight, bias = (layer[f"norm{number}_{part}"] for part in ("weight", "bias"))
                return hal.nn.layer_norm(x, (WIDTH,), weight, bias, eps=EPSILON)

            mixed = hal.nn.scaled_dot_product_attention(*map(heads, ("query", "key", "value")))
            mixed = hal.permute_dims(mixed, (0, 2, 1, 3)).reshape(batch, LENGTH, WIDTH)
            x = norm(x + linear(mixed, "output"), 1)
            x = norm(x + linear(hal.nn.gelu(linear(x, "first")), "second"), 2)
        return x

    return encode


def torch_encoder(weights: list[Layer]) -> Callable[[Any], Any] | None:
    """Return the encoder in PyTorch, or None where it is not installed."""
    try:
        import torch
        from torch.nn import functional
    except ImportError:
        return None
    layers = [{name: torch.from_numpy(w) for name, w in layer.items()} for layer in weights]

    def encode(x: Any) -> Any:
        for w in layers:
            batch = x.shape[0]
            q, k, v = (
                functional.linear(x, w[f"{n}_weight"], w[f"{n}_bias"])
                .view(batch, LENGTH, HEADS, -1)
                .transpose(1, 2)
                for n in ("query", "key", "value")
            )
            mixed = functional.scaled_dot_product_attention(q, k, v)
            mixed = mixed.transpose(1, 2).reshape(batch, LENGTH, WIDTH)
            x = x + functional.linear(mixed, w["output_weight"], w["output_bias"])
            x = functional.layer_norm(x, (WIDTH,), w["norm1_weight"], w["norm1_bias"], EPSILON)
            inner = functional.gelu(functional.linear(x, w["first_weight"], w["first_bias"]))
            x = x + functional.linear(inner, w["second_weight"], w["second_bias"])
            x = functional.layer_norm(x, (WIDTH,), w["norm2_weight"], w["norm2_bias"], EPSILON)
        return x

    @torch.inference_mode()
    def run(x: Any) -> Any:
        return encode(torch.from_numpy(x)).numpy()

    return run


def onnx_model(weights: list[Layer]) -> Any:
    """Return the encoder as an ONNX model, written as exporters write it."""
    from onnx import helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(array: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(array), f"c{len(constants)}"))
        return str(constants[-1].name)

    def node(operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(nodes)}"
        nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    split = constant(np.array([0, LENGTH, HEADS, WIDTH // HEADS], np.int64))
    joined = constant(np.array([0, LENGTH, WIDTH], np.int64))
    scale = constant(np.float32(1 / math.sqrt(WIDTH // HEADS)))
    x = "x"
    for w in weights:

        def linear(x: str, name: str, w: Layer = w) -> str:
            product = node("MatMul", x, constant(w[f"{name}_weight"].T.copy()))
            return node("Add", product, constant(w[f"{name}_bias"]))

        def norm(x: str, number: int, w: Layer = w) -> str:
            parts = [constant(w[f"norm{number}_{part}"]) for part in ("weight", "bias")]
            return node("LayerNormalization", x, *parts, axis=-1, epsilon=EPSILON)

        q, k, v = (node("Reshape", linear(x, n), split) for n in ("query", "key", "value"))
        q, v = (node("Transpose", part, perm=[0, 2, 1, 3]) for part in (q, v))
        scores = node("Mul", node("MatMul", q, node("Transpose", k, perm=[0, 2, 3, 1])), scale)
        mixed = node("MatMul", node("Softmax", scores, axis=-1), v)
        mixed = node("Reshape", node("Transpose", mixed, perm=[0, 2, 1, 3]), joined)
        x = norm(node("Add", x, linear(mixed, "output")), 1)
        inner = node("Gelu", linear(x, "first"))
        x = norm(node("Add", x, linear(inner, "second")), 2)
    shape = ["batch", LENGTH, WIDTH]
    given = helper.make_tensor_value_info("x", 1, shape)
    result = helper.make_tensor_value_info(x, 1, shape)
    graph = helper.make_graph(nodes, "encoder", [given], [result], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def contestants(batch: int) -> dict[str, Callable[[], Any]]:
    """Return what is measured, by name; each call encodes the batch once."""
    weights = make_weights()
    x = np.random.default_rng(1).normal(size=(batch, LENGTH, WIDTH)).astype(np.float32)
    tensor = hal.asarray(x, copy=True)
    compiled = hal.compile(hal_encoder(weights))
    found: dict[str, Callable[[], Any]] = {"hal, compiled": lambda: compiled(tensor).numpy()}
    in_torch = torch_encoder(weights)
    if in_torch is not None:
        found["torch"] = lambda: in_torch(x)
    try:
        import onnxruntime

        from hal.onnx import load
    except ImportError:
        return found
    model = onnx_model(weights)
    peer = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found["onnxruntime"] = lambda: peer.run(None, {"x": x})[0]
    session = load(model, compile=True)
    (output,) = [o.name for o in session.outputs]
    found["hal, the ONNX model"] = lambda: session(x=tensor)[output].numpy()
    return found


def matrix_rate() -> float:
    """Return the rate of a large product of float32 matrices, in operations per second."""
    size = 2048
    a = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
    return float(2 * size**3 / min(times))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--repetitions", type=int, default=40)
    given = parser.parse_args()
    rate = matrix_rate()
    table = Table(title=f"Encoder of MiniLM-L6's sizes, {LENGTH} tokens, float32, medians")
    for heading in ("batch", "", "ms", "to the floor", "target"):
        table.add_column(heading, justify="left" if not heading else "right")
    for batch in given.batch:
        runs = contestants(batch)
        results = {name: run() for name, run in runs.items()}
        for name, result in results.items():
            np.testing.assert_allclose(
                result, results["hal, compiled"], rtol=1e-3, atol=1e-3, err_msg=name
            )
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in track(range(given.repetitions), f"batch {batch}", console=console):
            for name, run in runs.items():
                start = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - start)
        floor = operations(batch) / rate
        for name, found in times.items():
            median = statistics.median(found)
            limit = LIMITS.get(batch) if name == "hal, compiled" else None
            verdict = "" if limit is None else f"at most {limit}"
            table.add_row(
                str(batch), name, f"{1000 * median:.1f}", f"{median / floor:.2f}", verdict
            )
    Console().print(table)
    Console().print(f"{rate / 1e9:.0f} GFLOP/s; hal {hal.__version__}, numpy {np.__version__}")


if __name__ == "__main__":
    main()
