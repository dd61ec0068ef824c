"""Making, joining and padding tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hal.dtypes import DType
from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature
from hal_cuda.geometry import blocks
from hal_cuda.kernels.elementwise import fill, loop
from hal_cuda.launch import Launch
from hal_cuda.source import Source
from hal_cuda.types import ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["index_source", "movement"]


def movement(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for an operator that makes or joins tensors, else None."""
    make = _MAKERS.get(op.name)
    return None if make is None else make(driver, signature)


def _concat(driver: Driver, signature: Signature) -> Kernel:
    out = signature.outputs[0]
    axis = signature.attributes["axis"]
    parts: list[tuple[int, int, Launch]] = []
    start = 0
    for number, x in enumerate(signature.inputs):
        assert x is not None
        if x.size:
            part = Layout(out.dtype, x.shape, out.strides)
            offset = start * out.strides[axis] * out.dtype.itemsize
            parts.append((number, offset, loop(driver, "r0 = v0;", [x], [part])))
        start += x.shape[axis]

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        for number, offset, launch in parts:
            launch(stream, outputs[0].pointer + offset, inputs[number].pointer)

    return Kernel(into)


def _pad(driver: Driver, signature: Signature) -> Kernel:
    x, value = signature.inputs[:2]
    assert x is not None
    out = signature.outputs[0]
    before = signature.attributes["before"]
    whole = fill(driver, Signature((value,), (out,), {}))
    if x.size == 0:
        return Kernel(lambda stream, outputs, inputs: whole.into(stream, outputs, inputs[1:]))
    inner = loop(driver, "r0 = v0;", [x], [Layout(out.dtype, x.shape, out.strides)])
    offset = sum(b * s for b, s in zip(before, out.strides, strict=True)) * out.dtype.itemsize

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        whole.into(stream, outputs, inputs[1:])
        inner(stream, outputs[0].pointer + offset, inputs[0].pointer)

    return Kernel(into)


def _arange(driver: Driver, signature: Signature) -> Kernel | None:
    dtype, start, step = (signature.attributes[key] for key in ("dtype", "start", "step"))
    if isinstance(start, complex) or isinstance(step, complex):
        return None
    if all(isinstance(v, int) for v in (start, step)) and dtype.kind in ("int", "uint"):
        # Calculated in whole numbers: a double does not hold every one of 64 bits.
        return _by_index(
            driver, signature, "(i64)((u64)a.w0 + (u64)a.w1 * (u64)i)", [start, step], "i64"
        )
    return _by_index(driver, signature, "a.w0 + a.w1 * (f64)i", [float(start), float(step)], "f64")


def _linspace(driver: Driver, signature: Signature) -> Kernel | None:
    start, stop = signature.attributes["start"], signature.attributes["stop"]
    if isinstance(start, complex) or isinstance(stop, complex):
        return None
    count = signature.attributes["num"]
    endpoint = bool(signature.attributes["endpoint"])
    parts = count - 1 if endpoint else count
    span = float(stop) - float(start)
    step = span / parts if parts else span
    value = "a.w0 + (f64)i * a.w1"
    if endpoint and count > 1:
        value = f"i == a.n - 1 ? a.w2 : {value}"
    if signature.outputs[0].dtype.kind in ("int", "uint"):
        value = f"floor({value})"
    return _by_index(driver, signature, value, [float(start), step, float(stop)], "f64")


def _eye(driver: Driver, signature: Signature) -> Kernel:
    columns, k = signature.attributes["columns"], signature.attributes["k"]
    return _by_index(driver, signature, "i % a.w0 - i / a.w0 == a.w1", [columns, k], "i64")


_MAKERS: dict[str, Callable[[Driver, Signature], Kernel | None]] = {
    "full": fill,
    "concat": _concat,
    "pad": _pad,
    "arange": _arange,
    "linspace": _linspace,
    "eye": _eye,
}


def _by_index(
    driver: Driver, signature: Signature, value: str, words: Sequence[int | float], word: str
) -> Kernel:
    out = signature.outputs[0]
    source = index_source(value, out.dtype, len(words), word)
    grid = blocks(out.size, driver.multiprocessors)
    launch = Launch(driver, source, grid, 1, [out.size, *words])

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        launch(stream, outputs[0].pointer)

    return Kernel(into)


def index_source(value: str, dtype: DType, count: int, word: str) -> Source:
    """Return the source of a tensor whose elements follow from their position ``i``."""
    fields = " ".join(f"{word} w{i};" for i in range(count))
    body = f"""
struct Args {{ {ctype(dtype)}* out; i64 n; {fields} }};
extern "C" __global__ void by_index(Args a) {{
  for (i64 i = thread_index(); i < a.n; i += thread_count())
    a.out[i] = narrow<{ctype(dtype)}>({value});
}}
"""
    return Source("by_index", body)
