"""Who writes and who reads each buffer of a program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hal.plugin import Array, Call, Layout, Program

__all__ = ["covers", "readers", "rename", "single_writes", "stable", "whole", "writers"]


def writers(program: Program) -> dict[int, list[int]]:
    """Return the positions of the calls that write each buffer."""
    found: dict[int, list[int]] = {}
    for position, call in enumerate(program.calls):
        if not call.view:
            for array in call.outputs:
                found.setdefault(array.buffer, []).append(position)
    return found


def readers(program: Program) -> dict[int, list[int]]:
    """Return the positions of the calls that read each buffer; results are read at the end."""
    found: dict[int, list[int]] = {}
    for position, call in enumerate(program.calls):
        if not call.view:
            for array in call.inputs:
                if array is not None:
                    found.setdefault(array.buffer, []).append(position)
    for array in program.outputs:
        found.setdefault(array.buffer, []).append(len(program.calls))
    return found


def whole(program: Program, array: Array) -> bool:
    """Return whether an array is all of its buffer, in order."""
    return array.layout.contiguous and array.layout.nbytes == program.sizes[array.buffer]


def covers(program: Program, array: Array) -> bool:
    """Return whether an array is all of its buffer, in whatever order."""
    layout = array.layout
    if layout.contiguous:
        return whole(program, array)
    axes = sorted(range(layout.ndim), key=lambda n: -layout.strides[n])
    shape, strides = (tuple([x[n] for n in axes]) for x in (layout.shape, layout.strides))
    return whole(program, array._replace(layout=Layout(layout.dtype, shape, strides)))


def single_writes(program: Program) -> set[int]:
    """Return the buffers that one call writes, as a whole, and no other call changes."""
    arguments = {x.buffer for x in program.inputs}
    return {
        buffer
        for buffer, positions in writers(program).items()
        if len(positions) == 1
        and buffer not in arguments
        and all(
            covers(program, x) for x in program.calls[positions[0]].outputs if x.buffer == buffer
        )
    }


def stable(program: Program) -> set[int]:
    """Return the buffers whose values never change once they are there."""
    written = writers(program)
    given = {x.buffer for x in program.inputs} | set(program.constants)
    return single_writes(program) | {b for b in given if b not in written}


def rename(program: Program, buffers: dict[int, int]) -> Program:
    """Return the program with some buffers replaced by others, wherever they are used."""
    if not buffers:
        return program

    def new(array: Array) -> Array:
        return array._replace(buffer=buffers.get(array.buffer, array.buffer))

    return replace(
        program,
        calls=tuple([with_arrays(call, new) for call in program.calls]),
        outputs=tuple([new(x) for x in program.outputs]),
    )


def with_arrays(call: Call, change: Callable[[Array], Array]) -> Call:
    """Return the call on other arrays."""
    return replace(
        call,
        inputs=tuple([None if x is None else change(x) for x in call.inputs]),
        outputs=tuple([change(x) for x in call.outputs]),
    )
