"""Checks a model for devices, without calculating it and without the devices."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hal.device import Device
from hal.errors import ValueRangeError
from hal.onnx.limits import Limits
from hal.onnx.types import ValueType
from hal.plugin import Call, Layout, Program
from hal.precision import precision as precision_level
from hal.program import optimize, plan_memory
from hal.tools.check.graph import Model
from hal.tools.check.inputs import input_layouts
from hal.tools.check.judge import (
    Row,
    judge_inputs,
    judge_node,
    judge_weights,
    missing_dtypes,
)
from hal.tools.check.predict import Prediction, predict
from hal.tools.check.report import DeviceReport, Memory, Report
from hal.tools.check.stand import Stand
from hal.tools.check.target import Target, find_target
from hal.tools.check.walk import Walk, walk

__all__ = ["check"]


@dataclass(frozen=True)
class _Allowed:
    """What the user allows at most."""

    seconds: float | None
    share: float


def check(
    source: Any,
    devices: str | Device | Sequence[str | Device],
    *,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    sizes: Mapping[str, int] | None = None,
    values: Mapping[str, Any] | None = None,
    precision: str = "highest",
    max_seconds: float | None = None,
    max_memory: float = 1.0,
    limits: Limits | None = None,
) -> Report:
    """Return whether a model runs on devices, how, in how much memory, and about how fast.

    The model is traced on stand-ins for the devices; the devices need not be there. What each
    lacks, and what becomes of it, is told node by node.

    Parameters
    ----------
    source : str, os.PathLike, bytes or onnx.ModelProto
        The model.
    devices : str, Device, or a sequence of them
        Chips, such as ``"vendor-x100"``, paths of chips' TOML files, or devices such as
        ``"cpu:0"``.
    batch : int, optional
        The size of the first axis of inputs that leave it open; also what throughput counts.
    shapes : mapping, optional
        Whole shapes by input.
    sizes : mapping, optional
        Sizes by name of an axis.
    values : mapping, optional
        NumPy arrays by input, where values decide about shapes.
    precision : {"highest", "high", "medium"}
        As :func:`hal.precision`.
    max_seconds : float, optional
        The predicted latency above which the status is 1.
    max_memory : float
        The share of the device's memory above which the status is 1.
    limits : Limits, optional
        What the model may take; see :class:`hal.onnx.Limits`.

    Returns
    -------
    Report

    Raises
    ------
    ShapeError
        When the model leaves sizes open; names them.
    ModelError, ValueRangeError, PluginMissing, Unsupported
        When the model, the devices or the options are not what they should be.

    Examples
    --------
    >>> from hal.tools.check import check
    >>> from onnx import parser
    >>> model = parser.parse_model('''
    ...     <ir_version: 10, opset_import: ["" : 22]>
    ...     double (float[n] x) => (float[n] y) { y = Add(x, x) }
    ... ''')
    >>> report = check(model, "cpu:0", sizes={"n": 4})
    >>> report.status, report.devices[0].nodes[0].route
    (0, 'native')
    """
    names = [devices] if isinstance(devices, str | Device) else list(devices)
    if not names:
        raise ValueRangeError("no device to check for; name at least one chip or device")
    if max_seconds is not None and not max_seconds > 0:
        raise ValueRangeError(f"the longest latency is {max_seconds} s; it must be above zero")
    if not 0 < max_memory <= 1:
        raise ValueRangeError(f"the share of memory is {max_memory}; it must be above 0, up to 1")
    allowed = _Allowed(max_seconds, max_memory)
    limits = limits or Limits()
    found: list[DeviceReport] = []
    given: dict[str, Any] = {}
    for target in [find_target(name) for name in names]:
        stand = Stand(target)
        with precision_level(precision):
            model = Model(source, stand, limits)
            given = input_layouts(
                model.inputs, batch=batch, shapes=shapes, sizes=sizes, values=values
            )
            seen = walk(model, stand, given, limits)
            program = optimize(seen.program, stand)
        found.append(_judged(model, stand, given, seen, program, batch or 1, allowed))
    name = Path(source).name if isinstance(source, str | os.PathLike) else ""
    return Report(name, {k: _described(v) for k, v in given.items()}, batch or 1, tuple(found))


def _judged(
    model: Model, stand: Stand, given: Mapping[str, Any], seen: Walk, program: Program,
    items: int, allowed: _Allowed,
) -> DeviceReport:  # fmt: skip
    target = stand.target
    calls: dict[str, list[Call]] = {}
    for call in seen.program.calls:
        calls.setdefault(call.label, []).append(call)
    rows = [
        judge_node(node, calls.get(key, ()), stand)
        for key, node in seen.nodes.items()
        if not node.container or key in calls or node.failed or node.note or node.unreached
    ]
    rows = [*judge_inputs(given, model.inputs, stand), *rows]
    rows = [*judge_weights(stand, rows), *rows]
    memory = _memory(program, target)
    # What cannot run has no time.
    runs = target.chip is not None and all(row.route != "impossible" for row in rows)
    prediction = predict(program, target.chip) if runs and target.chip else None
    status, problems = _verdict(rows, memory, prediction, allowed)
    return DeviceReport(
        target.name, target.description, target.architecture, target.emulated, status,
        tuple(problems), tuple(rows), model.nodes - len(model.graph.steps), memory, prediction,
        missing_dtypes(rows, target), {key: node.name for key, node in seen.nodes.items()}, items,
    )  # fmt: skip


def _memory(program: Program, target: Target) -> Memory:
    inputs = {x.buffer for x in program.inputs}
    outputs = {x.buffer for x in program.outputs} - inputs - set(program.constants)
    constants = {id(c): c.nbytes for c in program.constants.values()}
    return Memory(
        weights=sum(constants.values()),
        inputs=sum(program.sizes[b] for b in inputs),
        outputs=sum(program.sizes[b] for b in outputs),
        intermediate=plan_memory(program, target.alignment).nbytes,
        capacity=target.memory,
    )


def _verdict(
    rows: Sequence[Row], memory: Memory, prediction: Prediction | None, allowed: _Allowed
) -> tuple[int, list[str]]:
    problems: list[tuple[int, str]] = []

    def note(route: str, status: int, text: str) -> None:
        count = sum(row.route == route for row in rows)
        if count:
            problems.append((status, f"{text}: {count} {'node' if count == 1 else 'nodes'}"))

    note("impossible", 3, "impossible")
    if memory.peak > memory.capacity:
        share = memory.peak / memory.capacity
        problems.append((3, f"it needs {share:.2f} times the memory that is there"))
    elif memory.peak > allowed.share * memory.capacity:
        share = memory.peak / memory.capacity
        problems.append((1, f"it takes {share:.0%} of the memory; at most {allowed.share:.0%} may"))
    note("host", 1, "on the host, with copies both ways")
    note("unchecked", 1, "not checked")
    if allowed.seconds is not None:
        if prediction is None and not any(status == 3 for status, _ in problems):
            problems.append((1, "no figures of this chip are known to predict its latency from"))
        elif prediction is not None and prediction.seconds > allowed.seconds:
            text = f"{1e3 * prediction.seconds:.3g} ms predicted, over {1e3 * allowed.seconds:.3g}"
            problems.append((1, f"{text} ms"))
    return max((status for status, _ in problems), default=0), [text for _, text in problems]


def _described(value: Any) -> str:
    if isinstance(value, Layout):
        return str(ValueType("", dtype=value.dtype, shape=value.shape))
    shape = getattr(value, "shape", None)
    return "none" if shape is None else f"{value.dtype}{list(shape)} given"
