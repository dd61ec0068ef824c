"""Activation functions."""

from __future__ import annotations

from hal_ascend.operators.rule import compute_in, elementwise, rule
from hal_ascend.recipe import Recipe

for _name, _operator in {
    "sigmoid": "Sigmoid",
    "log_sigmoid": "LogSigmoid",
    "silu": "Silu",
    "selu": "Selu",
    "mish": "Mish",
    "softsign": "Softsign",
    "hard_sigmoid": "Hardsigmoid",
    "hard_swish": "Hardswish",
}.items():
    elementwise(_name, _operator, widen=False)
# relu keeps integers, whose wider results fit again.
elementwise("relu", "Relu")


def _with_numbers(name: str, operator: str, *names: str, behind: tuple[float, ...] = ()) -> None:
    """Add the rule of an activation whose numbers are scalars of float32."""

    @rule(name, operator)
    def build(recipe: Recipe) -> bool | None:
        x = recipe.input()
        if compute_in(recipe, operator, x.dtype) is not x.dtype:
            return False
        numbers = [float(recipe.attributes[n]) for n in names]
        recipe.call(operator, x, *numbers, *behind, recipe.out)
        return None


_with_numbers("leaky_relu", "LeakyRelu", "negative_slope")
_with_numbers("elu", "Elu", "alpha", behind=(1.0, 1.0))
_with_numbers("celu", "Celu", "alpha")
_with_numbers("softplus", "Softplus", "beta", "threshold")


@rule("prelu", "Prelu")
def _prelu(recipe: Recipe) -> bool | None:
    x, weight = recipe.input(0), recipe.input(1)
    if not recipe.supports("Prelu", x.dtype) or not x.shape:
        return False
    recipe.call("Prelu", x, recipe.packed(weight).reshape((weight.layout.size,)), recipe.out)
    return None


@rule("gelu", "GeluV2")
def _gelu(recipe: Recipe) -> bool | None:
    x = recipe.input()
    if not recipe.supports("GeluV2", x.dtype):
        return False
    recipe.call("GeluV2", x, int(recipe.attributes["approximate"] == "tanh"), recipe.out)
    return None
