"""Attention as one loop over blocks of queries: two products, and rows of scores between them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from llvmlite import ir

from hal.plugin import Layout
from hal_cpu.jit.lines import add_lines, dot_lines
from hal_cpu.jit.loops import I64, at, function, loop
from hal_cpu.jit.real import number
from hal_cpu.jit.rows import add_scores

__all__ = ["Geometry", "attention_code"]

_I32, _CHAR, _FLOAT = ir.IntType(32), ir.IntType(8), ir.FloatType()
_FEW_ROWS = 8
"""Queries below which keys and values are read as quickly by loops, and without two calls."""


class Geometry(NamedTuple):
    """What attention's code is made for.

    Attributes
    ----------
    out, query, key, value, mask : Layout
        The arrays, of equally many axes, the mask with the scores' shape, or None.
    rows : int
        Queries in a block.
    causal : bool
    scale : float
    """

    out: Layout
    query: Layout
    key: Layout
    value: Layout
    mask: Layout | None
    rows: int
    causal: bool
    scale: float

    @property
    def blocks(self) -> int:
        """Return how many blocks the queries of one head make."""
        return -(-self.query.shape[-2] // self.rows)


@cache
def attention_code(geometry: Geometry) -> str:
    """Return code of ``loop(begin, end, size, out, query, key, value, scratch, mask)``.

    It works on blocks, counted over all heads, ``size`` of them for each thread's scratch memory to
    be found: a thread's is as large as a block's scores.
    """
    module = ir.Module("attention")
    layouts = [geometry.out, geometry.query, geometry.key, geometry.value, geometry.out]
    mask = geometry.mask
    made, b = function(module, [*layouts, *([] if mask is None else [mask])])
    step = None if mask is None else mask.strides[-2]
    scores = add_scores(
        module, "scores", mask is not None, geometry.causal, geometry.scale, mask_step=step
    )
    few = geometry.query.shape[-2] < _FEW_ROWS and geometry.query.strides[-1] == 1
    multiply = None if few else _sgemm(module)
    thread = ir.Function(module, ir.FunctionType(_I32, []), "omp_get_thread_num")
    begin, end, _, out, query, key, value, scratch, *masks = made.args
    length, keys = geometry.query.shape[-2], geometry.key.shape[-2]
    depth, width = geometry.query.shape[-1], geometry.value.shape[-1]
    own = b.mul(b.sext(b.call(thread, []), I64), _whole(geometry.rows * keys))
    found = b.gep(scratch, [own])
    group = geometry.query.shape[-3] // geometry.key.shape[-3]
    with loop(b, begin, end) as index:
        digits = _digits(b, index, (*geometry.query.shape[:-2], geometry.blocks))
        start = b.mul(digits.pop(), _whole(geometry.rows))
        stop = _least(b, b.add(start, _whole(geometry.rows)), _whole(length))
        count = b.sub(stop, start)
        # Keys behind the block's last query are hidden from all of it.
        seen = _least(b, stop, _whole(keys)) if geometry.causal else _whole(keys)
        shared = [*digits[:-1], b.sdiv(digits[-1], _whole(group))]
        q = at(b, query, [*digits, start], geometry.query.strides[:-1])
        k = at(b, key, shared, geometry.key.strides[:-2])
        v = at(b, value, shared, geometry.value.strides[:-2])
        o = at(b, out, [*digits, start], geometry.out.strides[:-1])
        product = _Product(b, multiply) if multiply else _FewRows(b, length)
        product(
            (count, seen, _whole(depth)),
            (q, *_walk(geometry.query)),
            (k, *_walk(geometry.key, turned=True)),
            (found, keys),
        )
        back = b.mul(start, _whole(keys))
        pointers = [b.gep(found, [b.neg(back)])]
        if mask is not None:
            pointers.append(at(b, masks[0], digits, mask.strides[:-2]))
        b.call(scores, [start, stop, _whole(keys), *pointers])
        product(
            (count, _whole(width), seen),
            (found, "N", keys),
            (v, *_walk(geometry.value)),
            (o, geometry.out.strides[-2]),
        )
    b.ret_void()
    return str(module)


def _whole(value: int) -> Any:
    return ir.Constant(I64, value)


def _least(b: ir.IRBuilder, x: Any, y: Any) -> Any:
    return b.select(b.icmp_signed("<", x, y), x, y)


def _digits(b: ir.IRBuilder, index: Any, sizes: Sequence[int]) -> list[Any]:
    """Return the indices of an element from its position."""
    found: list[Any] = []
    for size in reversed(sizes[1:]):
        found.append(b.srem(index, _whole(size)))
        index = b.sdiv(index, _whole(size))
    return [index, *reversed(found)]


def _walk(layout: Layout, turned: bool = False) -> tuple[str, int]:
    """Return how BLAS calls a matrix's order, and the step from one of its lines to the next."""
    if layout.strides[-1] == 1:
        return ("T" if turned else "N"), layout.strides[-2]
    return ("N" if turned else "T"), layout.strides[-1]


def _sgemm(module: ir.Module) -> ir.Function:
    pointer = ir.PointerType(_FLOAT)
    # https://oneapi-src.github.io/oneDNN/v3.2/group_dnnl_api_blas.html
    kind = ir.FunctionType(
        _I32,
        [_CHAR, _CHAR, I64, I64, I64, _FLOAT, pointer, I64, pointer, I64, _FLOAT, pointer, I64],
    )
    made = ir.Function(module, kind, "dnnl_sgemm")
    for letter in made.args[:2]:
        letter.add_attribute("signext")
    return made


class _Product:
    """Emits calls that multiply two matrices."""

    def __init__(self, b: ir.IRBuilder, multiply: ir.Function) -> None:
        self._b = b
        self._multiply = multiply

    def __call__(
        self,
        sizes: tuple[Any, Any, Any],
        left: tuple[Any, str, int],
        right: tuple[Any, str, int],
        result: tuple[Any, int],
    ) -> None:
        letters = [ir.Constant(_CHAR, ord(order)) for order in (left[1], right[1])]
        steps = [_whole(max(1, n)) for n in (left[2], right[2], result[1])]
        self._b.call(
            self._multiply,
            [
                *letters, *sizes, number(1.0), left[0], steps[0], right[0], steps[1],
                number(0.0), result[0], steps[2],
            ],
        )  # fmt: skip


class _FewRows:
    """Emits loops that multiply a few rows by a matrix."""

    def __init__(self, b: ir.IRBuilder, rows: int) -> None:
        self._b = b
        self._rows = range(rows)

    def __call__(
        self,
        sizes: tuple[Any, Any, Any],
        left: tuple[Any, str, int],
        right: tuple[Any, str, int],
        result: tuple[Any, int],
    ) -> None:
        b, (_, columns, depth) = self._b, sizes
        rows = [at(b, left[0], [_whole(n)], [left[2]]) for n in self._rows]
        sums = [at(b, result[0], [_whole(n)], [result[1]]) for n in self._rows]
        matrix = right[0], right[2]
        if right[1] == "T":
            dot_lines(b, rows, matrix, columns, depth, sums)
        else:
            add_lines(b, rows, matrix, (_whole(0), depth), columns, sums)
