"""Joins chains of elementwise calls into one call, where the device has a kernel for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hal.device import Device
from hal.ops import operators
from hal.ops.fused import Step, fits
from hal.plugin import Array, Call, Program
from hal.program.passes.calls import has_kernel, joined_labels
from hal.program.passes.uses import readers, single_writes, stable

__all__ = ["fusable", "fuse_elementwise"]

_FUSED = operators["fused"]
_LARGE = 1 << 8
"""Elements from which on a call alone is worth a loop for just its arrays."""


@dataclass
class _Chain:
    """Calls of one shape, each but the first reading what another of them makes."""

    positions: list[int]
    made: dict[int, Array] = field(default_factory=dict)
    open: bool = True


def fuse_elementwise(program: Program, device: Device) -> Program:
    """Return the program with chains of elementwise calls made single ``fused`` calls.

    A chain runs where its last call stood. A call outside that reads one of its values ends it,
    so nothing is read before it is there. A call on many elements is a chain by itself.
    """
    replaced: dict[int, Call] = {}
    removed: set[int] = set()
    reads = readers(program)
    for chain in _chains(program, device):
        size = program.calls[chain.positions[0]].outputs[0].layout.size
        if len(chain.positions) < 2 and size < _LARGE:
            continue
        call = _fused(program, chain, reads)
        if has_kernel(call, device):
            replaced[chain.positions[-1]] = call
            removed |= set(chain.positions)
    calls = [
        replaced.get(position, call)
        for position, call in enumerate(program.calls)
        if position in replaced or position not in removed
    ]
    return replace(program, calls=tuple(calls))


def fusable(call: Call, device: Device) -> bool:
    """Return whether a call works element by element and the device can have it in a chain."""
    layouts = tuple([None if x is None else x.layout for x in call.inputs])
    if call.view or call.host or not fits(call.op, layouts):
        return False
    if any(x is not None and x.dtype.storage_only for x in (*layouts, call.outputs[0].layout)):
        return False
    present = [x for x in call.inputs if x is not None]
    numbers = iter(range(len(present)))
    operands = tuple([None if x is None else next(numbers) for x in call.inputs])
    step = (call.op.name, operands, tuple(call.attributes.items()))
    attributes = {"steps": (step,), "results": (len(present),)}
    return has_kernel(Call(_FUSED, tuple(present), call.outputs, attributes), device)


def _chains(program: Program, device: Device) -> list[_Chain]:
    single, unchanging = single_writes(program), stable(program)
    chains: list[_Chain] = []
    maker: dict[int, _Chain] = {}
    for position, call in enumerate(program.calls):
        if call.view:
            continue
        joins = (
            call.outputs[0].buffer in single
            and all(x is None or x.buffer in unchanging for x in call.inputs)
            and fusable(call, device)
        )
        joined = _joined(call, maker) if joins else []
        for array in call.inputs:
            chain = None if array is None else maker.get(array.buffer)
            if chain is not None and all(chain is not other for other in joined):
                chain.open = False
        if not joins:
            continue
        chain = joined[0] if joined else _Chain([])
        if not joined:
            chains.append(chain)
        for other in joined[1:]:
            chain.positions += other.positions
            chain.made |= other.made
            chains = [c for c in chains if c is not other]
            maker.update(dict.fromkeys(other.made, chain))
        chain.positions = sorted([*chain.positions, position])
        chain.made[call.outputs[0].buffer] = call.outputs[0]
        maker[call.outputs[0].buffer] = chain
    return chains


def _joined(call: Call, maker: dict[int, _Chain]) -> list[_Chain]:
    """Return the open chains that a call continues: those whose values it reads in place."""
    found: list[_Chain] = []
    strange: list[_Chain] = []
    shape = call.outputs[0].layout.shape
    for array in call.inputs:
        chain = None if array is None else maker.get(array.buffer)
        if array is None or chain is None or not chain.open:
            continue
        same = array == chain.made[array.buffer] and array.layout.shape == shape
        target = found if same else strange
        if all(chain is not other for other in target):
            target.append(chain)
    return [c for c in found if all(c is not other for other in strange)]


def _fused(program: Program, chain: _Chain, reads: dict[int, list[int]]) -> Call:
    calls = [program.calls[p] for p in chain.positions]
    inputs: list[Array] = []
    for call in calls:
        for array in call.inputs:
            if array is not None and array.buffer not in chain.made and array not in inputs:
                inputs.append(array)
    number: dict[Array, int] = {array: n for n, array in enumerate(inputs)}
    steps: list[Step] = []
    for call in calls:
        operands = tuple([None if x is None else number[x] for x in call.inputs])
        steps.append((call.op.name, operands, tuple(call.attributes.items())))
        number[call.outputs[0]] = len(inputs) + len(steps) - 1
    members = set(chain.positions)
    outputs = [
        call.outputs[0]
        for call in calls
        if any(p not in members for p in reads.get(call.outputs[0].buffer, ()))
    ]
    attributes = {"steps": tuple(steps), "results": tuple([number[x] for x in outputs])}
    return Call(_FUSED, tuple(inputs), tuple(outputs), attributes, label=joined_labels(calls))
