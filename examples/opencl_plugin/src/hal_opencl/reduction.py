"""Kernels that reduce any axes: a work-item for each result, or a work-group where they are few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hal.dtypes import DType, integer_range
from hal.plugin import Layout, Signature, extent
from hal_opencl.launches import GROUP, Launch, nothing, tree
from hal_opencl.loops import collapse, index_type, position
from hal_opencl.programs import BUFFER, Array, Programs
from hal_opencl.queue import Queue
from hal_opencl.types import CTYPES

__all__ = ["MAKERS"]

_ENOUGH = 1024
_SHORT = 32


@dataclass(frozen=True)
class _Rule:
    """How a reduction starts, what it makes of an element, how it joins two, and how it ends."""

    start: str
    element: str
    join: str
    end: str = "total"


_RULES = {
    "sum": _Rule("0", "(A)v", "l + r"),
    "prod": _Rule("1", "(A)v", "l * r"),
    "mean": _Rule("0", "(A)v", "l + r", "total / (A)count"),
    "max": _Rule("LOWEST", "v", "EXTREME(l, r, >)"),
    "min": _Rule("HIGHEST", "v", "EXTREME(l, r, <)"),
    "any": _Rule("0", "v != 0", "l | r"),
    "all": _Rule("1", "v != 0", "l & r"),
}

# Each lane adds up short stretches before it adds them to its total: the rounding error of a long
# sum then grows with the number of stretches, not of elements.
_TEMPLATE = """
typedef {index} Index;
typedef {accumulator} A;
#define LOWEST {lowest}
#define HIGHEST {highest}
#define EXTREME(l, r, than) ({extreme} ? l : r)
inline A join(A l, A r) {{ return {join}; }}
__kernel void run(const Index results, const Index count{sizes},
                  __global {out}* px, const long x_start{x_strides},
                  __global const {memory}* pa, const long a_start{a_strides}) {{
    const Index which = get_global_id(0) / {lanes};
    const Index lane = get_global_id(0) % {lanes};
    {guard}
    px += x_start;
    pa += a_start;
    Index at_x = 0, at_a = 0;
    {kept}
    A total = {start};
    for (Index from = lane; from < count; from += {lanes} * 64) {{
        A part = {start};
        const Index to = min((Index)(from + {lanes} * 64), count);
        for (Index j = from; j < to; j += {lanes}) {{
            Index at_v = at_a;
            {reduced}
            const {value} v = {load};
            part = join(part, {element});
        }}
        total = join(total, part);
    }}
    {together}
    {store}
}}
"""


def _bounds(dtype: DType) -> tuple[str, str]:
    """Return the values no other is below or above."""
    if dtype.kind == "float":
        return "-INFINITY", "INFINITY"
    low, high = (0, 1) if dtype.kind == "bool" else integer_range(dtype)
    value = CTYPES[dtype].value
    return f"({value}){low % 2**64}UL", f"({value}){high}UL"


def _accumulator(name: str, x: Layout, out: Layout) -> str:
    if name in ("any", "all"):
        return "int"
    return CTYPES[x.dtype].value if name in ("max", "min") else CTYPES[out.dtype].modular


def _reduce(programs: Programs, name: str, signature: Signature) -> Launch | None:
    (x,), (out,) = signature.inputs, signature.outputs
    assert x is not None
    axes = signature.attributes["axis"]
    others = [a for a in range(x.ndim) if a not in axes]
    places = others if signature.attributes["keepdims"] else range(len(others))
    kept = collapse(
        tuple(x.shape[a] for a in others),
        [tuple(out.strides[a] for a in places), tuple(x.strides[a] for a in others)],
    )
    gone = collapse(tuple(x.shape[a] for a in axes), [tuple(x.strides[a] for a in axes)])
    alone = kept.count >= _ENOUGH or gone.count <= _SHORT
    lanes = 1 if alone else GROUP
    index, scalar = index_type(lanes * kept.count, gone.count, *extent(x), *extent(out))
    kept, gone = (loop.padded(_rank(len(loop.sizes))) for loop in (kept, gone))
    source = _source(name, x, out, (len(kept.sizes), len(gone.sizes)), lanes, index)
    kinds: list[Any] = [scalar] * (2 + len(kept.sizes) + len(gone.sizes))
    fixed = [kept.strides[0], kept.strides[1] + gone.strides[0]]
    for numbers in fixed:
        kinds += [BUFFER, np.int64, *[scalar] * len(numbers)]
    function = programs.function(source, kinds)
    head = [kept.count, gone.count, *kept.sizes, *gone.sizes]
    grid = (-(-kept.count // GROUP) * GROUP if alone else kept.count * GROUP,)

    def launch(queue: Queue, target: Array, sources: Sequence[Array]) -> None:
        arguments: list[Any] = list(head)
        for array, numbers in zip((target, sources[0]), fixed, strict=True):
            arguments += (array.handle, array.offset, *numbers)
        function(queue, grid, (GROUP,), arguments)

    return launch if out.size else nothing


def _rank(rank: int) -> int:
    """Return the rank a loop is padded to: few of them, so that few programs are built."""
    return max(1, 1 << (rank - 1).bit_length()) if rank else 1


def _source(
    name: str, x: Layout, out: Layout, ranks: tuple[int, int], lanes: int, index: str
) -> str:
    rule = _RULES[name]
    ctype, result = CTYPES[x.dtype], CTYPES[out.dtype]
    accumulator = _accumulator(name, x, out)
    lowest, highest = _bounds(x.dtype)
    sizes = [f"k{a}" for a in range(ranks[0])] + [f"r{a}" for a in range(ranks[1])]
    along_a = [f"at_a_k{a}" for a in range(ranks[0])] + [f"at_v_r{a}" for a in range(ranks[1])]
    group = lanes > 1
    return _TEMPLATE.format(
        index=index,
        accumulator=accumulator,
        lowest=lowest,
        highest=highest,
        extreme="l than r || isnan(l)" if x.dtype.kind == "float" else "l than r",
        join=rule.join,
        sizes="".join(f", const Index {n}" for n in sizes),
        out=result.memory,
        memory=ctype.memory,
        value=ctype.value,
        x_strides="".join(f", const Index at_x_k{a}" for a in range(ranks[0])),
        a_strides="".join(f", const Index {n}" for n in along_a),
        lanes=lanes,
        guard=f"__local A shared[{GROUP}];" if group else "if (which >= results) return;",
        kept=position("which", "k", ranks[0], ["at_x", "at_a"]),
        start=rule.start,
        reduced=position("j", "r", ranks[1], ["at_v"]),
        load=ctype.read("pa", "at_v"),
        element=rule.element,
        together=tree("A", "total", "join(l, r)") if group else "",
        store=("if (lane == 0) " if group else "")
        + result.write("px", "at_x", f"({result.value})({rule.end})"),
    )


MAKERS = dict.fromkeys(_RULES, _reduce)
