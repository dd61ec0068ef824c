"""Control flow: branches, loops and scans over subgraphs."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np

from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import axis_of, cut, move_axis, squeeze
from hal.onnx.operators.sequence import stacked
from hal.onnx.registry import operator
from hal.onnx.values import to_host


def _truth(value: Any) -> bool:
    host = to_host(value)
    if host.size != 1:
        raise ShapeError(f"a condition is one value, not an array of shape {host.shape}")
    return bool(host.reshape(()))


@operator("If", raw=True)
def _if(F: Any, condition: Any, *, then_branch: Any, else_branch: Any) -> Any:
    return tuple(F.call(then_branch if _truth(condition) else else_branch, []))


@operator("Loop", raw=True)
def _loop(F: Any, trips: Any = None, condition: Any = None, *state: Any, body: Any) -> Any:
    limit = None if trips is None else int(to_host(trips).reshape(()))
    go = condition is None or _truth(condition)
    kept = list(state)
    rows: list[list[Any]] = [[] for _ in body.outputs[1 + len(kept) :]]
    for turn in count():
        if not go or (limit is not None and turn >= limit):
            break
        F.run.count_turns(F.step, 1)
        found = F.call(body, [np.array(turn, np.int64), np.array(go), *kept])
        go = _truth(found[0])
        kept = found[1 : 1 + len(kept)]
        for row, value in zip(rows, found[1 + len(kept) :], strict=True):
            row.append(value)
    scans = [stacked(F, row, body.types[1 + len(kept) + n]) for n, row in enumerate(rows)]
    return (*kept, *scans)


@operator("Scan", raw=True)
def _scan_8(
    F: Any, lengths: Any, *inputs: Any, body: Any, num_scan_inputs: int, directions: Any = None
) -> Any:
    split = len(inputs) - num_scan_inputs
    batch = inputs[0].shape[0]
    results = []
    for b in range(batch):
        one = F.over(*inputs)
        parts = [squeeze(one, cut(one, x, {0: (b, b + 1)}), (0,)) for x in one.placed(inputs)]
        if lengths is not None:
            length = int(to_host(lengths).reshape(-1)[b])
            parts[split:] = [cut(one, p, {0: (0, length)}) for p in parts[split:]]
        results.append(_scan(F, parts, body, num_scan_inputs, directions, None, None, None))
    return tuple(
        stacked(F, [r[n] for r in results], None) for n in range(len(results[0]) if results else 0)
    )


@operator("Scan", 9, raw=True)
def _scan_9(
    F: Any, *inputs: Any, body: Any, num_scan_inputs: int, scan_input_axes: Any = None,
    scan_input_directions: Any = None, scan_output_axes: Any = None,
    scan_output_directions: Any = None,
) -> Any:  # fmt: skip
    return tuple(_scan(
        F, list(inputs), body, num_scan_inputs, scan_input_directions, scan_input_axes,
        scan_output_directions, scan_output_axes,
    ))  # fmt: skip


def _scan(
    F: Any, inputs: list[Any], body: Any, scanned: int, directions: Any, axes: Any,
    out_directions: Any, out_axes: Any,
) -> list[Any]:  # fmt: skip
    split = len(inputs) - scanned
    if scanned < 1 or split < 0:
        raise ValueRangeError(f"num_scan_inputs is {scanned} of {len(inputs)} inputs")
    state, given = inputs[:split], inputs[split:]
    E = F.over(*given)
    given = E.placed(given)
    along = [axis_of(a, len(x.shape)) for a, x in zip(axes or (0,) * scanned, given, strict=True)]
    turns = {x.shape[a] for a, x in zip(along, given, strict=True)}
    if len(turns) != 1:
        raise ShapeError(f"the scanned axes have the sizes {sorted(turns)}; they must be equal")
    (length,) = turns
    F.run.count_turns(F.step, length)
    backwards = directions or (0,) * scanned
    rows: list[list[Any]] = [[] for _ in body.outputs[split:]]
    for turn in range(length):
        parts = []
        for x, a, back in zip(given, along, backwards, strict=True):
            at = length - 1 - turn if back else turn
            parts.append(squeeze(E, cut(E, x, {a: (at, at + 1)}), (a,)))
        found = F.call(body, [*state, *parts])
        state = found[:split]
        for row, value in zip(rows, found[split:], strict=True):
            row.append(value)
    results = []
    for n, row in enumerate(rows):
        if out_directions and out_directions[n]:
            row.reverse()
        whole = stacked(F, row, body.types[split + n])
        if out_axes and out_axes[n]:
            E = F.over(whole)
            whole = E.copy(move_axis(E, whole, 0, axis_of(out_axes[n], len(whole.shape))))
        results.append(whole)
    return [*state, *results]
