"""Plans where each buffer of a program lies in one block of memory, by when it is in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hal.plugin import Array, Call, Program

__all__ = ["MemoryPlan", "plan_memory"]


@dataclass(frozen=True)
class MemoryPlan:
    """Where a program's own buffers lie.

    Attributes
    ----------
    offsets : mapping of int to int
        For each buffer that is neither argument, result nor constant: its first byte in the block.
    nbytes : int
        The block's size: the peak of the memory that intermediate values take.
    unplanned : int
        What they would take without reuse.
    """

    offsets: Mapping[int, int]
    nbytes: int
    unplanned: int


def plan_memory(program: Program, alignment: int) -> MemoryPlan:
    """Return offsets such that buffers in use at the same time do not overlap.

    An elementwise call writes over its input where the input is used for the last time. The rest
    is placed from the largest to the smallest, each at the lowest offset that is free as long as
    the buffer lives.

    Parameters
    ----------
    program : Program
    alignment : int
        Every offset is a multiple of this many bytes.
    """
    outside = {x.buffer for x in (*program.inputs, *program.outputs)} | set(program.constants)
    lives = _lives(program, outside)
    owner = {buffer: buffer for buffer in lives}
    for position, call in enumerate(program.calls):
        over = _overwrites(program, call, position, lives, outside)
        if over is not None:
            target, source = over
            root = owner[source]
            owner[target] = root
            lives[root] = (lives[root][0], lives[target][1])
    roots = [b for b in lives if owner[b] == b]
    sizes = {b: -(-program.sizes[b] // alignment) * alignment for b in roots}
    placed: list[tuple[int, int, int]] = []
    offsets: dict[int, int] = {}
    for buffer in sorted(roots, key=lambda b: (-sizes[b], lives[b])):
        first, last = lives[buffer]
        at = 0
        for start, end, other in sorted(placed):
            if lives[other][0] <= last and first <= lives[other][1]:
                if at + sizes[buffer] <= start:
                    break
                at = max(at, end)
        offsets[buffer] = at
        placed.append((at, at + sizes[buffer], buffer))
    return MemoryPlan(
        {b: offsets[_root(owner, b)] for b in lives},
        max((end for _, end, _ in placed), default=0),
        sum(-(-program.sizes[b] // alignment) * alignment for b in lives),
    )


def _lives(program: Program, outside: set[int]) -> dict[int, tuple[int, int]]:
    """Return the first and the last call that uses each buffer of the program's own."""
    lives: dict[int, tuple[int, int]] = {}
    for position, call in enumerate(program.calls):
        if call.view:
            continue
        for array in (*call.inputs, *call.outputs):
            if array is not None and array.buffer not in outside:
                first = lives.get(array.buffer, (position, position))[0]
                lives[array.buffer] = (first, position)
    return lives


def _overwrites(
    program: Program,
    call: Call,
    position: int,
    lives: Mapping[int, tuple[int, int]],
    outside: set[int],
) -> tuple[int, int] | None:
    """Return the call's output buffer and the input buffer it may write over, if there is one."""
    if call.op.family != "elementwise" or call.view or call.host or len(call.outputs) > 1:
        return None
    (out,) = call.outputs
    whole = out.layout.contiguous and out.layout.nbytes == program.sizes[out.buffer]
    if out.buffer in outside or not whole or lives[out.buffer][0] != position:
        return None
    for array in call.inputs:
        if array is None or array.buffer in outside or lives[array.buffer][1] != position:
            continue
        if _same_memory(array, out) and program.sizes[array.buffer] == program.sizes[out.buffer]:
            twins = [x for x in call.inputs if x is not None and x.buffer == array.buffer]
            if all(x == array for x in twins):
                return out.buffer, array.buffer
    return None


def _same_memory(array: Array, out: Array) -> bool:
    return array.layout == out.layout and array.offset == out.offset


def _root(owner: Mapping[int, int], buffer: int) -> int:
    while owner[buffer] != buffer:
        buffer = owner[buffer]
    return buffer
