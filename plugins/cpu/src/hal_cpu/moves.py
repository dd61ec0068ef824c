"""Copies and concatenations, compiled once it is known where their arrays lie for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hal import dtypes
from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature
from hal_cpu.jit import NotVectorised, concat_code, loop_kernel

__all__ = ["find_move"]

_BITS = {8: dtypes.uint8, 16: dtypes.uint16, 32: dtypes.uint32, 64: dtypes.uint64}
_WORTH_CODE = 1 << 10
_WORTH_SHARING = 1 << 15


def find_move(op: Operator, signature: Signature, otherwise: Kernel) -> Kernel:
    """Return a kernel for ``copy`` or ``concat``, and for others the one that there is.

    A program runs it on the same arrays again and again, which pays for the compiler. Eager calls
    may bring new shapes each time, and are left to the other kernel.
    """
    out = signature.outputs[0]
    given = [x for x in signature.inputs if x is not None]
    if op.name not in ("copy", "concat") or out.size < _WORTH_CODE:
        return otherwise
    if out.dtype.bits not in _BITS or any(x.dtype is not out.dtype for x in given):
        return otherwise

    def place(outs: Sequence[Any], ins: Sequence[Any]) -> Callable[..., None] | None:
        axis = signature.attributes.get("axis", 0)
        moved = Signature(tuple(map(_bits, given)), (_bits(out),), {"axis": axis})
        try:
            code, extent = concat_code(moved)
        except NotVectorised:
            return None
        made = loop_kernel(code, 1 + len(given), extent, 0, out.size >= _WORTH_SHARING)
        return None if made.place is None else made.place(outs, ins)

    return Kernel(otherwise.into, otherwise.bind, place=place)


def _bits(layout: Layout) -> Layout:
    """Return the layout of an array's bits: what is only moved may mean anything."""
    return Layout(_BITS[layout.dtype.bits], layout.shape, layout.strides)
