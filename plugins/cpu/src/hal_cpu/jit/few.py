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
from hal_cpu.jit.loops import I64, at, function, loop
from hal_cpu.jit.real import number

__all__ = ["FewRows", "few_rows"]

_ANY_ORDER = ["contract", "nsz", "reassoc"]
_LINES = 4
"""Lines of weights that are read side by side: more of memory is at work than with one."""
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
    sizes = _Sizes(out.size // features, taken, features)
    together = weight.strides[1] == 1 or taken == 1
    copies = 1 if together else max(1, min(parts, taken // _LEAST))
    finish = copies > 1 or bias is not None or bool(steps)
    module = ir.Module("few")
    others = [*([] if bias is None else [bias]), *operands]
    made, b = function(module, [out, x, weight, out, *others])
    begin, end, _, target, source, weights, scratch, *_ = made.args
    sums = scratch if finish else target
    with loop(b, begin, end) as part:
        if together:
            lines = min(_LINES, features)
            start = _least(b, b.mul(part, _whole(lines)), _whole(features - lines))
            line = at(b, weights, [start], [weight.strides[0]])
            _dots(b, sizes, lines, source, line, weight.strides[0], b.gep(sums, [start]))
        else:
            first, last = (
                b.sdiv(b.mul(n, _whole(taken)), _whole(copies))
                for n in (part, b.add(part, _whole(1)))
            )
            own = at(b, sums, [part], [sizes.rows * features])
            _scaled(b, sizes, (first, last), source, weights, weight.strides[1], own)
    b.ret_void()
    if finish:
        chain = _chain(out, bias, operands, steps, result, copies)
        _add_finish(module, 4 + len(others), chain, copies)
    extent = -(-features // min(_LINES, features)) if together else copies
    scratch_size = copies * out.size if finish else 0
    return FewRows(str(module), 4 + len(others), extent, finish, scratch_size)


class _Sizes(NamedTuple):
    rows: int
    taken: int
    features: int


def _whole(value: int) -> Any:
    return ir.Constant(I64, value)


def _least(b: ir.IRBuilder, x: Any, y: Any) -> Any:
    return b.select(b.icmp_signed("<", x, y), x, y)


def _plus(b: ir.IRBuilder, total: Any, x: Any, y: Any) -> Any:
    return b.fadd(total, b.fmul(x, y, flags=_ANY_ORDER), flags=_ANY_ORDER)


def _dots(
    b: ir.IRBuilder, sizes: _Sizes, lines: int, source: Any, line: Any, step: int, sums: Any
) -> None:
    """Emit the sums of some lines of weights with every row."""
    for row in range(sizes.rows):
        totals: list[list[Any]] = [[] for _ in range(lines)]
        carried = [(number(0.0), total) for total in totals]
        with loop(b, _whole(0), _whole(sizes.taken), carried) as k:
            x = b.load(at(b, source, [_whole(row), k], [sizes.taken, 1]))
            for n, total in enumerate(totals):
                weight = b.load(at(b, line, [_whole(n), k], [step, 1]))
                total[0] = _plus(b, total[0], x, weight)
        for n, total in enumerate(totals):
            b.store(total[0], at(b, sums, [_whole(row), _whole(n)], [sizes.features, 1]))


def _scaled(
    b: ir.IRBuilder, sizes: _Sizes, edges: tuple[Any, Any], source: Any, weights: Any, step: int,
    sums: Any,
) -> None:  # fmt: skip
    """Emit the sums of a range of lines of weights, each times its number of every row."""
    first, last = edges
    with loop(b, _whole(0), _whole(sizes.rows * sizes.features)) as n:
        b.store(number(0.0), b.gep(sums, [n]))

    def add(k: Any, lines: int) -> None:
        for row in range(sizes.rows):
            indices = [b.add(k, _whole(n)) for n in range(lines)]
            xs = [b.load(at(b, source, [_whole(row), n], [sizes.taken, 1])) for n in indices]
            own = at(b, sums, [_whole(row)], [sizes.features])
            with loop(b, _whole(0), _whole(sizes.features)) as n:
                here = b.gep(own, [n])
                total = b.load(here)
                for x, index in zip(xs, indices, strict=True):
                    total = _plus(b, total, x, b.load(at(b, weights, [index, n], [step, 1])))
                b.store(total, here)

    groups = b.sdiv(b.sub(last, first), _whole(_LINES))
    with loop(b, _whole(0), groups) as group:
        add(b.add(first, b.mul(group, _whole(_LINES))), _LINES)
    with loop(b, b.add(first, b.mul(groups, _whole(_LINES))), last) as k:
        add(k, 1)


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
