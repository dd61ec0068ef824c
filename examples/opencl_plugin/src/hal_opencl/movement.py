"""Kernels that move elements: copies, conversion, selection, joining."""

from __future__ import annotations

from collections.abc import Sequence

from hal import dtypes
from hal.plugin import Layout, Signature
from hal_opencl.elementwise import copy, element_map
from hal_opencl.launches import Launch
from hal_opencl.programs import Array, Programs
from hal_opencl.queue import Queue
from hal_opencl.types import CTYPES, moved

__all__ = ["MAKERS"]


def _copy(programs: Programs, name: str, signature: Signature) -> Launch:
    """Copy or fill: the same thing, since a fill value broadcasts."""
    (x,), (out,) = signature.inputs, signature.outputs
    assert x is not None
    return copy(programs, out, x)


def _cast(programs: Programs, name: str, signature: Signature) -> Launch:
    (x,), (out,) = signature.inputs, signature.outputs
    assert x is not None
    text = "a != 0" if out.dtype is dtypes.bool else f"({CTYPES[out.dtype].value})a"
    if x.dtype is dtypes.float64 and out.dtype is dtypes.float16:
        text = "a"  # Rounded once: vstore_half takes a double as it is.
    return element_map(programs, (CTYPES[out.dtype], out), [(CTYPES[x.dtype], x)], text)


def _where(programs: Programs, name: str, signature: Signature) -> Launch:
    condition, x, y = signature.inputs
    assert condition is not None
    assert x is not None
    assert y is not None
    bits = moved(x.dtype)
    inputs = [(CTYPES[condition.dtype], condition), (bits, x), (bits, y)]
    return element_map(programs, (bits, signature.outputs[0]), inputs, "a ? b : c")


def _concat(programs: Programs, name: str, signature: Signature) -> Launch | None:
    (out,) = signature.outputs
    axis = signature.attributes["axis"]
    parts: list[tuple[int, Launch]] = []
    start = 0
    for x in signature.inputs:
        assert x is not None
        place = Layout(out.dtype, x.shape, out.strides)
        parts.append((start * out.strides[axis], copy(programs, place, x)))
        start += x.shape[axis]

    def launch(queue: Queue, target: Array, sources: Sequence[Array]) -> None:
        for (offset, part), source in zip(parts, sources, strict=True):
            part(queue, target._replace(offset=target.offset + offset), [source])

    return launch


MAKERS = {
    "copy": _copy,
    "full": _copy,
    "cast": _cast,
    "where": _where,
    "concat": _concat,
}
