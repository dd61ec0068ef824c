"""Softmax and the normalizations: one launch that reads each row twice and writes it once."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature
from hal_cuda.geometry import Axis, join_axes, needs_wide_index
from hal_cuda.kernels.elementwise import loop
from hal_cuda.launch import Launch, axes_words
from hal_cuda.source import BLOCK, Source
from hal_cuda.types import ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["batch_norm", "row_source", "rows"]

_FUNCTIONS = {
    "softmax": "softmax",
    "log_softmax": "log_softmax",
    "layer_norm": "standardize",
    "group_norm": "standardize",
    "instance_norm": "standardize",
    "rms_norm": "rms_normalize",
}


class _Rows(NamedTuple):
    """What a row is: the axes between rows, along a row, and where its parameters are."""

    between: list[Axis]
    along: list[Axis]
    groups: int
    channels: int
    span: int


def rows(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for an operator on rows, else None."""
    if op.name not in _FUNCTIONS:
        return None
    x, out = signature.inputs[0], signature.outputs[0]
    assert x is not None
    parameters = [*signature.inputs[1:], None, None][:2]
    if any(p is not None and not p.contiguous for p in parameters):
        return None
    shape = _shape(op.name, x, out, signature)
    if shape is None or len(shape.along) > 1:
        return None
    count, (in_step, out_step) = shape.along[0] if shape.along else (1, (1, 1))
    number = prod(size for size, _ in shape.between)
    threads = min(BLOCK, max(32, 1 << (count - 1).bit_length()))
    source = row_source(
        _FUNCTIONS[op.name], threads, ctype(x.dtype), len(shape.between), needs_wide_index(x)
    )
    epsilon = float(signature.attributes.get("epsilon", 0.0))
    words: list[int | float] = [number, count, in_step, out_step]
    words += [shape.groups, shape.channels, shape.span, epsilon, *axes_words(shape.between, 2)]
    grid = max(1, min(-(-number * threads // BLOCK), 32 * driver.multiprocessors))
    launch = Launch(driver, source, grid, 4, words)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        given = [0 if i is None else i.pointer for i in (*inputs, None, None)]
        launch(stream, outputs[0].pointer, *given[:3])

    return Kernel(into)


def row_source(function: str, threads: int, dtype: str, axes: int, wide: bool) -> Source:
    """Return the source of an operator on rows."""
    body = f"""
typedef RowArgs<{dtype}, {axes}> Args;
extern "C" __global__ void rows(Args a) {{ {function}<{threads}>(a); }}
"""
    return Source("rows", body, ("reduce", "rows"), wide)


def _shape(name: str, x: Layout, out: Layout, signature: Signature) -> _Rows | None:
    both = [(n, (s, o)) for n, s, o in zip(x.shape, x.strides, out.strides, strict=True)]
    if name in ("softmax", "log_softmax"):
        axes = (signature.attributes["axis"],)
    elif name in ("layer_norm", "rms_norm"):
        axes = signature.attributes["axes"]
        if axes != tuple(range(x.ndim - len(axes), x.ndim)):
            return None
    else:
        return _channels(name, x, out, signature)
    between = join_axes([axis for a, axis in enumerate(both) if a not in axes])
    along = join_axes([both[a] for a in axes])
    return _Rows(between, along, 1, prod(x.shape[a] for a in axes), 1)


def _channels(name: str, x: Layout, out: Layout, signature: Signature) -> _Rows | None:
    """Return the rows of a normalization over groups of channels; contiguous tensors only."""
    if not x.contiguous:
        return None
    channels = x.shape[1]
    groups = channels if name == "instance_norm" else signature.attributes["groups"]
    count, span = x.size // (x.shape[0] * groups), prod(x.shape[2:])
    between = join_axes([(x.shape[0] * groups, (count, count))])
    return _Rows(between, join_axes([(count, (1, 1))]), groups, channels // groups, span)


def batch_norm(driver: Driver, signature: Signature) -> Kernel:
    """Return the kernel of ``batch_norm``: elementwise, with its parameters along the channels."""
    x, *parameters = signature.inputs
    assert x is not None
    after = x.ndim - 2
    inputs = [x]
    for layout in parameters:
        if layout is not None:
            shape = (layout.shape[0], *(1,) * after)
            inputs.append(Layout(layout.dtype, shape, (layout.strides[0], *(1,) * after)))
    present = [layout is not None for layout in (*parameters, None, None)]
    names = iter(range(3, len(inputs)))
    weight = f" * wide(v{next(names)})" if present[2] else ""
    bias = f" + wide(v{next(names)})" if present[3] else ""
    dtype = ctype(x.dtype)
    value = f"(wide(v0) - wide(v1)) / m_sqrt(wide(v2) + (decltype(wide(v2)))p0){weight}{bias}"
    epsilon = float(signature.attributes["epsilon"])
    launch = loop(driver, f"r0 = narrow<{dtype}>({value});", inputs, signature.outputs, [epsilon])

    def into(stream: Any, outputs: Sequence[Any], arrays: Sequence[Any]) -> None:
        launch(stream, outputs[0].pointer, *[a.pointer for a in arrays if a is not None])

    return Kernel(into)
