"""Copies, joining, padding, repeating, triangles."""

from __future__ import annotations

from hal_ascend.operators.rule import rule
from hal_ascend.recipe import Recipe, Ref, movable


def _upright(x: Ref) -> tuple[Ref, tuple[int, ...]]:
    """Return a view with no negative strides, and the axes along which it is mirrored."""
    mirrored = tuple(a for a, s in enumerate(x.layout.strides) if s < 0 and x.shape[a] > 1)
    offset = sum((x.shape[a] - 1) * x.layout.strides[a] for a in mirrored)
    strides = tuple(abs(s) if a in mirrored else s for a, s in enumerate(x.layout.strides))
    return x.view(x.shape, strides, offset), mirrored


@rule("copy", "InplaceCopy", "Flip")
def _copy(recipe: Recipe) -> bool | None:
    out, x = recipe.out, recipe.input()
    target, mirrored_out = _upright(out)
    source, mirrored_in = _upright(x)
    # Mirroring both the source and the target along an axis is no mirroring.
    axes = tuple(sorted(set(mirrored_out) ^ set(mirrored_in)))
    if not axes:
        recipe.call("InplaceCopy", target, source)
        return None
    dtype = movable(recipe, "Flip", x.dtype)
    if dtype is None:
        return False
    recipe.call("Flip", source.as_dtype(dtype), axes, target.as_dtype(dtype))
    return None


@rule("concat", "Cat")
def _concat(recipe: Recipe) -> bool | None:
    dtype = movable(recipe, "Cat", recipe.out.dtype)
    if dtype is None:
        return False
    parts = [x.as_dtype(dtype) for x in recipe.inputs if x is not None and x.layout.size]
    recipe.call("Cat", parts, recipe.attributes["axis"], recipe.out.as_dtype(dtype))
    return None


@rule("pad", "InplaceFillTensor", "InplaceCopy")
def _pad(recipe: Recipe) -> bool | None:
    x, value, out = recipe.input(0), recipe.input(1), recipe.out
    fill(recipe, out, value)
    if x.layout.size:
        recipe.call("InplaceCopy", inside(out, x, recipe.attributes["before"]), x)
    return None


def fill(recipe: Recipe, target: Ref, value: Ref) -> None:
    """Write one element into a whole tensor."""
    if recipe.supports("InplaceFillTensor", target.dtype):
        recipe.call("InplaceFillTensor", target, value)
    else:
        recipe.call("InplaceCopy", target, value)


def inside(out: Ref, x: Ref, before: tuple[int, ...]) -> Ref:
    """Return the part of a padded tensor where the tensor itself lies."""
    for axis, (start, size) in enumerate(zip(before, x.shape, strict=True)):
        out = out.part(axis, start, start + size)
    return out


@rule("repeat", "RepeatInterleaveIntWithDim")
def _repeat(recipe: Recipe) -> bool | None:
    x, out = recipe.input(), recipe.out
    dtype = movable(recipe, "RepeatInterleaveIntWithDim", x.dtype)
    if dtype is None:
        return False
    repeats, axis = recipe.attributes["repeats"], recipe.attributes["axis"]
    recipe.call(
        "RepeatInterleaveIntWithDim", x.as_dtype(dtype), repeats, axis, out.shape[axis],
        out.as_dtype(dtype),
    )  # fmt: skip
    return None


@rule("roll", "Roll")
def _roll(recipe: Recipe) -> bool | None:
    x, axes = recipe.input(), recipe.attributes["axes"]
    dtype = movable(recipe, "Roll", x.dtype)
    if dtype is None or not axes or len(set(axes)) != len(axes):
        return False
    shifts = recipe.attributes["shifts"]
    recipe.call("Roll", x.as_dtype(dtype), shifts, axes, recipe.out.as_dtype(dtype))
    return None


def _triangle(name: str, operator: str) -> None:
    @rule(name, operator)
    def build(recipe: Recipe) -> bool | None:
        x = recipe.input()
        dtype = movable(recipe, operator, x.dtype)
        if dtype is None:
            return False
        k = recipe.attributes["k"]
        recipe.call(operator, x.as_dtype(dtype), k, recipe.out.as_dtype(dtype))
        return None


_triangle("tril", "Tril")
_triangle("triu", "Triu")
