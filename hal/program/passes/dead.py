"""Leaves out calls whose results nobody reads."""

from __future__ import annotations

from dataclasses import replace

from hal.plugin import Call, Program

__all__ = ["dead_code"]


def dead_code(program: Program) -> Program:
    """Return the program without calls that change neither a result nor an argument."""
    live = {x.buffer for x in (*program.outputs, *program.inputs)}
    kept: list[Call] = []
    for call in reversed(program.calls):
        if call.view or all(x.buffer not in live for x in call.outputs):
            continue
        kept.append(call)
        live |= {x.buffer for x in call.inputs if x is not None}
    needed = set(map(id, kept))
    calls = tuple(
        [c for c in program.calls if id(c) in needed or (c.view and c.outputs[0].buffer in live)]
    )
    constants = {b: c for b, c in program.constants.items() if b in live}
    return replace(program, calls=calls, constants=constants)
