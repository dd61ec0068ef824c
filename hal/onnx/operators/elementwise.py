"""Operators on each element: arithmetic, comparison, logic, bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from hal import dtypes
from hal.errors import DTypeError
from hal.onnx.operators.common import narrow, widen
from hal.onnx.registry import operator
from hal.onnx.values import dtype_of, is_text

_UNARY = {
    "Abs": "abs",
    "Acos": "acos",
    "Acosh": "acosh",
    "Asin": "asin",
    "Asinh": "asinh",
    "Atan": "atan",
    "Atanh": "atanh",
    "BitwiseNot": "bitwise_invert",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Erf": "erf",
    "Exp": "exp",
    "Floor": "floor",
    "Log": "log",
    "Neg": "negative",
    "Not": "logical_not",
    "Reciprocal": "reciprocal",
    "Round": "round",
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Sqrt": "sqrt",
    "Tan": "tan",
    "Tanh": "tanh",
}
_BINARY = {
    "Add": "add",
    "And": "logical_and",
    "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or",
    "BitwiseXor": "bitwise_xor",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "Less": "less",
    "LessOrEqual": "less_equal",
    "Mul": "multiply",
    "Or": "logical_or",
    "Sub": "subtract",
    "Xor": "logical_xor",
}


def aligned(F: Any, x: Any, y: Any, axis: int | None, broadcast: int) -> Any:
    """Return y in the place that opset 6 and older give it: its axes begin at ``axis`` of x."""
    if not broadcast or axis is None:
        return y
    ndim = len(x.shape)
    rest = ndim - axis % ndim - len(y.shape)
    return F.reshape(y, shape=(*y.shape, *(1,) * max(rest, 0)))


def _unary(name: str) -> Callable[..., Any]:
    def function(F: Any, x: Any) -> Any:
        return getattr(F, name)(x)

    return function


def _binary(name: str) -> Callable[..., Any]:
    def function(F: Any, x: Any, y: Any, *, axis: int | None = None, broadcast: int = 0) -> Any:
        if dtype_of(x) is not dtype_of(y):
            raise DTypeError(f"the inputs are {dtype_of(x)} and {dtype_of(y)}; they must be equal")
        return getattr(F, name)(x, aligned(F, x, y, axis, broadcast))

    return function


for _onnx, _hal in _UNARY.items():
    operator(_onnx)(_unary(_hal))
for _onnx, _hal in _BINARY.items():
    operator(_onnx)(_binary(_hal))


@operator("Equal")
def _equal(F: Any, x: Any, y: Any, *, axis: int | None = None, broadcast: int = 0) -> Any:
    if is_text(x):
        return np.asarray(x == y, bool)
    return F.equal(x, aligned(F, x, y, axis, broadcast))


@operator("Div")
def _div(F: Any, x: Any, y: Any, *, axis: int | None = None, broadcast: int = 0) -> Any:
    y = aligned(F, x, y, axis, broadcast)
    if dtype_of(x).kind == "uint":
        return F.floor_divide(x, y)
    if dtype_of(x).kind != "int":
        return F.divide(x, y)
    # Integers are divided towards zero, hal's floor_divide goes towards minus infinity.
    quotient = F.floor_divide(x, y)
    inexact = F.not_equal(F.multiply(quotient, y), x)
    negative = F.not_equal(F.less(x, 0), F.less(y, 0))
    return F.add(quotient, F.cast(F.logical_and(inexact, negative), dtype=dtype_of(x)))


@operator("Mod")
def _mod(F: Any, x: Any, y: Any, *, fmod: int = 0) -> Any:
    if not fmod:
        return F.remainder(x, y)
    # As in C: the result has the sign of the dividend.
    size = F.remainder(F.abs(x), F.abs(y))
    if dtype_of(x).kind == "float":
        return F.copysign(size, x)
    return size if dtype_of(x).kind == "uint" else F.multiply(F.sign(x), size)


@operator("Pow")
def _pow(F: Any, x: Any, y: Any, *, axis: int | None = None, broadcast: int = 0) -> Any:
    y = aligned(F, x, y, axis, broadcast)
    base, exponent = dtype_of(x), dtype_of(y)
    if base is exponent:
        return F.power(x, y)
    if base.kind in ("int", "uint") and exponent.kind == "float":
        return F.cast(F.power(F.cast(x, dtype=exponent), y), dtype=base)
    return F.power(x, F.cast(y, dtype=base))


def _variadic(name: str) -> Callable[..., Any]:
    def function(F: Any, *inputs: Any) -> Any:
        step = getattr(F, name)
        return F.copy(inputs[0]) if len(inputs) == 1 else reduce(step, inputs)

    return function


operator("Max")(_variadic("maximum"))
operator("Min")(_variadic("minimum"))
operator("Sum")(_variadic("add"))


@operator("Mean")
def _mean(F: Any, *inputs: Any) -> Any:
    total = reduce(F.add, [widen(F, x) for x in inputs])
    return narrow(F, F.divide(total, float(len(inputs))), inputs[0])


@operator("BitShift")
def _bit_shift(F: Any, x: Any, y: Any, *, direction: str) -> Any:
    if direction not in ("LEFT", "RIGHT"):
        raise DTypeError(f"direction is {direction!r}; it must be LEFT or RIGHT")
    dtype = dtype_of(x)
    right = direction == "RIGHT"
    # A shift by all bits or more leaves no bit of the value, only its sign.
    most = dtype.bits - 1
    kept = F.less_equal(y, most)
    shift = F.bitwise_right_shift if right else F.bitwise_left_shift
    shifted = shift(x, F.minimum(y, most))
    if right and dtype.kind == "int":
        return shifted
    return F.where(kept, shifted, F.like(0, x))


@operator("IsNaN")
def _is_nan(F: Any, x: Any) -> Any:
    return F.isnan(_calculable(F, x))


@operator("IsInf")
def _is_inf(F: Any, x: Any, *, detect_negative: int = 1, detect_positive: int = 1) -> Any:
    x = _calculable(F, x)
    found = F.isinf(x)
    if not detect_negative:
        found = F.logical_and(found, F.greater_equal(x, 0))
    if not detect_positive:
        found = F.logical_and(found, F.less_equal(x, 0))
    return found


def _calculable(F: Any, x: Any) -> Any:
    return F.cast(x, dtype=dtypes.float32) if dtype_of(x).storage_only else x


@operator("Clip")
def _clip_6(F: Any, x: Any, *, min: float = -math.inf, max: float = math.inf) -> Any:
    return F.minimum(F.maximum(x, float(min)), float(max))


@operator("Clip", 11)
def _clip_11(F: Any, x: Any, low: Any = None, high: Any = None) -> Any:
    low, high = (None if b is None else F.reshape(b, shape=()) for b in (low, high))
    return F.clip(x, low, high)


@operator("Where", moves=True)
def _where(F: Any, condition: Any, x: Any, y: Any) -> Any:
    return F.where(condition, x, y)
