"""Softmax and the normalization layers."""

from __future__ import annotations

from math import prod

from hal import dtypes
from hal_ascend.operators.rule import rule
from hal_ascend.recipe import Recipe, Ref


def _softmax(name: str, operator: str) -> None:
    @rule(name, operator)
    def build(recipe: Recipe) -> bool | None:
        x = recipe.input()
        if not recipe.supports(operator, x.dtype) or not x.shape:
            return False
        recipe.call(operator, x, recipe.attributes["axis"], recipe.out)
        return None


_softmax("softmax", "Softmax")
_softmax("log_softmax", "LogSoftmax")


def _trailing(recipe: Recipe) -> tuple[int, ...] | None:
    """Return the sizes of the axes normalized over, if they are the last ones."""
    x, axes = recipe.input(), recipe.attributes["axes"]
    last = tuple(range(len(x.shape) - len(axes), len(x.shape)))
    return tuple(x.shape[a] for a in axes) if axes == last else None


@rule("layer_norm", "LayerNorm")
def _layer_norm(recipe: Recipe) -> bool | None:
    x, weight, bias = recipe.input(), recipe.optional(1), recipe.optional(2)
    sizes = _trailing(recipe)
    if sizes is None or not recipe.supports("LayerNorm", x.dtype):
        return False
    epsilon = recipe.attributes["epsilon"]
    recipe.call("LayerNorm", x, sizes, weight, bias, epsilon, recipe.out, None, None)
    return None


@rule("rms_norm", "RmsNorm")
def _rms_norm(recipe: Recipe) -> bool | None:
    x, weight = recipe.input(), recipe.optional(1)
    sizes = _trailing(recipe)
    if sizes is None or not recipe.supports("RmsNorm", x.dtype):
        return False
    gamma = weight or recipe.filled(x.dtype, sizes, 1)
    kept = x.shape[: len(x.shape) - len(sizes)]
    rstd = recipe.temporary(dtypes.float32, (*kept, *(1,) * len(sizes)))
    recipe.call("RmsNorm", x, gamma, recipe.attributes["epsilon"], recipe.out, rstd)
    return None


def _grouped(recipe: Recipe, groups: int) -> bool | None:
    x, weight, bias = recipe.input(), recipe.optional(1), recipe.optional(2)
    if not recipe.supports("GroupNorm", x.dtype) or not x.layout.size:
        return False
    batch, channels, rest = x.shape[0], x.shape[1], prod(x.shape[2:])
    statistics = [recipe.temporary(x.dtype, (batch, groups)) for _ in range(2)]
    recipe.call(
        "GroupNorm", recipe.packed(x), weight, bias, batch, channels, rest, groups,
        recipe.attributes["epsilon"], recipe.out, *statistics,
    )  # fmt: skip
    return None


@rule("group_norm", "GroupNorm")
def _group_norm(recipe: Recipe) -> bool | None:
    return _grouped(recipe, recipe.attributes["groups"])


@rule("instance_norm", "GroupNorm")
def _instance_norm(recipe: Recipe) -> bool | None:
    return _grouped(recipe, recipe.input().shape[1])


@rule("batch_norm", "BatchNorm")
def _batch_norm(recipe: Recipe) -> bool | None:
    x = recipe.input()
    mean, variance = recipe.input(1), recipe.input(2)
    weight, bias = recipe.optional(3), recipe.optional(4)
    if not recipe.supports("BatchNorm", x.dtype) or len(x.shape) > 5:
        return False

    # The operator may write the running statistics; hal's inputs must stay as they are.
    def copied(given: Ref) -> Ref:
        made = recipe.temporary(given.dtype, given.shape)
        recipe.call("InplaceCopy", made, given)
        return made

    channels = (x.shape[1],)
    unused = [recipe.temporary(dtypes.float32, channels) for _ in range(2)]
    recipe.call(
        "BatchNorm", x, weight, bias, copied(mean), copied(variance), False, 0.1,
        recipe.attributes["epsilon"], recipe.out, *unused,
    )  # fmt: skip
    return None
