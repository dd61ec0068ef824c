"""Arithmetic, comparison, logic, bits, rounding, conversion."""

from __future__ import annotations

from hal import dtypes
from hal.dtypes import real_counterpart
from hal.plugin import Layout
from hal_ascend.operators.rule import RULES, Build, elementwise, rule
from hal_ascend.recipe import Recipe, Ref, movable, signed

_UNARY = {
    "reciprocal": "Reciprocal",
    "exp": "Exp",
    "expm1": "Expm1",
    "log": "Log",
    "log1p": "Log1p",
    "log2": "Log2",
    "log10": "Log10",
    "sqrt": "Sqrt",
    "rsqrt": "Rsqrt",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "asin": "Asin",
    "acos": "Acos",
    "atan": "Atan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "tanh": "Tanh",
    "asinh": "Asinh",
    "acosh": "Acosh",
    "atanh": "Atanh",
    "erf": "Erf",
    "isinf": "IsInf",
    "signbit": "Signbit",
    "logical_not": "LogicalNot",
}
_BINARY = {
    "multiply": "Mul",
    "divide": "Div",
    "floor_divide": "FloorDivide",
    "remainder": "RemainderTensorTensor",
    "power": "PowTensorTensor",
    "maximum": "Maximum",
    "minimum": "Minimum",
    "atan2": "Atan2",
    "logaddexp": "LogAddExp",
    "equal": "EqTensor",
    "not_equal": "NeTensor",
    "less": "LtTensor",
    "less_equal": "LeTensor",
    "greater": "GtTensor",
    "greater_equal": "GeTensor",
    "logical_and": "LogicalAnd",
    "logical_or": "LogicalOr",
    "logical_xor": "LogicalXor",
}
_CHOOSING = ("maximum", "minimum", "equal", "not_equal", "less", "less_equal", "greater",
             "greater_equal", "isinf", "floor_divide", "remainder")  # fmt: skip
for _name, _operator in {**_UNARY, **_BINARY}.items():
    elementwise(_name, _operator, chooses=_name in _CHOOSING)
elementwise("add", "Add", 1)
elementwise("subtract", "Sub", 1)
# What a wider integer would change: overflow, and the bits beyond the width.
for _name, _operator in {
    "bitwise_and": "BitwiseAndTensor",
    "bitwise_or": "BitwiseOrTensor",
    "bitwise_xor": "BitwiseXorTensor",
    "bitwise_invert": "BitwiseNot",
    "bitwise_left_shift": "LeftShift",
    "complex": "Complex",
}.items():
    elementwise(_name, _operator, widen=False)
# What is shifted out at the right is gone in a wider integer too.
elementwise("bitwise_right_shift", "RightShift", chooses=True)


def _rounding(name: str, operator: str) -> None:
    """Add the rule of an operator that leaves integers as they are."""
    elementwise(name, operator)
    build_floating = RULES[name].build

    @rule(name, operator, "InplaceCopy")
    def build(recipe: Recipe) -> bool | None:
        whole = recipe.input().dtype.kind in ("int", "uint")
        return _same(recipe) if whole else build_floating(recipe)


def _same(recipe: Recipe) -> bool | None:
    recipe.call("InplaceCopy", recipe.out, recipe.input())
    return None


for _name, _operator in {
    "floor": "Floor",
    "ceil": "Ceil",
    "trunc": "Trunc",
    "round": "Round",
}.items():
    _rounding(_name, _operator)


def _of_unsigned(name: str, operator: str, build_unsigned: Build, *others: str) -> None:
    """Add the rule of an operator that says little about integers without a sign."""
    elementwise(name, operator)
    build_signed = RULES[name].build

    @rule(name, operator, *others)
    def build(recipe: Recipe) -> bool | None:
        unsigned = recipe.input().dtype.kind == "uint"
        return build_unsigned(recipe) if unsigned else build_signed(recipe)


def _one_or_zero(recipe: Recipe) -> bool | None:
    x = signed(recipe.input())
    truth = recipe.temporary(dtypes.bool, x.shape)
    recipe.call("NeTensor", x, recipe.filled(x.dtype, (), 0), truth)
    recipe.call("Cast", truth, recipe.out.dtype, recipe.out)
    return None


_of_unsigned("abs", "Abs", _same, "InplaceCopy")
_of_unsigned("sign", "Sign", _one_or_zero, "NeTensor")


@rule("square", "Mul")
def _square(recipe: Recipe) -> bool | None:
    x = recipe.input()
    if not recipe.supports("Mul", x.dtype):
        return False
    recipe.call("Mul", x, x, recipe.out)
    return None


@rule("negative", "Neg", "Sub")
def _negative(recipe: Recipe) -> bool | None:
    x = recipe.input()
    if recipe.supports("Neg", x.dtype):
        recipe.call("Neg", x, recipe.out)
    elif recipe.supports("Sub", x.dtype):
        recipe.call("Sub", recipe.filled(x.dtype, (), 0), x, 1, recipe.out)
    else:
        return False
    return None


@rule("isnan", "NeTensor")
def _isnan(recipe: Recipe) -> bool | None:
    x = recipe.input()
    if x.dtype.kind in ("int", "uint"):
        recipe.call("InplaceFillScalar", recipe.out, False)
    elif recipe.supports("NeTensor", x.dtype):
        recipe.call("NeTensor", x, x, recipe.out)
    else:
        return False
    return None


@rule("isfinite", "IsFinite")
def _isfinite(recipe: Recipe) -> bool | None:
    x = recipe.input()
    if x.dtype.kind in ("int", "uint"):
        recipe.call("InplaceFillScalar", recipe.out, True)
    elif recipe.supports("IsFinite", x.dtype):
        recipe.call("IsFinite", x, recipe.out)
    else:
        return False
    return None


@rule("copysign", "Abs", "Neg", "Signbit", "SWhere")
def _copysign(recipe: Recipe) -> bool | None:
    x, y = recipe.input(0), recipe.input(1)
    if not all(recipe.supports(n, x.dtype) for n in ("Abs", "Neg", "Signbit", "SWhere")):
        return False
    positive = recipe.temporary(x.dtype, x.shape)
    negative = recipe.temporary(x.dtype, x.shape)
    bit = recipe.temporary(dtypes.bool, y.shape)
    recipe.call("Abs", x, positive)
    recipe.call("Neg", positive, negative)
    recipe.call("Signbit", y, bit)
    recipe.call("SWhere", bit, negative, positive, recipe.out)
    return None


def _parts(x: Ref) -> tuple[Ref, Ref]:
    """Return the real and the imaginary part of a complex tensor as views of it."""
    layout = Layout(real_counterpart(x.dtype), x.shape, tuple(2 * s for s in x.layout.strides))
    return Ref(x.slot, layout, 2 * x.offset), Ref(x.slot, layout, 2 * x.offset + 1)


@rule("conj", "Neg", "Complex")
def _conj(recipe: Recipe) -> bool | None:
    x = recipe.input()
    if x.dtype.kind != "complex":
        recipe.call("InplaceCopy", recipe.out, x)
        return None
    if not recipe.supports("Complex", real_counterpart(x.dtype)):
        return False
    real, imaginary = _parts(x)
    turned = recipe.temporary(imaginary.dtype, x.shape)
    recipe.call("Neg", imaginary, turned)
    recipe.call("Complex", real, turned, recipe.out)
    return None


@rule("where", "SWhere")
def _where(recipe: Recipe) -> bool | None:
    condition, x, y, out = recipe.input(0), recipe.input(1), recipe.input(2), recipe.out
    dtype = movable(recipe, "SWhere", x.dtype)
    if dtype is None:
        return False
    recipe.call("SWhere", condition, x.as_dtype(dtype), y.as_dtype(dtype), out.as_dtype(dtype))
    return None


@rule("clip", "ClampTensor", "ClampMinTensor", "ClampMaxTensor")
def _clip(recipe: Recipe) -> bool | None:
    x, low, high = recipe.input(), recipe.optional(1), recipe.optional(2)
    if not recipe.supports("ClampTensor", x.dtype):
        return False
    if low is not None and high is not None:
        recipe.call("ClampTensor", x, low, high, recipe.out)
    elif low is not None:
        recipe.call("ClampMinTensor", x, low, recipe.out)
    elif high is not None:
        recipe.call("ClampMaxTensor", x, high, recipe.out)
    else:
        recipe.call("InplaceCopy", recipe.out, x)
    return None


@rule("cast", "Cast")
def _cast(recipe: Recipe) -> bool | None:
    x, dtype = recipe.input(), recipe.attributes["dtype"]
    if x.dtype is dtype:
        recipe.call("InplaceCopy", recipe.out, x)
    else:
        recipe.call("Cast", x, dtype, recipe.out)
    return None
