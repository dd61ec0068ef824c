"""Chains of elementwise operators as one loop: each value is read once and written once.

Every step rounds to its own dtype, so that a chain gives what its operators give one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hal.dtypes import DType
from hal.ops import operators
from hal.plugin import Kernel, Layout, Signature
from hal_cuda.kernels.elementwise import evaluated, loop
from hal_cuda.kernels.expressions import expression
from hal_cuda.types import ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["chain", "fused"]


def fused(driver: Driver, signature: Signature) -> Kernel | None:
    """Return a kernel for a chain, or None when one of its steps has no expression."""
    inputs = [x for x in signature.inputs if x is not None]
    statements = chain(inputs, signature)
    if statements is None:
        return None
    launch = loop(driver, statements, inputs, signature.outputs)

    def into(stream: Any, outputs: Sequence[Any], arrays: Sequence[Any]) -> None:
        launch(stream, *[x.pointer for x in outputs], *[x.pointer for x in arrays])

    return Kernel(into)


def chain(inputs: Sequence[Layout], signature: Signature) -> str | None:
    """Return the statements of a chain of stored values ``v0``, ..., or None."""
    values: list[tuple[str, DType]] = [(f"v{i}", x.dtype) for i, x in enumerate(inputs)]
    lines = []
    for name, operands, options in signature.attributes["steps"]:
        op = operators[name]
        attributes = dict(options)
        present = [None if n is None else values[n] for n in operands]
        layouts = [None if x is None else Layout(x[1], ()) for x in present]
        inference = op.infer(layouts, attributes)
        found = expression(op, tuple(x is not None for x in present), inference.attributes)
        if found is None or op.name == "prelu":
            return None
        given = [x for x in present if x is not None]
        out = inference.outputs[0][0]
        value = evaluated(found, [x[0] for x in given], [x[1] for x in given], out, literals=True)
        values.append((f"s{len(values)}", out))
        lines.append(f"const {ctype(out)} {values[-1][0]} = {value};")
    lines += [f"r{i} = {values[n][0]};" for i, n in enumerate(signature.attributes["results"])]
    return " ".join(lines)
