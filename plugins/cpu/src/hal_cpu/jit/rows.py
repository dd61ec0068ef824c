"""Operators that look at whole rows, the last axes of packed memory, as LLVM code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from llvmlite import ir

from hal.dtypes import float32
from hal.plugin import Layout, Signature
from hal_cpu.jit.loops import I64, at, function, loop
from hal_cpu.jit.real import decay, intrinsic, log, number
from hal_cpu.jit.scalar import NotVectorised

__all__ = ["ROWS", "add_scores", "find_rows", "scores_code"]

_ANY_ORDER = ["reassoc", "nsz"]
_ROW = Layout(float32, (1,))


def find_rows(name: str, signature: Signature) -> tuple[str, int, int]:
    """Return code that works on a range of rows, how many rows there are, and their length.

    Raises
    ------
    NotVectorised
        When the operator's rows are not the last axes of packed float32 memory.
    """
    layouts = [*signature.outputs, *[x for x in signature.inputs if x is not None]]
    if any(x.dtype is not float32 or not x.contiguous for x in layouts):
        raise NotVectorised(name)
    out = signature.outputs[0]
    axes = signature.attributes.get("axes", (signature.attributes.get("axis"),))
    if out.size == 0 or axes != tuple(range(out.ndim - len(axes), out.ndim)):
        raise NotVectorised(name)
    size = math.prod(out.shape[axes[0] :])
    present = tuple([x is not None for x in signature.inputs])
    code = _code(name, present, signature.attributes.get("epsilon", 0.0))
    return code, out.size // size, size


@cache
def _code(name: str, present: tuple[bool, ...], epsilon: float) -> str:
    module = ir.Module(name)
    made, b = function(module, [_ROW] * (1 + sum(present)))
    begin, end, size, *pointers = made.args
    roles: dict[str, Any] = dict.fromkeys(("out", "x", "weight", "bias"))
    given = [role for role, there in zip(("x", "weight", "bias"), present, strict=False) if there]
    roles.update(zip(["out", *given], pointers, strict=True))
    with loop(b, begin, end) as row:
        ROWS[name](_Row(b, row, size, roles), epsilon)
    b.ret_void()
    return str(module)


class _Row:
    """One row of each array: loads, stores, loops, sums."""

    def __init__(self, b: ir.IRBuilder, row: Any, size: Any, roles: Mapping[str, Any]) -> None:
        self.b = b
        self.size = size
        self.weight, self.bias = roles["weight"], roles["bias"]
        self.out, self.x = (at(b, roles[n], [row], [size]) for n in ("out", "x"))

    def load(self, pointer: Any, i: Any) -> Any:
        return self.b.load(self.b.gep(pointer, [i]))

    def over(self, carried: Any = ()) -> Any:
        return loop(self.b, ir.Constant(I64, 0), self.size, carried)

    def sum(self, term: Callable[[Any], Any]) -> Any:
        total: list[Any] = []
        with self.over([(number(0.0), total)]) as i:
            total[0] = self.b.fadd(total[0], term(i), flags=_ANY_ORDER)
        return total[0]

    def mean(self, term: Callable[[Any], Any]) -> Any:
        return self.b.fdiv(self.sum(term), self.b.sitofp(self.size, ir.FloatType()))

    def largest(self, term: Callable[[Any], Any]) -> Any:
        # NaN is the largest of all here, unlike in a comparison, which could not be vectorised.
        top: list[Any] = []
        with self.over([(number(float("-inf")), top)]) as i:
            top[0] = intrinsic(self.b, "maximum", top[0], term(i))
        return top[0]

    def write(self, term: Callable[[Any], Any]) -> None:
        with self.over() as i:
            self.b.store(term(i), self.b.gep(self.out, [i]))


def _softmax(row: _Row, epsilon: float) -> None:
    b = row.b
    top = row.largest(lambda i: row.load(row.x, i))

    total = row.sum(lambda i: _kept(row, i, decay(b, b.fsub(row.load(row.x, i), top))))
    factor = b.fdiv(number(1.0), total)
    row.write(lambda i: b.fmul(row.load(row.out, i), factor))


def _log_softmax(row: _Row, epsilon: float) -> None:
    b = row.b
    top = row.largest(lambda i: row.load(row.x, i))
    total = log(b, row.sum(lambda i: decay(b, b.fsub(row.load(row.x, i), top))))
    row.write(lambda i: b.fsub(b.fsub(row.load(row.x, i), top), total))


def _kept(row: _Row, i: Any, value: Any) -> Any:
    """Write a value and return it."""
    row.b.store(value, row.b.gep(row.out, [i]))
    return value


def _layer_norm(row: _Row, epsilon: float) -> None:
    b = row.b
    mean = row.mean(lambda i: row.load(row.x, i))

    def centred(i: Any) -> Any:
        return b.fsub(row.load(row.x, i), mean)

    _normalised(row, centred, epsilon)


def _rms_norm(row: _Row, epsilon: float) -> None:
    _normalised(row, lambda i: row.load(row.x, i), epsilon)


def _normalised(row: _Row, term: Callable[[Any], Any], epsilon: float) -> None:
    """Write the terms over the root of their mean square, times the weight, plus the bias."""
    b = row.b

    def square(i: Any) -> Any:
        value = term(i)
        return b.fmul(value, value)

    root = intrinsic(b, "sqrt", b.fadd(row.mean(square), number(epsilon)))
    scale = b.fdiv(number(1.0), root)

    def result(i: Any) -> Any:
        value = b.fmul(term(i), scale)
        if row.weight is not None:
            value = b.fmul(value, row.load(row.weight, i))
        return value if row.bias is None else b.fadd(value, row.load(row.bias, i))

    row.write(result)


ROWS = {
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
}
"""What is done to a row, by operator."""


@cache
def scores_code(masked: bool, causal: bool, scale: float) -> str:
    """Return code that turns rows of query-key products into attention weights, in place.

    ``loop(begin, end, size, scores, mask)``: a mask has one packed row for each row of scores. Row
    ``n`` of a causal attention looks at the first ``n + 1`` keys. A row that may look at nothing
    becomes zeros.
    """
    module = ir.Module("scores")
    add_scores(module, "loop", masked, causal, scale)
    return str(module)


def add_scores(
    module: ir.Module,
    name: str,
    masked: bool,
    causal: bool,
    scale: float,
    mask_step: int | None = None,
) -> ir.Function:
    """Add that function to a module; ``mask_step`` is from a row of the mask to the next."""
    made, b = function(module, [_ROW] * (1 + masked), name)
    begin, end, size, *pointers = made.args
    with loop(b, begin, end) as index:
        mask = at(b, pointers[-1], [index], [size if mask_step is None else mask_step])
        row = _Row(b, index, size, dict.fromkeys(("out", "x"), pointers[0]) | _NO_WEIGHTS)
        last = b.add(index, ir.Constant(I64, 1))
        short = b.icmp_signed("<", last, size)
        row.size = b.select(short, last, size) if causal else size

        def score(i: Any) -> Any:
            value = b.fmul(row.load(row.x, i), number(scale))
            return b.fadd(value, row.load(mask, i)) if masked else value

        top = row.largest(score)
        nothing = b.fcmp_ordered("==", top, number(float("-inf")))
        top = b.select(nothing, number(0.0), top)
        total = row.sum(lambda i: _kept(row, i, decay(b, b.fsub(score(i), top))))
        total = b.select(b.fcmp_ordered("==", total, number(0.0)), number(1.0), total)
        factor = b.fdiv(number(1.0), total)
        row.write(lambda i: b.fmul(row.load(row.out, i), factor))
        if causal:
            with loop(b, row.size, size) as i:
                b.store(number(0.0), b.gep(row.out, [i]))
    b.ret_void()
    return made


_NO_WEIGHTS: dict[str, Any] = {"weight": None, "bias": None}
