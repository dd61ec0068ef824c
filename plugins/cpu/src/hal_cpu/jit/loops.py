"""Nested loops over strided arrays as LLVM code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from hal.plugin import Layout, broadcast_strides
from hal_cpu.jit.scalar import MEMORY, NotVectorised

__all__ = ["I64", "Nest", "at", "function", "loop", "walk"]

I64 = ir.IntType(64)


class Nest:
    """How to walk over arrays of one broadcast shape: sizes, and strides for each array.

    The axes are taken in the order of the first array's memory. Those that lie behind one another
    in every array are joined, so that a contiguous walk is one loop.

    Parameters
    ----------
    shape : tuple of int
        The broadcast shape.
    layouts : sequence of Layout
    """

    def __init__(self, shape: tuple[int, ...], layouts: Sequence[Layout]) -> None:
        strides = [broadcast_strides(x.shape, x.strides, shape) for x in layouts]
        sizes: list[int] = []
        joined: list[list[int]] = [[] for _ in layouts]
        for axis in sorted(range(len(shape)), key=lambda n: -strides[0][n]):
            size = shape[axis]
            if size == 1:
                continue
            steps = [s[axis] for s in strides]
            if sizes and all(j[-1] == n * size for j, n in zip(joined, steps, strict=True)):
                sizes[-1] *= size
                for j, n in zip(joined, steps, strict=True):
                    j[-1] = n
            else:
                sizes.append(size)
                for j, n in zip(joined, steps, strict=True):
                    j.append(n)
        self.sizes = sizes or [1]
        self.strides = joined if sizes else [[0] for _ in layouts]


def function(
    module: ir.Module, layouts: Sequence[Layout], name: str = "loop"
) -> tuple[ir.Function, ir.IRBuilder]:
    """Return a new function ``loop(begin, end, size, arrays...)`` and a builder at its start.

    Raises
    ------
    NotVectorised
        When an array has a dtype that loops are not made for.
    """
    for layout in layouts:
        if layout.dtype not in MEMORY:
            raise NotVectorised(f"{layout.dtype}")
    pointers = [ir.PointerType(MEMORY[x.dtype]) for x in layouts]
    kind = ir.FunctionType(ir.VoidType(), [I64, I64, I64, *pointers])
    made = ir.Function(module, kind, name)
    for argument in made.args[3:]:
        argument.add_attribute("noalias")
    return made, ir.IRBuilder(made.append_basic_block())


@contextmanager
def loop(
    b: ir.IRBuilder, begin: Any, end: Any, carried: Sequence[tuple[Any, list[Any]]] = ()
) -> Iterator[Any]:
    """Open a loop over ``begin <= index < end``; the body is what the block of the ``with`` emits.

    Parameters
    ----------
    carried : sequence of (initial value, cell)
        Values that pass from one turn to the next. The cell is a list of one: the value at the
        turn's start, which the body replaces; after the loop it holds the last.
    """
    before = b.block
    head = b.append_basic_block()
    body = b.append_basic_block()
    after = b.append_basic_block()
    b.branch(head)
    b.position_at_end(head)
    index = b.phi(I64)
    index.add_incoming(begin, before)
    phis = []
    for initial, cell in carried:
        phi = b.phi(initial.type)
        phi.add_incoming(initial, before)
        cell[:] = [phi]
        phis.append(phi)
    b.cbranch(b.icmp_signed("<", index, end), body, after)
    b.position_at_end(body)
    yield index
    step = b.add(index, ir.Constant(I64, 1), flags=["nsw"])
    index.add_incoming(step, b.block)
    for phi, (_, cell) in zip(phis, carried, strict=True):
        phi.add_incoming(cell[0], b.block)
    b.branch(head)
    b.position_at_end(after)
    for phi, (_, cell) in zip(phis, carried, strict=True):
        cell[:] = [phi]


def at(b: ir.IRBuilder, pointer: Any, indices: Sequence[Any], strides: Sequence[Any]) -> Any:
    """Return the address of an element; a stride is a number, or a value where it is not known."""
    offset: Any = None
    for index, stride in zip(indices, strides, strict=True):
        if isinstance(stride, int) and stride == 0:
            continue
        by = ir.Constant(I64, stride) if isinstance(stride, int) else stride
        term = index if isinstance(stride, int) and stride == 1 else b.mul(index, by, flags=["nsw"])
        offset = term if offset is None else b.add(offset, term, flags=["nsw"])
    return pointer if offset is None else b.gep(pointer, [offset])


def walk(
    b: ir.IRBuilder, begin: Any, end: Any, sizes: Sequence[int], body: Callable[[list[Any]], None]
) -> None:
    """Emit nested loops; the outermost runs from ``begin`` to ``end``, the rest over all."""
    zero = ir.Constant(I64, 0)

    def nest(indices: list[Any]) -> None:
        if len(indices) == len(sizes):
            body(indices)
            return
        last = ir.Constant(I64, sizes[len(indices)])
        with loop(b, zero, last) as index:
            nest([*indices, index])

    with loop(b, begin, end) as index:
        nest([index])
