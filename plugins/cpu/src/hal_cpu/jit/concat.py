"""Arrays put behind one another along an axis, as LLVM code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from hal.plugin import Layout, Signature
from hal_cpu.jit.loops import I64, at, function, loop
from hal_cpu.jit.scalar import NotVectorised

__all__ = ["concat_code"]


def concat_code(signature: Signature) -> tuple[str, int]:
    """Return code for a range of a result's outermost axis in memory, and that axis' size.

    Where the outermost axis is the one along which the parts are put, a range of it is a range of
    each of the parts.

    Raises
    ------
    NotVectorised
        When an array has a dtype that loops are not made for, or there is nothing to do.
    """
    out, axis = signature.outputs[0], signature.attributes["axis"]
    parts = [x for x in signature.inputs if x is not None]
    if not out.size or not out.ndim or not all(x.size and x.dtype is out.dtype for x in parts):
        raise NotVectorised("concat")
    module = ir.Module("concat")
    made, b = function(module, [out, *parts])
    begin, end, _, target, *sources = made.args
    axes = [n for n in range(out.ndim) if out.shape[n] > 1 or n == axis]
    axes.sort(key=lambda n: (-out.strides[n], n != axis))
    first = axes[0]
    start = 0
    if first == axis:
        for part, source in zip(parts, sources, strict=True):
            size = part.shape[axis]
            low = _between(b, b.sub(begin, _number(start)), size)
            high = _between(b, b.sub(end, _number(start)), size)
            copy = _Copy(out, part, axis, start)
            copy.emit(b, target, source, copy.joined(axes[1:]), (axis, low, high))
            start += size
    else:
        with loop(b, begin, end) as index:
            for part, source in zip(parts, sources, strict=True):
                copy = _Copy(out, part, axis, start)
                one = b.add(index, _number(1))
                copy.emit(b, target, source, copy.joined(axes[1:]), (first, index, one))
                start += part.shape[axis]
    b.ret_void()
    return str(module), out.shape[first]


class _Copy:
    """One part on its way into the result."""

    def __init__(self, out: Layout, part: Layout, axis: int, start: int) -> None:
        self.shape = part.shape
        self.strides = (out.strides, part.strides)
        self.offset = start * out.strides[axis]

    def joined(self, axes: Sequence[int]) -> list[tuple[int, int, int]]:
        """Return size and strides of these axes; those that lie behind one another are one."""
        found: list[tuple[int, int, int]] = []
        for axis in axes:
            size = self.shape[axis]
            to, of = (s[axis] for s in self.strides)
            if size == 1:
                continue
            if found and found[-1][1:] == (to * size, of * size):
                size *= found.pop()[0]
            found.append((size, to, of))
        return found

    def emit(
        self,
        b: ir.IRBuilder,
        target: Any,
        source: Any,
        axes: Sequence[tuple[int, int, int]],
        outermost: tuple[int, Any, Any],
    ) -> None:
        """Emit the loops: over a range of the outermost axis, and over all of the others."""
        axis, low, high = outermost
        steps = [tuple(s[axis] for s in self.strides), *[(to, of) for _, to, of in axes]]
        place = b.gep(target, [_number(self.offset)])

        def nest(indices: list[Any]) -> None:
            if len(indices) == len(steps):
                value = b.load(at(b, source, indices, [of for _, of in steps]))
                b.store(value, at(b, place, indices, [to for to, _ in steps]))
                return
            with loop(b, _number(0), _number(axes[len(indices) - 1][0])) as index:
                nest([*indices, index])

        with loop(b, low, high) as index:
            nest([index])


def _number(value: int) -> ir.Constant:
    return ir.Constant(I64, value)


def _between(b: ir.IRBuilder, value: Any, most: int) -> Any:
    """Return the nearest number to a value that is at least 0 and at most so much."""
    value = b.select(b.icmp_signed("<", value, _number(0)), _number(0), value)
    return b.select(b.icmp_signed(">", value, _number(most)), _number(most), value)
