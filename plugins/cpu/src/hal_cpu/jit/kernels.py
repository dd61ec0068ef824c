"""Makes a kernel of compiled code: which operators have one, and how its work is shared out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature
from hal_cpu.jit.chains import chain_module
from hal_cpu.jit.engine import compile_loop
from hal_cpu.jit.rows import ROWS, find_rows
from hal_cpu.jit.scalar import NotVectorised
from hal_cpu.threads import share

__all__ = ["address", "find_loop"]

_ALONE = {"gelu", "silu", "sigmoid", "mish", "softplus", "hard_swish", "erf"}
_WORTH_SHARING = 1 << 18


def find_loop(op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel of compiled code, or None where there is none for the operator."""
    size = 0
    try:
        if op.name == "fused":
            module, extent = chain_module(signature)
            code = str(module)
        elif op.name in ROWS:
            code, extent, size = find_rows(op.name, signature)
        elif op.name in _ALONE and all(x is not None and x.contiguous for x in signature.inputs):
            dtypes = tuple([x.dtype for x in signature.inputs if x is not None])
            code = _alone(op.name, dtypes, tuple(signature.attributes.items()))
            extent = signature.outputs[0].size
        else:
            return None
    except NotVectorised:
        return None
    if not extent:
        return None
    arrays = len(signature.outputs) + sum(x is not None for x in signature.inputs)
    large = signature.outputs[0].size >= _WORTH_SHARING
    return Kernel(_caller(code, arrays, extent, size, large))


@cache
def _alone(name: str, dtypes: tuple[Any, ...], attributes: tuple[tuple[str, Any], ...]) -> str:
    """Return the code of one elementwise operator on packed memory, of whatever length."""
    count = len(dtypes)
    steps = ((name, tuple(range(count)), attributes),)
    layouts = tuple([Layout(dtype, (2,)) for dtype in dtypes])
    signature = Signature(layouts, layouts[:1], {"steps": steps, "results": (count,)})
    return str(chain_module(signature)[0])


def address(array: Any) -> int:
    """Return where a NumPy array's memory starts."""
    found: int = array.__array_interface__["data"][0]
    return found


def _caller(code: str, arrays: int, extent: int, size: int, large: bool) -> Callable[..., None]:
    compiled: list[Any] = []

    def into(stream: Any, outs: Sequence[Any], ins: Sequence[Any]) -> None:
        # Compiled at the first run: many kernels are asked for and never run.
        if not compiled:
            compiled.append(compile_loop(code, arrays))
        run = compiled[0]
        pointers = [address(x) for x in outs] + [address(x) for x in ins if x is not None]
        if large:
            share(lambda begin, end: run(begin, end, size, *pointers), extent)
        else:
            run(0, extent, size, *pointers)

    return into
