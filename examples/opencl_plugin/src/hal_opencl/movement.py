"""Kernels that move and make elements: copy, conversion, selection, joining, and ranges."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np

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


def _arange(programs: Programs, name: str, signature: Signature) -> Launch | None:
    (out,) = signature.outputs
    start, step = signature.attributes["start"], signature.attributes["step"]
    exact = isinstance(start, int) and isinstance(step, int) and out.dtype.kind in ("int", "uint")
    if not exact and not programs.has_double:
        return None
    ctype = CTYPES[out.dtype]
    if exact:
        low, by = (np.uint64(v % 2**64) for v in (start, step))
        text = f"({ctype.value})((ulong)i * {by}UL + {low}UL)"
    else:
        text = f"{_literal(start)} + {_literal(step)} * (double)i"
        text = text if ctype.memory == "half" else f"({ctype.value})({text})"
    return element_map(programs, (ctype, out), [], text)


def _literal(number: float) -> str:
    """Return a double in OpenCL C: its bits, so that nothing is lost and NaN and infinity pass."""
    return f"as_double({np.float64(number).view(np.uint64)}UL)"


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


def _linspace(programs: Programs, name: str, signature: Signature) -> Launch | None:
    (out,) = signature.outputs
    start, stop = signature.attributes["start"], signature.attributes["stop"]
    endpoint, num = signature.attributes["endpoint"], signature.attributes["num"]
    gaps = num - 1 if endpoint else num
    step = (stop - start) / gaps if gaps > 0 else 0.0
    # A step that is 0 or overflows is NumPy's affair.
    if not programs.has_double or not (gaps <= 0 or (step and isfinite(step))):
        return None
    text = f"({_literal(step)} * (double)i + {_literal(start)})"
    if endpoint and num > 1:
        text = f"i == {num - 1} ? {_literal(stop)} : {text}"
    ctype = CTYPES[out.dtype]
    if out.dtype.kind in ("int", "uint"):
        text = f"floor({text})"
    text = f"({text})" if ctype.memory == "half" else f"({ctype.value})({text})"
    return element_map(programs, (ctype, out), [], text)


def _eye(programs: Programs, name: str, signature: Signature) -> Launch | None:
    (out,) = signature.outputs
    if not out.contiguous:
        return None
    columns, k = signature.attributes["columns"], signature.attributes["k"]
    text = f"(long)(i % {max(columns, 1)}) == (long)(i / {max(columns, 1)}) + {k}L"
    return element_map(programs, (CTYPES[out.dtype], out), [], text)


MAKERS = {
    "copy": _copy,
    "full": _copy,
    "cast": _cast,
    "where": _where,
    "arange": _arange,
    "concat": _concat,
    "linspace": _linspace,
    "eye": _eye,
}
