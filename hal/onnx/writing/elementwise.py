"""Operators on each element in ONNX's: https://onnx.ai/onnx/operators/."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hal import dtypes
from hal.onnx.tensors import element_number
from hal.onnx.writing.evaluator import CONVERTERS, Converter, Exporter, Outputs, converter

_FLOAT = {
    "sin": "Sin", "cos": "Cos", "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan",
    "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh", "asinh": "Asinh", "acosh": "Acosh",
    "atanh": "Atanh", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "erf": "Erf",
    "reciprocal": "Reciprocal", "floor": "Floor", "ceil": "Ceil", "round": "Round",
    "isnan": "IsNaN", "isinf": "IsInf",
}  # fmt: skip
_ANY = {
    "abs": "Abs", "sign": "Sign", "add": "Add", "subtract": "Sub", "multiply": "Mul",
    "power": "Pow", "equal": "Equal", "less": "Less", "less_equal": "LessOrEqual",
    "greater": "Greater", "greater_equal": "GreaterOrEqual", "maximum": "Max", "minimum": "Min",
    "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor", "logical_not": "Not",
    "where": "Where", "copy": "Identity",
}  # fmt: skip
_ROUNDING = ("floor", "ceil", "round")
_BITS = {
    "bitwise_and": "And", "bitwise_or": "Or", "bitwise_xor": "Xor", "bitwise_invert": "Not"
}  # fmt: skip


def _direct(kind: str) -> Converter:
    def convert(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
        return f.node(kind, x, *out[0])

    return convert


CONVERTERS.update({name: _direct(kind) for name, kind in _ANY.items()})


def _of_floats(name: str, kind: str) -> Converter:
    def convert(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
        if x[0].dtype.kind == "float":
            return f.node(kind, x, *out[0])
        return f.node("Identity", x, *out[0]) if name in _ROUNDING else None

    return convert


CONVERTERS.update({name: _of_floats(name, kind) for name, kind in _FLOAT.items()})


@converter("divide")
def _divide(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.node("Div", x, *out[0])


@converter("negative")
def _negative(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    if x[0].dtype.kind == "uint":
        return f.subtract(0, x[0])
    return f.node("Neg", x, *out[0])


@converter("cast")
def _cast(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.node("Cast", x, *out[0], to=element_number(out[0][0]))


def _bitwise(kind: str) -> Converter:
    def convert(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
        return f.node(kind if x[0].dtype is dtypes.bool else f"Bitwise{kind}", x, *out[0])

    return convert


CONVERTERS.update({name: _bitwise(kind) for name, kind in _BITS.items()})


@converter("bitwise_left_shift")
def _left_shift(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.multiply(x[0], f.power(f.value(2, x[0].dtype), x[1]))


@converter("bitwise_right_shift")
def _right_shift(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    return f.floor_divide(x[0], f.power(f.value(2, x[0].dtype), x[1]))


# What ONNX has no operator for


@converter("expm1")
def _expm1(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    # tanh(x/2) (e^x + 1) is e^x - 1 without the cancellation near 0.
    return f.multiply(f.tanh(f.multiply(x[0], 0.5)), f.add(f.exp(x[0]), 1.0))


@converter("log1p")
def _log1p(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    # log(u) x / (u - 1) with u = 1 + x rounded: https://doi.org/10.1016/0898-1221(82)90055-4
    u = f.add(x[0], 1.0)
    above = f.subtract(u, 1.0)
    exact = f.logical_or(f.equal(above, 0.0), f.isinf(above))
    scaled = f.multiply(f.log(u), f.divide(x[0], f.where(exact, f.value(1.0, u.dtype), above)))
    return f.where(exact, x[0], scaled)


def _logarithm(base: float) -> Converter:
    def convert(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
        return f.multiply(f.log(x[0]), 1 / math.log(base))

    return convert


CONVERTERS.update({"log2": _logarithm(2), "log10": _logarithm(10)})


@converter("signbit")
def _signbit(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    # Zero has a sign too, which its reciprocal shows.
    zero = f.logical_and(f.equal(x[0], 0.0), f.less(f.reciprocal(x[0]), 0.0))
    return f.logical_or(f.less(x[0], 0.0), zero)


@converter("copysign")
def _copysign(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    size = f.abs(x[0])
    return f.where(f.signbit(x[1]), f.negative(size), size)


@converter("hypot")
def _hypot(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    sizes = [f.abs(v) for v in x]
    large, small = f.maximum(*sizes), f.minimum(*sizes)
    plain = f.logical_or(f.equal(large, 0.0), f.isinf(large))
    ratio = f.divide(small, f.where(plain, f.value(1.0, large.dtype), large))
    scaled = f.multiply(large, f.sqrt(f.add(f.multiply(ratio, ratio), 1.0)))
    infinite = f.logical_or(f.isinf(sizes[0]), f.isinf(sizes[1]))
    return f.where(infinite, f.value(math.inf, large.dtype), f.where(plain, large, scaled))


@converter("atan2")
def _atan2(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    y, x0 = x
    both = f.logical_and(f.isinf(y), f.isinf(x0))
    one = f.value(1.0, y.dtype)
    # Of infinities the signs alone count.
    y1, x1 = f.where(both, f.copysign(one, y), y), f.where(both, f.copysign(one, x0), x0)
    zero = f.equal(x1, 0.0)
    angle = f.atan(f.divide(y1, f.where(zero, one, x1)))
    turned = f.add(angle, f.copysign(f.value(math.pi, y.dtype), y1))
    angle = f.where(f.signbit(x1), turned, angle)
    upright = f.copysign(f.value(math.pi / 2, y.dtype), y1)
    flat = f.where(f.signbit(x1), f.copysign(f.value(math.pi, y.dtype), y1), y1)
    on_axis = f.where(f.equal(y1, 0.0), flat, upright)
    nan = f.logical_or(f.isnan(y), f.isnan(x0))
    return f.where(nan, f.add(y, x0), f.where(zero, on_axis, angle))


@converter("remainder")
def _remainder(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    left, right = x
    if left.dtype.kind != "float":
        zero = f.equal(right, 0)
        rest = f.node("Mod", [left, f.where(zero, f.value(1, left.dtype), right)], *out[0])
        return f.where(zero, f.value(0, left.dtype), rest)
    rest = f.node("Mod", [left, right], *out[0], fmod=1)
    # C's remainder has the sign of the dividend, Python's that of the divisor.
    opposite = f.not_equal(f.less(rest, 0.0), f.less(right, 0.0))
    zero = f.equal(rest, 0.0)
    moved = f.where(opposite, f.add(rest, right), rest)
    return f.where(zero, f.copysign(rest, right), moved)


@converter("floor_divide")
def _floor_divide(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
    left, right = x
    rest = f.remainder(left, right)
    if left.dtype.kind != "float":
        zero = f.equal(right, 0)
        safe = f.where(zero, f.value(1, left.dtype), right)
        quotient = f.node("Div", [f.subtract(left, rest), safe], *out[0])
        return f.where(zero, f.value(0, left.dtype), quotient)
    exact = f.round(f.divide(f.subtract(left, rest), right))
    undefined = f.logical_or(f.equal(right, 0.0), f.logical_or(f.isinf(left), f.isinf(right)))
    return f.where(undefined, f.floor(f.divide(left, right)), exact)
