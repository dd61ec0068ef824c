"""Convolutions by oneDNN: on channels that lie first or last, with weights packed beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from hal.dtypes import float32
from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature
from hal_cpu.dnn import (
    Descriptor,
    PostOp,
    Primitive,
    Window,
    convolution,
    describe,
    library,
    packed,
    reorder,
)
from hal_cpu.epilogues import post_ops
from hal_cpu.half import is_native
from hal_cpu.jit import address
from hal_cpu.pool import aligned
from hal_cpu.winograd import find_winograd

__all__ = ["find_convolution"]


def find_convolution(op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for a convolution, also a transposed one or with a chain behind, or None.

    It is one of float32, or of bfloat16 where the processor multiplies that.
    """
    layouts = (*signature.inputs, *signature.outputs)
    dtype = signature.outputs[0].dtype
    if library() is None or any(
        x is not None and (x.dtype is not dtype or not x.size) for x in layouts
    ):
        return None
    if dtype is not float32 and not is_native(dtype):
        return None
    return _found(
        signature.inputs, signature.outputs[0], tuple(sorted(signature.attributes.items()))
    )


@lru_cache(maxsize=1024)
def _found(
    inputs: tuple[Layout | None, ...], out: Layout, items: tuple[tuple[str, Any], ...]
) -> Kernel | None:
    signature = Signature(inputs, (out,), dict(items))
    x, weight = inputs[:2]
    bias = inputs[2] if len(inputs) > 2 else None
    assert x is not None
    assert weight is not None
    if not (_lies_well(x) and _lies_well(out) and weight.contiguous):
        return None
    if bias is not None and not bias.contiguous:
        return None
    steps: tuple[list[PostOp], list[int]] | None = ([], [])
    if "steps" in signature.attributes:
        steps = post_ops(signature, 3, lambda given: _operand(given, out))
    if steps is None:
        return None
    plan = _plan(signature, steps[0])
    if plan is None:
        return None
    others = (*((2,) if bias is not None else ()), *steps[1])
    plain = out.dtype is float32 and not _is_transposed(signature)
    quicker = find_winograd(signature) if plain else None
    return _kernel(plan, _weights(weight, signature), others, quicker)


class _Plan(NamedTuple):
    """A convolution, and the reorder that brings its input into the layout it wants, if any."""

    convolution: Primitive
    reorder: Primitive | None
    room: int


def _kernel(
    plan: _Plan,
    given: Descriptor,
    others: Sequence[int],
    quicker: Callable[[Any], Kernel | None] | None,
) -> Kernel:
    """Return a kernel of oneDNN's; ``quicker`` makes one for weights that never change."""

    def run(weights: int, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        source = address(inputs[0])
        rest = [address(inputs[n]) for n in others]
        if plan.reorder is None:
            plan.convolution.run(source, weights, address(outputs[0]), *rest)
            return
        room = aligned(plan.room)
        plan.reorder.run(source, room.ctypes.data)
        plan.convolution.run(room.ctypes.data, weights, address(outputs[0]), *rest)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        kept = packed(plan.convolution, given, address(inputs[1]), lasting=False)
        run(kept.address, outputs, inputs)

    def prepare(known: Sequence[Any]) -> Kernel | None:
        if known[1] is None:
            return None
        made = None if quicker is None else quicker(known[1])
        if made is not None:
            return made
        kept = packed(plan.convolution, given, address(known[1]))

        def prepared(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
            run(kept.address, outputs, inputs)

        def place(outputs: Sequence[Any], inputs: Sequence[Any]) -> Callable[..., None] | None:
            if plan.reorder is not None:
                return None
            rest = [address(inputs[n]) for n in others]
            where = [address(inputs[0]), kept.address, address(outputs[0]), *rest]
            return plan.convolution.placed(*where, held=kept)

        return Kernel(prepared, place=place, released=(1,))

    return Kernel(into, prepare=prepare)


def _plan(signature: Signature, steps: Sequence[PostOp]) -> _Plan | None:
    x, weight = signature.inputs[:2]
    bias = signature.inputs[2] if len(signature.inputs) > 2 else None
    out, attributes = signature.outputs[0], signature.attributes
    assert x is not None
    assert weight is not None
    padding = attributes["padding"]
    transposed = _is_transposed(signature)
    more = attributes.get("output_padding", (0,) * len(padding))
    window = Window(
        attributes["stride"],
        attributes["dilation"],
        tuple(before for before, _ in padding),
        tuple(after - n for (_, after), n in zip(padding, more, strict=True)),
    )
    weights = describe(out.dtype, _weight_layout(weight, signature).shape, None)
    source, result = (describe(out.dtype, a.shape, a.strides) for a in (x, out))
    added = None if bias is None else describe(out.dtype, bias.shape, bias.strides)
    found = convolution(source, weights, result, added, window, steps, transposed)
    if found is not None:
        return _Plan(found, None, 0)
    anyhow = describe(out.dtype, x.shape, None)
    found = convolution(anyhow, weights, result, added, window, steps, transposed)
    if found is None:
        return None
    wanted = found.source
    return _Plan(found, reorder(source, wanted), wanted.nbytes)


def _is_transposed(signature: Signature) -> bool:
    return "output_padding" in signature.attributes


def _weight_layout(layout: Layout, signature: Signature) -> Layout:
    """Return how oneDNN looks at weights: groups if any, channels of the result, the source's."""
    groups, (first, second, *window) = signature.attributes["groups"], layout.shape
    whole = Layout(layout.dtype, (groups, first // groups, second, *window))
    shape, strides = list(whole.shape), list(whole.strides)
    if _is_transposed(signature):
        shape[1:3], strides[1:3] = shape[2:0:-1], strides[2:0:-1]
    start = 0 if groups > 1 else 1
    return Layout(layout.dtype, tuple(shape[start:]), tuple(strides[start:]))


def _weights(layout: Layout, signature: Signature) -> Descriptor:
    seen = _weight_layout(layout, signature)
    return describe(layout.dtype, seen.shape, seen.strides)


def _lies_well(layout: Layout) -> bool:
    """Return whether an array is packed, its channels first or last."""
    order = (0, *range(2, layout.ndim), 1)
    shape, strides = (tuple([x[n] for n in order]) for x in (layout.shape, layout.strides))
    return layout.contiguous or Layout(layout.dtype, shape, strides).contiguous


def _operand(layout: Layout, out: Layout) -> Descriptor | None:
    """Describe an operand that is one number, one per channel, or lies as the result does."""
    if layout == out:
        return describe(layout.dtype, out.shape, out.strides)
    if not layout.contiguous:
        return None
    channels = (1, out.shape[1], *(1,) * (out.ndim - 2))
    shape = (1,) * (out.ndim - layout.ndim) + layout.shape
    if shape == channels or layout.size == 1:
        return describe(layout.dtype, shape, Layout(layout.dtype, shape).strides)
    return None
