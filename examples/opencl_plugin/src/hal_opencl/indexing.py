"""Kernels that follow indices: reading and writing elements along an axis of packed tensors."""

from __future__ import annotations

from math import prod
from typing import Any

from hal.plugin import Layout, Signature
from hal_opencl.elementwise import copy
from hal_opencl.expressions import expression
from hal_opencl.launches import Launch, packed_launch
from hal_opencl.programs import Programs
from hal_opencl.types import CTYPES, moved

__all__ = ["MAKERS"]

# hal promises memory safety for an index outside the axis, not a value.
_INSIDE = """
inline long inside(long index, long size) {{
    return clamp(index < 0 ? index + size : index, 0L, size - 1);
}}
"""

_TAKE = f"""{_INSIDE}KERNEL
    const long i = get_global_id(0);
    if (i >= count) return;
    const long within = i % inner, which = i / inner % taken, outer = i / inner / taken;
    x[i] = a[(outer * size + inside(b[{{which}}], size)) * inner + within];
"""


def _take(programs: Programs, name: str, signature: Signature) -> Launch | None:
    """Take along an axis: the same positions of every line, or positions of each line's own."""
    swapped = name == "embedding"
    indices, x = signature.inputs[:2] if swapped else signature.inputs[1::-1]
    (out,) = signature.outputs
    assert x is not None
    assert indices is not None
    if not _packed(x, indices, out):
        return None
    own = name == "take_along_axis"
    axis = signature.attributes.get("axis", 0)
    kind = moved(x.dtype).memory
    return packed_launch(
        programs,
        _TAKE,
        kind,
        {"a": (int(swapped), kind), "b": (int(not swapped), CTYPES[indices.dtype].memory)},
        {
            "count": out.size,
            "size": x.shape[axis],
            "taken": indices.shape[axis] if own else indices.size,
            "inner": prod(x.shape[axis + 1 :]),
        },
        out.size,
        which="i" if own else "which",
    )


# A line's updates are written one after another: where indices repeat, the last one stays.
_PUT = f"""{_INSIDE}{{helpers}}KERNEL
    const long line = get_global_id(0);
    if (line >= lines) return;
    const long within = line % inner, outer = line / inner;
    for (long j = 0; j < taken; j++) {{{{
        const long i = (outer * taken + j) * inner + within;
        const long at = (outer * size + inside(n[{{which}}], size)) * inner + within;
        const {{value}} b = {{update}};
        {{read}}
        {{store}}
    }}}}
"""
_JOINS = ("add", "multiply", "maximum", "minimum")


def _put(programs: Programs, name: str, signature: Signature) -> Launch | None:
    """Copy the tensor, then write each line's updates into the copy in their order."""
    x, indices, updates = signature.inputs
    (out,) = signature.outputs
    assert x is not None
    assert indices is not None
    assert updates is not None
    axis, reduce = signature.attributes["axis"], signature.attributes["reduce"]
    own = name == "put_along_axis"
    lines = prod(x.shape[:axis]), prod(x.shape[axis + 1 :])
    fits = lines == (prod(updates.shape[:axis]), prod(updates.shape[axis + 1 :]))
    joined = expression(reduce, x.dtype) if reduce in _JOINS else ("b", "")
    if not _packed(x, indices, updates, out) or joined is None or not (fits or not own):
        return None
    ctype = CTYPES[x.dtype] if reduce in _JOINS else moved(x.dtype)
    text, helpers = joined
    fill = copy(programs, out, x)
    write = packed_launch(
        programs,
        _PUT,
        ctype.memory,
        {"n": (1, CTYPES[indices.dtype].memory), "u": (2, ctype.memory)},
        {
            "lines": prod(lines),
            "inner": lines[1],
            "size": x.shape[axis],
            "taken": indices.shape[axis] if own else indices.size,
        },
        prod(lines),
        helpers=helpers,
        which="i" if own else "j",
        value=ctype.value,
        update=ctype.read("u", "i"),
        read=f"const {ctype.value} a = {ctype.read('x', 'at')};" if reduce in _JOINS else "",
        store=ctype.write("x", "at", text),
    )

    def launch(queue: Any, target: Any, sources: Any) -> None:
        fill(queue, target, sources[:1])
        write(queue, target, sources)

    return launch


def _packed(*layouts: Layout) -> bool:
    return all(x.contiguous for x in layouts) and layouts[0].size > 0


MAKERS = {
    "take": _take,
    "take_along_axis": _take,
    "embedding": _take,
    "put": _put,
    "put_along_axis": _put,
}
