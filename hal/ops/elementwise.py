"""Operators on each element: arithmetic, comparison, logic, bits, rounding, conversion."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from hal import dtypes
from hal.dtypes import ALL, COMPLEX, COMPUTE, FLOATING, INTEGER, NUMERIC, REAL, as_dtype
from hal.errors import DTypeError
from hal.ops.operator import REQUIRED, Attributes, Evaluator, Inference, Inputs, define
from hal.ops.rules import check_dtype, elementwise, present, promoted
from hal.ops.widening import narrow, widen
from hal.plugin.layout import broadcast_shapes

BOOLEAN = (dtypes.bool,)
ANALYTIC = FLOATING + COMPLEX


def _unary(name: str, reference: Any, allowed: Any, **options: Any) -> None:
    decompose = options.pop("decompose", None)
    define(name, "elementwise", reference, elementwise(1, allowed, **options), decompose)


def _binary(name: str, reference: Any, allowed: Any, **options: Any) -> None:
    decompose = options.pop("decompose", None)
    define(name, "elementwise", reference, elementwise(2, allowed, **options), decompose)


# Arithmetic


def _absolute(x: Any) -> Any:
    return np.abs(x)


def _power(x: Any, y: Any) -> Any:
    if x.dtype.kind in "uc":
        return np.power(x, y)
    if x.dtype.kind != "i":
        # NumPy takes the square root for 0.5, which has other values at -0.0 and -inf.
        root = (y == 0.5) & (np.isinf(x) | (x == 0))
        return np.where(root, np.abs(x), np.power(x, y)).astype(x.dtype, copy=False)
    # An integer to a negative power is the true quotient rounded towards zero: 1, -1 or 0.
    unit = np.where(y % 2 == 0, x * x, x)
    inverse = np.where(np.abs(x) == 1, unit, 0)
    return np.where(y < 0, inverse, np.power(x, np.maximum(y, 0))).astype(x.dtype)


def _extreme(compare: str) -> Any:
    def decompose(F: Evaluator, x: Any, y: Any) -> Any:
        # Where the second operand is NaN, no comparison holds and it is taken.
        return F.where(F.logical_or(getattr(F, compare)(x, y), F.isnan(x)), x, y)

    return decompose


def _floor_divide(x: Any, y: Any) -> Any:
    quotient = np.floor_divide(x, y)
    if x.dtype.kind in "iu":
        return quotient
    # With one infinite operand NumPy gives NaN or -1 where the standard has the quotient itself.
    plain = np.isinf(x) != np.isinf(y)
    return np.where(plain, np.true_divide(x, y), quotient).astype(x.dtype, copy=False)


def _decompose_hypot(F: Evaluator, x: Any, y: Any) -> Any:
    dtype = x.dtype
    x, y = F.abs(widen(F, x)), F.abs(widen(F, y))
    larger, smaller = F.maximum(x, y), F.minimum(x, y)
    # The larger one is taken out, so that no square overflows or vanishes.
    ratio = F.divide(smaller, F.where(F.equal(larger, 0.0), F.add(larger, 1.0), larger))
    length = F.multiply(larger, F.sqrt(F.add(F.square(ratio), 1.0)))
    # An infinite side decides, whatever the other one is.
    infinite = F.logical_or(F.isinf(x), F.isinf(y))
    return narrow(F, F.where(infinite, F.where(F.isinf(x), x, y), length), dtype)


def _decompose_nextafter(F: Evaluator, x: Any, y: Any) -> Any:
    dtype = as_dtype(x.dtype)
    whole = F.copy(F.broadcast_to(x, shape=broadcast_shapes(x.shape, y.shape)))
    # Read as an integer, a number grows with its size: a step away from zero adds one.
    bits = F.bitcast(whole, dtype=as_dtype(f"int{dtype.bits}"))
    away = F.equal(F.less(x, y), F.less(0.0, x))
    moved = F.bitcast(F.where(away, F.add(bits, 1), F.subtract(bits, 1)), dtype=dtype)
    least = float(ml_dtypes.finfo(dtype.numpy).smallest_subnormal)  # type: ignore[no-untyped-call]
    moved = F.where(F.equal(x, 0.0), F.copysign(least, y), moved)
    unknown = F.logical_or(F.isnan(x), F.isnan(y))
    stays = F.logical_or(unknown, F.equal(x, y))
    return F.where(stays, F.where(unknown, F.add(x, y), y), moved)


_binary("add", np.add, NUMERIC)
_binary("subtract", np.subtract, NUMERIC)
_binary("multiply", np.multiply, NUMERIC)
_binary("divide", np.true_divide, ANALYTIC, to_floating=True)
_binary("floor_divide", _floor_divide, REAL)
_binary("remainder", np.remainder, REAL)
_binary("power", _power, NUMERIC)
_binary("maximum", np.maximum, REAL, decompose=_extreme("greater"))
_binary("minimum", np.minimum, REAL, decompose=_extreme("less"))
_binary("atan2", np.arctan2, FLOATING, to_floating=True)
_binary("hypot", np.hypot, FLOATING, to_floating=True, decompose=_decompose_hypot)
_binary("copysign", np.copysign, FLOATING, to_floating=True)
_binary("nextafter", np.nextafter, FLOATING, decompose=_decompose_nextafter)


def _decompose_logaddexp(F: Evaluator, x: Any, y: Any) -> Any:
    dtype = x.dtype
    x, y = widen(F, x), widen(F, y)
    distance = F.abs(F.subtract(x, y))
    unequal = F.add(F.maximum(x, y), F.log1p(F.exp(F.negative(distance))))
    # Two equal infinities have no distance.
    return narrow(F, F.where(F.equal(x, y), F.add(x, math.log(2)), unequal), dtype)


_binary("logaddexp", np.logaddexp, FLOATING, to_floating=True, decompose=_decompose_logaddexp)

_unary("abs", _absolute, NUMERIC, result=dtypes.real_counterpart)
_unary("negative", np.negative, NUMERIC)
_unary("sign", np.sign, NUMERIC)
_unary("square", np.square, NUMERIC, decompose=lambda F, x: F.multiply(x, x))
_unary(
    "reciprocal",
    np.reciprocal,
    ANALYTIC,
    to_floating=True,
    decompose=lambda F, x: F.divide(1.0, x),
)

# Rounding

_unary("floor", np.floor, REAL)
_unary("ceil", np.ceil, REAL)
_unary(
    "trunc",
    np.trunc,
    REAL,
    decompose=lambda F, x: F.where(F.less(x, 0), F.ceil(x), F.floor(x)),
)
_unary("round", lambda x: x.copy() if x.dtype.kind in "iu" else np.rint(x), NUMERIC)

# Exponentials, logarithms, powers, trigonometry


def _erf(x: Any) -> Any:
    wide = np.asarray(x, dtype=np.float64)
    flat = [math.erf(v) for v in wide.ravel().tolist()]
    return np.asarray(flat, dtype=np.float64).reshape(wide.shape).astype(x.dtype)


def _expm1(x: Any) -> Any:
    if x.dtype.kind != "c":
        return np.expm1(x)
    result = np.asarray(np.exp(x))
    near = np.expm1(x.real) * np.cos(x.imag) - 2 * np.square(np.sin(x.imag / 2))
    # Beyond finite numbers the standard's table is that of exp, less 1; of -0 it wants +0.
    result.real = np.where(np.isfinite(x), near + 0.0, result.real - 1)
    return result


def _tanh(x: Any) -> Any:
    result = np.asarray(np.tanh(x))
    if x.dtype.kind == "c":
        # At infinity the standard wants a zero with the imaginary part's sign, whatever its size.
        infinite = np.isinf(x.real)
        result.real = np.where(infinite, np.copysign(1, x.real), result.real)
        result.imag = np.where(infinite, np.copysign(0, x.imag), result.imag)
    return result


def _rsqrt(x: Any) -> Any:
    return (1.0 / np.sqrt(x, dtype=np.result_type(x.dtype, np.float32))).astype(x.dtype)


_ANALYTIC_FUNCTIONS: dict[str, Any] = {
    "exp": np.exp,
    "expm1": _expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": _tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
}
for _name, _function in _ANALYTIC_FUNCTIONS.items():
    _unary(_name, _function, ANALYTIC, to_floating=True)
_unary("erf", _erf, FLOATING, to_floating=True)
_unary("rsqrt", _rsqrt, FLOATING, to_floating=True, decompose=lambda F, x: F.divide(1.0, F.sqrt(x)))

# Comparison

ORDERED = (*BOOLEAN, *REAL)


def _comparison(name: str, reference: Any, allowed: Any, decompose: Any = None) -> None:
    _binary(name, reference, allowed, result=dtypes.bool, decompose=decompose)


_comparison("equal", np.equal, COMPUTE)
_comparison("not_equal", np.not_equal, COMPUTE, lambda F, x, y: F.logical_not(F.equal(x, y)))
_comparison("less", np.less, ORDERED)
_comparison("less_equal", np.less_equal, ORDERED)
_comparison("greater", np.greater, ORDERED, lambda F, x, y: F.less(y, x))
_comparison("greater_equal", np.greater_equal, ORDERED, lambda F, x, y: F.less_equal(y, x))


def _decompose_isinf(F: Evaluator, x: Any) -> Any:
    if as_dtype(x.dtype).kind == "complex":
        return F.logical_or(F.isinf(F.real(x)), F.isinf(F.imag(x)))
    return F.equal(F.abs(x), math.inf)


_unary(
    "isnan",
    np.isnan,
    NUMERIC,
    result=dtypes.bool,
    decompose=lambda F, x: F.not_equal(x, x),
)
_unary("isinf", np.isinf, NUMERIC, result=dtypes.bool, decompose=_decompose_isinf)
_unary(
    "isfinite",
    np.isfinite,
    NUMERIC,
    result=dtypes.bool,
    # Infinity less infinity is NaN, and NaN equals nothing.
    decompose=lambda F, x: F.equal(F.subtract(x, x), 0),
)
_unary("signbit", np.signbit, FLOATING, result=dtypes.bool)

# Logic and bits

_logical: dict[str, tuple[Any, str]] = {
    "logical_and": (np.logical_and, "bitwise_and"),
    "logical_or": (np.logical_or, "bitwise_or"),
    "logical_xor": (np.logical_xor, "bitwise_xor"),
}


def _bitwise(name: str) -> Any:
    return lambda F, *inputs: getattr(F, name)(*inputs)


for _name, (_function, _on_bits) in _logical.items():
    _binary(_name, _function, BOOLEAN, decompose=_bitwise(_on_bits))
_unary("logical_not", np.logical_not, BOOLEAN, decompose=_bitwise("bitwise_invert"))
_binary("bitwise_and", np.bitwise_and, (*BOOLEAN, *INTEGER))
_binary("bitwise_or", np.bitwise_or, (*BOOLEAN, *INTEGER))
_binary("bitwise_xor", np.bitwise_xor, (*BOOLEAN, *INTEGER))
_unary("bitwise_invert", np.invert, (*BOOLEAN, *INTEGER))
_binary("bitwise_left_shift", np.left_shift, INTEGER)
_binary("bitwise_right_shift", np.right_shift, INTEGER)

# Complex numbers


def _complex(real: Any, imaginary: Any) -> Any:
    result = np.empty(
        np.broadcast_shapes(real.shape, imaginary.shape),
        np.complex128 if real.dtype == np.float64 else np.complex64,
    )
    result.real = real
    result.imag = imaginary
    return result


def _decompose_conj(F: Evaluator, x: Any) -> Any:
    if as_dtype(x.dtype).kind != "complex":
        return F.copy(x)
    return F.complex(F.real(x), F.negative(F.imag(x)))


_unary("conj", np.conj, NUMERIC, decompose=_decompose_conj)
_binary("complex", _complex, (dtypes.float32, dtypes.float64), result=dtypes.complex_counterpart)

# Selection and conversion


def _where_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    condition, x, y = present(name, inputs, 3)
    check_dtype(f"{name}: the condition", condition.dtype, BOOLEAN)
    dtype = promoted(name, (x, y))
    shape = broadcast_shapes(condition.shape, x.shape, y.shape)
    return Inference((dtypes.bool, dtype, dtype), ((dtype, shape),), attributes)


define("where", "elementwise", np.where, _where_rule)


def _clip(x: Any, low: Any, high: Any) -> Any:
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def _clip_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x = present(name, inputs, 1)[0]
    check_dtype(name, x.dtype, REAL)
    bounds = [b for b in inputs[1:3] if b is not None]
    for bound in bounds:
        if bound.dtype is not x.dtype and promoted(name, (x, bound)) is not x.dtype:
            raise DTypeError(
                f"{name}: a bound of dtype {bound.dtype} does not fit a tensor of {x.dtype}; "
                "convert one with astype(...)"
            )
    shape = broadcast_shapes(x.shape, *[b.shape for b in bounds])
    cast = tuple(None if i is None else x.dtype for i in inputs)
    return Inference(cast, ((x.dtype, shape),), attributes)


def _decompose_clip(F: Evaluator, x: Any, low: Any, high: Any) -> Any:
    if low is not None:
        x = F.maximum(x, low)
    if high is not None:
        x = F.minimum(x, high)
    return F.copy(x) if low is None and high is None else x


define("clip", "elementwise", _clip, _clip_rule, _decompose_clip)


def _cast(x: Any, dtype: Any) -> Any:
    # No narrow type converts to every other directly; float32 holds all values of each.
    wide = x.astype(np.float32) if as_dtype(x.dtype).storage_only else x
    return wide.astype(dtype.numpy)


def _cast_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    dtype = as_dtype(attributes["dtype"])
    if x.dtype.kind == "complex" and dtype.kind != "complex":
        raise DTypeError(
            f"{name}: {x.dtype} does not convert to {dtype}; take real(x), imag(x) or abs(x)"
        )
    check_dtype(name, x.dtype, ALL)
    return Inference((x.dtype,), ((dtype, x.shape),), {"dtype": dtype})


define("cast", "elementwise", _cast, _cast_rule, dtype=REQUIRED)
