"""One contestant in a process of its own: reads a model from a folder, and runs it when told to.

Started by ``turns.py``. It answers in lines of JSON: once when the first run is done, then the
times of each turn it is asked for.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Run = Callable[[], Any]
Load = Callable[[], Run]
"""Makes the model ready and returns what runs it once and returns its first output."""


def _inputs(folder: Path) -> dict[str, Any]:
    return dict(np.load(folder / "inputs.npz"))


def _model(folder: Path) -> Path:
    """Return the model's file: one of somebody else's is named, and lies elsewhere."""
    named = folder / "path"
    return Path(named.read_text()) if named.exists() else folder / "model.onnx"


def onnxruntime(folder: Path) -> Load:
    """Run ONNX Runtime with its own choice of threads and optimisations."""
    import onnxruntime as ort

    def load() -> Run:
        session = ort.InferenceSession(_model(folder), providers=["CPUExecutionProvider"])
        given = _inputs(folder)
        return lambda: session.run(None, given)[0]

    return load


def openvino(folder: Path) -> Load:
    """Run OpenVINO, told to keep float32 and to finish a request as early as it can."""
    import openvino as ov

    def load() -> Run:
        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        model = ov.compile_model(_model(folder), "CPU", hints)
        request = model.create_infer_request()
        given = _inputs(folder)

        def run() -> Any:
            request.infer(given, share_inputs=True)
            return request.get_output_tensor(0).data

        return run

    return load


def torch(folder: Path) -> Load:
    """Run PyTorch, call by call, in inference mode."""
    import torch as t
    from safetensors.torch import load_file
    from zoo import MODELS

    def load() -> Run:
        model = MODELS[(folder / "name").read_text()]
        function = model.torch(load_file(folder / "weights.safetensors"))
        given = {name: t.from_numpy(x) for name, x in _inputs(folder).items()}

        @t.inference_mode()
        def run() -> Any:
            found = function(**given)
            return (found[0] if isinstance(found, tuple) else found).numpy()

        return run

    return load


def hal_onnx(folder: Path) -> Load:
    """Run the ONNX model in hal, compiled."""
    import hal
    import hal.onnx

    device = hal.device("cpu:0")

    def load() -> Run:
        session = hal.onnx.load(_model(folder), device, compile=True)
        given = {name: hal.asarray(x, device=device) for name, x in _inputs(folder).items()}
        output = session.outputs[0].name
        return lambda: session(**given)[output].numpy()

    return load


def hal_function(folder: Path) -> Load:
    """Run the model as a function over hal's tensors, compiled."""
    from safetensors.numpy import load_file
    from zoo import MODELS

    import hal

    device = hal.device("cpu:0")

    def load() -> Run:
        model = MODELS[(folder / "name").read_text()]
        loaded = load_file(folder / "weights.safetensors")
        weights = {name: hal.asarray(w, device=device) for name, w in loaded.items()}
        assert model.function is not None
        compiled = hal.compile(model.function(weights))
        given = {name: hal.asarray(x, device=device) for name, x in _inputs(folder).items()}
        return lambda: compiled(**given).numpy()

    return load


CONTESTANTS: dict[str, tuple[str, Callable[[Path], Load]]] = {
    "onnxruntime": ("onnxruntime", onnxruntime),
    "hal-onnx": ("onnx", hal_onnx),
    "hal-function": ("hal", hal_function),
    "openvino": ("openvino", openvino),
    "torch": ("torch", torch),
}
"""By name: the package that must be installed, and the maker."""


def resident(field: str) -> int:
    """Return bytes of resident memory: ``VmRSS``, what is held, or ``VmHWM``, the most so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"the system tells no {field}")


def main() -> None:
    """Answer the parent until it closes the pipe."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    # What libraries print must not get between the answers.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: Any) -> None:
        print(json.dumps(value), file=channel, flush=True)

    before = resident("VmRSS")
    load = CONTESTANTS[name][1](folder)
    imported = resident("VmRSS")
    start = time.perf_counter()
    run = load()
    loaded = time.perf_counter()
    first = run()
    done = time.perf_counter()
    np.save(folder / f"{name}.npy", first)
    answer(
        {
            "load": loaded - start,
            "first": done - loaded,
            "import_bytes": imported - before,
            "peak_bytes": resident("VmHWM") - before,
        }
    )
    for line in sys.stdin:
        run()  # threads awake, caches as its own runs leave them
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        answer({"times": times, "peak_bytes": resident("VmHWM") - before})


if __name__ == "__main__":
    main()
