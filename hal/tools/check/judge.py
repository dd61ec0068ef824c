"""Judges each node: native, decomposed, host or impossible, with the reason and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hal import dtypes
from hal.dtypes import DType
from hal.errors import HalError, TraceError, Unsupported
from hal.onnx.types import ValueType
from hal.ops import Operator
from hal.plugin import Call, Layout, Signature
from hal.tools.check.stand import Asked, Stand
from hal.tools.check.target import Target
from hal.tools.check.walk import Node

__all__ = ["ROUTES", "Row", "judge_inputs", "judge_node", "judge_weights", "missing_dtypes"]

ROUTES = ("native", "free", "decomposed", "host", "unchecked", "impossible")
"""How a node can run, from the best to the worst."""

# What to use where a chip lacks a dtype, the nearest first.
_INSTEAD: dict[DType, tuple[DType, ...]] = {
    dtypes.float64: (dtypes.float32,),
    dtypes.float32: (dtypes.float16, dtypes.bfloat16),
    dtypes.bfloat16: (dtypes.float16, dtypes.float32),
    dtypes.float16: (dtypes.bfloat16, dtypes.float32),
    dtypes.complex128: (dtypes.complex64,),
    dtypes.int64: (dtypes.int32,),
    dtypes.int16: (dtypes.int32,),
    dtypes.uint64: (dtypes.int64, dtypes.uint32),
    dtypes.uint32: (dtypes.int64, dtypes.int32),
    dtypes.uint16: (dtypes.int32,),
    dtypes.bool: (dtypes.uint8,),
}


@dataclass(frozen=True)
class Row:
    """What becomes of a node on a device.

    Attributes
    ----------
    name, operator, domain : str
        The node's; an input of the model has the operator ``"(input)"``.
    route : str
        ``"native"``; ``"free"`` where no kernel runs, since the result is known beforehand or is a
        view; ``"decomposed"``; ``"host"``; ``"unchecked"``; ``"impossible"``.
    kernels : int
        How many kernels it runs, before the program is simplified.
    dtypes : tuple of str
        Those of the values it reads and writes.
    reason, advice : str
        Why it does not run natively, and what to do.
    times : int
        How often the node runs.
    note : str
        What was checked in another way than the rest.
    """

    name: str
    operator: str
    domain: str
    route: str
    kernels: int = 0
    dtypes: tuple[str, ...] = ()
    reason: str = ""
    advice: str = ""
    times: int = 1
    note: str = ""


def judge_node(node: Node, calls: Sequence[Call], stand: Stand) -> Row:
    """Return what becomes of a node that recorded these calls."""
    kernels = [call for call in calls if not call.view]
    layouts = [x.layout for call in calls for x in (*call.inputs, *call.outputs) if x is not None]
    met = list(dict.fromkeys(x.dtype for x in layouts))
    row = Row(
        node.name, node.operator, node.domain, "native" if kernels else "free", len(kernels),
        tuple(sorted(d.name for d in met)), times=node.times, note=node.note,
    )  # fmt: skip
    if node.unreached:
        advice = "mend what comes before"
        return replace(row, route="unchecked", reason=node.unreached, advice=advice)
    if node.failed is not None:
        return _failed(row, node.failed)
    missing = [d for d in met if d not in stand.target.dtypes]
    if missing:
        return _lacking(row, missing, stand.target)
    refused = [a for a in node.asked if a.offer.refused]
    if refused:
        instead = _instead(refused[0].op, refused[0].signature, stand)
        return replace(
            row,
            route="impossible",
            reason=refused[0].offer.detail,
            advice=instead or f"replace it: the device refuses {refused[0].op.name} as it is",
        )
    on_host = [call for call in kernels if call.host]
    if on_host:
        return _on_host(row, on_host[0], node.asked, stand)
    return _decomposed(row, node.asked)


def judge_inputs(
    given: Mapping[str, object], types: Iterable[ValueType], stand: Stand
) -> list[Row]:
    """Return a row for each input whose dtype the device lacks."""
    rows = []
    for wanted in types:
        layout = given.get(wanted.name)
        if isinstance(layout, Layout) and layout.dtype not in stand.target.dtypes:
            row = Row(wanted.name, "(input)", "", "impossible", dtypes=(layout.dtype.name,))
            rows.append(_lacking(row, [layout.dtype], stand.target))
    return rows


def judge_weights(stand: Stand, seen: Iterable[Row]) -> list[Row]:
    """Return a row for dtypes that only weights have, before they are converted at loading."""
    known = {name for row in seen for name in row.dtypes}
    missing = [d for d in stand.held if d not in stand.target.dtypes and d.name not in known]
    row = Row("", "(weights)", "", "impossible", dtypes=tuple(d.name for d in missing))
    return [_lacking(row, missing, stand.target)] if missing else []


def missing_dtypes(rows: Iterable[Row], target: Target) -> dict[str, str]:
    """Return the dtypes that rows have and a target lacks, with what to use instead."""
    used = sorted({name for row in rows for name in row.dtypes})
    missing = [d for d in map(dtypes.as_dtype, used) if d not in target.dtypes]
    return {d.name: _conversion(d, target) for d in missing}


def _failed(row: Row, error: HalError) -> Row:
    if isinstance(error, TraceError):
        return replace(
            row,
            route="host",
            reason="what follows depends on values that hal reads on the host while it runs",
            advice="it runs call by call, not as one program; fix the value with --input, or "
            "replace the node by one whose shape is known",
        )
    lacking = isinstance(error, Unsupported)
    advice = "write it with operators that hal has, or give the model a function for it"
    return replace(
        row,
        route="impossible",
        reason=str(error),
        advice=advice if lacking else "correct the model, or check the sizes it was made for",
    )


def _lacking(row: Row, missing: Sequence[DType], target: Target) -> Row:
    names = ", ".join(d.name for d in missing)
    return replace(
        row,
        route="impossible",
        reason=f"{target.description} has no {names}",
        advice="; ".join(_conversion(d, target) for d in missing),
    )


def _conversion(missing: DType, target: Target) -> str:
    """Return what to use in place of a dtype."""
    instead = [d.name for d in _INSTEAD.get(missing, ()) if d in target.dtypes]
    if not instead and missing.kind == "complex":
        return f"{missing.name}: keep real and imaginary parts in two tensors"
    if not instead and missing.storage_only:
        instead = [d.name for d in (dtypes.int8, dtypes.float16) if d in target.dtypes]
    if not instead:
        held = ", ".join(d.name for d in target.dtypes)
        return f"{missing.name}: convert it to one of {held}"
    return (
        f"{missing.name} → {instead[0]}: export the model in {instead[0]}, or cast inputs and "
        f"weights before they reach the device"
    )


def _on_host(row: Row, call: Call, asked: Sequence[Asked], stand: Stand) -> Row:
    name = call.op.name
    detail = next((a.offer.detail for a in asked if a.op is call.op and not a.offer.native), "")
    instead = _instead(call.op, call.signature, stand)
    other = f"keep it if it is small; else replace it, or add a kernel for {name} to the plugin"
    return replace(row, route="host", reason=_refusal(name, detail), advice=instead or other)


def _refusal(names: str, detail: str) -> str:
    """Return why there is no kernel; a plugin's own words may begin with the operator's name."""
    if detail.startswith(names):
        return detail
    return f"no kernel for {names}: {detail}" if detail else f"no kernel for {names}"


def _instead(op: Operator, signature: Signature, stand: Stand) -> str:
    """Return in which dtypes or at which precision the device has a kernel for the same call."""
    dtype = next((x.dtype for x in signature.inputs if x is not None), None)
    found = [
        f"{d.name} here, in which it is native"
        for d in (dtypes.float32, dtypes.float16, dtypes.bfloat16)
        if d in stand.target.dtypes and d is not dtype and _offered(op, signature, stand, d)
    ]
    found += [
        f"--precision {level}"
        for level in ("high", "medium")
        if "precision" in signature.attributes and _offered(op, signature, stand, None, level)
    ][:1]
    return f"use {', or '.join(found)}" if found else ""


def _offered(
    op: Operator, signature: Signature, stand: Stand, dtype: DType | None, level: str = ""
) -> bool:
    """Return whether there is a kernel in another floating-point dtype, or at another precision."""
    layouts = signature.inputs
    if dtype is not None:
        if not any(x is not None and x.dtype.kind == "float" for x in layouts):
            return False
        layouts = tuple([
            Layout(dtype, x.shape, x.strides) if x is not None and x.dtype.kind == "float" else x
            for x in layouts
        ])  # fmt: skip
    attributes = {**signature.attributes, "precision": level} if level else signature.attributes
    try:
        inference = op.infer(layouts, attributes)
    except HalError:
        return False
    outputs = tuple([Layout(*output) for output in inference.outputs])
    return stand.target.offer(op, Signature(layouts, outputs, inference.attributes)).native


def _decomposed(row: Row, asked: Sequence[Asked]) -> Row:
    """Return the row of a node all of whose calls have kernels, after whatever detours."""
    native = {(a.op, _sizes(a.signature)) for a in asked if a.offer.native}
    refused = {a.op: a for a in asked if not a.offer.native}
    split = [a for a in refused.values() if (a.op, _sizes(a.signature)) not in native]
    if split:
        names = ", ".join(a.op.name for a in split)
        detail = next((a.offer.detail for a in split if a.offer.detail), "")
        return replace(
            row,
            route="decomposed",
            reason=_refusal(names, detail),
            advice=f"nothing: {row.kernels} kernels of simpler operators give the same",
        )
    if refused:
        names = ", ".join(op.name for op in refused)
        return replace(row, note=row.note or f"a copy makes the input of {names} contiguous first")
    return row


def _sizes(signature: Signature) -> tuple[object, ...]:
    return tuple([None if x is None else (x.dtype, x.shape) for x in signature.inputs])
