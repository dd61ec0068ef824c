"""Samples of operators on each element, and of activations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import ALL, COMPUTE, DType
from hal.errors import HalError
from hal.ops import Operator
from hal.plugin import Layout
from hal.testing.sample import Input, Sample, family_sampler, sampler
from hal.testing.values import (
    Values,
    extremes,
    integers,
    nonzero,
    ordinary,
    positive,
    small,
    special,
    ties,
    unit,
)

Shape = tuple[int, ...]

SHAPES: tuple[Shape, ...] = (
    (),
    (1,),
    (0,),
    (2, 0, 3),
    (1, 1, 1),
    (5,),
    (31,),
    (257,),
    (3, 5),
    (7, 1, 3),
    (2, 3, 4, 5),
    (2, 1, 2, 3, 2, 2),
)
LARGE: Shape = (3, 40_961)
PAIRS: tuple[tuple[Shape, Shape], ...] = (
    ((), ()),
    ((4,), ()),
    ((), (3, 2)),
    ((1,), (5,)),
    ((3, 1), (1, 4)),
    ((2, 3, 4), (4,)),
    ((2, 3, 4), (3, 1)),
    ((5, 1, 2), (3, 1)),
    ((0,), (1,)),
    ((3, 0), (1, 1)),
    ((33,), (33,)),
    ((2, 1, 3, 1, 2), (4, 1, 5, 1)),
    ((130, 7), (130, 7)),
)
# Signs of infinite quotients, and results of huge arguments, are no part of what these mean.
_NO_HUGE = ("sin", "cos", "tan")
_LIMITED = ("floor_divide", "remainder", "power")


@cache
def arity(op: Operator) -> int:
    """Return how many tensors an operator needs, found by asking its rule."""
    for count in range(1, 5):
        for dtype in COMPUTE:
            try:
                op.infer([Layout(dtype, (2, 2))] * count, {})
            except HalError:
                continue
            return count
    raise AssertionError(f"{op.name} takes no 1 to 4 tensors of one dtype; give it a sampler")


def alike(count: int, values: Sequence[Values], attributes: dict[str, Any] | None = None,
          note: str = "") -> Iterator[Sample]:  # fmt: skip
    """Yield samples of 1, 2 or more tensors over all shapes, broadcast where there are two."""
    given = dict(attributes or {})

    def inputs(*shapes: Shape) -> tuple[Input, ...]:
        return tuple(Input(s, v) for s, v in zip(shapes, values, strict=True))

    if count == 1:
        for shape in SHAPES:
            yield Sample(inputs(shape), given, note)
    else:
        for first, second in PAIRS:
            rest = [second] * (count - 1)
            yield Sample(inputs(first, *rest), given, note)
    yield Sample(inputs(*[(5, 7)] * count), given, note, layouts=True)
    yield Sample(inputs(*[(3, 4, 6)] * count), given, note, layouts=True)
    yield Sample(inputs(*[LARGE] * count), given, note, large=True)


@family_sampler("elementwise")
def elementwise(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield samples of any operator whose inputs have one dtype and broadcast."""
    count = arity(op)
    yield from alike(count, [ordinary] * count)
    if op.name in _NO_HUGE:
        return
    if dtype.kind == "complex":
        return
    if count == 1:
        yield Sample((Input((40,), special),), note="special")
        yield Sample((Input((4, 10), special),), note="special", layouts=True)
        yield Sample((Input((64,), unit),), note="unit")
        yield Sample((Input((64,), positive),), note="positive")
    else:
        rest = [Input((20,), special)] * (count - 1)
        yield Sample((Input((20, 1), special), *rest), note="special")
        yield Sample((Input((70,), ties), *[Input((70,), ties)] * (count - 1)), note="ties")


@sampler("floor_divide", "remainder")
def division(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield quotients whose divisor is not zero; what that gives is left open for integers."""
    yield from alike(2, [ordinary, nonzero])
    yield from alike(2, [positive, positive], note="positive")
    if dtype.kind == "float":
        specials = Input((20, 1), special), Input((9,), nonzero)
        yield Sample(specials, note="special")
    elif dtype.kind == "uint":
        yield Sample((Input((70,), extremes), Input((70,), positive)), note="extremes")


@sampler("power")
def power(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield powers that stay in range: of positive bases, and of any with whole exponents."""
    if dtype.kind == "complex":
        yield from alike(2, [ordinary, small])
        return
    yield from alike(2, [positive, small])
    exponents = integers(0, 5) if dtype.kind == "uint" else integers(-2, 5)
    yield from alike(2, [nonzero, exponents], note="whole")
    if dtype.kind in ("int", "uint"):
        yield Sample((Input((70,), extremes), Input((70,), integers(0, 9))), note="wraps")
    else:
        yield Sample((Input((20, 1), special), Input((20,), special)), note="special")


@sampler("bitwise_left_shift", "bitwise_right_shift")
def shift(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield shifts by less than the width."""
    amount = integers(0, dtype.bits)
    yield from alike(2, [ordinary, amount])
    yield Sample((Input((200,), extremes), Input((200,), amount)), note="extremes")


@sampler("where")
def where(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield choices, broadcast in each of the three inputs."""
    for shapes in (
        ((), (), ()), ((5,), (), ()), ((), (5,), (1,)), ((3, 1), (4,), (3, 4)),
        ((2, 3, 4), (3, 1), ()), ((0,), (0,), (1,)), ((257,), (257,), (257,)),
    ):  # fmt: skip
        condition, *rest = shapes
        yield Sample((Input(condition, dtype=dtypes.bool), *map(Input, rest)))
    same = (Input((5, 7), dtype=dtypes.bool), Input((5, 7)), Input((5, 7)))
    yield Sample(same, layouts=True)
    specials = Input((40,), dtype=dtypes.bool), Input((40,), special), Input((40,), special)
    yield Sample(specials, note="special")


@sampler("clip")
def clip(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield both bounds, one of them, and none."""
    low, high = Input((), integers(0, 1)), Input((), integers(3, 4))
    for bounds in ((low, high), (low, None), (None, high), (None, None)):
        for shape in ((), (0,), (33,), (3, 5)):
            yield Sample((Input(shape), *bounds))
        yield Sample((Input((4, 10), special), *bounds), note="special", layouts=True)
    whole = Input((3, 1), integers(0, 2)), Input((4,), integers(3, 5))
    yield Sample((Input((3, 4)), *whole), note="bounds per element")
    yield Sample((Input(LARGE), low, high), large=True)


@sampler("complex")
def complex_parts(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield real and imaginary parts."""
    yield from alike(2, [ordinary, ordinary])
    yield Sample((Input((20, 1), special), Input((20,), special)), note="special")


@sampler("cast")
def cast(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield conversions to every dtype, of values that it can hold."""
    for target in ALL:
        attributes = {"dtype": target}
        for values, note in _castable(dtype, target):
            yield Sample((Input((67,), values),), attributes, f"{note} to {target}")
        first = _castable(dtype, target)[0][0]
        yield Sample((Input((3, 5), first),), attributes, f"to {target}", layouts=True)
        for shape in ((), (0,), (1,)):
            yield Sample((Input(shape, first),), attributes, f"to {target}")
        yield Sample((Input(LARGE, first),), attributes, f"to {target}", large=True)


def _castable(source: DType, target: DType) -> list[tuple[Values, str]]:
    integral = ("int", "uint")
    narrow = min([d.bits for d in (source, target) if d.kind in integral], default=8)
    if narrow < 8:
        return [(integers(0, 2 ** (narrow - 1)), "")]
    if target.kind in integral and source.kind == "float":
        return [(positive, "")] + ([] if target.kind == "uint" else [(ordinary, "signed")])
    found: list[tuple[Values, str]] = [(ordinary, "")]
    if source.kind in integral and target.kind in ("bool", *integral):
        found.append((extremes, "extremes"))
    elif source.kind in ("float", "complex") and target.bits >= 16:
        found.append((special, "special"))
    elif source.kind == "int" and target.kind == "float" and target.bits >= 32:
        found.append((extremes, "extremes"))
    return found


@family_sampler("activation")
def activation(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield an activation with its defaults, and with other values of each attribute."""
    for attributes in ({}, *_ATTRIBUTES.get(op.name, ())):
        yield from alike(1, [ordinary], attributes)
        yield Sample((Input((40,), _wide),), attributes, "wide")
        yield Sample((Input((12,), _infinite),), attributes, "infinite")


def _wide(rng: np.random.Generator, shape: Shape, dtype: DType) -> Any:
    """Return values from -30 to 30, where exponentials saturate."""
    if dtype.kind != "float":
        return ordinary(rng, shape, dtype)
    return np.linspace(-30, 30, math.prod(shape)).reshape(shape).astype(dtype.numpy)


def _infinite(rng: np.random.Generator, shape: Shape, dtype: DType) -> Any:
    """Return NaN, positive infinity, zero and a few numbers; -inf times 0 is left open."""
    if dtype.kind != "float":
        return extremes(rng, shape, dtype)
    return np.resize(np.array([np.nan, np.inf, 0.0, 1.0, -1.0, 4.0]), shape).astype(dtype.numpy)


_ATTRIBUTES: dict[str, tuple[dict[str, Any], ...]] = {
    "leaky_relu": ({"negative_slope": 0.2},),
    "elu": ({"alpha": 0.5},),
    "celu": ({"alpha": 2.0},),
    "softplus": ({"beta": 2.0, "threshold": 5.0},),
    "gelu": ({"approximate": "tanh"},),
}


@sampler("prelu")
def prelu(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield one slope, and one per channel."""
    for shape, weight in (((), ()), ((5,), (1,)), ((3, 4), (4,)), ((2, 3, 4, 5), (3,)),
                          ((2, 3, 0), (3,)), ((2, 129), (129,))):  # fmt: skip
        yield Sample((Input(shape), Input(weight)))
    yield Sample((Input((3, 4, 6)), Input((4,))), layouts=True)
