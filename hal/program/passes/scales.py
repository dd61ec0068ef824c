"""Makes constant factors and summands of channels part of the layer before them, or one product."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from hal.device import Device
from hal.dtypes import float32, float64
from hal.memory import allocate, base, from_host
from hal.ops import operators
from hal.plugin import Array, Call, Layout, Program
from hal.program.passes.calls import has_kernel, joined_labels
from hal.program.passes.fuse import fusable
from hal.program.passes.graph import Graph, replaced
from hal.program.passes.products import constant_values
from hal.program.passes.uses import whole

__all__ = ["fold_scales", "spread_norms"]

_CONVOLUTION, _LINEAR = operators["convolution"], operators["linear"]
_MULTIPLY, _ADD = operators["multiply"], operators["add"]

Scale = tuple[Any, Any]
"""The factor and the summand of each channel."""


def fold_scales(program: Program, device: Device) -> Program:
    """Return the program with constant factors and summands of channels made part of layers.

    They come from batch normalization, or are written out, and follow a convolution or a
    ``linear``, whose weight and bias take them in, calculated in float64 and rounded once.
    """
    graph = Graph(program, device)
    new = _Constants(program, device)
    found: dict[int, Call] = {}
    for call in program.calls:
        scaled = _scaled(graph, call)
        if scaled is None:
            continue
        position, out, (factor, summand) = scaled
        x, weight, bias = (*call.inputs, None)[:3]
        assert weight is not None
        if bias is not None:
            summand = summand + _values(graph, bias) * factor
        factors = factor.reshape(-1, *(1,) * (weight.layout.ndim - 1))
        values = constant_values(program, weight, device, copy=False)
        found[position] = replace(
            call,
            inputs=(x, new.product(values, factors, weight), new.array(summand, weight)),
            outputs=(out,),
            label=joined_labels((call, program.calls[position])),
        )
    return replaced(new.program(), device, found)


def spread_norms(program: Program, device: Device) -> Program:
    """Return the program with batch normalization by constants made a product and a sum.

    Both are elementwise, and become part of the chain they stand in.

    Examples
    --------
    >>> import hal
    >>> from hal.program import record
    >>> cpu = hal.device("cpu:0")
    >>> x, mean = hal.ones((2, 3, 4), device=cpu), hal.ones(3, device=cpu)
    >>> before = record("f", cpu, [x], lambda xs: [hal.nn.batch_norm(xs[0], mean, mean)])
    >>> [call.op.name for call in spread_norms(before, cpu).calls]
    ['multiply', 'add']
    """
    graph = Graph(program, device)
    new = _Constants(program, device)
    calls = list[Call]()
    for call in program.calls:
        x = call.inputs[0] if call.op.name == "batch_norm" and not call.host else None
        scale = None if x is None or x.layout.dtype is not float32 else _of_norm(graph, call)
        calls += (None if scale is None else _spread(call, scale, new, device)) or [call]
    return replace(new.program(), calls=tuple(calls))


def _spread(call: Call, scale: Scale, new: _Constants, device: Device) -> list[Call] | None:
    x, out = call.inputs[0], call.outputs[0]
    assert x is not None
    shape = (-1, *(1,) * (x.layout.ndim - 2))
    factor, summand = [new.array(np.reshape(values, shape), x) for values in scale]
    product = Array(new.buffer(out.layout.nbytes), Layout(out.layout.dtype, out.layout.shape))
    calls = [
        Call(_MULTIPLY, (x, factor), (product,), label=call.label),
        Call(_ADD, (product, summand), (out,), label=call.label),
    ]
    wanted = all(has_kernel(c, device) and fusable(c, device) for c in calls)
    return calls if wanted else None


class _Constants:
    """A program to which constants and buffers are added."""

    def __init__(self, program: Program, device: Device) -> None:
        self._program, self._device = program, device
        self._sizes, self._constants = list(program.sizes), dict(program.constants)

    def buffer(self, nbytes: int) -> int:
        """Return a new buffer."""
        self._sizes.append(nbytes)
        return len(self._sizes) - 1

    def array(self, values: Any, like: Array) -> Array:
        """Return a new constant of the same dtype."""
        packed = np.ascontiguousarray(values, like.layout.dtype.numpy)
        buffer = self.buffer(packed.nbytes)
        # On the device at once: a copy on the host would live as long as the program.
        self._constants[buffer] = base(from_host(packed, self._device))[0]
        return Array(buffer, Layout(like.layout.dtype, packed.shape))

    def product(self, values: Any, factors: Any, like: Array) -> Array:
        """Return a new constant, the product of two arrays, calculated where it will lie."""
        stream, runtime = self._device.current_stream(), self._device.runtime
        made = allocate(self._device.spec(like.layout.dtype, values.shape), stream)
        exposed = runtime.expose(made._array) if runtime.synchronous else None
        found = np.empty(values.shape, values.dtype) if exposed is None else exposed
        # In float64 piece by piece: a large weight is not held in it as a whole.
        np.multiply(values, factors, found, dtype=np.float64, casting="same_kind")
        if exposed is None:
            runtime.upload(made._array, found, stream.handle)
        buffer = self.buffer(found.nbytes)
        self._constants[buffer] = base(made)[0]
        return Array(buffer, Layout(like.layout.dtype, values.shape))

    def program(self) -> Program:
        """Return the program with what was added."""
        return replace(self._program, sizes=tuple(self._sizes), constants=self._constants)


def _scaled(graph: Graph, call: Call) -> tuple[int, Array, Scale] | None:
    """Return where the calls that scale a layer's channels end, what it then writes, the scale."""
    x, *rest = call.inputs if call.op in (_CONVOLUTION, _LINEAR) and not call.host else (None,)
    constant = all(a is None or a.buffer in graph.program.constants for a in rest)
    if x is None or not constant or x.buffer not in graph.stable:
        return None
    if x.layout.dtype not in (float32, float64):
        return None
    out = call.outputs[0]
    axis = 1 if call.op is _CONVOLUTION else out.layout.ndim - 1
    channels = out.layout.shape[axis]
    factor, summand, end = np.ones(channels), np.zeros(channels), None
    last = call
    while (position := graph.only_reader(last)) is not None:
        step = graph.program.calls[position]
        scale = _scale(graph, step, last.outputs[0], axis)
        if scale is None:
            break
        factor, summand = factor * scale[0], summand * scale[0] + scale[1]
        last, end = step, position
    if end is None or not (last.outputs[0].layout.contiguous or call.op is _CONVOLUTION):
        return None
    layout = last.outputs[0].layout if call.op is _CONVOLUTION else out.layout
    return end, last.outputs[0]._replace(layout=layout), (factor, summand)


def _scale(graph: Graph, step: Call, made: Array, axis: int) -> Scale | None:
    """Return how a call scales and shifts the channels of a value, if by constants."""
    if step.view or step.host:
        return None
    reads = [x for x in step.inputs if x is not None and x.buffer == made.buffer]
    if len(reads) != 1 or step.outputs[0].layout.shape != reads[0].layout.shape:
        return None
    x = reads[0]
    if x != made:
        # A linear's rows may be counted in another way, as long as each stays a row.
        rows = whole(graph.program, x) and whole(graph.program, made)
        last = axis == made.layout.ndim - 1
        if not (rows and last and x.layout.shape[-1:] == made.layout.shape[-1:]):
            return None
        axis = x.layout.ndim - 1
    if step.op.name == "batch_norm":
        return _of_norm(graph, step) if step.inputs[0] == x and axis == 1 else None
    if step.op.name not in ("multiply", "divide", "add", "subtract"):
        return None
    first = step.inputs[0] == x
    if not first and step.op.name in ("divide", "subtract"):
        return None
    values = _per_channel(graph, step.inputs[1 if first else 0], x, axis)
    if values is None:
        return None
    one, zero = np.ones(len(values)), np.zeros(len(values))
    if step.op.name in ("add", "subtract"):
        return one, values if step.op.name == "add" else -values
    if step.op.name == "multiply":
        return values, zero
    return (1 / values, zero) if values.all() else None


def _of_norm(graph: Graph, call: Call) -> Scale | None:
    if any(a is not None and a.buffer not in graph.program.constants for a in call.inputs[1:]):
        return None
    mean, variance, *rest = [None if a is None else _values(graph, a) for a in call.inputs[1:]]
    weight, bias = (*rest, None, None)[:2]
    with np.errstate(all="ignore"):
        factor: Any = 1 / np.sqrt(variance + call.attributes["epsilon"])
    factor = factor if weight is None else factor * weight
    summand = (0 if bias is None else bias) - mean * factor
    limit = np.finfo(np.float32).max
    return (factor, summand) if (np.abs([factor, summand]) <= limit).all() else None


def _per_channel(graph: Graph, other: Array | None, x: Array, axis: int) -> Any | None:
    """Return a constant with one element for each channel, or one for all."""
    if other is None or other.buffer not in graph.program.constants:
        return None
    shape, channels = other.layout.shape, x.layout.shape[axis]
    behind = (channels, *(1,) * (x.layout.ndim - 1 - axis))
    lead = shape[: len(shape) - len(behind)]
    if other.layout.size != 1 and (shape[len(lead) :] != behind or math.prod(lead) != 1):
        return None
    return np.broadcast_to(_values(graph, other).reshape(-1), (channels,))


def _values(graph: Graph, array: Array) -> Any:
    """Return a constant's values in float64."""
    return np.asarray(constant_values(graph.program, array, graph.device), np.float64)
