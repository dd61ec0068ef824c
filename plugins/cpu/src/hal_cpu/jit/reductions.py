"""Reductions, with the chain of elementwise operators in front of them, as LLVM code."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from hal.dtypes import float32
from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature
from hal_cpu.jit.chains import chain_values
from hal_cpu.jit.engine import compile_loop
from hal_cpu.jit.kernels import WORTH_A_TEAM, address, loop_kernel
from hal_cpu.jit.loops import I64, Nest, at, function, loop
from hal_cpu.jit.real import intrinsic, number
from hal_cpu.jit.scalar import HALVES, NotVectorised, Scalar, store
from hal_cpu.team import symbols

__all__ = ["find_reduction"]

_ANY_ORDER = ["reassoc", "nsz"]
_KINDS = ("sum", "mean", "max", "min")
_LARGE = 1 << 16
"""Elements from which a reduction without a chain is worth a loop of its own."""
_CHUNK = 1 << 12
"""Elements that are added up by themselves where all become one number."""
_WORTH_SHARING = 1 << 18


def find_reduction(op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for ``fused_reduction``, or for a large reduction; None where it has none."""
    shape = _Shape.of(op, signature)
    if shape is None:
        return None
    try:
        return _whole(shape) if shape.chunked else _each(shape)
    except NotVectorised:
        return None


class _Shape(NamedTuple):
    """What is reduced, and how memory is walked for it.

    Attributes
    ----------
    kind : str
    out : Layout
    given : tuple of Layout
    steps : tuple
    result : int
        The number of the chain's value that is reduced.
    sizes : tuple of int
        Of the nested loops, those over results first.
    strides : tuple of tuple of int
        Of each array, the result's first, along the loops.
    length : int
        Elements that become one.
    """

    kind: str
    out: Layout
    given: tuple[Layout, ...]
    steps: Any
    result: int
    sizes: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    length: int

    @classmethod
    def of(cls, op: Operator, signature: Signature) -> _Shape | None:
        """Return it for an operator's call, None where no loop is made for that."""
        attributes, out = signature.attributes, signature.outputs[0]
        given = tuple([x for x in signature.inputs if x is not None])
        if op.name == "fused_reduction":
            kind, options = attributes["reduction"]
            steps, (result,) = attributes["steps"], attributes["results"]
            options = dict(options)
        elif op.name in _KINDS and given[0].size >= _LARGE:
            kind, options, steps, result = op.name, attributes, (), 0
        else:
            return None
        if kind not in _KINDS or out.dtype not in (float32, *HALVES):
            return None
        if not out.contiguous or not out.size:
            return None
        shape = np.broadcast_shapes(*[x.shape for x in given])
        axes = options["axis"]
        kept = Layout(float32, tuple([1 if n in axes else size for n, size in enumerate(shape)]))
        if not math.prod(shape):
            return None
        nest = Nest(shape, [kept, *given])
        strides = tuple(map(tuple, nest.strides))
        count = math.prod(shape[n] for n in axes)
        return cls(kind, out, given, steps, result, tuple(nest.sizes), strides, count)

    @property
    def kept(self) -> int:
        """Return how many of the loops are over results; those behind them reduce."""
        return sum(s > 0 for s in self.strides[0])

    @property
    def chunked(self) -> bool:
        """Return whether one walk makes one number: then threads share the walk."""
        return self.kept == 0 and len(self.sizes) == 1 and self.length > _CHUNK

    @property
    def across(self) -> bool:
        """Return whether results lie closer together than what becomes one of them."""
        last = self.kept - 1
        return 0 <= last < len(self.sizes) - 1 and all(
            s[last] < s[-1] or s[-1] == 0 for s in self.strides[1:]
        )

    @property
    def large(self) -> bool:
        """Return whether threads are worth it."""
        return self.out.size * self.length >= (
            _WORTH_SHARING if symbols() is None else WORTH_A_TEAM
        )


def _each(shape: _Shape) -> Kernel:
    """Return a kernel whose threads share the results."""
    if shape.across and shape.out.dtype is not float32:
        raise NotVectorised("a line of results holds sums of float32")
    code = (_across if shape.across else _along)(shape)
    extent = shape.sizes[0] if shape.kept else 1
    if shape.across and shape.kept == 1 and extent < _CHUNK:
        # Threads would share a line of memory, and each has too little of it.
        return loop_kernel(code, 1 + len(shape.given), extent, 0, False)
    return loop_kernel(code, 1 + len(shape.given), extent, 0, shape.large)


def _whole(shape: _Shape) -> Kernel:
    """Return a kernel that reduces chunks, which threads share, and then their results."""
    code = _chunks(shape)
    chunks = -(-shape.length // _CHUNK)
    function = {"max": np.max, "min": np.min}.get(shape.kind, np.sum)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        made = np.empty(chunks, np.float32)
        run = compile_loop(code, 1 + len(inputs))
        run.on(chunks, shape.length, [address(made), *map(address, inputs)], shape.large)()
        found = function(made)
        outputs[0][...] = found / np.float32(shape.length) if shape.kind == "mean" else found

    return Kernel(into)


# Code


class _Code:
    """A function ``loop(begin, end, size, out, inputs...)`` that is being written."""

    def __init__(self, shape: _Shape, out: Layout) -> None:
        self.shape = shape
        self.module = ir.Module("reduction")
        made, self.b = function(self.module, [out, *shape.given])
        self.begin, self.end, self.size, self.out, *self.inputs = made.args
        self.zero = ir.Constant(I64, 0)

    @property
    def start(self) -> Any:
        """Return what a result is before anything is reduced to it."""
        return number({"max": -math.inf, "min": math.inf}.get(self.shape.kind, 0.0))

    def term(self, indices: Sequence[Any]) -> Any:
        """Return an element of what is reduced."""
        places = [
            at(self.b, x, indices, strides)
            for x, strides in zip(self.inputs, self.shape.strides[1:], strict=True)
        ]
        values = chain_values(self.b, self.shape.given, places, self.shape.steps)
        value = values[self.shape.result]
        if value.dtype is not self.shape.out.dtype:
            raise NotVectorised(f"{value.dtype} is no {self.shape.out.dtype}")
        return value.value

    def joined(self, x: Any, y: Any) -> Any:
        """Return two as one."""
        if self.shape.kind in ("max", "min"):
            return intrinsic(self.b, f"{self.shape.kind}imum", x, y)
        return self.b.fadd(x, y, flags=_ANY_ORDER)

    def finished(self, value: Any) -> Any:
        """Return the result of a reduction."""
        if self.shape.kind != "mean":
            return value
        return self.b.fdiv(value, number(float(self.shape.length)))

    def over(self, sizes: Sequence[int], body: Callable[[list[Any]], None]) -> None:
        """Emit nested loops; the outermost is over the function's range."""

        def nest(indices: list[Any]) -> None:
            if len(indices) == len(sizes):
                body(indices)
                return
            first = not indices
            last = self.end if first else ir.Constant(I64, sizes[len(indices)])
            with loop(self.b, self.begin if first else self.zero, last) as index:
                nest([*indices, index])

        nest([])

    def text(self) -> str:
        """Return the finished code."""
        self.b.ret_void()
        return str(self.module)


@cache
def _along(shape: _Shape) -> str:
    """Return code that walks what becomes one result before it goes on to the next."""
    code, kept = _Code(shape, shape.out), shape.kept

    def reduced(indices: list[Any], value: Any) -> Any:
        if len(indices) == len(shape.sizes):
            return code.joined(value, code.term(indices))
        cell: list[Any] = []
        last = ir.Constant(I64, shape.sizes[len(indices)])
        with loop(code.b, code.zero, last, [(value, cell)]) as index:
            cell[0] = reduced([*indices, index], cell[0])
        return cell[0]

    def body(indices: list[Any]) -> None:
        place = at(code.b, code.out, indices[:kept], shape.strides[0][:kept])
        found = reduced(indices[:kept], code.start)
        store(code.b, Scalar(code.finished(found), shape.out.dtype), place)

    # Without results to share there is one turn, whose index nobody reads.
    code.over(shape.sizes[:kept] or (1,), body)
    return code.text()


@cache
def _across(shape: _Shape) -> str:
    """Return code that adds line after line to a line of results."""
    code, kept = _Code(shape, shape.out), shape.kept
    outer, (width,), inner = (
        shape.sizes[: kept - 1],
        shape.sizes[kept - 1 : kept],
        shape.sizes[kept:],
    )

    def line(change: Callable[[Any, Any], Any], before: Sequence[Any]) -> None:
        first, last = code.zero, ir.Constant(I64, width)
        if not outer:
            first, last = code.begin, code.end
        with loop(code.b, first, last) as index:
            place = at(code.b, code.out, [*before, index], shape.strides[0][:kept])
            code.b.store(change(index, place), place)

    def reduced(before: list[Any], indices: list[Any]) -> None:
        if len(indices) == len(inner):
            line(
                lambda index, place: code.joined(
                    code.b.load(place), code.term([*before, index, *indices])
                ),
                before,
            )
            return
        with loop(code.b, code.zero, ir.Constant(I64, inner[len(indices)])) as index:
            reduced(before, [*indices, index])

    def body(before: list[Any]) -> None:
        line(lambda index, place: code.start, before)
        reduced(before, [])
        if shape.kind == "mean":
            line(lambda index, place: code.finished(code.b.load(place)), before)

    if outer:
        code.over(outer, body)
    else:
        body([])
    return code.text()


@cache
def _chunks(shape: _Shape) -> str:
    """Return code that reduces chunks of a walk of ``size`` elements to a number each."""
    code = _Code(shape, Layout(float32, (1,)))

    def body(indices: list[Any]) -> None:
        (chunk,) = indices
        first = code.b.mul(chunk, ir.Constant(I64, _CHUNK))
        after = code.b.add(first, ir.Constant(I64, _CHUNK))
        last = code.b.select(code.b.icmp_signed("<", after, code.size), after, code.size)
        cell: list[Any] = []
        with loop(code.b, first, last, [(code.start, cell)]) as index:
            cell[0] = code.joined(cell[0], code.term([index]))
        code.b.store(cell[0], code.b.gep(code.out, [chunk]))

    code.over((1,), body)
    return code.text()
