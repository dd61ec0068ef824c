"""Kernels that make tensors from numbers: ranges and the ones on a diagonal."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from hal.plugin import Signature
from hal_opencl.launches import Launch, packed_launch
from hal_opencl.programs import Programs
from hal_opencl.types import CTYPES

__all__ = ["MAKERS"]

_EACH = """KERNEL
    const long i = get_global_id(0);
    if (i >= count) return;
    {store}
"""


def _each(
    programs: Programs,
    signature: Signature,
    text: str,
    integers: Mapping[str, int],
    numbers: Mapping[str, float],
) -> Launch | None:
    """Return a launch that gives each element an expression of its number ``i``."""
    (out,) = signature.outputs
    if not out.contiguous or (numbers and not programs.has_double):
        return None
    ctype = CTYPES[out.dtype]
    # vstore_half takes a double as it is, so that it is rounded once.
    value = text if numbers and ctype.memory == "half" else f"({ctype.value})({text})"
    wrapped = {k: (v + 2**63) % 2**64 - 2**63 for k, v in integers.items()}
    return packed_launch(
        programs,
        _EACH,
        ctype.memory,
        {},
        {"count": out.size, **wrapped},
        out.size,
        {k: ("double", v) for k, v in numbers.items()},
        store=ctype.write("x", "i", value),
    )


def _arange(programs: Programs, name: str, signature: Signature) -> Launch | None:
    start, step = signature.attributes["start"], signature.attributes["step"]
    kind = signature.outputs[0].dtype.kind
    if isinstance(start, int) and isinstance(step, int) and kind in ("int", "uint"):
        # Unsigned, since it may overflow as the dtype does.
        text = "(ulong)i * (ulong)step + (ulong)start"
        return _each(programs, signature, text, {"start": start, "step": step}, {})
    ends = {"start": float(start), "step": float(step)}
    return _each(programs, signature, "start + step * (double)i", {}, ends)


def _linspace(programs: Programs, name: str, signature: Signature) -> Launch | None:
    start, stop = signature.attributes["start"], signature.attributes["stop"]
    num, endpoint = signature.attributes["num"], signature.attributes["endpoint"]
    gaps = num - 1 if endpoint else num
    step = (stop - start) / gaps if gaps > 0 else 0.0
    if gaps > 0 and not (step and isfinite(step)):
        return None  # NumPy has rules of its own for a step that vanishes or overflows.
    text = "i * step + start"
    if endpoint and num > 1:
        text = f"i == count - 1 ? stop : {text}"
    if signature.outputs[0].dtype.kind in ("int", "uint"):
        text = f"floor({text})"
    ends = {"start": float(start), "stop": float(stop), "step": float(step)}
    return _each(programs, signature, text, {}, ends)


def _eye(programs: Programs, name: str, signature: Signature) -> Launch | None:
    columns, k = signature.attributes["columns"], signature.attributes["k"]
    text = "i % columns == i / columns + k"
    return _each(programs, signature, text, {"columns": max(columns, 1), "k": k}, {})


MAKERS = {"arange": _arange, "linspace": _linspace, "eye": _eye}
