"""The table of rules, and what many of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hal import dtypes
from hal.dtypes import DType
from hal_ascend.recipe import Recipe, Ref

__all__ = ["RULES", "Build", "Rule", "compute_in", "elementwise", "rule"]

Build = Callable[[Recipe], "bool | None"]


@dataclass(frozen=True)
class Rule:
    """How one operator of hal is done.

    Attributes
    ----------
    name : str
        hal's.
    operators : tuple of str
        CANN's, the one that decides over the dtypes first.
    build : callable
        Adds the calls to a recipe; returns False when CANN's operators do not fit.
    strided : bool
        Whether inputs may be views; where not, hal packs them.
    """

    name: str
    operators: tuple[str, ...]
    build: Build
    strided: bool = True


RULES: dict[str, Rule] = {}
"""How every operator of hal that CANN has is done, by hal's name."""


def rule(name: str, *operators: str, strided: bool = True) -> Callable[[Build], Build]:
    """Add a rule to the table: the decorated function builds the recipe."""

    def add(build: Build) -> Build:
        def packed(recipe: Recipe) -> bool | None:
            if not strided and not all(x is None or x.layout.contiguous for x in recipe.inputs):
                return False
            return build(recipe)

        RULES[name] = Rule(name, operators, build if strided else packed, strided)
        return build

    return add


_WIDER_UNSIGNED = {dtypes.uint16: dtypes.int32, dtypes.uint32: dtypes.int64}
_WIDER = {
    dtypes.float16: dtypes.float32,
    dtypes.bfloat16: dtypes.float32,
    dtypes.bool: dtypes.int32,
    dtypes.int8: dtypes.int32,
    dtypes.uint8: dtypes.int32,
    dtypes.int16: dtypes.int32,
}


def compute_in(recipe: Recipe, operator: str, dtype: DType, chooses: bool = False) -> DType | None:
    """Return the dtype an operator calculates in: the given one, or one that holds all its values.

    Narrow floating-point numbers are calculated with in float32 and rounded once. Unsigned integers
    may be widened where the operator compares, chooses or divides, so that nothing overflows.
    """
    if recipe.supports(operator, dtype):
        return dtype
    wider = _WIDER.get(dtype) or (_WIDER_UNSIGNED.get(dtype) if chooses else None)
    return wider if wider is not None and recipe.supports(operator, wider) else None


def elementwise(
    name: str,
    operator: str,
    *between: object,
    widen: bool = True,
    chooses: bool = False,
) -> None:
    """Add the rule of an operator whose arguments are its inputs, some constants, its output.

    Parameters
    ----------
    name, operator : str
        hal's and CANN's.
    *between
        Constants between inputs and output.
    widen : bool
        Whether dtypes that CANN lacks may be calculated in wider ones.
    chooses : bool
        Whether the operator compares, chooses or divides, as :func:`compute_in` has it.
    """

    @rule(name, operator)
    def build(recipe: Recipe) -> bool | None:
        dtype = recipe.input().dtype
        chosen = compute_in(recipe, operator, dtype, chooses)
        if chosen is None or (chosen is not dtype and not widen):
            return False
        inputs = [recipe.cast(x, chosen) for x in recipe.inputs if x is not None]
        out = recipe.out
        # Comparisons give booleans whatever they are calculated in.
        changed = chosen is not dtype and out.dtype is dtype
        target: Ref = recipe.temporary(chosen, out.shape) if changed else out
        recipe.call(operator, *inputs, *between, target)
        if changed:
            recipe.call("Cast", target, dtype, out)
        return None
