"""Reductions and running sums along axes."""

from __future__ import annotations

from typing import Any

from hal import dtypes
from hal_ascend.operators.rule import compute_in, rule
from hal_ascend.recipe import Recipe, Ref, Scalar, signed


def _nothing(recipe: Recipe) -> bool:
    """Do a reduction over no axes, which only converts; say whether it was one."""
    if recipe.attributes["axis"]:
        return False
    x, out = recipe.input(), recipe.out
    if x.dtype is out.dtype:
        recipe.call("InplaceCopy", out, x)
    else:
        recipe.call("Cast", x, out.dtype, out)
    return True


def _written(recipe: Recipe, dtype: Any) -> Ref:
    """Return where an operator that calculates in ``dtype`` writes."""
    out = recipe.out
    return out if out.dtype is dtype else recipe.temporary(dtype, out.shape)


def _wrapping(recipe: Recipe) -> tuple[Ref, Ref]:
    """Return input and output of a sum or product: unsigned integers that wrap as signed ones."""
    x, out = recipe.input(), recipe.out
    if out.dtype.kind == "uint" and x.dtype is not out.dtype and x.dtype.bits > 8:
        x = recipe.cast(x, signed(out).dtype)
    return signed(x), signed(out)


@rule("sum", "ReduceSum")
def _sum(recipe: Recipe) -> bool | None:
    x, out = _wrapping(recipe)
    if not recipe.supports("ReduceSum", x.dtype) or not recipe.supports("ReduceSum", out.dtype):
        return False
    if not _nothing(recipe):
        axes, keep = recipe.attributes["axis"], recipe.attributes["keepdims"]
        recipe.call("ReduceSum", x, axes, keep, out.dtype, out)
    return None


@rule("prod", "ProdDim", "Prod")
def _prod(recipe: Recipe) -> bool | None:
    x, out = _wrapping(recipe)
    if not recipe.supports("ProdDim", x.dtype) or not recipe.supports("ProdDim", out.dtype):
        return False
    if _nothing(recipe):
        return None
    axes = recipe.attributes["axis"]
    if len(axes) == len(x.shape):
        recipe.call("Prod", x, out.dtype, out.reshape(()))
        return None
    # One axis after another, from the back, each kept until the last is done.
    for number, axis in enumerate(reversed(axes), 1):
        shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
        last = number == len(axes)
        target = out.reshape(shape) if last else recipe.temporary(out.dtype, shape)
        recipe.call("ProdDim", x, axis, True, out.dtype, target)
        x = target
    return None


def _plain(name: str, operator: str) -> None:
    """Add the rule of a reduction with axes and keepdims alone, in its input's dtype."""

    @rule(name, operator)
    def build(recipe: Recipe) -> bool | None:
        x, out = recipe.input(), recipe.out
        chosen = compute_in(recipe, operator, x.dtype, chooses=True)
        if chosen is None:
            return False
        if _nothing(recipe):
            return None
        axes, keep = recipe.attributes["axis"], recipe.attributes["keepdims"]
        target = _written(recipe, chosen)
        recipe.call(operator, recipe.cast(x, chosen), axes, keep, target)
        if target is not out:
            recipe.call("Cast", target, out.dtype, out)
        return None


_plain("max", "Amax")
_plain("min", "Amin")


def _test(name: str, operator: str) -> None:
    @rule(name, operator, "NeTensor")
    def build(recipe: Recipe) -> bool | None:
        x = recipe.input()
        if _nothing(recipe):
            return None
        if not recipe.supports(operator, x.dtype):
            if not recipe.supports("NeTensor", x.dtype):
                return False
            truth = recipe.temporary(dtypes.bool, x.shape)
            recipe.call("NeTensor", x, recipe.filled(x.dtype, (), 0), truth)
            x = truth
        axes, keep = recipe.attributes["axis"], recipe.attributes["keepdims"]
        recipe.call(operator, x, axes, keep, recipe.out)
        return None


_test("any", "Any")
_test("all", "All")


@rule("mean", "Mean")
def _mean(recipe: Recipe) -> bool | None:
    x, out = recipe.input(), recipe.out
    if not recipe.supports("Mean", x.dtype):
        return False
    if not _nothing(recipe):
        axes, keep = recipe.attributes["axis"], recipe.attributes["keepdims"]
        recipe.call("Mean", x, axes, keep, out.dtype, out)
    return None


def _spread(name: str, operator: str) -> None:
    @rule(name, operator)
    def build(recipe: Recipe) -> bool | None:
        x, axes = recipe.input(), recipe.attributes["axis"]
        correction = recipe.attributes["correction"]
        if not recipe.supports(operator, x.dtype) or not axes or correction != int(correction):
            return False
        keep = recipe.attributes["keepdims"]
        recipe.call(operator, x, axes, int(correction), keep, recipe.out)
        return None


_spread("var", "VarCorrection")
_spread("std", "Std")


@rule("logsumexp", "LogSumExp")
def _logsumexp(recipe: Recipe) -> bool | None:
    x, axes = recipe.input(), recipe.attributes["axis"]
    if not recipe.supports("LogSumExp", x.dtype) or not axes or not x.layout.size:
        return False
    recipe.call("LogSumExp", x, axes, recipe.attributes["keepdims"], recipe.out)
    return None


def _position(name: str, operator: str) -> None:
    @rule(name, operator)
    def build(recipe: Recipe) -> bool | None:
        x, out, axes = recipe.input(), recipe.out, recipe.attributes["axis"]
        chosen = compute_in(recipe, operator, x.dtype, chooses=True)
        if chosen is None:
            return False
        x = recipe.cast(x, chosen)
        if len(axes) == 1:
            recipe.call(operator, x, axes[0], recipe.attributes["keepdims"], out)
        else:
            flat = recipe.packed(x).reshape((x.layout.size,))
            recipe.call(operator, flat, 0, False, out.reshape(()))
        return None


_position("argmax", "ArgMax")
_position("argmin", "ArgMin")


@rule("cumulative_sum", "Cumsum")
def _cumulative_sum(recipe: Recipe) -> bool | None:
    x, out = _wrapping(recipe)
    if not recipe.supports("Cumsum", x.dtype) or not x.shape:
        return False
    recipe.call("Cumsum", x, recipe.attributes["axis"], out.dtype, out)
    return None


@rule("cumulative_prod", "Cumprod")
def _cumulative_prod(recipe: Recipe) -> bool | None:
    x, out = _wrapping(recipe)
    if not recipe.supports("Cumprod", x.dtype) or not x.shape:
        return False
    recipe.call("Cumprod", x, Scalar(recipe.attributes["axis"], dtypes.int32), out.dtype, out)
    return None
