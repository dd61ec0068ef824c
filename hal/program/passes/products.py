"""Shapes products so that what follows them can be done in one pass, and small ones in one go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hal.device import Device
from hal.memory import base, from_host, to_host, wrap
from hal.ops import operators
from hal.plugin import Array, Call, Layout, Program
from hal.program.passes.calls import has_kernel, joined_labels
from hal.program.passes.fuse import fusable
from hal.program.passes.uses import readers, single_writes, stable
from hal.storage import Storage

__all__ = [
    "constant_values",
    "join_biases",
    "merge_linears",
    "name_linears",
    "split_biases",
]

_LINEAR, _MATMUL, _ADD = (operators[name] for name in ("linear", "matmul", "add"))


def split_biases(program: Program, device: Device) -> Program:
    """Return the program with the bias of a product added after it, where a chain follows.

    The addition then is the chain's first step, and the product's result is read once less.
    """
    single, reads = single_writes(program), readers(program)
    sizes, calls = list(program.sizes), list[Call]()
    for call in program.calls:
        bias = call.inputs[2] if call.op is _LINEAR and len(call.inputs) > 2 else None
        if bias is None or not _starts_chain(program, call, single, reads, device):
            calls.append(call)
            continue
        out = call.outputs[0]
        product = Array(len(sizes), out.layout)
        sizes.append(program.sizes[out.buffer])
        calls.append(replace(call, inputs=call.inputs[:2], outputs=(product,)))
        calls.append(Call(_ADD, (product, bias), (out,), {}, label=call.label))
    return replace(program, calls=tuple(calls), sizes=tuple(sizes))


def _starts_chain(
    program: Program, call: Call, single: set[int], reads: dict[int, list[int]], device: Device
) -> bool:
    (out,) = call.outputs
    positions = reads.get(out.buffer, [])
    if call.host or out.buffer not in single or len(program.calls) in positions:
        return False
    following = [program.calls[p] for p in positions]
    added = Call(_ADD, (out, out), (out,))
    return bool(following) and all(
        fusable(c, device) and c.outputs[0].layout.shape == out.layout.shape and out in c.inputs
        for c in (added, *following)
    )


def name_linears(program: Program, device: Device) -> Program:
    """Return the program with products by a matrix called ``linear``.

    The matrix is a constant, or a chain of elementwise calls follows, which can then be done where
    the product is stored. The weight is the matrix seen with its axes exchanged; nothing is moved.
    """
    single, reads = single_writes(program), readers(program)
    calls = list[Call]()
    for call in program.calls:
        x, matrix = call.inputs if call.op is _MATMUL and not call.host else (None, None)
        if (
            x is not None
            and matrix is not None
            and x.layout.ndim > 1
            and matrix.layout.ndim == 2
            and (
                matrix.buffer in program.constants
                or _starts_chain(program, call, single, reads, device)
            )
        ):
            rows, columns = matrix.layout.strides
            layout = Layout(matrix.layout.dtype, matrix.layout.shape[::-1], (columns, rows))
            linear = replace(call, op=_LINEAR, inputs=(x, matrix._replace(layout=layout)))
            call = linear if has_kernel(linear, device) else call
        calls.append(call)
    return replace(program, calls=tuple(calls))


def join_biases(program: Program) -> Program:
    """Return the program with a constant vector that is added to a product made its bias."""
    single, reads = single_writes(program), readers(program)
    made = {
        call.outputs[0]: call
        for call in program.calls
        if call.op is _LINEAR and len(call.inputs) == 2 and call.outputs[0].buffer in single
    }
    joined: dict[int, Call] = {}
    gone: set[int] = set()
    for position, call in enumerate(program.calls):
        if call.op is not _ADD or call.view or call.host or call.outputs[0].buffer not in single:
            continue
        for product, bias in (call.inputs, call.inputs[::-1]):
            linear = None if product is None else made.get(product)
            if product is None or linear is None or bias is None:
                continue
            if len(reads[linear.outputs[0].buffer]) > 1:
                continue
            if bias.buffer in program.constants and bias.layout.shape == product.layout.shape[-1:]:
                labels = joined_labels((linear, call))
                inputs = (*linear.inputs, bias)
                joined[position] = replace(
                    linear, inputs=inputs, outputs=call.outputs, label=labels
                )
                gone.add(id(linear))
                break
    calls = [joined.get(n, c) for n, c in enumerate(program.calls) if id(c) not in gone]
    return replace(program, calls=tuple(calls))


def merge_linears(program: Program, device: Device) -> Program:
    """Return the program with products of one input and constant weights made one product.

    One large product is quicker than several small ones. What read the single results reads
    columns of the common one, where the device can.
    """
    groups: dict[tuple[Array, bool], list[Call]] = {}
    single, unchanging = single_writes(program), stable(program)
    results = {x.buffer for x in program.outputs}
    for call in program.calls:
        given = call.inputs[0] if call.op is _LINEAR else None
        weights = [x for x in call.inputs[1:] if x is not None]
        if (
            given is not None
            and not call.host
            and call.outputs[0].buffer in single - results
            and all(x.buffer in program.constants for x in weights)
        ):
            groups.setdefault((given, len(weights) == 2), []).append(call)
    for (given, _), calls in groups.items():
        same = len({tuple(call.attributes.items()) for call in calls}) == 1
        if len(calls) > 1 and same and given.buffer in unchanging:
            program = _merged(program, {c.outputs[0].buffer for c in calls}, device)
    return program


def _merged(program: Program, buffers: set[int], device: Device) -> Program:
    def member(call: Call) -> bool:
        return not call.view and call.outputs[0].buffer in buffers

    calls = [call for call in program.calls if member(call)]
    widths = [call.outputs[0].layout.shape[-1] for call in calls]
    total = sum(widths)
    starts = {c.outputs[0].buffer: sum(widths[:n]) for n, c in enumerate(calls)}
    sizes = list(program.sizes)
    layout = calls[0].outputs[0].layout
    shape = (*layout.shape[:-1], total)
    out = Array(len(sizes), Layout(layout.dtype, shape))
    sizes.append(out.layout.nbytes)

    changed: list[Call] = []
    for call in program.calls:
        if member(call):
            continue
        arrays = []
        for x in (*call.inputs, *call.outputs):
            if x is not None and x.buffer in starts:
                width = widths[[c.outputs[0].buffer for c in calls].index(x.buffer)]
                x = _column(x, width, total, starts[x.buffer], out.buffer)
                if x is None:
                    return program
            arrays.append(x)
        count = len(call.inputs)
        new = replace(call, inputs=tuple(arrays[:count]), outputs=tuple(arrays[count:]))  # type: ignore[arg-type]
        if new != call and not call.view and not has_kernel(new, device):
            return program
        changed.append(new)

    constants = dict(program.constants)
    inputs: list[Array | None] = [calls[0].inputs[0]]
    for position in range(1, len(calls[0].inputs)):
        parts = [c.inputs[position] for c in calls]
        if parts[0] is None:
            continue
        joined = np.concatenate(
            [constant_values(program, p, device) for p in parts if p is not None]
        )
        constants[len(sizes)] = base(from_host(joined, device))[0]
        inputs.append(Array(len(sizes), Layout(layout.dtype, joined.shape)))
        sizes.append(joined.nbytes)
    attributes, labels = calls[0].attributes, joined_labels(calls)
    merged = Call(_LINEAR, tuple(inputs), (out,), attributes, label=labels)
    first = next(n for n, call in enumerate(program.calls) if member(call))
    changed.insert(first, merged)
    return replace(program, calls=tuple(changed), sizes=tuple(sizes), constants=constants)


def _column(x: Array, width: int, total: int, start: int, buffer: int) -> Array | None:
    """Return where a view of one product's result lies in the common result, if it is a view."""
    strides, reach = [], x.offset % width
    for size, stride in zip(x.layout.shape, x.layout.strides, strict=True):
        if stride % width == 0:
            strides.append(stride // width * total)
        elif 0 < stride < width:
            reach += (size - 1) * stride
            strides.append(stride)
        else:
            return None
    if reach >= width:
        return None
    layout = Layout(x.layout.dtype, x.layout.shape, tuple(strides))
    return Array(buffer, layout, x.offset // width * total + x.offset % width + start)


def constant_values(program: Program, array: Array, device: Device, copy: bool = True) -> Any:
    """Return a constant's values on the host.

    Without ``copy`` they may be the constant's own memory: to be read at once, and not kept.
    """
    constant = program.constants[array.buffer]
    layout, start = array.layout, array.offset
    if isinstance(constant, Storage):
        spec = device.spec(layout.dtype, layout.shape, layout.strides)
        view = device.runtime.view(
            constant.buffer, layout.dtype, layout.shape, layout.strides, start
        )
        shared = device.runtime.synchronous and not copy
        exposed = device.runtime.expose(view) if shared else None
        return to_host(wrap(spec, view, (constant, start))) if exposed is None else exposed
    size = layout.dtype.itemsize
    strides = tuple(s * size for s in layout.strides)
    packed = np.ascontiguousarray(constant)
    return np.ndarray(layout.shape, layout.dtype.numpy, packed, start * size, strides)
