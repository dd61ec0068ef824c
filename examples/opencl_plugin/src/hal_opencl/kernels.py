"""Which kernel runs an operator: one lookup by name, or None for hal to find another way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hal.ops import Operator
from hal.plugin import Kernel, Signature
from hal_opencl import creation, indexing, movement, product, reduction, rows, sorting
from hal_opencl.elementwise import element_map
from hal_opencl.expressions import expression
from hal_opencl.launches import Launch
from hal_opencl.programs import Programs
from hal_opencl.types import CTYPES

__all__ = ["find_kernel"]

Maker = Callable[[Programs, str, Signature], Launch | None]

_MAKERS: dict[str, Maker] = {
    **movement.MAKERS,
    **creation.MAKERS,
    **reduction.MAKERS,
    **rows.MAKERS,
    **indexing.MAKERS,
    **sorting.MAKERS,
    **product.MAKERS,
}


def find_kernel(programs: Programs, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for the operator and signature, or None."""
    layouts = [x for x in (*signature.inputs, *signature.outputs) if x is not None]
    if any(x.dtype not in CTYPES for x in layouts):
        return None
    launch = _MAKERS.get(op.name, _elementwise)(programs, op.name, signature)
    if launch is None:
        return None

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        launch(stream, outputs[0], inputs)

    return Kernel(into)


def _elementwise(programs: Programs, name: str, signature: Signature) -> Launch | None:
    layouts = [x for x in signature.inputs if x is not None]
    found = expression(name, layouts[0].dtype) if 1 <= len(layouts) <= 2 else None
    if found is None:
        return None
    out = signature.outputs[0]
    text, helpers = found
    inputs = [(CTYPES[x.dtype], x) for x in layouts]
    return element_map(programs, (CTYPES[out.dtype], out), inputs, text, helpers)
