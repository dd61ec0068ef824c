"""Activation functions, with PyTorch's meaning.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#non-linear-activation-functions
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hal.dtypes import FLOATING, REAL, DType
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops.operator import Attributes, Evaluator, Inference, Inputs, Rule, define, operators
from hal.ops.rules import check_dtype, elementwise, present, promoted
from hal.ops.widening import narrow, wide, widen

FAMILY = "activation"

# Fixed by Klambauer et al., 2017, https://arxiv.org/abs/1706.02515.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
GELU_CUBIC = 0.044715
GELU_SCALE = math.sqrt(2 / math.pi)


def _number(name: str, key: str, value: Any, nonzero: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise DTypeError(f"{name}: {key} must be a real number, not {value!r}")
    found = float(value)
    if math.isnan(found) or (nonzero and found == 0):
        allowed = "any number but 0 and NaN" if nonzero else "any number but NaN"
        raise ValueRangeError(f"{name}: {key} is {value}; it may be {allowed}")
    return found


def _rule(allowed: Sequence[DType], nonzero: Sequence[str]) -> Rule:
    """Return the rule of an activation whose attributes are numbers, some of them not 0."""
    shape_and_dtype = elementwise(1, allowed, to_floating=allowed is FLOATING)

    def rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
        numbers = {k: _number(name, k, v, k in nonzero) for k, v in attributes.items()}
        return shape_and_dtype(name, inputs, numbers)

    return rule


def _activation(
    name: str,
    reference: Callable[..., Any],
    decompose: Callable[..., Any],
    allowed: Sequence[DType] = FLOATING,
    nonzero: Sequence[str] = (),
    rule: Rule | None = None,
    **defaults: Any,
) -> None:
    """Define an activation; its reference and decomposition need not mind half precision."""

    def in_wide(x: Any, *rest: Any, **attributes: Any) -> Any:
        result = reference(wide(x), *[wide(r) for r in rest], **attributes)
        return result.astype(x.dtype, copy=False)

    def on_wide(F: Evaluator, x: Any, *rest: Any, **attributes: Any) -> Any:
        result = decompose(F, widen(F, x), *[widen(F, r) for r in rest], **attributes)
        return narrow(F, result, x.dtype)

    define(name, FAMILY, in_wide, rule or _rule(allowed, nonzero), on_wide, **defaults)


# Sigmoid and what is made of it


def _sigmoid(x: Any) -> Any:
    # exp of a number that is not positive cannot overflow.
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def _log_sigmoid(x: Any) -> Any:
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def _decompose_sigmoid(F: Evaluator, x: Any) -> Any:
    return F.reciprocal(F.add(F.exp(F.negative(x)), 1.0))


def _decompose_log_sigmoid(F: Evaluator, x: Any) -> Any:
    return F.subtract(F.minimum(x, 0.0), F.log1p(F.exp(F.negative(F.abs(x)))))


_activation("sigmoid", _sigmoid, _decompose_sigmoid)
_activation("log_sigmoid", _log_sigmoid, _decompose_log_sigmoid)
_activation(
    "silu", lambda x: x * _sigmoid(x), lambda F, x: F.divide(x, F.add(F.exp(F.negative(x)), 1.0))
)

# Rectifiers


def _leaky_relu(x: Any, negative_slope: float) -> Any:
    return np.where(x > 0, x, x * negative_slope)


def _decompose_leaky_relu(F: Evaluator, x: Any, negative_slope: float) -> Any:
    return F.where(F.greater(x, 0), x, F.multiply(x, negative_slope))


_activation("relu", lambda x: np.maximum(x, 0), lambda F, x: F.maximum(x, 0), REAL)
_activation("leaky_relu", _leaky_relu, _decompose_leaky_relu, negative_slope=0.01)


def _prelu_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, weight = present(name, inputs, 2)
    dtype = promoted(name, (x, weight))
    check_dtype(name, dtype, FLOATING)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or weight.size not in (1, channels):
        raise ShapeError(
            f"{name}: the weight has shape {weight.shape}; for a tensor of shape {x.shape} it must "
            f"hold 1 slope or one for each of the {channels} channels on axis 1"
        )
    return Inference((dtype, dtype), ((dtype, x.shape),), attributes)


def _slopes(x: Any, weight: Any) -> tuple[int, ...]:
    """Return the shape under which the slopes lie along the channel axis."""
    return (1,) * len(x.shape) if weight.shape in ((), (1,)) else (-1, *(1,) * (len(x.shape) - 2))


def _prelu(x: Any, weight: Any) -> Any:
    return np.where(x > 0, x, x * weight.reshape(_slopes(x, weight)))


def _decompose_prelu(F: Evaluator, x: Any, weight: Any) -> Any:
    slopes = F.reshape(weight, shape=_slopes(x, weight))
    return F.where(F.greater(x, 0.0), x, F.multiply(x, slopes))


_activation("prelu", _prelu, _decompose_prelu, rule=_prelu_rule)

# Exponential units


def _exponential(x: Any, alpha: float, scale: float, width: float) -> Any:
    """Return scale * x where positive, else scale * alpha * (exp(x / width) - 1)."""
    return scale * np.where(x > 0, x, alpha * np.expm1(x / width))


def _decompose_exponential(F: Evaluator, x: Any, alpha: float, scale: float, width: float) -> Any:
    grown = F.expm1(x if width == 1 else F.divide(x, width))
    if scale == 1:
        return F.where(F.greater(x, 0.0), x, F.multiply(grown, alpha))
    return F.where(F.greater(x, 0.0), F.multiply(x, scale), F.multiply(grown, alpha * scale))


_activation(
    "elu",
    lambda x, alpha: _exponential(x, alpha, 1, 1),
    lambda F, x, alpha: _decompose_exponential(F, x, alpha, 1, 1),
    alpha=1.0,
)
_activation(
    "selu",
    lambda x: _exponential(x, SELU_ALPHA, SELU_SCALE, 1),
    lambda F, x: _decompose_exponential(F, x, SELU_ALPHA, SELU_SCALE, 1),
)
_activation(
    "celu",
    lambda x, alpha: _exponential(x, alpha, 1, alpha),
    lambda F, x, alpha: _decompose_exponential(F, x, alpha, 1, alpha),
    nonzero=("alpha",),
    alpha=1.0,
)

# Softplus and mish


def _softplus(x: Any, beta: float, threshold: float) -> Any:
    return np.where(x * beta > threshold, x, np.log1p(np.exp(x * beta)) / beta)


def _decompose_softplus(F: Evaluator, x: Any, beta: float, threshold: float) -> Any:
    scaled = x if beta == 1 else F.multiply(x, beta)
    soft = F.log1p(F.exp(scaled))
    soft = soft if beta == 1 else F.divide(soft, beta)
    return F.where(F.greater(scaled, threshold), x, soft)


_activation("softplus", _softplus, _decompose_softplus, nonzero=("beta",), beta=1.0, threshold=20.0)
_activation(
    "mish",
    lambda x: x * np.tanh(_softplus(x, 1.0, 20.0)),
    lambda F, x: F.multiply(x, F.tanh(F.softplus(x, beta=1.0, threshold=20.0))),
)
_activation(
    "softsign",
    lambda x: x / (1 + np.abs(x)),
    lambda F, x: F.divide(x, F.add(F.abs(x), 1.0)),
)

# Piecewise linear


def _decompose_hard_sigmoid(F: Evaluator, x: Any) -> Any:
    return F.divide(F.minimum(F.maximum(F.add(x, 3.0), 0.0), 6.0), 6.0)


_activation("hard_sigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, _decompose_hard_sigmoid)
_activation(
    "hard_swish",
    lambda x: x * np.clip(x + 3, 0, 6) / 6,
    lambda F, x: F.multiply(x, _decompose_hard_sigmoid(F, x)),
)

# GELU


def _gelu_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    if attributes["approximate"] not in ("none", "tanh"):
        raise ValueRangeError(
            f"{name}: approximate is {attributes['approximate']!r}; use 'none' or 'tanh'"
        )
    return elementwise(1, FLOATING, to_floating=True)(name, inputs, attributes)


def _gelu(x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x)))
    return 0.5 * x * (1 + operators["erf"].reference(x * math.sqrt(0.5)))


def _decompose_gelu(F: Evaluator, x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        cubic = F.multiply(F.multiply(F.multiply(x, x), GELU_CUBIC), x)
        bend = F.tanh(F.multiply(F.add(x, cubic), GELU_SCALE))
    else:
        bend = F.erf(F.multiply(x, math.sqrt(0.5)))
    return F.multiply(F.multiply(x, 0.5), F.add(bend, 1.0))


_activation("gelu", _gelu, _decompose_gelu, rule=_gelu_rule, approximate="none")
