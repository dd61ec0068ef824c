"""Lays images out with their channels last between convolutions, where a device is quicker so."""

from __future__ import annotations

from dataclasses import replace

from hal.device import Device
from hal.ops import operators
from hal.plugin import Array, Call, Layout, Program
from hal.program.passes.calls import PRODUCTS, has_kernel
from hal.program.passes.places import moved
from hal.program.passes.uses import single_writes, whole

__all__ = ["lay_channels_last"]

_CONVOLUTIONS = (
    "convolution", "convolution_fused", "convolution_transpose", "convolution_transpose_fused",
)  # fmt: skip
_POOLINGS = ("max_pool", "average_pool")
_COPY = operators["copy"]


def lay_channels_last(program: Program, device: Device) -> Program:
    """Return the program with the results of convolutions laid out with their channels last.

    So are those of poolings, concatenations and elementwise calls on them, and what lies so by
    itself before a convolution. What reads such a result through a view
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
        self._convolved = _convolved(program)
        self._sizes, self._calls = list(program.sizes), list[Call]()
        self._made: dict[int, Array] = {}
        self.moved: dict[int, Array] = {}
        self.usual: dict[int, int] = {}

    def program(self) -> Program:
        """Return the program, laid out anew."""
        for call in self._old.calls:
            if call.view and call.inputs[0] is not None and call.inputs[0].buffer in self.moved:
                continue  # what it said of the memory no longer holds
            ours = not (call.view or call.host)
            if ours and (self._images(call) or self._ordered(call) or self._statistics(call)):
                continue
            self._calls.append((self._reader(call) if ours else None) or self._as_before(call))
        return replace(self._old, calls=tuple(self._calls), sizes=tuple(self._sizes))

    def _images(self, call: Call) -> bool:
        """Add a call with its results laid out anew; return whether it is one of those."""
        outs = call.outputs
        if any(x.layout.ndim < 3 or x.buffer not in self._single for x in outs):
            return False
        if len({x.layout.shape for x in outs}) != 1 or not self._worth_it(call):
            return False
        lies = tuple([x._replace(layout=_channels_last(x.layout)) for x in outs])
        return self._lay_out(call, self._where_they_lie(call), lies, outs)

    def _worth_it(self, call: Call) -> bool:
        """Return whether images go into a call as they shall come out."""
        if call.op.name in _CONVOLUTIONS:
            return True
        given = [x for x in call.inputs if x is not None]
        lying = [x for x in given if self._place(x) is not None or self._lies_last(x)]
        if call.op.family in ("elementwise", "activation"):
            # Else half of it would be read across the memory.
            images = [x for x in given if x.layout.shape == call.outputs[0].layout.shape]
            return bool(images) and all(x in lying for x in images)
        if call.op.name == "concat":
            return 2 * sum(x.layout.size for x in lying) > sum(x.layout.size for x in given)
        return call.op.name in _POOLINGS and bool(lying)

    def _lies_last(self, array: Array) -> bool:
        """Return whether an array's channels lie last by themselves."""
        layout = array.layout
        last = layout.ndim > 2 and not layout.contiguous and layout == _channels_last(layout)
        return last and array.buffer not in self.moved

    def _ordered(self, call: Call) -> bool:
        """Add a copy that a convolution reads as images, if channels lie last in what is copied."""
        out, x = call.outputs[0], call.inputs[0]
        read = self._convolved.get(out.buffer)
        if call.op is not _COPY or x is None or read is None or out.buffer not in self._single:
            return False
        source: Array | None = x
        if x.buffer in self.moved:
            source = moved(x, self._made[x.buffer], self.moved[x.buffer])
        image = read._replace(layout=_channels_last(read.layout))
        lies = moved(out, read, image) if whole(self._old, read) else None
        if source is None or lies is None or _innermost(source) != _innermost(lies):
            return False
        return self._lay_out(call, (source,), (lies,), (read,))

    def _statistics(self, call: Call) -> bool:
        """Add a normalization of whole images, to which the order of their elements is the same."""
        x, out = call.inputs[0], call.outputs[0]
        if call.op.name != "instance_norm" or x is None or x.buffer not in self.moved:
            return False
        made = self._made[x.buffer]
        if x.layout.shape[:-1] != (made.layout.shape[0], 1) or out.buffer not in self._single:
            return False
        if not whole(self._old, x) or not made.layout.contiguous:
            return False
        inputs = (x._replace(buffer=self.moved[x.buffer].buffer), *call.inputs[1:])
        return self._lay_out(call, inputs, (out,), (made._replace(buffer=out.buffer),))

    def _lay_out(
        self,
        call: Call,
        inputs: tuple[Array | None, ...],
        lies: tuple[Array, ...],
        read: tuple[Array, ...],
    ) -> bool:
        """Add a call if the device has it so.

        Its results ``lies`` are those images with their channels last which others ``read`` in the
        usual order; the program's own results are copied into that.
        """
        buffers = {x.buffer: len(self._sizes) + n for n, x in enumerate(lies)}
        buffers = {b: new for b, new in buffers.items() if b in self._results}
        outputs = tuple([x._replace(buffer=buffers.get(x.buffer, x.buffer)) for x in lies])
        new = replace(call, inputs=inputs, outputs=outputs)
        if not has_kernel(new, self._device):
            return False
        self._calls.append(new)
        self._sizes += [x.layout.nbytes for x in lies] if buffers else []
        for out, image in zip(outputs, read, strict=True):
            self._made[image.buffer] = image
            self.moved[image.buffer] = Array(out.buffer, _channels_last(image.layout))
            if out.buffer != image.buffer:
                copied = (self.moved[image.buffer],)
                self._calls.append(Call(_COPY, copied, (image,), {}, label=call.label))
                self.usual[image.buffer] = image.buffer
        return True

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


def _convolved(program: Program) -> dict[int, Array]:
    """Return for each buffer how a convolution or pooling reads it, in the usual order."""
    found: dict[int, Array] = {}
    for call in program.calls:
        x = call.inputs[0] if call.op.name in _CONVOLUTIONS + _POOLINGS else None
        if x is not None and x.layout.contiguous:
            found.setdefault(x.buffer, x)
    return found


def _innermost(array: Array) -> int | None:
    """Return the axis whose elements lie closest together."""
    layout = array.layout
    axes = [n for n, size in enumerate(layout.shape) if size > 1]
    return min(axes, key=lambda n: layout.strides[n], default=None)


def _turn(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return what belongs to each axis with the channels' moved to the end."""
    return (axes[0], *axes[2:], axes[1])


def _channels_last(layout: Layout) -> Layout:
    """Return the layout of an array of the same shape whose channels lie last in memory."""
    batch, *spatial, channels = Layout(layout.dtype, _turn(layout.shape)).strides
    return Layout(layout.dtype, layout.shape, (batch, channels, *spatial))
