"""Recurrent layers: their weights laid out for the compiled loop, and their work shared out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hal.dtypes import float32
from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature
from hal_cpu.jit import (
    HALVES,
    TURNS,
    Loop,
    Recurrence,
    address,
    compile_loop,
    recurrent_code,
    vector_lanes,
)
from hal_cpu.pool import Kept, host_pool
from hal_cpu.sharing import held_once
from hal_cpu.team import symbols
from hal_cpu.threads import thread_count

__all__ = ["find_recurrent"]

_ARRAYS = 7
_DTYPES = (float32, *HALVES)
_OPTIONS = {"rnn": "nonlinearity", "gru": "linear_before_reset"}
_FEW_WEIGHTS = 1 << 17
"""Recurrent weights that each thread may read at every step."""
_WORTH_WAITING = 1 << 16
"""Multiplications in a step above which threads may wait for one another behind it."""
_INPUTS = 1 << 18
"""Numbers that the products of a chunk's inputs take, about."""


def find_recurrent(op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for ``rnn``, ``gru`` or ``lstm`` of float32 or less, or None."""
    layouts = (*signature.inputs, *signature.outputs)
    states = signature.outputs[1]
    if not states.size or any(x is not None and x.dtype not in _DTYPES for x in layouts):
        return None
    layer = _plan(op.name, signature)
    weights = tuple([n for n, x in enumerate(signature.inputs[:5]) if n and x is not None])
    found: list[Loop] = []

    def run(packed: _Packed, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        # Compiled when first used: many kernels are asked for and never run.
        if not found:
            found.append(compile_loop(recurrent_code(layer), _ARRAYS))
        _run(found[0], layer, packed, outputs, inputs)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        run(_packed(layer, inputs), outputs, inputs)

    def prepare(known: Sequence[Any]) -> Kernel | None:
        if any(known[n] is None for n in weights):
            return None
        packed = _packed(layer, known)
        kept = packed._replace(weights=held_once(packed.weights, 4 * layer.parameters))

        def prepared(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
            run(kept, outputs, inputs)

        return Kernel(prepared, released=weights)

    return Kernel(into, prepare=prepare)


def _plan(name: str, signature: Signature) -> Recurrence:
    x, _, recurrence = signature.inputs[:3]
    assert x is not None
    assert recurrence is not None
    batch, features = x.shape[1:]
    rows, hidden = recurrence.shape
    option = signature.attributes.get(_OPTIONS.get(name, ""))
    lanes = vector_lanes()
    threads = thread_count()
    by_rows = batch >= threads > 1 and rows * hidden <= _FEW_WEIGHTS
    # One row takes more vectors at once, else a sum would wait for the one before.
    vectors = max(1, (8 if batch == 1 else 4) // (2 if option is False else rows // hidden))
    vectors = min(vectors, max(1, -(-hidden // (lanes * threads))))
    layer = Recurrence(
        name, option, batch, features, hidden, _strides(x), _strides(signature.outputs[0]),
        bool(signature.attributes["reverse"]), lanes, vectors, 1, 1, by_rows,
        symbols() is not None and not by_rows and batch * rows * hidden >= _WORTH_WAITING,
    )  # fmt: skip
    widest = vectors * max(map(len, layer.stages))
    row = layer.gates * layer.padded
    return layer._replace(
        rows=max(1, min(4, (12 if lanes == 8 else 24) // widest)),
        chunk=max(1, _INPUTS // (batch * row)),
    )


def _strides(layout: Layout) -> tuple[int, ...]:
    """Return an array's strides, for half precision those of what it is converted to."""
    return Layout(float32, layout.shape).strides if layout.dtype in HALVES else layout.strides


class _Packed(NamedTuple):
    """Weights and biases in the order in which the loop reads them."""

    weights: Kept
    biases: Any


def _packed(layer: Recurrence, inputs: Sequence[Any]) -> _Packed:
    weight, recurrence, *biases = (*inputs[1:], None, None)[:4]
    whole = [_by_block(layer, w) for w in (weight, recurrence)]
    nothing = np.zeros(layer.gates * layer.hidden, np.float32)
    added = [_by_block(layer, nothing if b is None else b) for b in biases]
    kept = Kept(4 * layer.parameters)
    room = kept.content[: 4 * layer.parameters].view(np.float32)
    lines, start = [], 0
    for gates in layer.stages:
        stage = slice(gates[0], gates[-1] + 1)
        for panel in whole:
            part = panel[stage].transpose(1, 3, 0, 2)
            room[start : start + part.size].reshape(part.shape)[...] = part
            start += part.size
        lines += [b[stage].transpose(1, 3, 0, 2).reshape(-1) for b in added]
    return _Packed(kept, np.concatenate(lines))


def _by_block(layer: Recurrence, values: Any) -> Any:
    """Return (gate, block, unit, number), with units of zeros that fill the last block."""
    found = values.reshape(layer.gates, layer.hidden, values.size // len(values))
    if layer.padded != layer.hidden or found.dtype != np.float32:
        given = found
        found = np.zeros((layer.gates, layer.padded, given.shape[2]), np.float32)
        found[:, : layer.hidden] = given
    return found.reshape(layer.gates, layer.blocks, layer.width, found.shape[2])


def _run(
    loop: Loop, layer: Recurrence, packed: _Packed, outputs: Sequence[Any], inputs: Sequence[Any]
) -> None:
    x, starts = inputs[0], inputs[5:]
    out = outputs[0]
    wide = out
    if x.dtype != np.float32:
        x, wide = np.ascontiguousarray(x, np.float32), np.empty(out.shape, np.float32)
    steps = len(x)
    states = layer.states * layer.batch * layer.padded
    room = min(layer.chunk, steps) * layer.batch * layer.gates * layer.padded
    turns = 2 * TURNS * thread_count()
    pool = host_pool()
    block = pool.allocate(4 * (turns + states + room))
    try:
        block[: 4 * (turns + states)] = 0
        own = (
            block[4 * turns : 4 * (turns + states)]
            .view(np.float32)
            .reshape(layer.states, layer.batch, layer.padded)
        )
        for place, start in zip((0, 2), starts, strict=False):
            if start is not None:
                own[place, :, : layer.hidden] = start
        start = address(block)
        pointers = [address(wide), address(x), packed.weights.address, address(packed.biases)]
        pointers += [start + 4 * turns, start + 4 * (turns + states), start]
        loop.on(layer.extent, steps, pointers, layer.by_rows or layer.waits)()
        for place, last in zip((steps & 1, 2), outputs[1:], strict=False):
            last[...] = own[place, :, : layer.hidden]
    finally:
        pool.free(block)
    if wide is not out:
        out[...] = wide
