"""The elementwise operators as expressions over ``x``, ``y`` and ``z``; numbers are ``p0``, ..."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hal.ops import Operator

__all__ = ["Expression", "expression"]


class Expression(NamedTuple):
    """An operator's value, calculated from values of its inputs.

    Attributes
    ----------
    text : str
        A C++ expression; ``V`` is the type the first value is calculated in.
    numbers : tuple of float
        What ``p0``, ``p1`` and so on stand for.
    raw : bool
        Whether the inputs are taken as they are stored, not widened.
    """

    text: str
    numbers: tuple[float, ...] = ()
    raw: bool = False


_UNARY = (
    "abs", "negative", "sign", "square", "reciprocal", "floor", "ceil", "trunc", "round", "exp",
    "expm1", "log", "log1p", "log2", "log10", "sqrt", "rsqrt", "sin", "cos", "tan", "asin", "acos",
    "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "conj", "sigmoid",
    "log_sigmoid",
)  # fmt: skip
_BINARY = (
    "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "power", "maximum",
    "minimum", "atan2", "hypot", "copysign", "logaddexp",
)  # fmt: skip

_TEXTS = {
    **{name: f"m_{name}(x)" for name in _UNARY},
    **{name: f"m_{name}(x, y)" for name in _BINARY},
    "bitwise_left_shift": "m_left_shift(x, y)",
    "bitwise_right_shift": "m_right_shift(x, y)",
    "bitwise_invert": "m_invert(x)",
    "bitwise_and": "(V)(x & y)",
    "bitwise_or": "(V)(x | y)",
    "bitwise_xor": "(V)(x ^ y)",
    "equal": "x == y",
    "not_equal": "x != y",
    "less": "x < y",
    "less_equal": "x <= y",
    "greater": "x > y",
    "greater_equal": "x >= y",
    "isnan": "is_nan(x)",
    "isinf": "is_inf(x)",
    "isfinite": "is_finite(x)",
    "signbit": "sign_bit(x)",
    "logical_and": "x && y",
    "logical_or": "x || y",
    "logical_xor": "x != y",
    "logical_not": "!x",
    "complex": "make<V>(x, y)",
    "where": "x ? y : z",
    "cast": "x",
    "copy": "x",
    "relu": "m_maximum(x, V(0))",
    "leaky_relu": "x > V(0) ? x : x * V(p0)",
    "prelu": "x > V(0) ? x : x * y",
    "silu": "x * m_sigmoid(x)",
    "elu": "m_exponential(x, p0, 1.0, 1.0)",
    "selu": "m_exponential(x, 1.6732632423543772, 1.0507009873554805, 1.0)",
    "celu": "m_exponential(x, p0, 1.0, p0)",
    "softplus": "m_softplus(x, p0, p1)",
    "mish": "x * m_tanh(m_softplus(x, 1.0, 20.0))",
    "softsign": "x / (V(1) + m_abs(x))",
    "hard_sigmoid": "m_relu6(x + V(3)) / V(6)",
    "hard_swish": "x * m_relu6(x + V(3)) / V(6)",
}
_NUMBERS = {
    "leaky_relu": ("negative_slope",),
    "elu": ("alpha",),
    "celu": ("alpha",),
    "softplus": ("beta", "threshold"),
}
# Copies keep the bits of a value, whatever its type can calculate.
_RAW = {"copy"}
_GELU = {"none": "m_gelu(x)", "tanh": "m_gelu_tanh(x)"}
_CLIP = {
    (True, True): "m_minimum(m_maximum(x, y), z)",
    (True, False): "m_maximum(x, y)",
    (False, True): "m_minimum(x, y)",
}


def expression(
    op: Operator, present: tuple[bool, ...], attributes: Mapping[str, Any]
) -> Expression | None:
    """Return an operator's expression over its present inputs, or None when it has none.

    Parameters
    ----------
    op : Operator
    present : tuple of bool
        For each input whether it is given; the given ones are named x, y and z in order.
    attributes : mapping of str to object

    Examples
    --------
    >>> from hal.ops import operators
    >>> expression(operators["leaky_relu"], (True,), {"negative_slope": 0.1})
    Expression(text='x > V(0) ? x : x * V(p0)', numbers=(0.1,), raw=False)
    """
    if op.name == "gelu":
        return Expression(_GELU[attributes["approximate"]])
    if op.name == "clip":
        low, high = (*present[1:], False, False)[:2]
        text = _CLIP.get((low, high))
        return Expression("x", raw=True) if text is None else Expression(text)
    if op.name == "nextafter":
        return Expression("m_nextafter(x, y)", raw=True)
    text = _TEXTS.get(op.name)
    if text is None:
        return None
    numbers = tuple(float(attributes[key]) for key in _NUMBERS.get(op.name, ()))
    return Expression(text, numbers, op.name in _RAW)
