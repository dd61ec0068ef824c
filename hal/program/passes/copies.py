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
from hal.program.passes.draft import Draft
from hal.program.passes.places import moved

__all__ = ["keep_order", "read_in_place", "write_in_place"]

_COPY, _FUSED = operators["copy"], operators["fused"]
_MOVES = ("copy", "concat")
"""Operators that move values as they are."""


def read_in_place(program: Program, device: Device) -> Program:
    """Return the program without copies whose readers can as well read what is copied.

    These are products that the device makes of strided operands, and an elementwise call or
    another copy where nobody else reads the copy.

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


def _read(draft: Draft, device: Device, position: int) -> bool:
    copy = draft[position]
    source = copy.inputs[0] if _copies(copy) else None
    if source is None or not draft.stable(source.buffer):
        return False
    (target,) = copy.outputs
    reading = draft.readers(target.buffer)
    if draft.writer(target.buffer) is None or not reading:
        return False
    if not all(_takes_strides(draft[n], len(reading) == 1) for n in reading):
        return False
    return _moved(draft, device, target, source, {})


def write_in_place(program: Program, device: Device) -> Program:
    """Return the program with products and elementwise calls writing where a copy would put it.

    For example attention writes its heads side by side, as the projection behind it reads them. So
    it is on devices that write results of any strides.

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
    if not device.runtime.writes_strided:
        return program
    return _changed(program, device, _written)


def _written(draft: Draft, device: Device, position: int) -> bool:
    copy = draft[position]
    source = copy.inputs[0] if _copies(copy) else None
    if source is None or not draft.covers(source):
        return False
    (target,) = copy.outputs
    made = draft.writer(source.buffer)
    if made is None or draft.writer(target.buffer) is None:
        return False
    maker = draft[made]
    out = moved(maker.outputs[0], source, target)
    if out is None or len(maker.outputs) > 1 or not _takes_strides(maker, True):
        return False
    changed = {made: replace(maker, outputs=(out,)), position: None}
    return _moved(draft, device, maker.outputs[0], out, changed)


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


def _kept(draft: Draft, device: Device, position: int) -> bool:
    call = draft[position]
    order = _order(call)
    (out, *others) = call.outputs
    if order is None or others or draft.writer(out.buffer) is None:
        return False
    strides = [0] * len(order)
    packed = Layout(out.layout.dtype, tuple([out.layout.shape[n] for n in order]))
    for axis, stride in zip(order, packed.strides, strict=True):
        strides[axis] = stride
    lies = out._replace(layout=Layout(out.layout.dtype, out.layout.shape, tuple(strides)))
    new = _turned(replace(call, outputs=(lies,)), order)
    if not all(_glad_of(draft[n], out, lies) for n in draft.readers(out.buffer)):
        return False
    return _moved(draft, device, out, lies, {position: new})


def _changed(
    program: Program, device: Device, change: Callable[[Draft, Device, int], bool]
) -> Program:
    """Return the program once a change finds no call any more that it could do something for."""
    draft = Draft(program)
    changing = True
    while changing:
        changing = False
        for position, _ in draft.calls():
            changing |= change(draft, device, position)
    return draft.program()


def _copies(call: Call) -> bool:
    return call.op is _COPY and not call.view and not call.host


def _elementwise(call: Call) -> bool:
    layouts = tuple([None if x is None else x.layout for x in call.inputs])
    return call.op is _FUSED or fits(call.op, layouts)


def _takes_strides(call: Call, alone: bool) -> bool:
    """Return whether a call may be asked to walk over memory in any order."""
    if call.host or call.op.name in PRODUCTS:
        return not call.host
    return alone and (call.op.name in _MOVES or _elementwise(call))


def _moved(
    draft: Draft, device: Device, made: Array, lies: Array, changed: Mapping[int, Call | None]
) -> bool:
    """Put a value in another place, unless one that reads it cannot do with that.

    ``changed`` says what becomes of the calls that make it, by their positions.
    """
    if draft.is_result(made.buffer):
        return False
    # What a view of it said no longer holds.
    new = {**dict.fromkeys(draft.views(made.buffer)), **changed}
    for reader in draft.readers(made.buffer):
        if reader in changed:
            continue
        call = draft[reader]
        inputs = list[Array | None]()
        for x in call.inputs:
            place = moved(x, made, lies) if x is not None and x.buffer == made.buffer else x
            if place is None and x is not None:
                return False
            inputs.append(place)
        new[reader] = replace(call, inputs=tuple(inputs))
    if not all(call is None or has_kernel(call, device) for call in new.values()):
        return False
    draft.change(new)
    return True


def _order(call: Call) -> list[int] | None:
    """Return the axes in the order of memory of an elementwise call's inputs, if it is another."""
    if call.view or call.host or not _elementwise(call):
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
