"""Joins chains of elementwise calls into one call, where the device has a kernel for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hal.device import Device
from hal.ops import operators
from hal.ops.fused import Step, fits
from hal.plugin import Array, Call, Program, Signature
from hal.program.passes.uses import readers, single_writes, stable

__all__ = ["fuse_elementwise"]

_FUSED = operators["fused"]


@dataclass
class _Chain:
    """Calls of one shape, each but the first reading what another of them makes."""

    positions: list[int]
    made: set[int] = field(default_factory=set)
    open: bool = True


def fuse_elementwise(program: Program, device: Device) -> Program:
    """Return the program with chains of elementwise calls made single ``fused`` calls.

    A chain runs where its last call stood. A call outside that reads one of its values ends it,
    so nothing is read before it is there.
    """
    replaced: dict[int, Call] = {}
    removed: set[int] = set()
    for chain in _chains(program):
        if len(chain.positions) < 2:
            continue
        call = _fused(program, chain)
        layouts = tuple([x.layout for x in call.inputs if x is not None])
        signature = Signature(layouts, tuple([x.layout for x in call.outputs]), call.attributes)
        if device.runtime.kernel(_FUSED, signature) is not None:
            replaced[chain.positions[-1]] = call
            removed |= set(chain.positions)
    calls = [
        replaced.get(position, call)
        for position, call in enumerate(program.calls)
        if position in replaced or position not in removed
    ]
    return replace(program, calls=tuple(calls))


def _chains(program: Program) -> list[_Chain]:
    single, unchanging = single_writes(program), stable(program)
    chains: list[_Chain] = []
    maker: dict[int, _Chain] = {}
    for position, call in enumerate(program.calls):
        if call.view:
            continue
        joined = _joined(program, call, maker, single, unchanging)
        for array in call.inputs:
            chain = None if array is None else maker.get(array.buffer)
            if chain is not None and chain not in joined:
                chain.open = False
        if not _elementwise(call, single, unchanging):
            continue
        chain = joined[0] if joined else _Chain([])
        for other in joined[1:]:
            chain.positions += other.positions
            chain.made |= other.made
            chains.remove(other)
            maker.update(dict.fromkeys(other.made, chain))
        chain.positions = sorted({*chain.positions, position})
        chain.made.add(call.outputs[0].buffer)
        maker[call.outputs[0].buffer] = chain
        if not joined:
            chains.append(chain)
    return chains


def _elementwise(call: Call, single: set[int], unchanging: set[int]) -> bool:
    layouts = tuple([None if x is None else x.layout for x in call.inputs])
    return (
        not call.host
        and fits(call.op, layouts)
        and call.outputs[0].buffer in single
        and all(x is None or x.buffer in unchanging for x in call.inputs)
        and not any(x is not None and x.layout.dtype.storage_only for x in call.inputs)
        and not call.outputs[0].layout.dtype.storage_only
    )


def _joined(
    program: Program, call: Call, maker: dict[int, _Chain], single: set[int], unchanging: set[int]
) -> list[_Chain]:
    """Return the open chains that a call continues: those whose values it reads in place."""
    if not _elementwise(call, single, unchanging):
        return []
    found: list[_Chain] = []
    strange: list[_Chain] = []
    shape = call.outputs[0].layout.shape
    for array in call.inputs:
        chain = None if array is None else maker.get(array.buffer)
        if array is None or chain is None or not chain.open:
            continue
        (source,) = [
            x
            for position in chain.positions
            for x in program.calls[position].outputs
            if x.buffer == array.buffer
        ]
        same = array == source and array.layout.shape == shape
        target = found if same else strange
        if all(chain is not other for other in target):
            target.append(chain)
    return [c for c in found if all(c is not other for other in strange)]


def _fused(program: Program, chain: _Chain) -> Call:
    calls = [program.calls[p] for p in chain.positions]
    reads = readers(program)
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
    labels = ", ".join(dict.fromkeys(call.label for call in calls if call.label))
    return Call(_FUSED, tuple(inputs), tuple(outputs), attributes, label=labels)
