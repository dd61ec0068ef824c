"""Samples of chains of elementwise operators that are run as one, alone or behind a product."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hal import dtypes
from hal.dtypes import DType
from hal.ops import Operator
from hal.testing.sample import Input, Sample, sampler
from hal.testing.values import positive, unit

Steps = tuple[tuple[str, tuple[int, ...], tuple[tuple[str, Any], ...]], ...]

_ANY: tuple[tuple[int, Steps, tuple[int, ...]], ...] = (
    (2, (("multiply", (0, 1), ()), ("add", (2, 0), ())), (3,)),
    (2, (("subtract", (0, 1), ()), ("square", (2,), ()), ("negative", (3,), ())), (3, 4)),
    (2, (("equal", (0, 1), ()), ("where", (2, 0, 1), ())), (3,)),
)
_FLOATING: tuple[tuple[int, Steps, tuple[int, ...]], ...] = (
    (2, (("add", (0, 1), ()), ("gelu", (2,), (("approximate", "tanh"),))), (3,)),
    (2, (("exp", (0,), ()), ("divide", (2, 1), ()), ("sqrt", (3,), ())), (4,)),
    (1, (("sigmoid", (0,), ()), ("multiply", (0, 1), ())), (2,)),
    (1, (("cast", (0,), (("dtype", dtypes.float32),)), ("tanh", (1,), ())), (2,)),
)


@sampler("fused")
def fused(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield short chains over all shapes, with one and two results, that convert on the way."""
    chains = (*_ANY, *_FLOATING) if dtype.kind == "float" else _ANY
    for count, steps, results in chains:
        names = " ".join(step[0] for step in steps)
        attributes = {"steps": steps, "results": results}
        values = [unit, positive][:count]
        for shape in ((), (1,), (5,), (257,), (3, 5), (0, 3), (2, 3, 4)):
            yield Sample(tuple(Input(shape, v) for v in values), attributes, names)
        yield Sample(tuple(Input((5, 7), v) for v in values), attributes, names, layouts=True)
        if count == 2 and len(results) == 1:
            given = Input((3, 4), unit), Input((4,), positive)
            yield Sample(given, attributes, f"{names}, broadcast")


# Chains whose result is largest where their operands are: what the tolerance of a sum assumes.
_BEFORE: tuple[tuple[int, Steps], ...] = (
    (1, (("multiply", (0, 0), ()),)),
    (2, (("multiply", (0, 1), ()), ("add", (2, 0), ()))),
    (1, (("exp", (0,), ()),)),
    (1, ()),
)
_REDUCTIONS = ("sum", "mean", "max", "min")


@sampler("fused_reduction")
def fused_reduction(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield chains and reductions of them along the first, the last, some and all axes."""
    if dtype.kind != "float":
        return
    for count, steps in _BEFORE:
        values = [unit, positive][:count]
        chain = {"steps": steps, "results": (count + len(steps) - 1,)}
        for kind in _REDUCTIONS:
            names = " ".join([*(step[0] for step in steps), kind])
            for shape, axis in (((257,), None), ((3, 5), 0), ((2, 3, 4), 1), ((2, 3, 4), (0, 2))):
                for keepdims in (False, True):
                    reduction = (kind, (("axis", axis), ("keepdims", keepdims)))
                    given = tuple(Input(shape, v) for v in values)
                    yield Sample(given, {**chain, "reduction": reduction}, names)
            reduction = (kind, (("axis", -1), ("keepdims", False)))
            given = tuple(Input((5, 7), v) for v in values)
            yield Sample(given, {**chain, "reduction": reduction}, names, layouts=True)
    chain = {"steps": _BEFORE[1][1], "results": (3,)}
    reduction = ("sum", (("axis", 0), ("keepdims", False)))
    given = Input((3, 4), unit), Input((4,), positive)
    yield Sample(given, {**chain, "reduction": reduction}, "broadcast")
    for axis in (None, 0, 1):
        reduction = ("mean", (("axis", axis), ("keepdims", False)))
        wide = Input((129, 1025), unit), Input((129, 1025), positive)
        yield Sample(wide, {**chain, "reduction": reduction}, "large", large=True)


# The first number is the product, those behind it are other inputs, then come the steps.
_BEHIND: tuple[tuple[tuple[tuple[int, ...], ...], Steps, tuple[int, ...]], ...] = (
    ((), (("gelu", (0,), (("approximate", "none"),)),), (1,)),
    (((4,),), (("add", (0, 1), ()), ("relu", (2,), ())), (3,)),
    (((5, 4),), (("silu", (0,), ()), ("add", (1, 2), ())), (3,)),
    (((), (5, 4)), (("multiply", (0, 1), ()), ("add", (2, 3), ())), (4,)),
    (((5, 1),), (("add", (0, 1), ()), ("multiply", (2, 0), ())), (3,)),
)


@sampler("linear_fused")
def linear_fused(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield products with and without bias, followed by activations and other operands."""
    if dtype.kind != "float":
        return
    for others, steps, results in _BEHIND:
        names = " ".join(step[0] for step in steps)
        attributes = {"steps": steps, "results": results}
        behind = [Input(shape) for shape in others]
        for bias in (None, Input((4,))):
            yield Sample((Input((5, 7)), Input((4, 7)), bias, *behind), attributes, names)
        given = Input((5, 7)), Input((4, 7)), Input((4,)), *behind
        yield Sample(given, attributes, names, layouts=True)
    steps = (("add", (0, 1), ()), ("gelu", (2,), (("approximate", "tanh"),)))
    wide = Input((65, 127)), Input((129, 127)), Input((129,)), Input((65, 129))
    yield Sample(wide, {"steps": steps, "results": (3,)}, "add gelu", large=True)


_BEHIND_IMAGES: tuple[tuple[tuple[tuple[int, ...], ...], Steps, tuple[int, ...]], ...] = (
    ((), (("relu", (0,), ()),), (1,)),
    (((2, 4, 5, 6),), (("add", (0, 1), ()), ("relu", (2,), ())), (3,)),
    (((4, 1, 1), ()), (("multiply", (0, 1), ()), ("add", (2, 3), ())), (4,)),
    (((2, 1, 5, 6),), (("silu", (0,), ()), ("multiply", (1, 2), ())), (3,)),
)


@sampler("convolution_fused")
def convolution_fused(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield convolutions with and without bias, followed by activations and other operands."""
    if dtype.kind != "float":
        return
    given = Input((2, 3, 7, 8)), Input((4, 3, 3, 3), unit)
    for others, steps, results in _BEHIND_IMAGES:
        names = " ".join(step[0] for step in steps)
        attributes = {"steps": steps, "results": results}
        behind = [Input(shape) for shape in others]
        yield Sample((*given, None, *behind), attributes, names)
        yield Sample((*given, Input((4,)), *behind), attributes, names, layouts=True)
    small = Input((2, 4, 7, 8)), Input((4, 2, 3, 3), unit), Input((4,))
    options = {"groups": 2, "stride": 2, "padding": 1, "steps": _BEHIND_IMAGES[0][1]}
    yield Sample(small, {**options, "results": (1,)}, "relu")


@sampler("convolution_transpose_fused")
def convolution_transpose_fused(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield transposed convolutions with and without bias, followed by a chain."""
    if dtype.kind != "float":
        return
    given = Input((2, 3, 5, 6)), Input((3, 4, 3, 3), unit)
    for others, steps, results in _BEHIND_IMAGES:
        names = " ".join(step[0] for step in steps)
        attributes = {"steps": steps, "results": results, "padding": 1}
        behind = [Input(shape) for shape in others]
        yield Sample((*given, None, *behind), attributes, names)
        yield Sample((*given, Input((4,)), *behind), attributes, names, layouts=True)
    options = {"stride": 2, "output_padding": 1, "steps": _BEHIND_IMAGES[0][1], "results": (1,)}
    yield Sample((*given, Input((4,))), options, "relu")
