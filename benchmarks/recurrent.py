"""Measures recurrent layers beside ONNX Runtime's and PyTorch's.

Run it with ``python benchmarks/recurrent.py``. A model of one LSTM or GRU with generated weights,
as many features in as hidden, runs in turns of several runs by hal's program of it, by ONNX
Runtime, and by PyTorch, whose LSTM on the CPU is oneDNN's. Results are compared first. Times are
the quickest tenth of all runs; the ratio is hal's to ONNX Runtime's.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table

import hal
import hal.onnx

GATES = {"LSTM": 4, "GRU": 3}
PAUSE = 0.02  # Threads of the one before have stopped looking for work by then.


def model(kind: str, steps: int, batch: int, size: int) -> tuple[Any, dict[str, Any], Any]:
    """Return a model, its weights in PyTorch's order of gates, and its input."""
    rng = np.random.default_rng(size)
    rows, bound = GATES[kind] * size, size**-0.5
    shapes = {"w": (1, rows, size), "r": (1, rows, size), "b": (1, 2 * rows)}
    weights = {n: rng.uniform(-bound, bound, s).astype(np.float32) for n, s in shapes.items()}
    options: dict[str, Any] = {"linear_before_reset": 1} if kind == "GRU" else {}
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", "w", "r", "b"], ["y"], hidden_size=size, **options)],
        kind,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [steps, batch, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [steps, 1, batch, size])],
        [numpy_helper.from_array(w, n) for n, w in weights.items()],
    )
    opset = [helper.make_opsetid("", 20)]
    made = helper.make_model(graph, opset_imports=opset, ir_version=9)
    return made, weights, rng.standard_normal((steps, batch, size)).astype(np.float32)


def contestants(kind: str, steps: int, batch: int, size: int) -> dict[str, Callable[[], Any]]:
    """Return what runs the layer, by who does it."""
    made, weights, x = model(kind, steps, batch, size)
    session = hal.onnx.load(made, "cpu:0", compile=True)
    peer = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    runs: dict[str, Callable[[], Any]] = {
        "hal": lambda: session(x=x)["y"],
        "ONNX Runtime": lambda: peer.run(None, {"x": x})[0],
    }
    expected = runs["ONNX Runtime"]()
    np.testing.assert_allclose(runs["hal"]().numpy(), expected, rtol=0, atol=1e-5)
    other = _torch(kind, weights, x, expected[:, 0])
    if other is not None:
        runs["PyTorch"] = other
    return runs


def _torch(
    kind: str, weights: dict[str, Any], x: Any, expected: Any
) -> Callable[[], Any] | None:  # fmt: skip
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    order = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2)}[kind]
    size = x.shape[2]
    layer = getattr(torch.nn, kind)(size, size)
    arrays = [weights["w"][0], weights["r"][0], *np.split(weights["b"][0], 2)]
    given = torch.from_numpy(x)
    with torch.inference_mode():
        for parameter, array in zip(layer.parameters(), arrays, strict=True):
            gates = np.split(array, GATES[kind])
            parameter.copy_(torch.from_numpy(np.concatenate([gates[n] for n in order])))
        found = layer(given)[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)

    def run() -> Any:
        with torch.inference_mode():
            return layer(given)[0]

    return run


def measure(runs: dict[str, Callable[[], Any]], turns: int, seconds: float) -> dict[str, float]:
    """Return the quickest tenth of each one's times, in seconds."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            time.sleep(PAUSE)
            run()
            end = time.perf_counter() + seconds
            while not times[name] or time.perf_counter() < end:
                start = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - start)
    return {name: float(np.quantile(each, 0.1)) for name, each in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kind", nargs="+", choices=GATES, default=list(GATES))
    parser.add_argument("--size", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 500])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.1, help="of runs in a turn")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    cases = [
        (kind, size, batch, steps)
        for kind in given.kind
        for size in given.size
        for batch in given.batch
        for steps in given.steps
    ]
    table = Table("layer", "hidden", "batch", "steps", "hal, ms", "ONNX Runtime, ms", "PyTorch, ms",
                  "ratio")  # fmt: skip
    rows = []
    for kind, size, batch, steps in cases:
        found = measure(contestants(kind, steps, batch, size), given.turns, given.seconds)
        ratio = found["hal"] / found["ONNX Runtime"]
        shown = [f"{1e3 * found[n]:.3f}" if n in found else "" for n in
                 ("hal", "ONNX Runtime", "PyTorch")]  # fmt: skip
        table.add_row(kind, *map(str, (size, batch, steps)), *shown, f"{ratio:.2f}")
        rows.append({"layer": kind, "hidden": size, "batch": batch, "steps": steps,
                     "seconds": found, "ratio": ratio})  # fmt: skip
    if given.json:
        print(json.dumps(rows))
    else:
        Console().print(table)


if __name__ == "__main__":
    main()
