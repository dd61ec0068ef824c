"""Measures what a call of a cached operator costs in the Ascend plugin's Python, on the stand-in.

The stand-in's arithmetic is switched off, so that what remains is the plugin: refreshing addresses,
memory from the pool, the second phase. What the stand-in's own C functions take is measured beside
it and not taken off.

    python benchmarks/ascend.py
"""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import hal
from hal.ops import operators
from hal.plugin import Layout, Signature

CALLS = 500
ROUNDS = 20
LIMIT = 15.0


def once(function: Callable[[], Any], wait: Callable[[], Any]) -> float:
    """Return microseconds per call of one round; the device is idle before and after."""
    wait()
    start = time.perf_counter()
    for _ in range(CALLS):
        function()
    taken = time.perf_counter() - start
    wait()
    return taken / CALLS * 1e6


def kernel(device: hal.Device, name: str, *shapes: tuple[int, ...], **attributes: Any) -> Any:
    """Return a function that makes a result as hal's dispatch does: allocate, view, enqueue.

    A result is freed when the next one is there, so that addresses change from call to call.
    """
    runtime, stream = device.runtime, device.default_stream.handle
    op = operators[name]
    layouts = tuple(Layout(hal.float32, s) for s in shapes)
    inference = op.infer(layouts, attributes)
    outputs = tuple(Layout(d, s) for d, s in inference.outputs)
    into = runtime.kernel(op, Signature(layouts, outputs, inference.attributes)).into
    inputs = [hal.asarray(np.ones(s, np.float32), device=device) for s in shapes]
    arrays = [x._array for x in inputs]
    out = outputs[0]
    last = [runtime.allocate(out.nbytes, stream)]

    def run(keep: Any = inputs) -> None:
        buffer = runtime.allocate(out.nbytes, stream)
        array = runtime.view(buffer, out.dtype, out.shape, out.strides, 0)
        into(stream, [array], arrays)
        runtime.free(last[0], stream)
        last[0] = buffer

    return run


def main() -> None:
    """Print a row for each kind of call."""
    device = hal.device("ascend:0")
    if not device.info.emulated:
        print("this measures on the stand-in: set HAL_ASCEND_STANDIN=1")
        return
    from hal_ascend_standin.control import Control

    x = hal.asarray(np.ones((16, 16), np.float32), device=device)
    y = hal.asarray(np.ones((16, 16), np.float32), device=device)
    control = Control.attach()
    null = ctypes.c_void_p()
    cann = device.runtime.cann
    cases: dict[str, Callable[[], Any]] = {
        "plugin: add": kernel(device, "add", (16, 16), (16, 16)),
        "plugin: exp": kernel(device, "exp", (16, 16)),
        "plugin: matmul": kernel(device, "matmul", (16, 16), (16, 16)),
        "plugin: softmax": kernel(device, "softmax", (16, 16)),
        "plugin: layer_norm": kernel(device, "layer_norm", (16, 16), (16,), (16,)),
        "hal and plugin: x + y": lambda: x + y,
        "one call of C by ctypes": lambda: cann.aclrtGetCurrentContext(ctypes.byref(null)),
    }
    for run in cases.values():
        run()
    device.synchronize()
    control.configure("arithmetic", 0)
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, run in cases.items():
            taken[name].append(once(run, device.synchronize))
    control.configure("arithmetic", 1)
    print(f"{device.info.emulated}, arithmetic off, microseconds per call")
    print(f"{'':28}{'median':>8}{'least':>8}")
    for name, values in taken.items():
        print(f"{name:28}{statistics.median(values):8.1f}{min(values):8.1f}")
    worst = max(min(v) for n, v in taken.items() if n.startswith("plugin"))
    print(f"the plugin's limit is {LIMIT:.0f}; its slowest call takes {worst:.1f}")


if __name__ == "__main__":
    main()
