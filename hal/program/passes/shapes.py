"""Gives products the shape in which their results are read."""

from __future__ import annotations

from dataclasses import replace

from hal.device import Device
from hal.plugin import Array, Call, Layout, Program
from hal.program.passes.calls import has_kernel
from hal.program.passes.uses import readers, single_writes, whole

__all__ = ["shape_linears"]


def shape_linears(program: Program, device: Device) -> Program:
    """Return the program with rows of products counted as those who read them count them.

    Exporters put a reshape around a product of a matrix. What follows then is of the product's own
    shape, and can become part of it.

    Examples
    --------
    >>> import hal
    >>> from hal.program import record
    >>> cpu = hal.device("cpu:0")
    >>> x, weight = hal.ones((2, 3, 4), device=cpu), hal.ones((5, 4), device=cpu)
    >>> def function(x):
    ...     rows = hal.nn.linear(hal.reshape(x, (6, 4)), weight)
    ...     return hal.exp(hal.reshape(rows, (2, 3, 5)))
    >>> before = record("f", cpu, [x], lambda xs: [function(*xs)])
    >>> [shape_linears(before, cpu).calls[n].outputs[0].layout.shape for n in (1, 3)]
    [(2, 3, 5), (2, 3, 5)]
    """
    single, reads = single_writes(program), readers(program)
    calls = list[Call]()
    for call in program.calls:
        new = None
        if call.op.name == "linear" and not call.host and call.outputs[0].buffer in single:
            positions = reads.get(call.outputs[0].buffer, [])
            new = _shaped(program, call, _read(program, call.outputs[0], positions))
        calls.append(new if new is not None and has_kernel(new, device) else call)
    return replace(program, calls=tuple(calls))


def _read(program: Program, out: Array, positions: list[int]) -> set[Array]:
    """Return the arrays as which a value is read."""
    end = len(program.calls)
    found = [x for n in positions if n < end for x in program.calls[n].inputs]
    found += program.outputs if end in positions else []
    return {x for x in found if x is not None and x.buffer == out.buffer}


def _shaped(program: Program, call: Call, read: set[Array]) -> Call | None:
    x, out = call.inputs[0], call.outputs[0]
    if len(read) != 1 or x is None or not x.layout.contiguous or not whole(program, out):
        return None
    (wanted,) = read
    shape, features = wanted.layout.shape, out.layout.shape[-1:]
    same = wanted.layout.dtype is out.layout.dtype and whole(program, wanted)
    if not same or wanted == out or not shape or shape[-1:] != features:
        return None
    rows = Layout(x.layout.dtype, (*shape[:-1], x.layout.shape[-1]))
    return replace(call, inputs=(x._replace(layout=rows), *call.inputs[1:]), outputs=(wanted,))
