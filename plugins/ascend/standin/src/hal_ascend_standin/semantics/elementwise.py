"""Operators on each element, activations, and tensors made from numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal_ascend_standin.arguments import DTYPES
from hal_ascend_standin.semantics.table import SEMANTICS, agree, put, reference, semantics

_UNARY = {
    "Abs": "abs", "Neg": "negative", "Sign": "sign", "Reciprocal": "reciprocal",
    "Floor": "floor", "Ceil": "ceil", "Trunc": "trunc", "Round": "round", "Exp": "exp",
    "Expm1": "expm1", "Log": "log", "Log1p": "log1p", "Log2": "log2", "Log10": "log10",
    "Sqrt": "sqrt", "Rsqrt": "rsqrt", "Sin": "sin", "Cos": "cos", "Tan": "tan", "Asin": "asin",
    "Acos": "acos", "Atan": "atan", "Sinh": "sinh", "Cosh": "cosh", "Tanh": "tanh",
    "Asinh": "asinh", "Acosh": "acosh", "Atanh": "atanh", "Erf": "erf", "IsInf": "isinf",
    "IsFinite": "isfinite", "LogicalNot": "logical_not", "BitwiseNot": "bitwise_invert",
    "Sigmoid": "sigmoid", "LogSigmoid": "log_sigmoid", "Silu": "silu", "Relu": "relu",
    "Selu": "selu", "Mish": "mish", "Softsign": "softsign", "Hardsigmoid": "hard_sigmoid",
    "Hardswish": "hard_swish", "Signbit": "signbit",
}  # fmt: skip
_BINARY = {
    "Mul": "multiply", "FloorDivide": "floor_divide", "RemainderTensorTensor": "remainder",
    "PowTensorTensor": "power", "Maximum": "maximum", "Minimum": "minimum", "Atan2": "atan2",
    "LogAddExp": "logaddexp", "Div": "divide", "EqTensor": "equal", "NeTensor": "not_equal",
    "LtTensor": "less", "LeTensor": "less_equal", "GtTensor": "greater",
    "GeTensor": "greater_equal", "LogicalAnd": "logical_and", "LogicalOr": "logical_or",
    "LogicalXor": "logical_xor", "BitwiseAndTensor": "bitwise_and",
    "BitwiseOrTensor": "bitwise_or", "BitwiseXorTensor": "bitwise_xor",
    "LeftShift": "bitwise_left_shift", "RightShift": "bitwise_right_shift", "Complex": "complex",
}  # fmt: skip


def _unary(operator: str) -> Any:
    return lambda x, out: put(out, reference(operator, x))


def _binary(operator: str) -> Any:
    def run(x: Any, y: Any, out: Any) -> None:
        agree(x, y)
        put(out, reference(operator, x, y))

    return run


SEMANTICS.update({name: _unary(operator) for name, operator in _UNARY.items()})
SEMANTICS.update({name: _binary(operator) for name, operator in _BINARY.items()})


@semantics("Add")
def _add(x: Any, y: Any, alpha: Any, out: Any) -> None:
    agree(x, y, out)
    put(out, reference("add", x, y * np.asarray(alpha).astype(y.dtype)))


@semantics("Sub")
def _sub(x: Any, y: Any, alpha: Any, out: Any) -> None:
    agree(x, y, out)
    put(out, reference("subtract", x, y * np.asarray(alpha).astype(y.dtype)))


@semantics("RemainderTensorScalar")
def _remainder_scalar(x: Any, y: Any, out: Any) -> None:
    put(out, np.remainder(x, np.asarray(y).astype(x.dtype)))


@semantics("SWhere")
def _where(condition: Any, x: Any, y: Any, out: Any) -> None:
    agree(x, y, out)
    put(out, np.where(condition, x, y))


@semantics("ClampTensor")
def _clamp(x: Any, low: Any, high: Any, out: Any) -> None:
    agree(x, low, high, out)
    put(out, reference("clip", x, low, high))


@semantics("ClampMinTensor")
def _clamp_min(x: Any, low: Any, out: Any) -> None:
    agree(x, low, out)
    put(out, reference("clip", x, low, None))


@semantics("ClampMaxTensor")
def _clamp_max(x: Any, high: Any, out: Any) -> None:
    agree(x, high, out)
    put(out, reference("clip", x, None, high))


@semantics("Cast")
def _cast(x: Any, dtype: int, out: Any) -> None:
    if out.dtype != DTYPES[dtype]:
        raise TypeError(f"the output is {out.dtype}, asked for is {DTYPES[dtype]}")
    if x.dtype.kind == "c" and out.dtype.kind != "c":
        x = x.real
    put(out, x.astype(out.dtype))


@semantics("LeakyRelu")
def _leaky_relu(x: Any, slope: Any, out: Any) -> None:
    put(out, reference("leaky_relu", x, negative_slope=float(slope)))


@semantics("Elu")
def _elu(x: Any, alpha: Any, scale: Any, input_scale: Any, out: Any) -> None:
    if float(scale) != 1 or float(input_scale) != 1:
        raise ValueError("the stand-in's Elu has scales of 1 only")
    put(out, reference("elu", x, alpha=float(alpha)))


@semantics("Celu")
def _celu(x: Any, alpha: Any, out: Any) -> None:
    put(out, reference("celu", x, alpha=float(alpha)))


@semantics("Softplus")
def _softplus(x: Any, beta: Any, threshold: Any, out: Any) -> None:
    put(out, reference("softplus", x, beta=float(beta), threshold=float(threshold)))


@semantics("Prelu")
def _prelu(x: Any, weight: Any, out: Any) -> None:
    agree(x, weight, out)
    put(out, reference("prelu", x, weight))


@semantics("GeluV2")
def _gelu(x: Any, approximate: int, out: Any) -> None:
    put(out, reference("gelu", x, approximate=("none", "tanh")[approximate]))


# Tensors made from numbers


@semantics("InplaceFillScalar")
def _fill_scalar(out: Any, value: Any) -> None:
    out[...] = np.asarray(value).astype(out.dtype)


@semantics("InplaceFillTensor")
def _fill_tensor(out: Any, value: Any) -> None:
    agree(out, value)
    if value.size != 1:
        raise ValueError("the value of a fill has one element")
    out[...] = value.reshape(())


@semantics("Arange")
def _arange(start: Any, end: Any, step: Any, out: Any) -> None:
    kind = int if out.dtype.kind == "i" else float
    numbers = {"start": kind(start), "stop": kind(end), "step": kind(step)}
    put(out, reference("arange", **numbers, dtype=_hal_dtype(out)))


@semantics("Linspace")
def _linspace(start: Any, end: Any, steps: int, out: Any) -> None:
    ends = {"start": float(start), "stop": float(end), "num": steps}
    put(out, reference("linspace", **ends, endpoint=True, dtype=_hal_dtype(out)))


@semantics("Eye")
def _eye(rows: int, columns: int, out: Any) -> None:
    put(out, np.eye(rows, columns))


def _hal_dtype(array: Any) -> Any:
    from hal.dtypes import as_dtype

    return as_dtype(array.dtype)
