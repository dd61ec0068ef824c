"""Convolution and pooling over one to three spatial axes."""

from __future__ import annotations

import math
from typing import Any

from hal import dtypes
from hal_ascend.operators.movement import inside
from hal_ascend.operators.rule import rule
from hal_ascend.recipe import Recipe, Ref

Pairs = tuple[tuple[int, int], ...]


def _padded(recipe: Recipe, x: Ref, padding: Pairs, value: float) -> tuple[Ref, tuple[int, ...]]:
    """Return a tensor padded where CANN's padding, equal on both sides, does not do."""
    if all(before == after for before, after in padding):
        return x, tuple(before for before, _ in padding)
    shape = (*x.shape[:2], *(n + sum(p) for n, p in zip(x.shape[2:], padding, strict=True)))
    room = recipe.filled(x.dtype, shape, value)
    recipe.call("InplaceCopy", inside(room, x, (0, 0, *(before for before, _ in padding))), x)
    return room, (0,) * len(padding)


@rule("convolution", "Convolution", strided=False)
def _convolution(recipe: Recipe) -> bool | None:
    x, weight, bias = recipe.input(0), recipe.input(1), recipe.optional(2)
    if not recipe.supports("Convolution", x.dtype) or 0 in weight.shape:
        return False
    mode = recipe.cube_math("convolution", x.dtype)
    x, padding = _padded(recipe, x, recipe.attributes["padding"], 0)
    stride, dilation = recipe.attributes["stride"], recipe.attributes["dilation"]
    recipe.call(
        "Convolution", x, weight, bias, stride, padding, dilation, False, (0,) * len(stride),
        recipe.attributes["groups"], recipe.out, mode,
    )  # fmt: skip
    return None


@rule("convolution_transpose", "Convolution", strided=False)
def _convolution_transpose(recipe: Recipe) -> bool | None:
    x, weight, bias = recipe.input(0), recipe.input(1), recipe.optional(2)
    padding = recipe.attributes["padding"]
    extra = recipe.attributes["output_padding"]
    equal = all(before == after for before, after in padding)
    if not recipe.supports("Convolution", x.dtype) or 0 in weight.shape or not equal:
        return False
    mode = recipe.cube_math("convolution_transpose", x.dtype)
    stride, dilation = recipe.attributes["stride"], recipe.attributes["dilation"]
    if any(e >= s for e, s in zip(extra, stride, strict=True)):
        return False
    recipe.call(
        "Convolution", x, weight, bias, stride, tuple(p for p, _ in padding), dilation, True,
        extra, recipe.attributes["groups"], recipe.out, mode,
    )  # fmt: skip
    return None


# Pooling over one axis is pooling over two of which the first has size 1.


def _as_two(x: Ref) -> Ref:
    return x.reshape((*x.shape[:2], 1, *x.shape[2:])) if len(x.shape) == 3 else x


def _two(values: tuple[int, ...], other: int) -> tuple[int, ...]:
    return (other, *values) if len(values) == 1 else values


@rule("max_pool", "MaxPool2dWithIndices", "MaxPool3dWithArgmax", strided=False)
def _max_pool(recipe: Recipe) -> bool | None:
    x, out = recipe.input(), recipe.out
    count = len(x.shape) - 2
    operator = "MaxPool3dWithArgmax" if count == 3 else "MaxPool2dWithIndices"
    window, padding = recipe.attributes["window"], recipe.attributes["padding"]
    dilation = recipe.attributes["dilation"]
    fits = count <= 3 and recipe.supports(operator, x.dtype) and set(dilation) == {1}
    if not fits:
        return False
    x, pads = _padded(recipe, x, padding, -math.inf)
    # CANN pads at most half a window.
    if any(p > n // 2 for n, p in zip(window, pads, strict=True)):
        return False
    x, out = _as_two(x), _as_two(out)
    positions = recipe.temporary(dtypes.int32, out.shape)
    recipe.call(
        operator, x, _two(window, 1), _two(recipe.attributes["stride"], 1), _two(pads, 0),
        _two(dilation, 1), False, out, positions,
    )  # fmt: skip
    return None


@rule("average_pool", "AvgPool2d", "AvgPool3d", strided=False)
def _average_pool(recipe: Recipe) -> bool | None:
    x, out = recipe.input(), recipe.out
    count = len(x.shape) - 2
    operator = "AvgPool3d" if count == 3 else "AvgPool2d"
    padding, divisor = recipe.attributes["padding"], recipe.attributes["divisor"]
    window = recipe.attributes["window"]
    plain = (
        count <= 3
        and recipe.supports(operator, x.dtype)
        and set(recipe.attributes["dilation"]) == {1}
        and not recipe.attributes["ceil_mode"]
        and (divisor is None or divisor == int(divisor))
        and all(b == a and b <= n // 2 for n, (b, a) in zip(window, padding, strict=True))
    )
    if not plain:
        return False
    x, out = _as_two(x), _as_two(out)
    pads = _two(tuple(b for b, _ in padding), 0)
    given: tuple[Any, ...] = (
        x, _two(window, 1), _two(recipe.attributes["stride"], 1), pads, False,
        recipe.attributes["count_include_pad"], int(divisor or 0),
    )  # fmt: skip
    # The mode is that of a product with ones, which is exact only in float32.
    mode = () if count == 3 else (0,)
    recipe.call(operator, *given, *mode, out)
    return None


def _adaptive(name: str, flat: str, deep: str, positions: bool) -> None:
    @rule(name, flat, deep, strided=False)
    def build(recipe: Recipe) -> bool | None:
        x, out = recipe.input(), recipe.out
        count = len(x.shape) - 2
        operator = deep if count == 3 else flat
        if count > 3 or not recipe.supports(operator, x.dtype):
            return False
        x, out = _as_two(x), _as_two(out)
        given: list[Ref] = [out]
        if positions:
            kind = dtypes.int32 if count == 3 else dtypes.int64
            given.append(recipe.temporary(kind, out.shape))
        recipe.call(operator, x, _two(recipe.attributes["output_size"], 1), *given)
        return None


_adaptive("adaptive_average_pool", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", positions=False)
_adaptive("adaptive_max_pool", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", positions=True)
