"""Does away with copies: values are read where they lie, and written where they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from hal.device import Device
from hal.ops import operators
from hal.ops.fused import fits
from hal.plugin import Array, Call, Layout, Program
from hal.program.passes.calls import PRODUCTS, has_kernel
from hal.program.passes.dead import dead_code
from hal.program.passes.places import moved
from hal.program.passes.uses import covers, readers, single_writes, stable, writers

__all__ = ["keep_order", "read_in_place", "write_in_place"]

_COPY, _FUSED = operators["copy"], operators["fused"]


def read_in_place(program: Program, device: Device) -> Program:
    """Return the program without copies whose readers can as well read what is copied.

    These are products that the device makes of strided operands, and an elementwise call where
    nobody else reads the copy.

    Examples
    --------
    >>> import hal
    >>> from hal.program import record
    >>> cpu = hal.device("cpu:0")
    >>> x, y = hal.ones((8, 2, 4), device=cpu), hal.ones((4, 3), device=cpu)
    >>> def function(x, y):
    ...     return hal.asarray(hal.permute_dims(x, (1, 0, 2)), copy=True) @ y
    >>> before = record("f", cpu, [x, y], lambda xs: [function(*xs)])
    >>> [call.op.name for call in before.calls if not call.view]
    ['copy', 'matmul']
    >>> [call.op.name for call in read_in_place(before, cpu).calls if not call.view]
    ['matmul']
    """
    return dead_code(_changed(program, device, _read))


def _read(program: Program, device: Device, copy: Call) -> Program | None:
    source = copy.inputs[0] if _copies(copy) else None
    if source is None or source.buffer not in stable(program):
        return None
    (target,) = copy.outputs
    reading = set(readers(program).get(target.buffer, ()))
    if target.buffer not in single_writes(program) or not reading - {len(program.calls)}:
        return None
    if len(program.calls) in reading:
        return None
    if not all(_takes_strides(program.calls[n], len(reading) == 1) for n in reading):
        return None
    return _moved(program, device, target, source, {})


def write_in_place(program: Program, device: Device) -> Program:
    """Return the program with products and elementwise calls writing where a copy would put it.

    For example attention writes its heads side by side, as the projection behind it reads them.

    Examples
    --------
    >>> import hal
    >>> from hal.program import record
    >>> cpu = hal.device("cpu:0")
    >>> q = hal.ones((1, 2, 3, 4), device=cpu)
    >>> def function(q):
    ...     heads = hal.nn.scaled_dot_product_attention(q, q, q)
    ...     return hal.reshape(hal.permute_dims(heads, (0, 2, 1, 3)), (1, 3, 8))
    >>> before = record("f", cpu, [q], lambda xs: [function(*xs)])
    >>> [call.op.name for call in before.calls if not call.view]
    ['attention', 'copy']
    >>> write_in_place(before, cpu).calls[0].outputs[0].layout
    float32[1, 2, 3, 4], strides=(24, 4, 8, 1)
    """
    return _changed(program, device, _written)


def _written(program: Program, device: Device, copy: Call) -> Program | None:
    source = copy.inputs[0] if _copies(copy) else None
    if source is None or not covers(program, source):
        return None
    (target,) = copy.outputs
    if not {source.buffer, target.buffer} <= single_writes(program):
        return None
    maker = program.calls[writers(program)[source.buffer][0]]
    out = moved(maker.outputs[0], source, target)
    if out is None or len(maker.outputs) > 1 or not _takes_strides(maker, True):
        return None
    changed = {id(maker): replace(maker, outputs=(out,)), id(copy): None}
    return _moved(program, device, maker.outputs[0], out, changed)


def keep_order(program: Program, device: Device) -> Program:
    """Return the program with elementwise calls on transposed values not transposing them.

    Their results then lie as their inputs do, if those who read them find them in order or are
    products that take them so: a transposition cancels one before, or goes into the product.

    Examples
    --------
    >>> import hal
    >>> from hal.program import record
    >>> cpu = hal.device("cpu:0")
    >>> x = hal.ones((2, 3), device=cpu)
    >>> before = record("f", cpu, [x], lambda xs: [hal.nn.softmax(hal.exp(xs[0].T).T, -1)])
    >>> before.calls[-1].inputs[0].layout, before.calls[-1].op.name
    (float32[2, 3], strides=(1, 2), 'softmax')
    >>> keep_order(before, cpu).calls[-1].inputs[0].layout
    float32[2, 3]
    """
    return _changed(program, device, _kept)


def _kept(program: Program, device: Device, call: Call) -> Program | None:
    order = _order(call)
    (out, *others) = call.outputs
    if order is None or others or out.buffer not in single_writes(program):
        return None
    strides = [0] * len(order)
    packed = Layout(out.layout.dtype, tuple([out.layout.shape[n] for n in order]))
    for axis, stride in zip(order, packed.strides, strict=True):
        strides[axis] = stride
    lies = out._replace(layout=Layout(out.layout.dtype, out.layout.shape, tuple(strides)))
    new = _turned(replace(call, outputs=(lies,)), order)
    reading = [n for n in readers(program)[out.buffer] if n < len(program.calls)]
    if not all(_glad_of(program.calls[n], out, lies) for n in reading):
        return None
    return _moved(program, device, out, lies, {id(call): new})


def _changed(
    program: Program, device: Device, change: Callable[[Program, Device, Call], Program | None]
) -> Program:
    """Return the program once a change finds no call any more that it could do something for."""
    position = 0
    while position < len(program.calls):
        new = change(program, device, program.calls[position])
        position = position + 1 if new is None else 0
        program = new or program
    return program


def _copies(call: Call) -> bool:
    return call.op is _COPY and not call.view and not call.host


def _takes_strides(call: Call, alone: bool) -> bool:
    """Return whether a call may be asked to walk over memory in any order."""
    if call.host:
        return False
    layouts = tuple([None if x is None else x.layout for x in call.inputs])
    elementwise = call.op in (_FUSED, _COPY) or fits(call.op, layouts)
    return call.op.name in PRODUCTS or (alone and elementwise)


def _moved(
    program: Program,
    device: Device,
    made: Array,
    lies: Array,
    changed: Mapping[int, Call | None],
) -> Program | None:
    """Return the program with a value in another place; None where a reader cannot do with it.

    ``changed`` says what becomes of the calls that make it, by their identity.
    """
    if any(x.buffer == made.buffer for x in program.outputs):
        return None
    calls = list[Call]()
    for call in program.calls:
        looks = any(x is not None and x.buffer == made.buffer for x in call.inputs)
        if call.view:
            # What a view of it said no longer holds.
            calls += [] if looks else [call]
            continue
        new = changed.get(id(call), call)
        if new is call and looks:
            inputs = list[Array | None]()
            for x in call.inputs:
                place = moved(x, made, lies) if x is not None and x.buffer == made.buffer else x
                if place is None and x is not None:
                    return None
                inputs.append(place)
            new = replace(call, inputs=tuple(inputs))
        if new is not None and new is not call and not has_kernel(new, device):
            return None
        calls += [] if new is None else [new]
    return replace(program, calls=tuple(calls))


def _order(call: Call) -> list[int] | None:
    """Return the axes in the order of memory of an elementwise call's inputs, if it is another."""
    if call.view or call.op is _COPY or call.op.name in PRODUCTS:
        return None
    if not _takes_strides(call, True):
        return None
    shape = call.outputs[0].layout.shape
    large = {x.layout.strides for x in call.inputs if x is not None and x.layout.shape == shape}
    if len(large) != 1 or not call.outputs[0].layout.contiguous:
        return None
    (strides,) = large
    order = sorted(range(len(shape)), key=lambda n: (-strides[n], n))
    turned = Layout(call.outputs[0].layout.dtype, *_taken((shape, strides), order))
    return order if turned.contiguous and order != sorted(order) else None


def _taken(what: tuple[tuple[int, ...], ...], order: list[int]) -> list[tuple[int, ...]]:
    return [tuple([x[n] for n in order]) for x in what]


def _turned(call: Call, order: list[int]) -> Call:
    """Return an elementwise call with its axes in another order: the same, element by element."""

    def turned(array: Array) -> Array:
        layout = array.layout
        missing = len(order) - layout.ndim
        shape, strides = (1,) * missing + layout.shape, (0,) * missing + layout.strides
        return array._replace(layout=Layout(layout.dtype, *_taken((shape, strides), order)))

    inputs = tuple([None if x is None else turned(x) for x in call.inputs])
    return replace(call, inputs=inputs, outputs=tuple(map(turned, call.outputs)))


def _glad_of(call: Call, made: Array, lies: Array) -> bool:
    """Return whether a call has nothing to lose when a value it reads lies in another place."""
    places = [
        moved(x, made, lies) for x in call.inputs if x is not None and x.buffer == made.buffer
    ]
    found = [x for x in places if x is not None]
    if len(found) < len(places) or call.host:
        return False
    return call.op.name in PRODUCTS or all(x.layout.contiguous for x in found)
