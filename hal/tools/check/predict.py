"""Predicts what a program takes on a chip, kernel by kernel."""

from __future__ import annotations

from dataclasses import dataclass

from hal.ops.cost import cost
from hal.plugin import Call, Program
from hal.plugin.chip import Chip

__all__ = ["Contributor", "Prediction", "Timed", "predict"]

HOST_RATE = 1e9
"""Elements per second at which a reference is taken to run on the host."""


@dataclass(frozen=True)
class Timed:
    """A call's predicted time in seconds, the same enqueued alone, and what bounds it."""

    call: Call
    seconds: float
    eager: float
    bound: str


@dataclass(frozen=True)
class Contributor:
    """Kernels of one operator on equal shapes.

    Attributes
    ----------
    operator : str
    shapes : str
        Of its inputs, with their dtype.
    calls : int
    seconds : float
        Of all calls together.
    bound : str
    labels : tuple of str
        Of the calls.
    """

    operator: str
    shapes: str
    calls: int
    seconds: float
    bound: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Prediction:
    """A program's predicted time.

    Attributes
    ----------
    seconds : float
        One run of the program as the device recorded it.
    eager : float
        One run call by call, each kernel enqueued alone.
    bounds : dict of str to float
        Seconds by what bounds them: matrix, vector, memory, launch or host.
    contributors : tuple of Contributor
        The costliest first.
    """

    seconds: float
    eager: float
    bounds: dict[str, float]
    contributors: tuple[Contributor, ...]


def predict(program: Program, chip: Chip) -> Prediction:
    """Return what one run of a program takes: the sum of its kernels, one after another.

    Parameters
    ----------
    program : Program
        As it runs on the device: simplified for it.
    chip : Chip
    """
    bounds: dict[str, float] = {}
    eager = 0.0
    groups: dict[tuple[str, str, str], list[Timed]] = {}
    for call in program.calls:
        if call.view:
            continue
        timed = _timed(program, call, chip)
        eager += timed.eager
        bounds[timed.bound] = bounds.get(timed.bound, 0.0) + timed.seconds
        groups.setdefault((call.op.name, _shapes(call), timed.bound), []).append(timed)
    contributors = [
        Contributor(
            operator, shapes, len(group), sum(t.seconds for t in group), bound,
            tuple(t.call.label for t in group),
        )
        for (operator, shapes, bound), group in groups.items()
    ]  # fmt: skip
    contributors.sort(key=lambda c: -c.seconds)
    return Prediction(sum(bounds.values()), eager, bounds, tuple(contributors))


def _timed(program: Program, call: Call, chip: Chip) -> Timed:
    inputs = [None if x is None else x.layout for x in call.inputs]
    outputs = [x.layout for x in call.outputs]
    if call.host:
        moved = [x for x in (*inputs, *outputs) if x is not None]
        copies = sum(x.nbytes for x in moved) / chip.host_bandwidth
        waits = len(moved) * chip.host_latency
        seconds = copies + waits + sum(x.size for x in moved) / HOST_RATE
        return Timed(call, seconds, seconds, "host")
    work = cost(call.op, inputs, outputs, call.attributes)
    weights = [x for x in call.inputs if x is not None and x.buffer in program.constants]
    cold = min(work.nbytes, sum(x.layout.nbytes for x in weights))
    found = chip.estimate(work, cold=cold, recorded=True)
    return Timed(call, found.seconds, chip.estimate(work, cold=cold).seconds, found.bound)


def _shapes(call: Call) -> str:
    """Return the shapes of a call's larger inputs and their dtype, to tell kernels apart by."""
    layouts = [x.layout for x in call.inputs if x is not None] or [x.layout for x in call.outputs]
    shown = [x for x in layouts if x.ndim] or layouts
    sizes = " ".join("x".join(map(str, x.shape)) or "1" for x in shown[:3])
    return f"{shown[0].dtype} {sizes}"
