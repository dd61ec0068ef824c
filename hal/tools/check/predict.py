"""Predicts what a program takes on a chip, kernel by kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hal.dtypes import DType, bfloat16, float16, float32
from hal.ops import operators
from hal.ops.cost import cost
from hal.plugin import Call, Chip, Cost, Program
from hal.program.recording import copied, worth_recording

__all__ = ["Contributor", "Prediction", "Timed", "predict"]

HOST_RATE = 1e9
"""Elements per second at which a reference is taken to run on the host."""

HOST_PRODUCTS = 2e10
"""Operations per second of products there."""


@dataclass(frozen=True)
class Timed:
    """What a call takes.

    Attributes
    ----------
    call : Call
    seconds : float
        In the program as it runs.
    eager : float
        Enqueued alone.
    bound : str
        What bounds it: matrix, vector, memory, launch or host.
    work : Cost or None
        None for what the host does.
    cold : int
        Bytes of weights.
    recorded : bool
        Whether it is part of a recording.
    """

    call: Call
    seconds: float
    eager: float
    bound: str
    work: Cost | None = None
    cold: int = 0
    recorded: bool = False


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
        One run of the program: recorded and replayed where that pays, else call by call.
    eager : float
        One run call by call.
    bounds : dict of str to float
        Seconds by what bounds them: matrix, vector, memory, launch or host.
    contributors : tuple of Contributor
        The costliest first.
    otherwise : dict of str to float
        Seconds of one run in another dtype, or at another precision of products, where that is
        quicker by a twentieth or more.
    """

    seconds: float
    eager: float
    bounds: dict[str, float]
    contributors: tuple[Contributor, ...]
    otherwise: dict[str, float]


def predict(program: Program, chip: Chip) -> Prediction:
    """Return what one run of a program takes: the sum of its kernels, one after another.

    A program is recorded and replayed, with a copy of each input before and of each result after
    it, where that pays; else its kernels are enqueued one by one.

    Parameters
    ----------
    program : Program
        As it runs on the device: simplified for it.
    chip : Chip
    """
    calls = [call for call in program.calls if not call.view]
    recorded = worth_recording(program)
    every = [_timed(program, call, chip, recorded) for call in calls]
    eager = sum(timed.eager for timed in every)
    if recorded:
        copies = [Call(operators["copy"], (x,), (x,)) for x in copied(program)]
        every += [_timed(program, call, chip, False) for call in copies]
    bounds: dict[str, float] = {}
    groups: dict[tuple[str, str, str], list[Timed]] = {}
    for timed in every:
        bounds[timed.bound] = bounds.get(timed.bound, 0.0) + timed.seconds
        key = (timed.call.op.name, _shapes(timed.call), timed.bound)
        groups.setdefault(key, []).append(timed)
    contributors = [
        Contributor(
            operator, shapes, len(group), sum(t.seconds for t in group), bound,
            tuple(t.call.label for t in group),
        )
        for (operator, shapes, bound), group in groups.items()
    ]  # fmt: skip
    contributors.sort(key=lambda c: -c.seconds)
    seconds = sum(bounds.values())
    return Prediction(
        seconds, eager, bounds, tuple(contributors), _otherwise(every, chip, 0.95 * seconds)
    )


def _otherwise(calls: list[Timed], chip: Chip, limit: float) -> dict[str, float]:
    """Return what a run takes in other dtypes and precisions, as far as it is below a limit."""
    changes: dict[str, Callable[[Timed], tuple[Cost, int] | None]] = {
        f"--precision {level}": partial(_rounded, level) for level in ("high", "medium")
    }
    changes |= {d.name: partial(_halved, d) for d in (float16, bfloat16) if d in chip.dtypes}
    found: dict[str, float] = {}
    for name, change in changes.items():
        changed = [(timed, change(timed)) for timed in calls]
        seconds = sum(
            timed.seconds
            if new is None
            else chip.estimate(new[0], cold=new[1], recorded=timed.recorded).seconds
            for timed, new in changed
        )
        if seconds < limit and seconds < 0.99 * min(found.values(), default=limit):
            found[name] = seconds
    return found


def _rounded(level: str, timed: Timed) -> tuple[Cost, int] | None:
    if timed.work is None or not timed.work.matrix:
        return None
    return timed.work._replace(precision=level), timed.cold


def _halved(dtype: DType, timed: Timed) -> tuple[Cost, int] | None:
    work = timed.work
    if work is None or work.dtype is not float32:
        return None
    return work._replace(dtype=dtype, nbytes=work.nbytes // 2), timed.cold // 2


def _timed(program: Program, call: Call, chip: Chip, recorded: bool) -> Timed:
    inputs, outputs = call.signature.inputs, call.signature.outputs
    work = cost(call.op, inputs, outputs, call.attributes)
    if call.host:
        moved = [x for x in (*inputs, *outputs) if x is not None]
        copies = sum(x.nbytes for x in moved) / chip.host_bandwidth
        waits = len(moved) * chip.host_latency
        done = work.matrix / HOST_PRODUCTS + sum(x.size for x in moved) / HOST_RATE
        return Timed(call, copies + waits + done, copies + waits + done, "host")
    weights = [x for x in call.inputs if x is not None and x.buffer in program.constants]
    cold = min(work.nbytes, sum(x.layout.nbytes for x in weights))
    alone = chip.estimate(work, cold=cold)
    found = chip.estimate(work, cold=cold, recorded=True) if recorded else alone
    return Timed(call, found.seconds, alone.seconds, found.bound, work, cold, recorded)


def _shapes(call: Call) -> str:
    """Return the shapes of a call's larger inputs and their dtype, to tell kernels apart by."""
    layouts = [x.layout for x in call.inputs if x is not None] or [x.layout for x in call.outputs]
    shown = [x for x in layouts if x.ndim] or layouts
    sizes = " ".join("x".join(map(str, x.shape)) or "1" for x in shown[:3])
    return f"{shown[0].dtype} {sizes}"
