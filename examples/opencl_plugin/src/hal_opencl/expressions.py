"""What each elementwise operator is in OpenCL C, by kind of dtype, with NumPy's meaning."""

from __future__ import annotations

from hal.dtypes import DType
from hal_opencl.types import CTYPES

__all__ = ["expression"]

_FLOAT = {
    "add": "a + b",
    "subtract": "a - b",
    "multiply": "a * b",
    "divide": "a / b",
    "floor_divide": "floor_divide(a, b)",
    "remainder": "floor_remainder(a, b)",
    "power": "pow(a, b)",
    "maximum": "isnan(a) || a > b ? a : b",
    "minimum": "isnan(a) || a < b ? a : b",
    "atan2": "atan2(a, b)",
    "hypot": "hypot(a, b)",
    "copysign": "copysign(a, b)",
    "logaddexp": "log_add_exp(a, b)",
    "abs": "fabs(a)",
    "negative": "-a",
    "sign": "isnan(a) ? a : (T)((a > 0) - (a < 0))",
    "square": "a * a",
    "reciprocal": "1 / a",
    "floor": "floor(a)",
    "ceil": "ceil(a)",
    "trunc": "trunc(a)",
    "round": "rint(a)",
    "rsqrt": "1 / sqrt(a)",
    "isnan": "isnan(a) != 0",
    "isinf": "isinf(a) != 0",
    "isfinite": "isfinite(a) != 0",
    "signbit": "signbit(a) != 0",
} | {
    name: f"{name}(a)"
    for name in (
        "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan", "asin",
        "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf",
    )
}  # fmt: skip

_INTEGER = {
    "add": "(T)((W)a + (W)b)",
    "subtract": "(T)((W)a - (W)b)",
    "multiply": "(T)((W)a * (W)b)",
    "floor_divide": "floor_divide(a, b)",
    "remainder": "floor_remainder(a, b)",
    "power": "integer_power(a, b)",
    "maximum": "a > b ? a : b",
    "minimum": "a < b ? a : b",
    "abs": "a < 0 ? (T)(0 - (W)a) : a",
    "negative": "(T)(0 - (W)a)",
    "sign": "(T)((a > 0) - (a < 0))",
    "square": "(T)((W)a * (W)a)",
    "floor": "a",
    "ceil": "a",
    "trunc": "a",
    "round": "a",
    "bitwise_and": "(T)(a & b)",
    "bitwise_or": "(T)(a | b)",
    "bitwise_xor": "(T)(a ^ b)",
    "bitwise_invert": "(T)~a",
    # A count that is negative or too large shifts everything out, as in NumPy.
    "bitwise_left_shift": "b >= 0 && b < BITS ? (T)((W)a << b) : (T)0",
    "bitwise_right_shift": "b >= 0 && b < BITS ? (T)(a >> b) : (T)(a < 0 ? -1 : 0)",
    "isnan": "0",
    "isinf": "0",
    "isfinite": "1",
}

_BOOL = {
    "logical_and": "a & b",
    "logical_or": "a | b",
    "logical_xor": "a ^ b",
    "logical_not": "!a",
    "bitwise_and": "a & b",
    "bitwise_or": "a | b",
    "bitwise_xor": "a ^ b",
    "bitwise_invert": "!a",
}

_ANY = {
    "conj": "a",
    "equal": "a == b",
    "not_equal": "a != b",
    "less": "a < b",
    "less_equal": "a <= b",
    "greater": "a > b",
    "greater_equal": "a >= b",
}

# Only where the value in memory is the value calculated with is its neighbour the same.
_WHOLE_FLOAT = {"nextafter": "nextafter(a, b)"}

_HELPERS = {
    # The quotient is rounded twice so that quotient * b + remainder is a, as Python defines it.
    ("float", "floor_divide"): """
inline T floor_divide(T a, T b) {
    // Of infinity the quotient itself is the result, as of zero.
    if (b == 0 || isinf(a) != isinf(b)) return a / b;
    const T rest = fmod(a, b);
    T quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
    if (quotient == 0) return copysign((T)0, a / b);
    const T down = floor(quotient);
    return quotient - down > (T)0.5 ? down + 1 : down;
}""",
    ("float", "remainder"): """
inline T floor_remainder(T a, T b) {
    const T rest = fmod(a, b);
    if (b == 0 || isnan(rest)) return rest;
    if (rest == 0) return copysign((T)0, b);
    return (b < 0) != (rest < 0) ? rest + b : rest;
}""",
    ("float", "logaddexp"): """
inline T log_add_exp(T a, T b) {
    if (a == b) return a + log((T)2);
    const T gap = a - b;
    return gap > 0 ? a + log1p(exp(-gap)) : gap <= 0 ? b + log1p(exp(gap)) : gap;
}""",
    ("int", "floor_divide"): """
inline T floor_divide(T a, T b) {
    if (b == 0) return 0;
    if (b == (T)-1) return (T)(0 - (W)a);
    return (T)(a / b - (a % b != 0 && (a < 0) != (b < 0)));
}""",
    ("uint", "floor_divide"): "inline T floor_divide(T a, T b) { return b ? (T)(a / b) : (T)0; }",
    ("int", "remainder"): """
inline T floor_remainder(T a, T b) {
    if (b == 0 || b == (T)-1) return 0;
    const T rest = (T)(a % b);
    return rest != 0 && (rest < 0) != (b < 0) ? (T)(rest + b) : rest;
}""",
    ("uint", "remainder"): "inline T floor_remainder(T a, T b) { return b ? (T)(a % b) : (T)0; }",
    # A negative power of an integer is the quotient rounded towards zero: 1, -1 or 0.
    ("int", "power"): """
inline T integer_power(T a, T b) {
    if (b < 0) return a == 1 || (a == (T)-1 && !(b & 1)) ? (T)1 : a == (T)-1 ? (T)-1 : (T)0;
    W result = 1, base = (W)a;
    for (; b; b >>= 1, base *= base) if (b & 1) result *= base;
    return (T)result;
}""",
    ("uint", "power"): """
inline T integer_power(T a, T b) {
    W result = 1, base = (W)a;
    for (; b; b >>= 1, base *= base) if (b & 1) result *= base;
    return (T)result;
}""",
}


def expression(name: str, dtype: DType) -> tuple[str, str] | None:
    """Return an operator's expression over ``a`` and ``b``, and the helpers it uses.

    ``T`` is the type calculated with, ``W`` the one whose overflow wraps around.
    """
    ctype = CTYPES[dtype]
    kind = dtype.kind
    tables = [_ANY, {"float": _FLOAT, "bool": _BOOL}.get(kind, _INTEGER)]
    if kind == "float" and ctype.memory == ctype.value:
        tables.append(_WHOLE_FLOAT)
    found = next((t[name] for t in tables if name in t), None)
    if found is None:
        return None
    types = f"typedef {ctype.value} T;\ntypedef {ctype.modular} W;\n"
    if name.endswith("_shift"):
        types += f"#define BITS {dtype.bits}\n"
    return found, types + _HELPERS.get((kind, name), "")
