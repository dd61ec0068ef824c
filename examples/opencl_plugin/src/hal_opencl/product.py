"""Matrix products: tiles in local memory, a small block of the result in each work-item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hal.plugin import Layout, Signature, broadcast_strides, extent
from hal_opencl.launches import Launch, nothing
from hal_opencl.loops import Loop, collapse, index_type, position
from hal_opencl.programs import BUFFER, Array, Programs
from hal_opencl.queue import Queue
from hal_opencl.types import CTYPES, CType

__all__ = ["MAKERS"]

# A work-item calculates 8 rows of 16 columns, a group of 4 by 4 work-items a tile of 32 by 64.
_ROWS, _WIDTH, _SIDE, _DEPTH = 8, 16, 4, 32

_TEMPLATE = """
#pragma OPENCL FP_CONTRACT ON
typedef {index} Index;
typedef {value} A;
typedef {value}{width} Row;
#define ROWS {rows}
#define WIDTH {width}
#define SIDE {side}
#define DEPTH {depth}
#define TALL (ROWS * SIDE)
#define WIDE (WIDTH * SIDE)
__attribute__((reqd_work_group_size(SIDE, SIDE, 1)))
__kernel void run(const Index m, const Index n, const Index k{sizes}, {operands}) {{
    __local A left[DEPTH * TALL];
    __local A right[DEPTH * WIDE];
    const int column = get_local_id(0), row = get_local_id(1), lane = row * SIDE + column;
    const Index first_row = get_group_id(1) * TALL, first_column = get_group_id(0) * WIDE;
    const Index z = get_group_id(2);
    {starts}
    {batch}
    Row sums[ROWS];
    for (int r = 0; r < ROWS; r++) sums[r] = 0;
    for (Index from = 0; from < k; from += DEPTH) {{
        for (int e = lane; e < DEPTH * TALL; e += SIDE * SIDE) {{
            const Index d = from + e % DEPTH, i = first_row + e / DEPTH;
            left[e % DEPTH * TALL + e / DEPTH] = d < k && i < m ? (A){load_a} : (A)0;
        }}
        for (int e = lane; e < DEPTH * WIDE; e += SIDE * SIDE) {{
            const Index d = from + e / WIDE, j = first_column + e % WIDE;
            right[e] = d < k && j < n ? (A){load_b} : (A)0;
        }}
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int d = 0; d < DEPTH; d++) {{
            const Row b = vload{width}(column, right + d * WIDE);
            for (int r = 0; r < ROWS; r++)
                sums[r] += (Row)(left[d * TALL + row * ROWS + r]) * b;
        }}
        barrier(CLK_LOCAL_MEM_FENCE);
    }}
    for (int r = 0; r < ROWS; r++) {{
        const Index i = first_row + row * ROWS + r;
        A values[WIDTH];
        vstore{width}(sums[r], 0, values);
        for (int c = 0; c < WIDTH; c++) {{
            const Index j = first_column + column * WIDTH + c;
            if (i < m && j < n) {{ {store} }}
        }}
    }}
}}
"""


def _matmul(programs: Programs, name: str, signature: Signature) -> Launch | None:
    a, b = signature.inputs
    (out,) = signature.outputs
    assert a is not None
    assert b is not None
    # A vector is a matrix with one row, or one column, that the result does not have.
    left, right = _matrix(a, a.ndim == 1, False), _matrix(b, False, b.ndim == 1)
    result = _matrix(out, a.ndim == 1, b.ndim == 1)
    lead = result.shape[:-2]
    batch = [broadcast_strides(x.shape[:-2], x.strides[:-2], lead) for x in (result, left, right)]
    if right.ndim == 2 and left.ndim > 2:
        folded = _rows(left, result)
        if folded is not None:
            return _product(programs, Loop((), ((), (), ())), *folded, right, None)
    return _product(programs, collapse(lead, batch), left, result, right, None)


def _linear(programs: Programs, name: str, signature: Signature) -> Launch | None:
    x, weight, *rest = signature.inputs
    (out,) = signature.outputs
    bias = rest[0] if rest else None
    assert x is not None
    assert weight is not None
    folded = _rows(_matrix(x, x.ndim == 1, False), _matrix(out, x.ndim == 1, False))
    if folded is None:
        return None
    turned = Layout(weight.dtype, weight.shape[::-1], weight.strides[::-1])
    return _product(programs, Loop((), ((), (), ())), *folded, turned, bias)


def _matrix(x: Layout, row: bool, column: bool) -> Layout:
    """Return a layout with an axis of size 1 for the rows or columns that it lacks."""
    shape, strides = x.shape, x.strides
    if column:
        shape, strides = (*shape, 1), (*strides, 1)
    if row:
        at = len(shape) - 1
        shape, strides = (*shape[:at], 1, *shape[at:]), (*strides[:at], 1, *strides[at:])
    return Layout(x.dtype, shape, strides)


def _rows(left: Layout, result: Layout) -> tuple[Layout, Layout] | None:
    """Return both as one matrix whose rows are those of all, where memory allows."""
    loop = collapse(left.shape[:-1], [left.strides[:-1], result.strides[:-1]])
    if len(loop.sizes) > 1:
        return None
    loop = loop.padded(1)
    made = [
        Layout(x.dtype, (loop.count, x.shape[-1]), (s[0], x.strides[-1]))
        for x, s in zip((left, result), loop.strides, strict=True)
    ]
    return made[0], made[1]


def _product(
    programs: Programs, batch: Loop, left: Layout, out: Layout, right: Layout, bias: Layout | None
) -> Launch:
    (m, k), n = left.shape[-2:], right.shape[-1]
    rank = len(batch.sizes)
    batch = batch.padded(0 if rank == 0 else 1 << (rank - 1).bit_length())
    layouts = [out, left, right, *([] if bias is None else [bias])]
    index, scalar = index_type(m, n, k, *[bound for x in layouts for bound in extent(x)])
    fixed = [[*x.strides[-2:], *s] for x, s in zip((out, left, right), batch.strides, strict=True)]
    fixed += [] if bias is None else [[bias.strides[0]]]
    source = _source(CTYPES[out.dtype], len(batch.sizes), bias is not None, index)
    kinds: list[Any] = [scalar] * (3 + len(batch.sizes))
    for numbers in fixed:
        kinds += [BUFFER, np.int64, *[scalar] * len(numbers)]
    function = programs.function(source, kinds)
    head = [m, n, k, *batch.sizes]
    across, down = (-(-size // (side * _SIDE)) for size, side in ((n, _WIDTH), (m, _ROWS)))
    grid = (across * _SIDE, down * _SIDE, batch.count)

    def launch(queue: Queue, target: Array, sources: Sequence[Array]) -> None:
        arguments: list[Any] = list(head)
        given = (target, *[s for s in sources if s is not None])
        for array, numbers in zip(given, fixed, strict=True):
            arguments += (array.handle, array.offset, *numbers)
        function(queue, grid, (_SIDE, _SIDE, 1), arguments)

    return launch if out.size else nothing


def _source(ctype: CType, rank: int, bias: bool, index: str) -> str:
    operands = []
    for name, axes in (("x", "ij"), ("a", "id"), ("b", "dj")):
        const = "" if name == "x" else "const "
        operands.append(f"__global {const}{ctype.memory}* p{name}, const long {name}_start")
        operands += [f"const Index {name}_{axis}" for axis in axes]
        operands += [f"const Index at_{name}_n{axis}" for axis in range(rank)]
    if bias:
        operands += [
            f"__global const {ctype.memory}* pc, const long c_start", "const Index c_j",
        ]  # fmt: skip
    names = ["x", "a", "b"]
    starts = [f"p{n} += {n}_start; Index at_{n} = 0;" for n in names]
    shift = f" + (A){ctype.read('pc', 'c_start + j * c_j')}" if bias else ""
    return _TEMPLATE.format(
        index=index,
        value=ctype.modular,
        rows=_ROWS,
        width=_WIDTH,
        side=_SIDE,
        depth=_DEPTH,
        sizes="".join(f", const Index n{axis}" for axis in range(rank)),
        operands=", ".join(operands),
        starts="\n    ".join(starts),
        batch=position("z", "n", rank, [f"at_{n}" for n in names]) if rank else "",
        load_a=ctype.read("pa", "at_a + i * a_i + d * a_d"),
        load_b=ctype.read("pb", "at_b + d * b_d + j * b_j"),
        store=ctype.write("px", "at_x + i * x_i + j * x_j", f"({ctype.value})(values[c]{shift})"),
    )


MAKERS = {"matmul": _matmul, "linear": _linear}
