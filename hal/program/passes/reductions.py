"""Joins a chain of elementwise calls and the reduction of its result into one call."""

from __future__ import annotations

from dataclasses import replace

from hal.device import Device
from hal.ops import operators
from hal.ops.fused import fits
from hal.plugin import Array, Call, Program
from hal.program.passes.calls import has_kernel, joined_labels
from hal.program.passes.uses import readers, single_writes, stable, writers

__all__ = ["fuse_reductions"]

_FUSED, _REDUCTION = operators["fused"], operators["fused_reduction"]
_KINDS = ("sum", "mean", "max", "min", "prod")
_LARGE = 1 << 8
"""Elements from which on a reduction alone is worth a loop for just its arrays."""


def fuse_reductions(program: Program, device: Device) -> Program:
    """Return the program with reductions calculating what they reduce, instead of reading it.

    A single elementwise call in front of a reduction counts as a chain too.

    Examples
    --------
    >>> import hal
    >>> from hal.program import record
    >>> cpu = hal.device("cpu:0")
    >>> x = hal.ones((64, 100), device=cpu)
    >>> before = record("f", cpu, [x], lambda xs: [hal.mean(xs[0] * xs[0], axis=-1)])
    >>> [call.op.name for call in before.calls]
    ['multiply', 'mean']
    >>> [call.op.name for call in fuse_reductions(before, cpu).calls]
    ['fused_reduction']
    """
    single, unchanging, reads = single_writes(program), stable(program), readers(program)
    made = {b: p[0] for b, p in writers(program).items() if b in single}
    calls: list[Call | None] = list(program.calls)
    for position, call in enumerate(program.calls):
        (given, *_) = call.inputs or (None,)
        if call.op.name not in _KINDS or call.view or call.host or given is None:
            continue
        alone = _alone(call, given)
        if given.layout.size >= _LARGE and has_kernel(alone, device):
            calls[position] = alone
        before = made.get(given.buffer)
        if before is None or len(reads[given.buffer]) != 1:
            continue
        chain = program.calls[before]
        # The chain moves to where its reduction stands: what it reads must still be there.
        if any(x is not None and x.buffer not in unchanging for x in chain.inputs):
            continue
        joined = _joined(chain, call, given)
        if joined is not None and has_kernel(joined, device):
            calls[before], calls[position] = None, joined
    return replace(program, calls=tuple([c for c in calls if c is not None]))


def _alone(call: Call, given: Array) -> Call:
    """Return a reduction as one of a chain without steps."""
    reduction = (call.op.name, tuple(call.attributes.items()))
    attributes = {"steps": (), "results": (0,), "reduction": reduction}
    return Call(_REDUCTION, (given,), call.outputs, attributes, label=call.label)


def _joined(chain: Call, call: Call, given: Array) -> Call | None:
    """Return a chain and the reduction of its result as one call, None where that is none."""
    if chain.outputs != (given,) or chain.view or chain.host:
        return None
    if chain.op is _FUSED:
        inputs, attributes = chain.inputs, dict(chain.attributes)
    elif fits(chain.op, tuple([None if x is None else x.layout for x in chain.inputs])):
        present = [x for x in dict.fromkeys(chain.inputs) if x is not None]
        operands = tuple([None if x is None else present.index(x) for x in chain.inputs])
        step = (chain.op.name, operands, tuple(chain.attributes.items()))
        inputs, attributes = tuple(present), {"steps": (step,), "results": (len(present),)}
    else:
        return None
    attributes["reduction"] = (call.op.name, tuple(call.attributes.items()))
    label = joined_labels([chain, call])
    return Call(_REDUCTION, inputs, call.outputs, attributes, label=label)
