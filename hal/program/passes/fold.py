"""Calculates beforehand what depends on constants alone."""

from __future__ import annotations

from dataclasses import replace

from hal.device import Device
from hal.memory import base
from hal.plugin import Array, Call, Program
from hal.program.execute import Executable
from hal.program.passes.uses import single_writes

__all__ = ["fold_constants"]

_SMALL = 1 << 20


def fold_constants(program: Program, device: Device) -> Program:
    """Return the program with the results of calls on constants made constants.

    A result much larger than what it is made of, such as a tensor filled with one number, is
    cheaper to make than to keep and is left alone.
    """
    known = set(program.constants)
    single = single_writes(program)
    results = {x.buffer for x in program.outputs}
    folded: list[Call] = []
    rest: list[Call] = []
    for call in program.calls:
        if not call.view and _foldable(program, call, known, single - results):
            folded.append(call)
            known |= {x.buffer for x in call.outputs}
        else:
            rest.append(call)
    if not folded:
        return program
    made = {x.buffer: x for call in folded for x in call.outputs}
    used = {x.buffer for call in rest if not call.view for x in call.inputs if x is not None}
    wanted: tuple[Array, ...] = tuple([made[b] for b in made if b in used])
    early = replace(program, inputs=(), outputs=wanted, calls=tuple(folded))
    values = Executable(device, early)([])
    constants = dict(program.constants)
    for array, value in zip(wanted, values, strict=True):
        constants[array.buffer] = base(value)[0]
    return replace(program, calls=tuple(rest), constants=constants)


def _foldable(program: Program, call: Call, known: set[int], single: set[int]) -> bool:
    if call.host or any(x.buffer not in single for x in call.outputs):
        return False
    inputs = [x for x in call.inputs if x is not None]
    if any(x.buffer not in known for x in inputs):
        return False
    size = sum(x.layout.nbytes for x in call.outputs)
    return size <= max(_SMALL, 2 * sum(x.layout.nbytes for x in inputs))
