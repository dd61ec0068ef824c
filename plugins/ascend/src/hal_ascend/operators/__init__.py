"""Which of CANN's operators do what an operator of hal means, and for which dtypes."""

from __future__ import annotations

from importlib import import_module

from hal.ops import Operator
from hal.plugin import Signature
from hal_ascend.families import Family
from hal_ascend.operators.rule import RULES, Rule
from hal_ascend.prototypes import operator_prototypes
from hal_ascend.recipe import MOST_AXES, Recipe

for _chapter in (
    "elementwise",
    "creation",
    "movement",
    "reduction",
    "indexing",
    "sorting",
    "product",
    "quantization",
    "convolution",
    "activation",
    "normalization",
    "attention",
    "unsigned",
):
    import_module(f"hal_ascend.operators.{_chapter}")

__all__ = ["RULES", "Rule", "recipe_for", "refusal"]


def recipe_for(op: Operator, signature: Signature, family: Family) -> Recipe | None:
    """Return the calls that make up a kernel, or None when CANN's operators do not fit.

    Raises
    ------
    hal.errors.Unsupported
        When the chip could do it only less exactly than the user allows.
    """
    rule = RULES.get(op.name)
    if rule is None:
        return None
    layouts = [x for x in (*signature.inputs, *signature.outputs) if x is not None]
    for layout in layouts:
        if layout.ndim > MOST_AXES or layout.dtype not in family.dtypes:
            return None
        if op.name != "copy" and min(layout.strides, default=0) < 0:
            return None
    recipe = Recipe(signature, family)
    return recipe if rule.build(recipe) is not False and recipe.steps else None


def refusal(op: Operator, family: Family) -> str:
    """Return why there is no recipe for an operator, as far as can be said without a trial."""
    rule = RULES.get(op.name)
    if rule is None:
        return f"CANN has no operator for {op.name}"
    first = rule.operators[0]
    if not operator_prototypes()[first].dtypes_on(family.exceptions):
        return f"{family.name} has no aclnn{first}"
    return f"aclnn{first} on {family.name} takes no such dtypes, shapes or attributes"
