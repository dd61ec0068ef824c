"""Stable sorting of positions by merging runs of twice the length in every pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hal.plugin import Kernel, Layout, Signature
from hal_cuda.geometry import blocks, join_axes, needs_wide_index
from hal_cuda.kernels.elementwise import loop
from hal_cuda.launch import Launch, axes_words
from hal_cuda.source import Source
from hal_cuda.types import ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["argsort", "sort_source"]


def argsort(driver: Driver, signature: Signature) -> Kernel:
    """Return the kernel of ``argsort``."""
    x = signature.inputs[0]
    assert x is not None
    axis, descending = signature.attributes["axis"], signature.attributes["descending"]
    count = x.shape[axis]
    axes = join_axes(
        [(n, (s,)) for a, (n, s) in enumerate(zip(x.shape, x.strides, strict=True)) if a != axis]
    )
    grid = blocks(x.size, driver.multiprocessors)
    wide = needs_wide_index(x)

    def launch(first: bool, run: int) -> Launch:
        source = sort_source(first, descending, ctype(x.dtype), len(axes), wide)
        words = [x.size, count, x.strides[axis], run, *axes_words(axes, 1)]
        return Launch(driver, source, grid, 3, words)

    passes = [launch(True, 1)]
    run = 1
    while run < count:
        passes.append(launch(False, run))
        run *= 2
    last = _unrolled(driver, signature)
    nbytes = 8 * x.size

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        # Lines are sorted contiguously; where the axis is the last one, right into the output.
        keys = inputs[0].pointer
        spare = [driver.allocate(nbytes, stream) for _ in range(2 if last else 1)]
        end, other = spare[1].pointer if last else outputs[0].pointer, spare[0].pointer
        for left, step in zip(range(len(passes) - 1, -1, -1), passes, strict=True):
            there, here = (other, end) if left % 2 else (end, other)
            step(stream, there, here, keys)
        if last is not None:
            last(stream, outputs[0].pointer, end)
        for buffer in spare:
            driver.free(buffer, stream)

    return Kernel(into)


def _unrolled(driver: Driver, signature: Signature) -> Launch | None:
    """Return the copy of sorted lines to their axis; None where that is the last one already."""
    out = signature.outputs[0]
    axis = signature.attributes["axis"]
    if out.size == out.shape[axis] or axis == out.ndim - 1:
        return None
    moved = (*out.shape[:axis], *out.shape[axis + 1 :], out.shape[axis])
    strides = Layout(out.dtype, moved).strides
    back = (*strides[:axis], strides[-1], *strides[axis:-1])
    return loop(driver, "r0 = v0;", [Layout(out.dtype, out.shape, back)], [out])


def sort_source(first: bool, descending: bool, dtype: str, axes: int, wide: bool) -> Source:
    """Return the source of one pass."""
    flags = f"{str(first).lower()}, {str(descending).lower()}"
    body = f"""
typedef SortArgs<{dtype}, {axes}> Args;
extern "C" __global__ void sort_pass(Args a) {{ merge_runs<{flags}>(a); }}
"""
    return Source("sort_pass", body, ("sort",), wide)
