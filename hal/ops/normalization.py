"""Softmax and the normalization layers, with PyTorch's meaning; channels lie on axis 1.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#normalization-functions
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from hal.dtypes import FLOATING, DType
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops.operator import (
    REQUIRED,
    Attributes,
    Evaluator,
    Inference,
    Inputs,
    define,
    normalize_axes,
    normalize_axis,
)
from hal.ops.rules import check_dtype, check_ndim, floating, present, promoted
from hal.ops.widening import narrow, wide, widen
from hal.plugin.layout import Shape

FAMILY = "normalization"

# Softmax


def _softmax_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    dtype = x.dtype if x.dtype.storage_only else floating(x.dtype)
    check_dtype(name, dtype, FLOATING)
    canonical = {"axis": normalize_axis(name, attributes["axis"], x.ndim)}
    return Inference((dtype,), ((dtype, x.shape),), canonical)


def _centred(x: Any, axis: int) -> Any:
    return x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)


def _softmax(x: Any, axis: int) -> Any:
    grown = np.exp(_centred(wide(x), axis))
    return (grown / np.sum(grown, axis=axis, keepdims=True)).astype(x.dtype, copy=False)


def _log_softmax(x: Any, axis: int) -> Any:
    centred = _centred(wide(x), axis)
    total = np.log(np.sum(np.exp(centred), axis=axis, keepdims=True))
    return (centred - total).astype(x.dtype, copy=False)


def _decompose_softmax(F: Evaluator, x: Any, axis: int) -> Any:
    if 0 in x.shape:
        return F.copy(x)
    values = widen(F, x)
    grown = F.exp(F.subtract(values, F.max(values, axis=(axis,), keepdims=True)))
    total = F.sum(grown, axis=(axis,), keepdims=True)
    return narrow(F, F.divide(grown, total), x.dtype)


def _decompose_log_softmax(F: Evaluator, x: Any, axis: int) -> Any:
    if 0 in x.shape:
        return F.copy(x)
    values = widen(F, x)
    centred = F.subtract(values, F.max(values, axis=(axis,), keepdims=True))
    total = F.log(F.sum(F.exp(centred), axis=(axis,), keepdims=True))
    return narrow(F, F.subtract(centred, total), x.dtype)


define("softmax", FAMILY, _softmax, _softmax_rule, _decompose_softmax, axis=-1)
define("log_softmax", FAMILY, _log_softmax, _softmax_rule, _decompose_log_softmax, axis=-1)

# What the normalization layers share


def _epsilon(name: str, value: Any, dtype: DType) -> float:
    if value is None:
        return float(np.finfo(wide(np.empty(0, dtype.numpy)).dtype).eps)
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise DTypeError(f"{name}: epsilon must be a real number, not {value!r}")
    if not 0 <= value < math.inf:
        raise ValueRangeError(f"{name}: epsilon is {value}; it must be 0 or more and finite")
    return float(value)


def _parameters(
    name: str, inputs: Inputs, first: int, expected: Shape, names: Sequence[str]
) -> None:
    """Check the shapes of scale, shift and the like, which follow the tensor."""
    for what, given in zip(names, inputs[first:], strict=False):
        if given is not None and given.shape != expected:
            raise ShapeError(
                f"{name}: the {what} has shape {given.shape}; for a tensor of shape "
                f"{inputs[0].shape if inputs[0] else ()} it must be {expected}"
            )


def _result(
    name: str, inputs: Inputs, attributes: Attributes, required: int, most: int
) -> Inference:
    if len(inputs) > most:
        raise DTypeError(f"{name} takes at most {most} tensors; got {len(inputs)}")
    x = present(name, inputs, required)[0]
    dtype = promoted(name, [i for i in inputs if i is not None])
    check_dtype(name, dtype, FLOATING)
    canonical = {**attributes, "epsilon": _epsilon(name, attributes["epsilon"], dtype)}
    cast = tuple(None if i is None else dtype for i in inputs)
    return Inference(cast, ((dtype, x.shape),), canonical)


def _standardized(x: Any, axes: Shape, epsilon: float) -> Any:
    """Return values with mean 0 and variance 1 over the axes."""
    if x.size == 0:
        return x
    centred = x - np.mean(x, axis=axes, keepdims=True)
    variance = np.mean(centred * centred, axis=axes, keepdims=True)
    return centred / np.sqrt(variance + epsilon)


def _decompose_standardized(F: Evaluator, x: Any, axes: Shape, epsilon: float) -> Any:
    if 0 in x.shape:
        return F.copy(x)
    centred = F.subtract(x, F.mean(x, axis=axes, keepdims=True))
    variance = F.mean(F.multiply(centred, centred), axis=axes, keepdims=True)
    return F.multiply(centred, F.rsqrt(F.add(variance, epsilon)))


def _affine(x: Any, weight: Any, bias: Any, shape: Shape) -> Any:
    if weight is not None:
        x = x * wide(weight).reshape(shape)
    return x if bias is None else x + wide(bias).reshape(shape)


def _decompose_affine(F: Evaluator, x: Any, weight: Any, bias: Any, shape: Shape) -> Any:
    if weight is not None:
        x = F.multiply(x, F.reshape(widen(F, weight), shape=shape))
    return x if bias is None else F.add(x, F.reshape(widen(F, bias), shape=shape))


def _along_axes(shape: Shape, axes: Shape) -> Shape:
    return tuple(n if a in axes else 1 for a, n in enumerate(shape))


def _along_channels(x: Any) -> Shape:
    return (x.shape[1], *(1,) * (len(x.shape) - 2))


# Over given axes


def _axes_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x = present(name, inputs, 1)[0]
    axes = normalize_axes(name, attributes["axes"], x.ndim)
    if not axes:
        raise ShapeError(f"{name}: there is no axis to normalize {x.shape} over; name one or more")
    _parameters(name, inputs, 1, tuple(x.shape[a] for a in axes), ("weight", "bias"))
    most = 3 if name == "layer_norm" else 2
    return _result(name, inputs, {**attributes, "axes": axes}, 1, most)


def _layer_norm(
    x: Any, weight: Any = None, bias: Any = None, *, axes: Shape, epsilon: float
) -> Any:
    result = _standardized(wide(x), axes, epsilon)
    result = _affine(result, weight, bias, _along_axes(x.shape, axes))
    return result.astype(x.dtype, copy=False)


def _decompose_layer_norm(
    F: Evaluator, x: Any, weight: Any = None, bias: Any = None, *, axes: Shape, epsilon: float
) -> Any:
    result = _decompose_standardized(F, widen(F, x), axes, epsilon)
    result = _decompose_affine(F, result, weight, bias, _along_axes(x.shape, axes))
    return narrow(F, result, x.dtype)


def _rms_norm(x: Any, weight: Any = None, *, axes: Shape, epsilon: float) -> Any:
    values = wide(x)
    if x.size:
        power = np.mean(values * values, axis=axes, keepdims=True)
        values = values / np.sqrt(power + epsilon)
    result = _affine(values, weight, None, _along_axes(x.shape, axes))
    return result.astype(x.dtype, copy=False)


def _decompose_rms_norm(
    F: Evaluator, x: Any, weight: Any = None, *, axes: Shape, epsilon: float
) -> Any:
    if 0 in x.shape:
        return F.copy(x)
    values = widen(F, x)
    power = F.mean(F.multiply(values, values), axis=axes, keepdims=True)
    values = F.multiply(values, F.rsqrt(F.add(power, epsilon)))
    result = _decompose_affine(F, values, weight, None, _along_axes(x.shape, axes))
    return narrow(F, result, x.dtype)


define(
    "layer_norm",
    FAMILY,
    _layer_norm,
    _axes_rule,
    _decompose_layer_norm,
    axes=(-1,),
    epsilon=1e-5,
)
# Without an epsilon, that of the dtype the work is done in, as PyTorch does.
define("rms_norm", FAMILY, _rms_norm, _axes_rule, _decompose_rms_norm, axes=(-1,), epsilon=None)

# Over channels and what follows them


def _group_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x = present(name, inputs, 1)[0]
    check_ndim(name, "the tensor", x, 2)
    groups = attributes["groups"]
    if isinstance(groups, bool) or not hasattr(groups, "__index__"):
        raise DTypeError(f"{name}: groups must be an integer, not {groups!r}")
    if groups < 1 or x.shape[1] % groups:
        raise ShapeError(
            f"{name}: {x.shape[1]} channels on axis 1 of {x.shape} do not split into {groups} "
            "equal groups; the number of groups must divide the number of channels"
        )
    _parameters(name, inputs, 1, (x.shape[1],), ("weight", "bias"))
    return _result(name, inputs, {**attributes, "groups": int(groups)}, 1, 3)


def _group_norm(
    x: Any, weight: Any = None, bias: Any = None, *, groups: int, epsilon: float
) -> Any:
    grouped = wide(x).reshape(x.shape[0], groups, prod(x.shape[1:]) // groups)
    result = _standardized(grouped, (2,), epsilon).reshape(x.shape)
    return _affine(result, weight, bias, _along_channels(x)).astype(x.dtype, copy=False)


def _decompose_group_norm(
    F: Evaluator, x: Any, weight: Any = None, bias: Any = None, *, groups: int, epsilon: float
) -> Any:
    shape = (x.shape[0], groups, prod(x.shape[1:]) // groups)
    grouped = F.reshape(widen(F, x), shape=shape)
    result = F.reshape(_decompose_standardized(F, grouped, (2,), epsilon), shape=x.shape)
    result = _decompose_affine(F, result, weight, bias, _along_channels(x))
    return narrow(F, result, x.dtype)


def _instance_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x = present(name, inputs, 1)[0]
    check_ndim(name, "the tensor", x, 3)
    _parameters(name, inputs, 1, (x.shape[1],), ("weight", "bias"))
    return _result(name, inputs, attributes, 1, 3)


def _instance_norm(x: Any, weight: Any = None, bias: Any = None, *, epsilon: float) -> Any:
    result = _standardized(wide(x), tuple(range(2, x.ndim)), epsilon)
    return _affine(result, weight, bias, _along_channels(x)).astype(x.dtype, copy=False)


def _decompose_instance_norm(
    F: Evaluator, x: Any, weight: Any = None, bias: Any = None, *, epsilon: float
) -> Any:
    result = _decompose_standardized(F, widen(F, x), tuple(range(2, len(x.shape))), epsilon)
    result = _decompose_affine(F, result, weight, bias, _along_channels(x))
    return narrow(F, result, x.dtype)


define(
    "group_norm",
    FAMILY,
    _group_norm,
    _group_rule,
    _decompose_group_norm,
    groups=REQUIRED,
    epsilon=1e-5,
)
define(
    "instance_norm",
    FAMILY,
    _instance_norm,
    _instance_rule,
    _decompose_instance_norm,
    epsilon=1e-5,
)

# With statistics that are given


def _batch_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x = present(name, inputs, 3)[0]
    check_ndim(name, "the tensor", x, 2)
    _parameters(name, inputs, 1, (x.shape[1],), ("mean", "variance", "weight", "bias"))
    return _result(name, inputs, attributes, 3, 5)


def _batch_norm(
    x: Any, mean: Any, variance: Any, weight: Any = None, bias: Any = None, *, epsilon: float
) -> Any:
    shape = _along_channels(x)
    deviation = np.sqrt(wide(variance) + epsilon)
    result = (wide(x) - wide(mean).reshape(shape)) / deviation.reshape(shape)
    return _affine(result, weight, bias, shape).astype(x.dtype, copy=False)


def _decompose_batch_norm(
    F: Evaluator,
    x: Any,
    mean: Any,
    variance: Any,
    weight: Any = None,
    bias: Any = None,
    *,
    epsilon: float,
) -> Any:
    shape = _along_channels(x)
    scale = F.rsqrt(F.add(widen(F, variance), epsilon))
    if weight is not None:
        scale = F.multiply(scale, widen(F, weight))
    centred = F.subtract(widen(F, x), F.reshape(widen(F, mean), shape=shape))
    result = F.multiply(centred, F.reshape(scale, shape=shape))
    return narrow(F, _decompose_affine(F, result, None, bias, shape), x.dtype)


define("batch_norm", FAMILY, _batch_norm, _batch_rule, _decompose_batch_norm, epsilon=1e-5)
