"""Reading and writing at positions that a tensor of indices gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hal.ops import Operator, operators
from hal.plugin import Kernel, Signature, contiguous_strides
from hal_cuda.geometry import Axis, blocks, join_axes, needs_wide_index
from hal_cuda.kernels.elementwise import elementwise
from hal_cuda.launch import Launch, axes_words
from hal_cuda.source import Source
from hal_cuda.types import ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["indexing", "put_source", "search_source", "take_source"]

_COMBINE = {
    "add": "m_add(x, y)",
    "multiply": "m_multiply(x, y)",
    "maximum": "m_maximum(x, y)",
    "minimum": "m_minimum(x, y)",
}


def indexing(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for an operator of the indexing family, else None."""
    make = _MAKERS.get(op.name)
    return None if make is None else make(driver, op, signature)


def _take(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    x, index = signature.inputs[:2]
    assert x is not None
    assert index is not None
    axis = signature.attributes["axis"]
    if op.name == "take":
        axes: list[Axis] = [(n, (s, 0)) for n, s in zip(x.shape, x.strides, strict=True)]
        axes[axis : axis + 1] = [
            (n, (0, s)) for n, s in zip(index.shape, index.strides, strict=True)
        ]
    else:
        axes = [
            (n, (0 if a == axis else x.strides[a], index.strides[a]))
            for a, n in enumerate(index.shape)
        ]
    axes = join_axes(axes)
    out = signature.outputs[0]
    source = take_source(
        ctype(x.dtype), ctype(index.dtype), len(axes), needs_wide_index(x, index, out)
    )
    words = [out.size, x.shape[axis], x.strides[axis], *axes_words(axes, 2)]
    launch = Launch(driver, source, blocks(out.size, driver.multiprocessors), 3, words)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        launch(stream, outputs[0].pointer, inputs[0].pointer, inputs[1].pointer)

    return Kernel(into)


def _put(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    x, index, updates = signature.inputs[:3]
    assert x is not None
    assert index is not None
    assert updates is not None
    out = signature.outputs[0]
    axis, reduce = signature.attributes["axis"], signature.attributes["reduce"]
    copy = elementwise(driver, operators["copy"], Signature((x,), (out,), {}))
    assert copy is not None
    if updates.size == 0:
        return Kernel(lambda stream, outputs, inputs: copy.into(stream, outputs, inputs[:1]))
    rows = op.name == "put"
    strides = contiguous_strides(x.shape)
    axes: list[Axis] = []
    for a, (n, step) in enumerate(zip(updates.shape, updates.strides, strict=True)):
        along = a == axis
        in_index = (index.strides[0] if along else 0) if rows else index.strides[a]
        axes.append((n, (0 if along else strides[a], in_index, step, int(along))))
    axes = join_axes(axes)
    wide = needs_wide_index(x, index, updates)
    words = [updates.size, x.shape[axis], strides[axis], *axes_words(axes, 4)]
    grid = blocks(updates.size, driver.multiprocessors)

    def launch(function: str) -> Launch:
        source = put_source(function, ctype(x.dtype), ctype(index.dtype), len(axes), wide)
        return Launch(driver, source, grid, 4, words)

    if reduce != "none":
        combine = launch(f"put_combine(a, [](auto x, auto y) {{ return {_COMBINE[reduce]}; }})")

        def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
            copy.into(stream, outputs, inputs[:1])
            combine(stream, outputs[0].pointer, inputs[1].pointer, inputs[2].pointer, 0)

        return Kernel(into)

    flag = str(rows).lower()
    mark, write = launch(f"put_mark<{flag}>(a)"), launch(f"put_write<{flag}>(a)")
    nbytes = 8 * (x.shape[axis] if rows else x.size)

    def into_once(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        copy.into(stream, outputs, inputs[:1])
        last = driver.allocate(nbytes, stream)
        driver.clear(last.pointer, nbytes, stream)
        pointers = [outputs[0].pointer, inputs[1].pointer, inputs[2].pointer, last.pointer]
        mark(stream, *pointers)
        write(stream, *pointers)
        driver.free(last, stream)

    return Kernel(into_once)


def _searchsorted(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    x, values = signature.inputs[:2]
    assert x is not None
    assert values is not None
    axes = join_axes([(n, (s,)) for n, s in zip(values.shape, values.strides, strict=True)])
    right = signature.attributes["side"] == "right"
    source = search_source(right, ctype(x.dtype), len(axes), needs_wide_index(x, values))
    words = [values.size, x.size, x.strides[0], *axes_words(axes, 1)]
    launch = Launch(driver, source, blocks(values.size, driver.multiprocessors), 3, words)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        launch(stream, outputs[0].pointer, inputs[0].pointer, inputs[1].pointer)

    return Kernel(into)


_MAKERS: dict[str, Callable[[Driver, Operator, Signature], Kernel | None]] = {
    "take": _take,
    "take_along_axis": _take,
    "put": _put,
    "put_along_axis": _put,
    "searchsorted": _searchsorted,
}


def take_source(dtype: str, index: str, axes: int, wide: bool) -> Source:
    """Return the source of ``take`` and ``take_along_axis``."""
    body = f"""
typedef TakeArgs<{dtype}, {index}, {axes}> Args;
extern "C" __global__ void take_at(Args a) {{ take(a); }}
"""
    return Source("take_at", body, ("index",), wide)


def put_source(call: str, dtype: str, index: str, axes: int, wide: bool) -> Source:
    """Return the source of one launch of ``put`` or ``put_along_axis``."""
    body = f"""
typedef PutArgs<{dtype}, {index}, {axes}> Args;
extern "C" __global__ void put_at(Args a) {{ {call}; }}
"""
    return Source("put_at", body, ("index",), wide)


def search_source(right: bool, dtype: str, axes: int, wide: bool) -> Source:
    """Return the source of ``searchsorted``."""
    body = f"""
typedef SearchArgs<{dtype}, {axes}> Args;
extern "C" __global__ void search_for(Args a) {{ search<{str(right).lower()}>(a); }}
"""
    return Source("search_for", body, ("index",), wide)
