"""Tensors made from numbers."""

from __future__ import annotations

from hal_ascend.operators.rule import rule
from hal_ascend.recipe import Recipe, Ref, Scalar


@rule("full", "InplaceFillTensor", "InplaceCopy")
def _full(recipe: Recipe) -> bool | None:
    value, out = recipe.input(), recipe.out
    if recipe.supports("InplaceFillTensor", out.dtype):
        recipe.call("InplaceFillTensor", out, value)
    else:
        recipe.call("InplaceCopy", out, value)
    return None


@rule("arange", "Arange")
def _arange(recipe: Recipe) -> bool | None:
    numbers = [recipe.attributes[k] for k in ("start", "stop", "step")]
    dtype = recipe.out.dtype
    if not recipe.supports("Arange", dtype):
        return False
    if dtype.kind == "int" and all(isinstance(n, int) for n in numbers):
        # CANN counts in the numbers' own type.
        if any(not -(2**63) <= n < 2**63 for n in numbers):
            return False
        scalars = [Scalar(n, dtype) for n in numbers]
        low, high = -(2 ** (dtype.bits - 1)), 2 ** (dtype.bits - 1)
        if any(not low <= n < high for n in numbers):
            return False
    elif dtype.kind == "float" and dtype.bits >= 32:
        scalars = [Scalar(float(n), dtype) for n in numbers]
    else:
        return False
    recipe.call("Arange", *scalars, recipe.out)
    return None


@rule("linspace", "Linspace")
def _linspace(recipe: Recipe) -> bool | None:
    start, stop, num, endpoint = (
        recipe.attributes[k] for k in ("start", "stop", "num", "endpoint")
    )
    dtype = recipe.out.dtype
    if not recipe.supports("Linspace", dtype) or dtype.bits < 32:
        return False
    if isinstance(start, complex) or isinstance(stop, complex):
        return False
    if not endpoint:
        stop = start + (stop - start) * (num - 1) / num
    ends = (Scalar(float(start), dtype), Scalar(float(stop), dtype))
    recipe.call("Linspace", *ends, num, recipe.out)
    return None


@rule("eye", "Eye", "InplaceFillScalar")
def _eye(recipe: Recipe) -> bool | None:
    rows, columns, k = (recipe.attributes[n] for n in ("rows", "columns", "k"))
    out = recipe.out
    if k == 0 and recipe.supports("Eye", out.dtype):
        recipe.call("Eye", rows, columns, out)
        return None
    recipe.fill(out, 0)
    count = max(0, min(rows + min(k, 0), columns - max(k, 0)))
    if count:
        start = max(k, 0) + max(-k, 0) * columns
        diagonal: Ref = out.view((count,), (columns + 1,), start)
        recipe.fill(diagonal, 1)
    return None
