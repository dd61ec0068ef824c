"""Runs a model many times, then once more under a profile."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import hal
from hal.device import Device, as_device
from hal.errors import ValueRangeError
from hal.onnx.session import Session, load
from hal.plugin import Layout
from hal.precision import precision as precision_level
from hal.profiling import Profile
from hal.stream import Event
from hal.tensor import Tensor
from hal.tools.bench.limits import Limits, measure_limits
from hal.tools.bench.rows import OperatorRow, operator_rows
from hal.tools.check.inputs import input_layouts
from hal.tools.inputs import draw_inputs

__all__ = ["Bench", "bench"]

_PROFILED = 5


@dataclass(frozen=True)
class Bench:
    """What was measured.

    Attributes
    ----------
    device : Device
    mode : str
        ``"compiled"``, or ``"eager"`` with the reason.
    inputs : dict of str to str
        Each input's dtype and shape.
    batch : int
        How many items a run counts for.
    seconds : tuple of float
        Each run's latency: from the call to the end of the device's work, inputs lying on it. On an
        emulated device it is the time that the emulated chip would take.
    limits : Limits
    rows : tuple of OperatorRow
        Per run, from runs under a profile, in which a program's kernels run one by one.
    memory : int or None
        The peak of the device's memory in bytes since the process began.
    profile : Profile
    """

    device: Device
    mode: str
    inputs: dict[str, str]
    batch: int
    seconds: tuple[float, ...]
    limits: Limits
    rows: tuple[OperatorRow, ...]
    memory: int | None
    profile: Profile

    def percentile(self, share: float) -> float:
        """Return the latency in seconds below which a share of the runs, in percent, stayed."""
        return float(np.percentile(self.seconds, share))

    @property
    def throughput(self) -> float:
        """Items per second, one run after another, at the median latency."""
        return self.batch / self.percentile(50)

    def to_json(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "schema": 1,
            "device": self.device.name,
            "description": self.device.info.description,
            "emulated": self.device.info.emulated,
            "mode": self.mode,
            "inputs": self.inputs,
            "batch": self.batch,
            "iterations": len(self.seconds),
            "seconds": {
                "min": min(self.seconds),
                **{f"p{p}": self.percentile(p) for p in (50, 90, 99)},
                "max": max(self.seconds),
            },
            "throughput": self.throughput,
            "peak_memory": self.memory,
            "limits": {
                "bandwidth": self.limits.bandwidth,
                "matrix": {d.name: rate for d, rate in self.limits.matrix.items()},
            },
            "operators": [row.to_json() for row in self.rows],
        }


def bench(
    source: Any,
    device: Any = None,
    *,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    sizes: Mapping[str, int] | None = None,
    values: Mapping[str, Any] | None = None,
    precision: str = "highest",
    iterations: int = 50,
    warmup: int = 3,
    compile: bool = True,
    seed: int = 0,
    done: Callable[[int], None] = lambda runs: None,
) -> Bench:
    """Measure a model on a device.

    Parameters
    ----------
    source : str, os.PathLike, bytes or onnx.ModelProto
    device : Device or str, optional
        The default device when left out.
    batch : int, optional
        The size of the first axis of inputs that leave it open; what throughput counts.
    shapes, sizes : mapping, optional
        Whole shapes by input; sizes by the name of an axis.
    values : mapping, optional
        NumPy arrays by input; the others are drawn.
    precision : {"highest", "high", "medium"}
        As :func:`hal.precision`.
    iterations, warmup : int
        How many runs are measured, and how many before them are not.
    compile : bool
        Whether to run the model as a compiled program where it can be one.
    seed : int
        Of drawn inputs.
    done : callable, optional
        Told of runs that are done.

    Raises
    ------
    ShapeError
        When an axis has no size.
    ValueRangeError
        When a number is out of range.

    Examples
    --------
    >>> from onnx import parser
    >>> from hal.tools.bench import bench
    >>> model = parser.parse_model('''
    ...     <ir_version: 10, opset_import: ["" : 22]>
    ...     net (float[n, 8] x) => (float[n, 8] y) { h = Relu(x) y = Softmax(h) }
    ... ''')
    >>> found = bench(model, "cpu:0", batch=4, iterations=3)
    >>> len(found.seconds), found.mode, found.throughput > 0
    (3, 'compiled', True)
    """
    if iterations < 1 or warmup < 0:
        raise ValueRangeError(
            f"{iterations} runs after {warmup}; at least 1 is measured, and 0 or more before it"
        )
    target = as_device(device)
    with precision_level(precision):
        session = load(source, target, compile=None if compile else False)
        inputs = session.prepare(_inputs(session, batch, shapes, sizes, values, seed))
        for _ in range(warmup):
            session.run(inputs)
        target.synchronize()
        seconds = []
        for _ in range(iterations):
            seconds.append(_timed(target, lambda: session.run(inputs)))
            done(1)
        with Profile() as profile:
            for _ in range(_PROFILED):
                session.run(inputs)
        # Before the limits are measured, which takes memory of its own.
        stats = target.runtime.memory_stats()
        products = {e.cost.dtype for e in profile.events if e.cost and e.cost.matrix}
        limits = measure_limits(target, products)
    mode = f"eager: {session.eager}" if session.eager else "compiled"
    return Bench(
        target, mode, {name: _described(x) for name, x in inputs.items()}, batch or 1,
        tuple(seconds), limits, operator_rows(profile.events, limits, _PROFILED),
        None if stats is None else stats.peak, profile,
    )  # fmt: skip


def _inputs(
    session: Session, batch: int | None, shapes: Any, sizes: Any, values: Any, seed: int
) -> dict[str, Any]:
    found = input_layouts(session.inputs, batch=batch, shapes=shapes, sizes=sizes, values=values)
    wanted = [
        replace(t, shape=found[t.name].shape) if isinstance(found[t.name], Layout) else t
        for t in session.inputs
    ]
    given = {name: x for name, x in found.items() if not isinstance(x, Layout)}
    drawn = draw_inputs(wanted, given, seed=seed)
    return {
        name: hal.asarray(x, device=session.device)
        if isinstance(x, np.ndarray) and x.dtype != object
        else x
        for name, x in drawn.items()
    }


def _timed(device: Device, run: Callable[[], Any]) -> float:
    if device.info.emulated:
        start, end = Event(device), Event(device)
        start.record()
        run()
        end.record()
        return start.elapsed_time(end) / 1e3
    begin = time.perf_counter()
    run()
    device.synchronize()
    return time.perf_counter() - begin


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype}{list(value.shape)}"
    return "nothing" if value is None else type(value).__name__
