"""Functions of float32 numbers as LLVM code: branch-free, so that loops over them vectorise.

The coefficients are ours: weighted least squares on Chebyshev nodes, reweighted towards the
smallest largest relative error (Lawson's method). Each function stays within 3 units in the last
place of the exact value; ``plugins/cpu/tests/test_real.py`` checks that against float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

__all__ = ["FUNCTIONS", "decay", "fma", "intrinsic", "number"]

F32, I32 = ir.FloatType(), ir.IntType(32)

_EXP = (0.4999999403953552, 0.16666509211063385, 0.04166852682828903, 0.008370134979486465,
        0.0013811660464853048)  # fmt: skip
_TANH = (-0.3333325982093811, 0.1333083063364029, -0.05368801951408386, 0.020469410344958305,
         -0.005515154451131821)  # fmt: skip
_ERF_NEAR = (0.12837915122509003, -0.3761247992515564, 0.11281682550907135, -0.026761719956994057,
             0.0049859401769936085, -0.000595373916439712)  # fmt: skip
_ERF_FAR = (-0.00017468443547841161, 1.1295149326324463, 0.6333469152450562, 0.10828009247779846,
            -0.02511942759156227, 0.00417106319218874, -0.0004344626213423908,
            2.1095051124575548e-05)  # fmt: skip
_LOG = (0.3333331346511841, -0.25000008940696716, 0.2000211924314499, -0.1666799634695053,
        0.14219550788402557, -0.12405591458082199, 0.11888174712657928, -0.11675640940666199,
        0.06746601313352585)  # fmt: skip

_LOG2_E = 1.4426950408889634
# ln 2 in two parts, the first short enough that its product with an exponent is exact.
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.1219444005469057e-4
_ROUND = 12582912.0  # 1.5 * 2**23: adding it leaves the nearest integer in the low bits


def number(value: float) -> ir.Constant:
    """Return a float32 constant, rounded as float32 rounds."""
    with np.errstate(all="ignore"):
        return ir.Constant(F32, float(np.float32(value)))


def intrinsic(b: ir.IRBuilder, name: str, *arguments: Any) -> Any:
    """Call an LLVM intrinsic on values of one type."""
    kind = arguments[0].type
    suffix = "f32" if kind == F32 else "f64" if kind == ir.DoubleType() else f"i{kind.width}"
    function_type = ir.FunctionType(kind, [x.type for x in arguments])
    module = b.module
    full = f"llvm.{name}.{suffix}"
    found = module.globals.get(full)
    if found is None:
        found = ir.Function(module, function_type, full)
    return b.call(found, arguments)


def fma(b: ir.IRBuilder, x: Any, y: Any, z: Any) -> Any:
    """Return ``x * y + z``, rounded once where the processor can."""
    return intrinsic(b, "fmuladd", x, y, z)


def _polynomial(b: ir.IRBuilder, x: Any, coefficients: Sequence[float]) -> Any:
    result: Any = number(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = fma(b, result, x, number(coefficient))
    return result


def _bits(b: ir.IRBuilder, x: Any) -> Any:
    return b.bitcast(x, I32)


def _power_of_two(b: ir.IRBuilder, exponent: Any) -> Any:
    biased = b.add(exponent, ir.Constant(I32, 127))
    return b.bitcast(b.shl(biased, ir.Constant(I32, 23)), F32)


def _at_most(b: ir.IRBuilder, x: Any, limit: float) -> Any:
    """Return the smaller of a value and a limit; NaN stays NaN."""
    return b.select(b.fcmp_ordered(">", x, number(limit)), number(limit), x)


def _at_least(b: ir.IRBuilder, x: Any, limit: float) -> Any:
    return b.select(b.fcmp_ordered("<", x, number(limit)), number(limit), x)


def _reduced_exp(b: ir.IRBuilder, x: Any) -> tuple[Any, Any, Any]:
    """Return r, the polynomial e**r - 1, and k with x = k ln 2 + r."""
    shifted = fma(b, x, number(_LOG2_E), number(_ROUND))
    k = b.sub(_bits(b, shifted), _bits(b, number(_ROUND)))
    n = b.fsub(shifted, number(_ROUND))
    r = fma(b, n, number(-_LN2_HIGH), x)
    r = fma(b, n, number(-_LN2_LOW), r)
    p = fma(b, b.fmul(r, r), _polynomial(b, r, _EXP), r)
    return r, p, k


def exp(b: ir.IRBuilder, x: Any) -> Any:
    """Return e**x."""
    x = _at_least(b, _at_most(b, x, 89.0), -104.0)
    _, p, k = _reduced_exp(b, x)
    # Two factors, since 2**k itself may lie outside of what float32 holds.
    half = b.ashr(k, ir.Constant(I32, 1))
    result = b.fmul(b.fadd(p, number(1.0)), _power_of_two(b, half))
    return b.fmul(result, _power_of_two(b, b.sub(k, half)))


def decay(b: ir.IRBuilder, x: Any) -> Any:
    """Return e**x of a number that is not positive, zero where that is no normal number."""
    _, p, k = _reduced_exp(b, x)
    result = b.fmul(b.fadd(p, number(1.0)), _power_of_two(b, k))
    return b.select(b.fcmp_ordered("<", x, number(-87.0)), number(0.0), result)


def expm1(b: ir.IRBuilder, x: Any) -> Any:
    """Return e**x - 1."""
    _, p, _ = _reduced_exp(b, _at_least(b, _at_most(b, x, 0.35), -0.35))
    near = b.fcmp_ordered("<", intrinsic(b, "fabs", x), number(0.34))
    result = b.select(near, p, b.fsub(exp(b, x), number(1.0)))
    return intrinsic(b, "copysign", result, x)  # for -0.0


def tanh(b: ir.IRBuilder, x: Any) -> Any:
    """Return the hyperbolic tangent."""
    size = intrinsic(b, "fabs", x)
    z = b.fmul(x, x)
    near = fma(b, b.fmul(x, z), _polynomial(b, z, _TANH), x)
    e = exp(b, b.fadd(size, size))
    far = b.fsub(number(1.0), b.fdiv(number(2.0), b.fadd(e, number(1.0))))
    result = b.select(b.fcmp_ordered("<", size, number(0.65)), near, far)
    return intrinsic(b, "copysign", result, x)


def erf(b: ir.IRBuilder, x: Any) -> Any:
    """Return the error function."""
    size = intrinsic(b, "fabs", x)
    near = fma(b, x, _polynomial(b, b.fmul(x, x), _ERF_NEAR), x)
    tail = exp(b, b.fneg(_polynomial(b, _at_most(b, size, 4.1), _ERF_FAR)))
    result = b.select(b.fcmp_ordered("<", size, number(0.93)), near, b.fsub(number(1.0), tail))
    return intrinsic(b, "copysign", result, x)


def log(b: ir.IRBuilder, x: Any) -> Any:
    """Return the natural logarithm."""
    tiny = b.fcmp_ordered("<", x, number(1.1754943508222875e-38))
    scaled = b.select(tiny, b.fmul(x, number(8388608.0)), x)
    # The exponent such that the rest lies between sqrt(1/2) and sqrt(2).
    bits = b.sub(_bits(b, scaled), ir.Constant(I32, 0x3F3504F3))
    k = b.ashr(bits, ir.Constant(I32, 23))
    rest = b.sub(_bits(b, scaled), b.shl(k, ir.Constant(I32, 23)))
    f = b.fsub(b.bitcast(rest, F32), number(1.0))
    exponent = b.sitofp(b.sub(k, b.select(tiny, ir.Constant(I32, 23), ir.Constant(I32, 0))), F32)
    z = b.fmul(f, f)
    tail = b.fmul(b.fmul(z, f), _polynomial(b, f, _LOG))
    tail = fma(b, exponent, number(_LN2_LOW), tail)
    tail = fma(b, z, number(-0.5), tail)
    result = fma(b, exponent, number(_LN2_HIGH), b.fadd(f, tail))
    infinite = b.fcmp_ordered("==", x, number(float("inf")))
    result = b.select(infinite, x, result)
    result = b.select(b.fcmp_ordered("==", x, number(0.0)), number(float("-inf")), result)
    return b.select(b.fcmp_unordered("<", x, number(0.0)), number(float("nan")), result)


def log1p(b: ir.IRBuilder, x: Any) -> Any:
    """Return log(1 + x)."""
    u = b.fadd(x, number(1.0))
    corrected = b.fmul(log(b, u), b.fdiv(x, b.fsub(u, number(1.0))))
    plain = b.fcmp_unordered("==", u, number(1.0))
    infinite = b.fcmp_ordered("==", u, number(float("inf")))
    result = b.select(plain, x, corrected)
    result = b.select(infinite, x, result)
    return b.select(b.fcmp_ordered("==", u, number(0.0)), number(float("-inf")), result)


FUNCTIONS = {"exp": exp, "expm1": expm1, "tanh": tanh, "erf": erf, "log": log, "log1p": log1p}
"""By operator name; each takes a builder and a float32 value."""
