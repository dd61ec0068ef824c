"""Stable sorting of positions: of long lines by their digits, of short ones by merging runs."""

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

__all__ = ["argsort", "radix_source", "sort_source"]

_LONG = 1 << 12  # Elements of a line for each byte of a key, from which digits are sorted.
_DIGIT = 4  # Bits.
_TILE = 2048  # Elements that a block moves at once.


def argsort(driver: Driver, signature: Signature) -> Kernel:
    """Return the kernel of ``argsort``."""
    x = signature.inputs[0]
    assert x is not None
    count = x.shape[signature.attributes["axis"]]
    if _LONG * x.dtype.itemsize <= count < 2**31:
        return _by_digits(driver, signature)
    return _by_merging(driver, signature)


def _by_merging(driver: Driver, signature: Signature) -> Kernel:
    """Return a sort in passes that merge runs of twice the length, with a search for each place."""
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


def _by_digits(driver: Driver, signature: Signature) -> Kernel:
    """Return a sort in passes over the digits of the keys, which move to and fro in scratch memory.

    The first pass makes keys of the values, the last one writes positions alone.
    """
    x = signature.inputs[0]
    assert x is not None
    axis, descending = signature.attributes["axis"], signature.attributes["descending"]
    count = x.shape[axis]
    lines, tiles = x.size // count, -(-count // _TILE)
    axes = join_axes(
        [(n, (s,)) for a, (n, s) in enumerate(zip(x.shape, x.strides, strict=True)) if a != axis]
    )
    width, wide = x.dtype.itemsize, needs_wide_index(x)
    passes = 8 * width // _DIGIT

    def launch(call: str, number: int, blocks: int) -> Launch:
        source = radix_source(call, ctype(x.dtype), f"u{8 * width}", len(axes), wide)
        words = [lines, count, tiles, x.strides[axis], number * _DIGIT, *axes_words(axes, 1)]
        return Launch(driver, source, min(blocks, 2**31 - 1), 7, words)

    def flags(*values: bool) -> str:
        return ", ".join(str(value).lower() for value in values)

    scan = launch("radix_scan(a)", 0, lines)
    steps = []
    for number in range(passes):
        first, last = number == 0, number == passes - 1
        counting = f"radix_count<{flags(first, descending)}>(a)"
        moving = f"radix_move<{flags(first, last, descending)}>(a)"
        steps.append((
            launch(counting, number, lines * tiles), launch(moving, number, lines * tiles)
        ))  # fmt: skip
    last_copy = _unrolled(driver, signature)
    sizes = [width * x.size] * 2 + [4 * x.size] * 2 + [4 * lines * tiles << _DIGIT]
    if last_copy is not None:
        sizes.append(8 * x.size)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        spare = [driver.allocate(nbytes, stream) for nbytes in sizes]
        keys, others, places, elsewhere, counts = (buffer.pointer for buffer in spare[:5])
        end = outputs[0].pointer if last_copy is None else spare[5].pointer
        for counting, moving in steps:
            given = (end, inputs[0].pointer, keys, others, places, elsewhere, counts)
            for step in (counting, scan, moving):
                step(stream, *given)
            keys, others, places, elsewhere = others, keys, elsewhere, places
        if last_copy is not None:
            last_copy(stream, outputs[0].pointer, end)
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


def radix_source(call: str, dtype: str, key: str, axes: int, wide: bool) -> Source:
    """Return the source of one launch of a sort by digits."""
    body = f"""
typedef RadixArgs<{dtype}, {key}, {axes}> Args;
extern "C" __global__ void radix(Args a) {{ {call}; }}
"""
    return Source("radix", body, ("reduce", "scan", "radix"), wide)
