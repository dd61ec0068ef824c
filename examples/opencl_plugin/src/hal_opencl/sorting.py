"""Kernels that go along lines: the extreme's position, the order, running sums and products."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from hal import dtypes
from hal.plugin import Signature
from hal_opencl.launches import GROUP, Launch, nothing, packed_launch
from hal_opencl.programs import Array, Programs
from hal_opencl.queue import Queue
from hal_opencl.types import CTYPES

__all__ = ["MAKERS"]

# NaN is more extreme than any number for argmax and argmin, and sorts behind every number.
_LESS = """
inline int less({value} l, {value} r) {{ return l < r || (l == l && r != r); }}
"""

_EXTREME = """
inline int better({value} l, {value} r) {{ return {better} || (l != l && r == r); }}
KERNEL
    __local {value} values[{group}];
    __local long places[{group}];
    const int lane = get_local_id(0);
    a += get_group_id(0) / inner * n * inner + get_group_id(0) % inner;
    {value} best = {first};
    long place = 0;
    for (long j = lane; j < n; j += {group}) {{
        const {value} v = {load};
        if (better(v, best)) {{ best = v; place = j; }}
    }}
    values[lane] = best;
    places[lane] = place;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = {group} / 2; half_way > 0; half_way /= 2) {{
        if (lane < half_way) {{
            const int other = lane + half_way;
            const int ahead = better(values[other], values[lane]);
            const int behind = better(values[lane], values[other]);
            if (ahead || (!behind && places[other] < places[lane])) {{
                values[lane] = values[other];
                places[lane] = places[other];
            }}
        }}
        barrier(CLK_LOCAL_MEM_FENCE);
    }}
    if (lane == 0) x[get_group_id(0)] = places[0];
"""


def _extreme(programs: Programs, name: str, signature: Signature) -> Launch | None:
    (x,), (out,) = signature.inputs, signature.outputs
    assert x is not None
    axes = signature.attributes["axis"]
    whole = len(axes) == x.ndim
    if not (x.contiguous and out.contiguous) or not (whole or len(axes) == 1):
        return None
    n = prod(x.shape[a] for a in axes)
    ctype = CTYPES[x.dtype]
    return packed_launch(
        programs,
        _EXTREME,
        "long",
        {"a": (0, ctype.memory)},
        {"n": n, "inner": 1 if whole else prod(x.shape[axes[0] + 1 :])},
        out.size * GROUP,
        value=ctype.value,
        better="l > r" if name == "argmax" else "l < r",
        first=ctype.read("a", "0"),
        load=ctype.read("a", "j * inner"),
    )


# A running total is a chain, so that each line has one work-item.
_SCAN = """KERNEL
    const long line = get_global_id(0);
    if (line >= lines) return;
    const long start = line / inner * n * inner + line % inner;
    {total} total = {identity};
    for (long j = 0; j < n; j++) {{
        total = total {sign} ({total}){load};
        {store}
    }}
"""


def _scan(programs: Programs, name: str, signature: Signature) -> Launch | None:
    (x,), (out,) = signature.inputs, signature.outputs
    assert x is not None
    if not (x.contiguous and out.contiguous):
        return None
    axis = signature.attributes["axis"]
    n, inner = x.shape[axis], prod(x.shape[axis + 1 :])
    ctype = CTYPES[x.dtype]
    lines = x.size // max(n, 1)
    return packed_launch(
        programs,
        _SCAN,
        ctype.memory,
        {"a": (0, ctype.memory)},
        {"lines": lines, "n": n, "inner": inner},
        lines,
        total=ctype.modular,
        identity=0 if name == "cumulative_sum" else 1,
        sign="+" if name == "cumulative_sum" else "*",
        load=ctype.read("a", "start + j * inner"),
        store=ctype.write("x", "start + j * inner", f"({ctype.value})total"),
    )


# One pass of a merge sort of positions. Each element counts how many of the neighbouring run go
# before it; an element of the first run goes before its equals in the second, so order is kept.
_MERGE = (
    _LESS
    + """KERNEL
    const long i = get_global_id(0);
    if (i >= count) return;
    const long place = i / inner % n, line = i / inner / n * n * inner + i % inner;
    const long run = place / width, mine = b[i];
    const {value} v = {mine};
    long low = min((run ^ 1) * width, n), high = min(low + width, n);
    const long start = low;
    while (low < high) {{
        const long middle = (low + high) / 2;
        const long other = b[line + middle * inner];
        const {value} w = {other};
        const int before = run % 2 ? !less({second}) : less({first});
        if (before) low = middle + 1; else high = middle;
    }}
    x[line + ((run & ~1L) * width + place % width + low - start) * inner] = mine;
"""
)


def _argsort(programs: Programs, name: str, signature: Signature) -> Launch | None:
    """Sort runs of 1, 2, 4 and so on elements into each other, between two buffers of positions."""
    (x,), (out,) = signature.inputs, signature.outputs
    assert x is not None
    if not (x.contiguous and out.contiguous):
        return None
    axis = signature.attributes["axis"]
    n, inner = x.shape[axis], prod(x.shape[axis + 1 :])
    ctype = CTYPES[x.dtype]
    down = signature.attributes["descending"]
    begin = packed_launch(
        programs,
        "KERNEL const long i = get_global_id(0); if (i < count) x[i] = i / inner % n;",
        "long",
        {},
        {"count": x.size, "n": n, "inner": inner},
        x.size,
    )
    passes = [
        packed_launch(
            programs,
            _MERGE,
            "long",
            {"a": (0, ctype.memory), "b": (1, "long")},
            {"count": x.size, "n": n, "inner": inner, "width": 1 << level},
            x.size,
            value=ctype.value,
            mine=ctype.read("a", "line + mine * inner"),
            other=ctype.read("a", "line + other * inner"),
            # `before` asks of the other element w whether it goes before v.
            first="v, w" if down else "w, v",
            second="w, v" if down else "v, w",
        )
        for level in range((n - 1).bit_length())
    ]
    itemsize = dtypes.int64.itemsize

    def launch(queue: Queue, target: Array, sources: Sequence[Any]) -> None:
        scratch = programs.pool.allocate(out.size * itemsize, queue)
        # The last pass writes the result.
        pair = [target, Array(scratch.handle, 0, itemsize)]
        if len(passes) % 2:
            pair.reverse()
        begin(queue, pair[0], [])
        for merge in passes:
            merge(queue, pair[1], [sources[0], pair[0]])
            pair.reverse()
        programs.pool.free(scratch, queue)

    return launch if x.size else nothing


MAKERS = {
    "argmax": _extreme,
    "argmin": _extreme,
    "cumulative_sum": _scan,
    "cumulative_prod": _scan,
    "argsort": _argsort,
}
