"""Makes a kernel of compiled code: which operators have one, and how its work is shared out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from hal.ops import Operator
from hal.ops.fused import fits
from hal.plugin import Kernel, Layout, Signature
from hal_cpu.jit.chains import chain_module
from hal_cpu.jit.engine import Loop, compile_loop
from hal_cpu.jit.rows import ROWS, find_rows
from hal_cpu.jit.scalar import HALVES, NotVectorised
from hal_cpu.team import symbols

__all__ = ["WORTH_A_TEAM", "address", "find_loop", "loop_kernel"]

_ALONE = {
    "gelu", "silu", "sigmoid", "mish", "softplus", "hard_swish", "erf", "relu", "leaky_relu",
}  # fmt: skip
_LARGE = {"where"}  # NumPy's way is as good until the compiler's time is made up for.
_WORTH_SHARING = 1 << 18
_HALF = 1 << 12
"""Elements of half precision from which NumPy, which converts one by one, is left behind."""
WORTH_A_TEAM = 1 << 14


def find_loop(op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel of compiled code, or None where there is none for the operator."""
    size = 0
    try:
        if op.name == "fused":
            module, extent = chain_module(signature)
            code = str(module)
        elif op.name in ROWS:
            code, extent, size = find_rows(op.name, signature)
        elif (op.name in _ALONE | _LARGE or _is_half(op, signature)) and _flat(signature):
            extent = signature.outputs[0].size
            if op.name not in _ALONE and extent < (_WORTH_SHARING if op.name in _LARGE else _HALF):
                return None
            dtypes = tuple([x.dtype for x in (*signature.outputs, *signature.inputs) if x])
            code = _alone(op.name, dtypes, tuple(signature.attributes.items()))
        else:
            return None
    except NotVectorised:
        return None
    if not extent:
        return None
    arrays = len(signature.outputs) + sum(x is not None for x in signature.inputs)
    # A team that is there already is called up sooner than threads are woken.
    large = signature.outputs[0].size >= (_WORTH_SHARING if symbols() is None else WORTH_A_TEAM)
    return loop_kernel(code, arrays, extent, size, large)


def _is_half(op: Operator, signature: Signature) -> bool:
    """Return whether an elementwise operator reads or writes half precision."""
    layouts = (*signature.inputs, *signature.outputs)
    return fits(op, signature.inputs) and any(x and x.dtype in HALVES for x in layouts)


def _flat(signature: Signature) -> bool:
    """Return whether all arrays are of one shape and packed, so that they are one walk."""
    shape = signature.outputs[0].shape
    layouts = (*signature.inputs, *signature.outputs)
    return all(x is not None and x.contiguous and x.shape == shape for x in layouts)


@cache
def _alone(name: str, dtypes: tuple[Any, ...], attributes: tuple[tuple[str, Any], ...]) -> str:
    """Return the code of one elementwise operator on packed memory, of whatever length.

    The dtypes are those of the result and of the inputs.
    """
    count = len(dtypes) - 1
    steps = ((name, tuple(range(count)), attributes),)
    result, *given = [Layout(dtype, (2,)) for dtype in dtypes]
    signature = Signature(tuple(given), (result,), {"steps": steps, "results": (count,)})
    return str(chain_module(signature)[0])


def address(array: Any) -> int:
    """Return where a NumPy array's memory starts."""
    found: int = array.__array_interface__["data"][0]
    return found


def loop_kernel(text: str, arrays: int, extent: int, size: int, large: bool) -> Kernel:
    """Return a kernel that runs compiled code over ``extent`` turns, shared out if large."""
    compiled: list[Loop] = []

    def found() -> Loop:
        # Compiled when first used: many kernels are asked for and never run.
        if not compiled:
            compiled.append(compile_loop(text, arrays))
        return compiled[0]

    def into(stream: Any, outs: Sequence[Any], ins: Sequence[Any]) -> None:
        pointers = [address(x) for x in (*outs, *ins) if x is not None]
        found().on(extent, size, pointers, large)()

    def place(outs: Sequence[Any], ins: Sequence[Any]) -> Callable[..., None]:
        pointers = [address(x) for x in (*outs, *ins) if x is not None]
        return found().placed(extent, size, pointers, large)

    return Kernel(into, place=place)
