"""Ordering elements."""

from __future__ import annotations

from hal import dtypes
from hal_ascend.operators.rule import compute_in, rule
from hal_ascend.recipe import Recipe


def _sorted(name: str, values_wanted: bool) -> None:
    @rule(name, "Sort")
    def build(recipe: Recipe) -> bool | None:
        x, out = recipe.input(), recipe.out
        chosen = compute_in(recipe, "Sort", x.dtype, chooses=True)
        if chosen is None:
            return False
        values = recipe.temporary(chosen, x.shape)
        indices = recipe.temporary(dtypes.int64, x.shape) if values_wanted else out
        if values_wanted and chosen is x.dtype:
            values = out
        given = (True, recipe.attributes["axis"], recipe.attributes["descending"])
        recipe.call("Sort", recipe.cast(x, chosen), *given, values, indices)
        if values_wanted and values is not out:
            recipe.call("Cast", values, x.dtype, out)
        return None


_sorted("sort", values_wanted=True)
_sorted("argsort", values_wanted=False)


@rule("topk", "Topk")
def _topk(recipe: Recipe) -> bool | None:
    x = recipe.input()
    if not recipe.supports("Topk", x.dtype):
        return False
    k, axis, largest = (recipe.attributes[n] for n in ("k", "axis", "largest"))
    recipe.call("Topk", x, k, axis, largest, True, *recipe.outputs)
    return None


@rule("searchsorted", "SearchSorted")
def _searchsorted(recipe: Recipe) -> bool | None:
    x, values = recipe.input(0), recipe.input(1)
    chosen = compute_in(recipe, "SearchSorted", x.dtype, chooses=True)
    if chosen is None:
        return False
    right = recipe.attributes["side"] == "right"
    given = (recipe.cast(x, chosen), recipe.cast(values, chosen))
    recipe.call("SearchSorted", *given, False, right, None, recipe.out)
    return None
