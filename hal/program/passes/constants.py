"""Uses what constants say beforehand: an index that is known, an order that no kernel likes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hal.device import Device
from hal.memory import base, from_host
from hal.ops import operators
from hal.plugin import Array, Call, Layout, Program
from hal.program.passes.calls import has_kernel
from hal.program.passes.products import constant_values
from hal.program.passes.uses import stable

__all__ = ["pack_constants", "slice_takes"]

_COPY = operators["copy"]
_ANY_ORDER = ("copy", "matmul", "linear", "linear_fused")


def slice_takes(program: Program, device: Device) -> Program:
    """Return the program with elements taken at constant, evenly spaced places copied as a slice.

    The copy goes where its readers can as well read the slice.

    Examples
    --------
    >>> import hal
    >>> from hal.program import record
    >>> cpu = hal.device("cpu:0")
    >>> x, index = hal.ones((2, 3, 4), device=cpu), hal.asarray([0, 2], device=cpu)
    >>> before = record("f", cpu, [x], lambda xs: [hal.take(xs[0], index, axis=1)])
    >>> print(slice_takes(before, cpu).calls[0].inputs[0].layout)
    float32[2, 2, 4], strides=(12, 8, 1)
    """
    unchanging = stable(program)
    calls = list[Call]()
    for call in program.calls:
        view = None if call.view or call.host else _slice(program, device, call)
        copy = None if view is None else replace(call, op=_COPY, inputs=(view,), attributes={})
        usable = copy is not None and view is not None and view.buffer in unchanging
        calls.append(copy if copy is not None and usable and has_kernel(copy, device) else call)
    return replace(program, calls=tuple(calls))


def _slice(program: Program, device: Device, call: Call) -> Array | None:
    """Return where the elements lie that a call takes, if they are evenly spaced."""
    x, indices = call.inputs[:2] if call.op.name == "take" else (None, None)
    if x is None or indices is None or indices.buffer not in program.constants:
        return None
    axis, shape = call.attributes["axis"], indices.layout.shape
    values = [int(n) for n in constant_values(program, indices, device).reshape(-1)]
    if len(shape) > 1 or not values or not all(0 <= n < x.layout.shape[axis] for n in values):
        return None
    step = values[1] - values[0] if len(values) > 1 else 1
    if step < 1 or values != list(range(values[0], values[-1] + 1, step)):
        return None
    own = x.layout.strides[axis]
    strides = (
        *x.layout.strides[:axis],
        *[own * step for _ in shape],
        *x.layout.strides[axis + 1 :],
    )
    layout = Layout(x.layout.dtype, call.outputs[0].layout.shape, strides)
    return Array(x.buffer, layout, x.offset + values[0] * own)


def pack_constants(program: Program, device: Device) -> Program:
    """Return the program with constants that are read in another order laid out in that order.

    Products read theirs in any order, and so does a copy, which is made once in any case.

    Examples
    --------
    >>> import hal
    >>> from hal.program import record
    >>> cpu = hal.device("cpu:0")
    >>> x, weight = hal.ones((3, 2), device=cpu), hal.ones((2, 3), device=cpu)
    >>> before = record("f", cpu, [x], lambda xs: [xs[0] * weight.T])
    >>> [p.calls[-1].inputs[1].layout.strides for p in (before, pack_constants(before, cpu))]
    [(1, 3), (2, 1)]
    """
    sizes, constants = list(program.sizes), dict(program.constants)
    packed: dict[Array, Array] = {}

    def laid_out(x: Array | None) -> Array | None:
        if x is None or x.buffer not in program.constants or x.layout.contiguous:
            return x
        if any(s <= 0 for n, s in zip(x.layout.shape, x.layout.strides, strict=True) if n > 1):
            return x  # it would grow, or be read backwards
        if x not in packed:
            values = np.ascontiguousarray(constant_values(program, x, device))
            constants[len(sizes)] = base(from_host(values, device))[0]
            packed[x] = Array(len(sizes), Layout(x.layout.dtype, x.layout.shape))
            sizes.append(values.nbytes)
        return packed[x]

    calls = list[Call]()
    for call in program.calls:
        if not (call.view or call.host or call.op.name in _ANY_ORDER):
            call = replace(call, inputs=tuple([laid_out(x) for x in call.inputs]))
        calls.append(call)
    return replace(program, calls=tuple(calls), sizes=tuple(sizes), constants=constants)
