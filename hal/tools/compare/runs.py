"""Runs a model on a device, beside another one, against saved values, or to save them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from hal.device import Device, as_device
from hal.errors import ValueRangeError
from hal.onnx import Limits, Session, load
from hal.onnx.execution import Observer
from hal.onnx.types import checked
from hal.tools.compare.golden import GoldenWriter
from hal.tools.compare.judge import Judge
from hal.tools.compare.result import Comparison
from hal.tools.compare.sides import Golden, OtherDevice, Side, restored
from hal.tools.compare.tolerance import Tolerance, read_tolerances
from hal.tools.compare.values import hosted, parts
from hal.tools.compare.watch import Node, Watch, blamed_on
from hal.tools.inputs import draw_inputs

__all__ = ["compare", "save_golden"]

Inputs = Callable[[Session], Mapping[str, Any]] | Mapping[str, Any] | None


def compare(
    model: Any,
    device: str | Device | None,
    against: str | Device | Mapping[str, Any],
    inputs: Inputs = None,
    *,
    precision: str = "highest",
    tolerances: Mapping[str, Any] | None = None,
    seed: int = 0,
    limits: Limits | None = None,
    started: Callable[[Session], Callable[[int], None]] | None = None,
) -> Comparison:
    """Run a model on a device and compare every value with another device's, or with saved ones.

    Both devices run one node at a time, so that no more than a node's values are held. A node whose
    inputs differ is run once more with equal ones, which tells the error it introduces from the one
    it inherits.

    Parameters
    ----------
    model : str, os.PathLike, bytes or onnx.ModelProto
    device : Device, str or None
        The device to judge; the default device for None.
    against : Device, str or mapping
        What is taken to be right: a device, or arrays by the names of the model's values.
    inputs : mapping or callable, optional
        Values by name, or ``inputs(session)`` that returns them. Those that are missing are taken
        from saved values, or drawn when a device is compared with.
    precision : {"highest", "high", "medium"}
        As :func:`hal.precision`, for both.
    tolerances : mapping, optional
        Tolerances by dtype, such as ``{"float32": 1e-3}``, in the place of hal's own.
    seed : int
        Of inputs that are drawn.
    limits : Limits, optional
        As for :func:`hal.onnx.load`.
    started : callable, optional
        ``started(session)`` is called before the run and returns ``advance(n)``, which is told of
        nodes that are done.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueRangeError
        When saved values have nothing to do with the model, or lack its inputs.
    HalError
        When a device cannot run the model; names the device.

    Examples
    --------
    >>> import numpy as np
    >>> from onnx import parser
    >>> from hal.tools.compare import compare
    >>> model = parser.parse_model('''
    ...     <ir_version: 10, opset_import: ["" : 22]>
    ...     net (float[2] x) => (float[2] y) { y = Add(x, x) }
    ... ''')
    >>> golden = {"x": np.float32([1, 2]), "y": np.float32([2, 5])}
    >>> found = compare(model, "cpu:0", golden)
    >>> found.ok, [row.operator for row in found.culprits]
    (False, ['Add'])
    """
    first = as_device(device)
    tolerance = Tolerance(precision, read_tolerances(tolerances or {}))
    given: dict[str, Any] = {}
    side: Side
    if isinstance(against, Mapping):
        side = Golden(against, first, getattr(against, "name", "the saved run"))
        there = side.name
    else:
        second = as_device(against)

        def work(observer: Observer) -> None:
            # The first device has loaded the model, and has its inputs, before this one runs.
            load(model, second, limits=limits, observer=observer).run(given, precision=precision)

        side, there = OtherDevice(second, work), _described(second)
    comparison = Comparison(_title(model), _described(first), there, precision)
    judge = Judge(comparison, side, first.name, tolerance)
    with closing(side):
        watch = Watch(judge.see, judge.facts.enter, judge.facts.leave)
        try:
            session = load(model, first, limits=limits, observer=watch)
            given.update(_inputs(session, inputs, side, seed))
            judge.begin(given, started(session) if started else lambda n: None)
            with blamed_on(first.name):
                session.run(given, precision=precision)
        except Exception:
            if judge.failure is not None:  # of the other side, within a node of this one
                raise judge.failure from None
            raise
        side.finish()
    judge.end([t.name for t in session.outputs])
    if not comparison.rows:
        reason = next(iter(comparison.uncompared.values()), "it calculates nothing")
        raise ValueRangeError(f"no value of the model could be compared: {reason}")
    return comparison


def save_golden(
    model: Any,
    device: str | Device | None,
    path: Any,
    inputs: Inputs = None,
    *,
    precision: str = "highest",
    seed: int = 0,
    limits: Limits | None = None,
    started: Callable[[Session], Callable[[int], None]] | None = None,
) -> int:
    """Run a model and save every value of its main graph, inputs included.

    Parameters
    ----------
    model, device, inputs, precision, seed, limits, started
        As for :func:`compare`.
    path : str or os.PathLike
        A file that ends in ``.npz``, or a new folder.

    Returns
    -------
    int
        How many arrays were saved.

    Examples
    --------
    >>> import tempfile
    >>> from onnx import parser
    >>> from hal.tools.compare import save_golden
    >>> model = parser.parse_model('''
    ...     <ir_version: 10, opset_import: ["" : 22]>
    ...     net (float[2] x) => (float[2] y) { y = Add(x, x) }
    ... ''')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_golden(model, "cpu:0", f"{folder}/golden.npz")
    2
    """
    advance: Callable[[int], None] = lambda n: None  # noqa: E731
    first = as_device(device)

    with GoldenWriter(path) as write:

        def see(node: Node) -> None:
            if node.depth:
                return
            for name, value in zip(node.step.outputs, node.results, strict=True):
                for part, array in parts(name, value).items() if name else ():
                    write(part, array)
            advance(1)

        session = load(model, first, limits=limits, observer=Watch(see))
        given = _inputs(session, inputs, None, seed)
        for name, value in given.items():
            for part, array in parts(name, value).items():
                write(part, array)
        if started is not None:
            advance = started(session)
        with blamed_on(first.name):
            session.run(given, precision=precision)
    return len(write.names)


def _inputs(session: Session, inputs: Inputs, side: Side | None, seed: int) -> dict[str, Any]:
    found = dict(inputs(session) if callable(inputs) else inputs or {})
    if not isinstance(side, Golden):
        found = draw_inputs(session.inputs, found, seed=seed)
    else:
        _add_saved(found, session, side)
    sizes: dict[str, int] = {}
    wanted = {t.name: t for t in session.inputs}
    return {
        name: hosted(checked(value, wanted[name], sizes)) if name in wanted else value
        for name, value in found.items()
    }


def _add_saved(found: dict[str, Any], session: Session, side: Side) -> None:
    for wanted in session.inputs:
        if wanted.name in found or wanted.kind == "optional":
            continue
        saved = side.input(wanted.name)
        if saved is None:
            raise ValueRangeError(
                f"{side.name} does not hold the input {wanted.name!r}; give the values that the "
                "run was made with"
            )
        dtype = None if wanted.dtype is None else wanted.dtype.numpy
        found[wanted.name] = restored(saved, dtype)


def _title(model: Any) -> str:
    if isinstance(model, str | os.PathLike):
        return Path(model).name
    graph = getattr(model, "graph", None)
    return getattr(graph, "name", "") or "the model"


def _described(device: Device) -> str:
    emulated = f", emulated: {device.info.emulated}" if device.info.emulated else ""
    return f"{device.name} ({device.info.description}{emulated})"
