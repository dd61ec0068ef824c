"""Rows times a matrix, every element of which is read once, as LLVM code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from hal_cpu.jit.loops import I64, at, loop
from hal_cpu.jit.real import number

__all__ = ["LINES", "add_lines", "dot_block", "dot_lines"]

LINES = 4
"""Lines of a matrix that are read side by side: more of memory is at work than with one."""
_ANY_ORDER = ["contract", "nsz", "reassoc"]

Matrix = tuple[Any, int]
"""Where a matrix starts, and the step from one line to the next; a line has no gaps."""


def dot_lines(
    b: ir.IRBuilder, rows: Sequence[Any], matrix: Matrix, count: Any, size: Any, sums: Sequence[Any]
) -> None:
    """Emit the sum of products of every row with every line of a matrix.

    Parameters
    ----------
    b : ir.IRBuilder
    rows : sequence of pointers
        Where each starts; its elements lie one behind the other.
    matrix : (pointer, int)
    count : value
        How many lines it has, at least one.
    size : value
        How many elements a line and a row have.
    sums : sequence of pointers
        For each row, where its sums belong, one for each line.
    """
    groups = b.sdiv(count, _whole(LINES))
    with loop(b, _whole(0), groups) as group:
        dot_block(b, rows, matrix, b.mul(group, _whole(LINES)), LINES, size, sums)
    with loop(b, b.mul(groups, _whole(LINES)), count) as line:
        dot_block(b, rows, matrix, line, 1, size, sums)


def dot_block(
    b: ir.IRBuilder,
    rows: Sequence[Any],
    matrix: Matrix,
    first: Any,
    count: int,
    size: Any,
    sums: Sequence[Any],
) -> None:
    """Emit that for a few lines from the first on, read side by side."""
    lines = [at(b, matrix[0], [b.add(first, _whole(n))], [matrix[1]]) for n in range(count)]
    for row, target in zip(rows, sums, strict=True):
        totals: list[list[Any]] = [[] for _ in lines]
        with loop(b, _whole(0), size, [(number(0.0), total) for total in totals]) as k:
            x = b.load(b.gep(row, [k]))
            for line, total in zip(lines, totals, strict=True):
                total[0] = _plus(b, total[0], x, b.load(b.gep(line, [k])))
        for n, total in enumerate(totals):
            b.store(total[0], b.gep(target, [b.add(first, _whole(n))]))


def add_lines(
    b: ir.IRBuilder,
    rows: Sequence[Any],
    matrix: Matrix,
    edges: tuple[Any, Any],
    size: Any,
    sums: Sequence[Any],
) -> None:
    """Emit the sum of a matrix' lines, each times its element of a row, for every row.

    Parameters
    ----------
    b : ir.IRBuilder
    rows : sequence of pointers
        Where each starts; its elements lie one behind the other, one for each line.
    matrix : (pointer, int)
    edges : (value, value)
        The first line that counts, and the one behind the last.
    size : value
        How many elements a line has.
    sums : sequence of pointers
        For each row, where its sum belongs.
    """
    first, last = edges
    for target in sums:
        with loop(b, _whole(0), size) as n:
            b.store(number(0.0), b.gep(target, [n]))

    def add(start: Any, count: int) -> None:
        indices = [b.add(start, _whole(n)) for n in range(count)]
        lines = [at(b, matrix[0], [index], [matrix[1]]) for index in indices]
        for row, target in zip(rows, sums, strict=True):
            factors = [b.load(b.gep(row, [index])) for index in indices]
            with loop(b, _whole(0), size) as n:
                here = b.gep(target, [n])
                total = b.load(here)
                for x, line in zip(factors, lines, strict=True):
                    total = _plus(b, total, x, b.load(b.gep(line, [n])))
                b.store(total, here)

    groups = b.sdiv(b.sub(last, first), _whole(LINES))
    with loop(b, _whole(0), groups) as group:
        add(b.add(first, b.mul(group, _whole(LINES))), LINES)
    with loop(b, b.add(first, b.mul(groups, _whole(LINES))), last) as line:
        add(line, 1)


def _plus(b: ir.IRBuilder, total: Any, x: Any, y: Any) -> Any:
    return b.fadd(total, b.fmul(x, y, flags=_ANY_ORDER), flags=_ANY_ORDER)


def _whole(value: int) -> Any:
    return ir.Constant(I64, value)
