"""Lays images out with their channels last between convolutions, where a device is quicker so."""

from __future__ import annotations

from dataclasses import replace

from hal.device import Device
from hal.ops import operators
from hal.plugin import Array, Call, Layout, Program
from hal.program.passes.calls import PRODUCTS, has_kernel
from hal.program.passes.places import moved
from hal.program.passes.uses import single_writes

__all__ = ["lay_channels_last"]

_CONVOLUTIONS = ("convolution", "convolution_fused", "convolution_transpose")
_POOLINGS = ("max_pool", "average_pool")
_COPY = operators["copy"]


def lay_channels_last(program: Program, device: Device) -> Program:
    """Return the program with the results of convolutions laid out with their channels last.

    So are those of poolings and elementwise calls on them. What reads such a result through a view
    that is packed in the new order, as one position of the image after the other, reads that, and
    a product reads whatever view it can; others get a copy in the usual order, and so does the
    program's caller.
    """
    if not device.runtime.channels_last:
        return program
    if not any(call.op.name in _CONVOLUTIONS and not call.host for call in program.calls):
        return program
    return _Rewriting(program, device).program()


class _Rewriting:
    """The program so far, and where each value that is laid out anew lies.

    Attributes
    ----------
    moved : dict of int to Array
        For each buffer of the old program whose channels now lie last: its array.
    usual : dict of int to int
        For those that somebody needs in the usual order: the buffer of a copy.
    """

    def __init__(self, program: Program, device: Device) -> None:
        self._old, self._device = program, device
        self._single = single_writes(program)
        self._results = {x.buffer for x in program.outputs}
        self._sizes, self._calls = list(program.sizes), list[Call]()
        self._made: dict[int, Array] = {}
        self.moved: dict[int, Array] = {}
        self.usual: dict[int, int] = {}

    def program(self) -> Program:
        """Return the program, laid out anew."""
        for call in self._old.calls:
            if call.view and call.inputs[0] is not None and call.inputs[0].buffer in self.moved:
                continue  # what it said of the memory no longer holds
            new = None if call.view or call.host else self._images(call) or self._reader(call)
            self._calls.append(new or self._as_before(call))
        return replace(self._old, calls=tuple(self._calls), sizes=tuple(self._sizes))

    def _images(self, call: Call) -> Call | None:
        """Return a call with its result laid out anew, None for one that is none of ours."""
        out = call.outputs[0]
        if len(call.outputs) != 1 or out.layout.ndim < 3 or out.buffer not in self._single:
            return None
        elementwise = call.op.family in ("elementwise", "activation")
        if call.op.name not in _CONVOLUTIONS + _POOLINGS and not elementwise:
            return None
        inputs = self._where_they_lie(call)
        moved = [x is not None and self._place(x) is not None for x in call.inputs]
        if call.op.name not in _CONVOLUTIONS and not any(moved):
            return None
        if elementwise and any(
            not there and x is not None and x.layout.shape == out.layout.shape
            for x, there in zip(call.inputs, moved, strict=True)
        ):
            return None  # half of it would be read across the memory
        target = _channels_last(out.layout)
        buffer = len(self._sizes) if out.buffer in self._results else out.buffer
        new = replace(call, inputs=inputs, outputs=(Array(buffer, target),))
        if not has_kernel(new, self._device):
            return None
        self._made[out.buffer] = out
        self.moved[out.buffer] = Array(buffer, target)
        if buffer == len(self._sizes):
            self._sizes.append(out.layout.nbytes)
            self._calls.append(new)
            self.usual[out.buffer] = out.buffer
            return Call(_COPY, (self.moved[out.buffer],), (out,), {}, label=call.label)
        return new

    def _place(self, array: Array) -> Array | None:
        """Return where a value lies now, if it was laid out anew and is read as it was made."""
        return self.moved[array.buffer] if array == self._made.get(array.buffer) else None

    def _where_they_lie(self, call: Call) -> tuple[Array | None, ...]:
        """Return a call's inputs, those that were laid out anew where they lie now.

        What is read in another way than it was made is a copy in the usual order.
        """
        found: list[Array | None] = []
        for x in call.inputs:
            if x is None or x.buffer not in self.moved:
                found.append(x)
            else:
                place = self._place(x) or self._seen(call, x)
                found.append(place or x._replace(buffer=self._copied(x.buffer)))
        return tuple(found)

    def _seen(self, call: Call, view: Array) -> Array | None:
        """Return where a view finds its elements now, if that is no worse for the call."""
        found = moved(view, self._made[view.buffer], self.moved[view.buffer])
        if found is None or not (found.layout.contiguous or call.op.name in PRODUCTS):
            return None
        inputs = tuple([found if x == view else x for x in call.inputs])
        return found if has_kernel(replace(call, inputs=inputs), self._device) else None

    def _reader(self, call: Call) -> Call | None:
        """Return another call that reads values where they lie now, if the device has it so."""
        if not any(x is not None and x.buffer in self.moved for x in call.inputs):
            return None
        inputs = self._where_they_lie(call)
        new = replace(call, inputs=inputs)
        return new if has_kernel(new, self._device) else None

    def _as_before(self, call: Call) -> Call:
        """Return a call that reads copies in the usual order of what was laid out anew."""
        inputs: list[Array | None] = []
        for x in call.inputs:
            if x is not None and x.buffer in self.moved:
                x = x._replace(buffer=self._copied(x.buffer))
            inputs.append(x)
        return replace(call, inputs=tuple(inputs))

    def _copied(self, buffer: int) -> int:
        if buffer not in self.usual:
            made = self._made[buffer]
            self.usual[buffer] = len(self._sizes)
            self._sizes.append(made.layout.nbytes)
            out = Array(self.usual[buffer], made.layout)
            self._calls.append(Call(_COPY, (self.moved[buffer],), (out,), {}))
        return self.usual[buffer]


def _turn(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return what belongs to each axis with the channels' moved to the end."""
    return (axes[0], *axes[2:], axes[1])


def _channels_last(layout: Layout) -> Layout:
    """Return the layout of an array of the same shape whose channels lie last in memory."""
    batch, *spatial, channels = Layout(layout.dtype, _turn(layout.shape)).strides
    return Layout(layout.dtype, layout.shape, (batch, channels, *spatial))
