"""Products of few rows as LLVM code: every weight is read once, in the order of memory.

Such a product takes as long as reading its weights does. Two loops read them without a jump: where
the weights of a feature that goes out lie together, a few features at a time are summed up; where
those of a feature that comes in do, each thread takes some of these and adds to sums of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from llvmlite import ir

from hal.dtypes import float32
from hal.plugin import Layout, Signature
from hal_cpu.jit.chains import add_chain
from hal_cpu.jit.lines import LINES, add_lines, dot_block
from hal_cpu.jit.loops import I64, at, function, loop

__all__ = ["FewRows", "few_rows"]

_LEAST = 16
"""Lines that are worth sums of their own."""


class FewRows(NamedTuple):
    """Code of a product of few rows.

    Attributes
    ----------
    code : str
        A module with ``loop(begin, end, size, out, x, weight, scratch, others...)`` for a range of
        parts. The others are the bias and the operands, those there are.
    arrays : int
        How many arrays that takes.
    extent : int
        How many parts there are.
    finish : bool
        Whether sums are left in the scratch memory, of which ``finish(size, out, x, weight,
        scratch, others...)`` makes the result.
    scratch : int
        How many numbers the scratch memory has.
    """

    code: str
    arrays: int
    extent: int
    finish: bool
    scratch: int


def few_rows(signature: Signature, parts: int) -> FewRows:
    """Return code for ``linear`` or ``linear_fused`` of packed rows by a matrix of float32.

    Parameters
    ----------
    signature : Signature
    parts : int
        For how many threads there has to be work.

    Raises
    ------
    NotVectorised
        When a step behind the product has no code.
    """
    x, weight, bias, *operands = (*signature.inputs, None)[: max(3, len(signature.inputs))]
    attributes = signature.attributes
    steps = tuple(attributes.get("steps", ()))
    (result,) = attributes.get("results", (0,))
    return _made(signature.outputs[0], x, weight, bias, tuple(operands), steps, result, parts)


@cache
def _made(
    out: Layout,
    x: Layout,
    weight: Layout,
    bias: Layout | None,
    operands: tuple[Layout, ...],
    steps: tuple[Any, ...],
    result: int,
    parts: int,
) -> FewRows:
    features, taken = weight.shape
    row_count = out.size // features
    together = weight.strides[1] == 1 or taken == 1
    copies = 1 if together else max(1, min(parts, taken // _LEAST))
    finish = copies > 1 or bias is not None or bool(steps)
    module = ir.Module("few")
    others = [*([] if bias is None else [bias]), *operands]
    made, b = function(module, [out, x, weight, out, *others])
    begin, end, _, target, source, weights, scratch, *_ = made.args
    rows = [at(b, source, [_whole(n)], [taken]) for n in range(row_count)]
    with loop(b, begin, end) as part:
        own = scratch if finish else target
        if not together:
            own = at(b, own, [part], [row_count * features])
        sums = [at(b, own, [_whole(n)], [features]) for n in range(row_count)]
        if together:
            lines = min(LINES, features)
            # The last block starts early enough to be whole.
            first = _least(b, b.mul(part, _whole(lines)), _whole(features - lines))
            matrix = weights, weight.strides[0]
            dot_block(b, rows, matrix, first, lines, _whole(taken), sums)
        else:
            edges = [b.mul(n, _whole(taken)) for n in (part, b.add(part, _whole(1)))]
            first, last = (b.sdiv(edge, _whole(copies)) for edge in edges)
            add_lines(b, rows, (weights, weight.strides[1]), (first, last), _whole(features), sums)
    b.ret_void()
    if finish:
        chain = _chain(out, bias, operands, steps, result, copies)
        _add_finish(module, 4 + len(others), chain, copies)
    extent = -(-features // min(LINES, features)) if together else copies
    scratch_size = copies * out.size if finish else 0
    return FewRows(str(module), 4 + len(others), extent, finish, scratch_size)


def _whole(value: int) -> Any:
    return ir.Constant(I64, value)


def _least(b: ir.IRBuilder, x: Any, y: Any) -> Any:
    return b.select(b.icmp_signed("<", x, y), x, y)


def _chain(
    out: Layout,
    bias: Layout | None,
    operands: Sequence[Layout],
    steps: Sequence[Any],
    result: int,
    copies: int,
) -> Signature:
    """Return the chain that adds up sums and bias, and does the steps on that."""
    given = [*[Layout(float32, out.shape)] * copies, *([] if bias is None else [bias])]
    inputs = (*given, *operands)
    added: list[Any] = []
    value = 0
    for other in range(1, len(given)):
        added.append(("add", (value, other), ()))
        value = len(inputs) + len(added) - 1
    # What the steps call 0 is the product; the operands follow, and the steps' own results.
    place = [value, *range(len(given), len(inputs))]
    place += [len(inputs) + len(added) + n for n in range(len(steps))]
    moved = [
        (name, tuple([None if n is None else place[n] for n in numbers]), options)
        for name, numbers, options in steps
    ]
    return Signature(inputs, (out,), {"steps": (*added, *moved), "results": (place[result],)})


def _add_finish(module: ir.Module, arrays: int, chain: Signature, copies: int) -> None:
    """Add ``finish(size, arrays...)``, which runs the chain over all of the result."""
    run, extent = add_chain(module, "chain", chain)
    kind = ir.FunctionType(ir.VoidType(), [I64, *[ir.PointerType(ir.FloatType())] * arrays])
    made = ir.Function(module, kind, "finish")
    b = ir.IRBuilder(made.append_basic_block())
    size, out, _, _, scratch, *others = made.args
    step = chain.outputs[0].size
    sums = [at(b, scratch, [_whole(n)], [step]) for n in range(copies)]
    b.call(run, [_whole(0), _whole(extent), size, out, *sums, *others])
    b.ret_void()
