"""Unsigned integers of 16, 32 and 64 bits, which CANN's arithmetic lacks, by its signed ones.

Where results wrap around, and where only equality counts, signed integers of the same bits do.
Where the order counts, uint64 becomes int64 by turning over the highest bit: that keeps the order.
What neither serves is calculated in a wider signed integer, or not by CANN.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hal import dtypes
from hal_ascend.operators.rule import RULES, Build
from hal_ascend.recipe import Recipe, Ref, Scalar, signed

__all__ = ["ORDER", "WRAP"]

WRAP = (
    "add", "subtract", "multiply", "square", "negative", "matmul", "equal", "not_equal", "any",
    "all", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert", "bitwise_left_shift",
)  # fmt: skip
ORDER = (
    "maximum", "minimum", "less", "less_equal", "greater", "greater_equal", "max", "min",
    "argmax", "argmin", "sort", "argsort", "topk", "searchsorted",
)  # fmt: skip
_SCATTER = ("put", "put_along_axis")


def _by_bits(inner: Build) -> Build:
    def build(recipe: Recipe) -> bool | None:
        recipe.inputs = tuple([None if x is None else signed(x) for x in recipe.inputs])
        recipe.outputs = tuple([signed(x) for x in recipe.outputs])
        return inner(recipe)

    return build


def _by_bits_unless_ordered(inner: Build) -> Build:
    def build(recipe: Recipe) -> bool | None:
        if recipe.attributes["reduce"] in ("add", "multiply"):
            return _by_bits(inner)(recipe)
        return inner(recipe)

    return build


def _by_order(inner: Build) -> Build:
    def build(recipe: Recipe) -> bool | None:
        given, wanted = recipe.inputs, recipe.outputs
        recipe.inputs = tuple([None if x is None else _turned(recipe, x) for x in given])
        recipe.outputs = tuple(
            [recipe.temporary(dtypes.int64, y.shape) if _long(y) else y for y in wanted]
        )
        done = inner(recipe)
        for made, out in zip(recipe.outputs, wanted, strict=True):
            if _long(out):
                _turn(recipe, made, signed(out))
        return done

    return build


def _long(x: Ref) -> bool:
    return x.dtype is dtypes.uint64


def _turned(recipe: Recipe, x: Ref) -> Ref:
    if not _long(x):
        return x
    made = recipe.temporary(dtypes.int64, x.shape)
    _turn(recipe, signed(x), made)
    return made


def _turn(recipe: Recipe, x: Ref, out: Ref) -> None:
    """Turn over the highest bit of every element."""
    highest = recipe.temporary(dtypes.int64, ())
    recipe.call("InplaceFillScalar", highest, Scalar(np.int64(-(2**63)), dtypes.int64))
    recipe.call("BitwiseXorTensor", x, highest, out)


for _names, _wrap in ((WRAP, _by_bits), (_SCATTER, _by_bits_unless_ordered), (ORDER, _by_order)):
    for _name in _names:
        RULES[_name] = replace(RULES[_name], build=_wrap(RULES[_name].build))
