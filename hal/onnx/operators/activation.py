"""Activation functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hal import dtypes
from hal.onnx.operators.common import axis_of, narrow, positions, widen
from hal.onnx.registry import operator
from hal.onnx.values import dtype_of


def _plain(name: str) -> Callable[..., Any]:
    def function(F: Any, x: Any) -> Any:
        return getattr(F, name)(x)

    return function


_PLAIN = {
    "Mish": "mish",
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Softsign": "softsign",
    "HardSwish": "hard_swish",
}
for _onnx, _hal in _PLAIN.items():
    operator(_onnx)(_plain(_hal))


@operator("Celu")
def _celu(F: Any, x: Any, *, alpha: float = 1.0) -> Any:
    return F.celu(x, alpha=alpha)


@operator("Elu")
def _elu(F: Any, x: Any, *, alpha: float = 1.0) -> Any:
    return F.elu(x, alpha=alpha)


@operator("LeakyRelu")
def _leaky_relu(F: Any, x: Any, *, alpha: float = 0.01) -> Any:
    return F.leaky_relu(x, negative_slope=alpha)


@operator("Gelu")
def _gelu(F: Any, x: Any, *, approximate: str = "none") -> Any:
    return F.gelu(x, approximate=approximate)


@operator("Softplus")
def _softplus(F: Any, x: Any) -> Any:
    return F.logaddexp(x, F.like(0, x))


@operator("HardSigmoid")
def _hard_sigmoid(F: Any, x: Any, *, alpha: float = 0.2, beta: float = 0.5) -> Any:
    y = F.add(F.multiply(widen(F, x), alpha), beta)
    return narrow(F, F.minimum(F.maximum(y, 0.0), 1.0), x)


@operator("Selu")
def _selu(F: Any, x: Any, *, alpha: float = 1.67326319, gamma: float = 1.05070102) -> Any:
    wide = widen(F, x)
    below = F.multiply(F.expm1(F.minimum(wide, 0.0)), alpha)
    return narrow(F, F.multiply(F.add(F.maximum(wide, 0.0), below), gamma), x)


@operator("ThresholdedRelu")
def _thresholded_relu(F: Any, x: Any, *, alpha: float = 1.0) -> Any:
    return F.where(F.greater(x, alpha), x, F.like(0, x))


@operator("Shrink")
def _shrink(F: Any, x: Any, *, bias: float = 0.0, lambd: float = 0.5) -> Any:
    wide = widen(F, x) if dtype_of(x).kind == "float" else F.cast(x, dtype=dtypes.float32)
    above = F.where(F.greater(wide, lambd), F.subtract(wide, bias), F.like(0, wide))
    return narrow(F, F.where(F.less(wide, -lambd), F.add(wide, bias), above), x)


@operator("Swish")
def _swish(F: Any, x: Any, *, alpha: float = 1.0) -> Any:
    wide = widen(F, x)
    return narrow(F, F.multiply(wide, F.sigmoid(F.multiply(wide, alpha))), x)


@operator("SwiGLU")
def _swiglu(F: Any, gate: Any, x: Any, *, alpha: float = 1.0) -> Any:
    wide = widen(F, gate)
    swish = F.multiply(wide, F.sigmoid(F.multiply(wide, alpha)))
    return narrow(F, F.multiply(swish, widen(F, x)), gate)


@operator("PRelu")
def _prelu(F: Any, x: Any, slope: Any) -> Any:
    if F.version < 7 and len(slope.shape) == 1 and slope.shape[0] > 1:
        slope = F.reshape(slope, shape=(slope.shape[0], *(1,) * (len(x.shape) - 2)))
    return F.where(F.less(x, F.like(0, x)), F.multiply(x, slope), x)


def _flattened(function: Callable[..., Any]) -> Callable[..., Any]:
    """Before version 13, these functions took all axes from ``axis`` on as one."""

    def over_rest(F: Any, x: Any, *, axis: int = 1) -> Any:
        axis = axis_of(axis, len(x.shape)) if axis != len(x.shape) else axis
        lead = 1
        for n in x.shape[:axis]:
            lead *= n
        size = 1
        for n in x.shape[axis:]:
            size *= n
        flat = F.reshape(x, shape=(lead, size))
        return F.reshape(function(F, flat, axis=1), shape=tuple(x.shape))

    return over_rest


def _softmax(F: Any, x: Any, *, axis: int = -1) -> Any:
    return F.softmax(x, axis=axis)


def _log_softmax(F: Any, x: Any, *, axis: int = -1) -> Any:
    return F.log_softmax(x, axis=axis)


def _hardmax(F: Any, x: Any, *, axis: int = -1) -> Any:
    axis = axis_of(axis, len(x.shape))
    first = F.argmax(x, axis=axis, keepdims=True)
    line = positions(F, x.shape[axis], len(x.shape), axis)
    return F.cast(F.equal(first, line), dtype=dtype_of(x))


for _name, _function in {
    "Softmax": _softmax,
    "LogSoftmax": _log_softmax,
    "Hardmax": _hardmax,
}.items():
    operator(_name)(_flattened(_function))
    operator(_name, 13)(_function)
