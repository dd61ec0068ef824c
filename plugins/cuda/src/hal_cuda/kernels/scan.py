"""Running sums and products, and the positions of nonzero elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hal.ops import Operator
from hal.plugin import Kernel, Signature
from hal_cuda.geometry import collapse, join_axes, needs_wide_index
from hal_cuda.launch import Launch, axes_words
from hal_cuda.source import Source
from hal_cuda.types import ctype, wide_ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["nonzero", "nonzero_source", "scan", "scan_source"]

_CLASSES = {"cumulative_sum": "Sum", "cumulative_prod": "Product"}
_MOST_AXES = 8


def scan(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for a running sum or product, else None."""
    if op.name not in _CLASSES:
        return None
    x, out = signature.inputs[0], signature.outputs[0]
    assert x is not None
    axis = signature.attributes["axis"]
    both = list(zip(x.strides, out.strides, strict=True))
    axes = join_axes([(n, both[a]) for a, n in enumerate(x.shape) if a != axis])
    kind = f"{_CLASSES[op.name]}<{wide_ctype(out.dtype)}>"
    source = scan_source(kind, ctype(x.dtype), ctype(out.dtype), len(axes), needs_wide_index(x))
    count = x.shape[axis]
    lines = x.size // count
    words = [lines, count, *both[axis], *axes_words(axes, 2)]
    launch = Launch(driver, source, min(lines, 2**31 - 1), 2, words)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        launch(stream, outputs[0].pointer, inputs[0].pointer)

    return Kernel(into)


def scan_source(kind: str, in_type: str, out_type: str, axes: int, wide: bool) -> Source:
    """Return the source of a running sum or product."""
    body = f"""
typedef ScanArgs<{in_type}, {out_type}, {axes}> Args;
extern "C" __global__ void scan(Args a) {{ scan_lines<{kind}>(a); }}
"""
    return Source("scan", body, ("reduce", "scan"), wide)


def nonzero(driver: Driver, signature: Signature) -> Kernel | None:
    """Return the kernel of ``nonzero``, for tensors of up to 8 axes."""
    x, out = signature.inputs[0], signature.outputs[0]
    assert x is not None
    if x.ndim > _MOST_AXES:
        return None
    axes = collapse(x.shape, [x])
    source = nonzero_source(ctype(x.dtype), len(axes), needs_wide_index(x))
    sizes = [*x.shape, *[1] * (_MOST_AXES - x.ndim)]
    words = [x.size, out.shape[0], x.ndim, *sizes, *axes_words(axes, 1)]
    launch = Launch(driver, source, 1, 2, words)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        launch(stream, outputs[0].pointer, inputs[0].pointer)

    return Kernel(into)


def nonzero_source(dtype: str, axes: int, wide: bool) -> Source:
    """Return the source of ``nonzero``."""
    body = f"""
typedef NonzeroArgs<{dtype}, {axes}> Args;
extern "C" __global__ void nonzero(Args a) {{ find_nonzero(a); }}
"""
    return Source("nonzero", body, ("reduce", "scan"), wide)
