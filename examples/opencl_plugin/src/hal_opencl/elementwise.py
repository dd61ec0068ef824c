"""Kernels that calculate each element from the elements at the same place of some tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hal.plugin import Layout, broadcast_strides, extent
from hal_opencl.launches import Launch, nothing
from hal_opencl.loops import Loop, collapse, index_type, position
from hal_opencl.programs import BUFFER, Array, Programs
from hal_opencl.queue import Queue
from hal_opencl.types import CType, moved

__all__ = ["copy", "element_map"]

_TEMPLATE = """
typedef {index} Index;
{helpers}
__kernel void run(const Index inner, const Index outer{sizes}, {operands}) {{
    const Index i = get_global_id(0);
    const Index o = get_global_id(1);
    if (i >= inner || o >= outer) return;
    {along_inner}
    {along_outer}
    {values}
    {store}
}}
"""


def element_map(
    programs: Programs,
    out: tuple[CType, Layout],
    inputs: Sequence[tuple[CType, Layout]],
    expression: str,
    helpers: str = "",
) -> Launch:
    """Return a function that enqueues ``out = expression`` over broadcast inputs.

    Parameters
    ----------
    programs : Programs
    out, inputs : (CType, Layout)
        The output decides the shape; layouts may be strided in any way.
    expression : str
        OpenCL C over the inputs' values ``a``, ``b`` and ``c``.
    helpers : str
        Functions and types the expression uses.
    """
    types = [out[0], *[t for t, _ in inputs]]
    layouts = [out[1], *[x for _, x in inputs]]
    shape = out[1].shape
    strides = [broadcast_strides(x.shape, x.strides, shape) for x in layouts]
    loop = collapse(shape, strides)
    loop = loop.padded(max(len(loop.sizes), 1))
    *sizes, inner = loop.sizes
    steps = tuple(s[-1] for s in loop.strides)
    outer = Loop(tuple(sizes), tuple(s[:-1] for s in loop.strides))
    # A step of 0 or 1 along the inner axis is written into the program: it can be vectorised.
    steps = steps if inner > 1 else (1,) * len(steps)
    known = not sizes and all(s in (0, 1) for s in steps)
    # Few ranks, so that few programs are built.
    outer = outer.padded(next(r for r in (0, 3, 7, 15, 31, 63) if r >= len(sizes) + (not known)))
    name, scalar = index_type(out[1].size, *[bound for x in layouts for bound in extent(x)])
    source = _source(types, steps if known else None, len(outer.sizes), name, expression, helpers)
    fixed = [[*([] if known else [s]), *t] for s, t in zip(steps, outer.strides, strict=True)]
    kinds: list[Any] = [scalar] * (2 + len(outer.sizes))
    for numbers in fixed:
        kinds += [BUFFER, np.int64, *[scalar] * len(numbers)]
    function = programs.function(source, kinds)
    group = (64, 1) if inner >= 16 else (8, 8)
    grid = tuple(-(-n // g) * g for n, g in zip((inner, outer.count), group, strict=True))
    head = [inner, outer.count, *outer.sizes]

    def launch(queue: Queue, target: Array, sources: Sequence[Array]) -> None:
        arguments: list[Any] = list(head)
        for array, numbers in zip((target, *sources), fixed, strict=True):
            arguments += (array.handle, array.offset, *numbers)
        function(queue, grid, group, arguments)

    return launch if out[1].size else nothing


def copy(programs: Programs, out: Layout, x: Layout) -> Launch:
    """Return a function that enqueues a copy of elements of equal dtype, broadcast."""
    bits = moved(x.dtype)
    return element_map(programs, (bits, out), [(bits, x)], "a")


def _source(
    types: Sequence[CType],
    steps: Sequence[int] | None,
    rank: int,
    index: str,
    expression: str,
    helpers: str,
) -> str:
    names = ["x", "a", "b", "c"][: len(types)]
    operands = []
    for k, (name, ctype) in enumerate(zip(names, types, strict=True)):
        const = "const " if k else ""
        operands.append(f"__global {const}{ctype.memory}* p{name}, const long {name}_start")
        operands += [] if steps is not None else [f"const Index at_{name}_i"]
        operands += [f"const Index at_{name}_n{axis}" for axis in range(rank)]
    along = [f"i * at_{n}_i" for n in names]
    if steps is not None:
        along = ["i" if s else "0" for s in steps]
    starts = [f"p{n} += {n}_start; Index at_{n} = {s};" for n, s in zip(names, along, strict=True)]
    values = [
        f"const {t.value} {n} = {t.read('p' + n, 'at_' + n)};"
        for n, t in zip(names[1:], types[1:], strict=True)
    ]
    return _TEMPLATE.format(
        index=index,
        helpers=helpers,
        sizes="".join(f", const Index n{axis}" for axis in range(rank)),
        operands=", ".join(operands),
        along_inner="\n    ".join(starts),
        along_outer=position("o", "n", rank, [f"at_{n}" for n in names]) if rank else "",
        values="\n    ".join(values),
        store=types[0].write("px", "at_x", expression),
    )
