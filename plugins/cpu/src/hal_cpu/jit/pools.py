"""The largest element, or the sum, of every window of an array, as LLVM code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from hal.dtypes import float32
from hal.plugin import Layout, Signature
from hal_cpu.jit.loops import I64, at, function, loop
from hal_cpu.jit.real import number
from hal_cpu.jit.scalar import NotVectorised

__all__ = ["pool_code"]


def pool_code(signature: Signature) -> tuple[str, int]:
    """Return code for a range of the outermost axis of a pooling's result, and that axis' size.

    ``max_pool``'s attributes make it a maximum; where there is a ``divisor`` it is a sum. The
    innermost loop runs along the axis whose elements lie closest in the result, so that arrays
    whose channels lie last are walked as quickly as those whose channels lie first.

    Raises
    ------
    NotVectorised
        When the arrays are not float32.
    """
    (x,), (out,) = signature.inputs, signature.outputs
    if x is None or x.dtype is not float32 or out.dtype is not float32 or not out.size:
        raise NotVectorised("pooling")
    module = ir.Module("pool")
    made, b = function(module, [out, x])
    begin, end, _, target, source = made.args
    walk = _Walk(b, x, out, signature)
    walk.emit(begin, end, target, source)
    b.ret_void()
    return str(module), out.shape[walk.order[0]]


class _Walk:
    """The loops over a result, the windows behind each of its rows, and the row itself."""

    def __init__(self, b: ir.IRBuilder, x: Layout, out: Layout, signature: Signature) -> None:
        attributes = signature.attributes
        self.b, self.x, self.out = b, x, out
        self.maximum = "divisor" not in attributes
        self.window = attributes["window"]
        self.stride, self.dilation = attributes["stride"], attributes["dilation"]
        self.before = tuple(first for first, _ in attributes["padding"])
        axes = [n for n, size in enumerate(out.shape) if size > 1] or [0]
        self.order = sorted(axes, key=lambda n: -out.strides[n])
        if len(self.order) == 1:
            # One loop is the row, another is there to be shared out.
            self.order.insert(0, next(n for n in range(out.ndim) if n != self.order[0]))

    def emit(self, begin: Any, end: Any, target: Any, source: Any) -> None:
        """Emit the loops over all axes but the row's, from the outermost in."""
        zero = ir.Constant(I64, 0)
        index: list[Any] = [zero] * self.out.ndim

        def nest(depth: int) -> None:
            if depth == len(self.order) - 1:
                self._row(index, target, source)
                return
            axis = self.order[depth]
            first, last = (begin, end) if depth == 0 else (zero, self._number(self.out.shape[axis]))
            with loop(self.b, first, last) as i:
                index[axis] = i
                nest(depth + 1)

        nest(0)

    def _row(self, index: list[Any], target: Any, source: Any) -> None:
        b, inner = self.b, self.order[-1]
        row = at(b, target, index, self.out.strides)
        size = self._number(self.out.shape[inner])
        start = number(float("-inf") if self.maximum else 0.0)
        with loop(b, self._number(0), size) as i:
            b.store(start, at(b, row, [i], [self.out.strides[inner]]))
        self._windows(index, [], row, source)

    def _windows(self, index: list[Any], taps: list[Any], row: Any, source: Any) -> None:
        """Emit a loop over the window along each spatial axis, then one along the row."""
        b, axis, inner = self.b, len(taps), self.order[-1]
        if axis == len(self.window):
            self._met(index, taps, row, source)
            return
        first, last = self._number(0), self._number(self.window[axis])
        if axis + 2 != inner:
            step = b.mul(index[axis + 2], self._number(self.stride[axis]))
            first, last = self._inside(axis, step, self.dilation[axis], self.window[axis])
        with loop(b, first, last) as tap:
            self._windows(index, [*taps, tap], row, source)

    def _met(self, index: list[Any], taps: Sequence[Any], row: Any, source: Any) -> None:
        """Emit the loop along the row that takes in what one position of the window meets."""
        b, inner = self.b, self.order[-1]
        place, strides = list(index[:2]), self.x.strides
        first, last, step = self._number(0), self._number(self.out.shape[inner]), strides[inner]
        for axis, tap in enumerate(taps):
            shift = b.mul(tap, self._number(self.dilation[axis]))
            position = b.sub(shift, self._number(self.before[axis]))
            if axis + 2 == inner:
                size, step = self.out.shape[inner], strides[inner] * self.stride[axis]
                first, last = self._inside(axis, shift, self.stride[axis], size)
            else:
                moved = b.mul(index[axis + 2], self._number(self.stride[axis]))
                position = b.add(position, moved)
            place.append(position)
        origin = at(b, source, place, strides)
        with loop(b, first, last) as i:
            here = at(b, row, [i], [self.out.strides[inner]])
            old, new = b.load(here), b.load(at(b, origin, [i], [step]))
            b.store(self._joined(old, new), here)

    def _inside(self, axis: int, shift: Any, step: int, most: int) -> tuple[Any, Any]:
        """Return the range of n below ``most`` for which shift + n * step lies inside the array."""
        b, before = self.b, self.before[axis]
        size = self.x.shape[axis + 2]

        def above(limit: int) -> Any:
            missing = b.sub(self._number(limit), shift)
            missing = self._larger(missing, self._number(0))
            return b.sdiv(b.add(missing, self._number(step - 1)), self._number(step))

        last = above(size + before)
        end = self._number(most)
        return above(before), b.select(b.icmp_signed("<", last, end), last, end)

    def _larger(self, x: Any, y: Any) -> Any:
        return self.b.select(self.b.icmp_signed(">", x, y), x, y)

    def _joined(self, old: Any, new: Any) -> Any:
        b = self.b
        if not self.maximum:
            return b.fadd(old, new)
        kept = b.select(b.fcmp_ordered(">", old, new), old, new)
        return b.select(b.fcmp_unordered("uno", old, old), old, kept)  # NaN is larger than all

    @staticmethod
    def _number(value: int) -> Any:
        return ir.Constant(I64, value)
