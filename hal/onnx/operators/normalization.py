"""Normalization layers and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal import dtypes
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import (
    axes_of,
    axis_of,
    cast,
    flat_size,
    narrow,
    unsqueeze,
    widen,
)
from hal.onnx.registry import operator
from hal.onnx.tensors import element_dtype
from hal.onnx.values import dtype_of


def _along_channels(F: Any, v: Any, x: Any) -> Any:
    return F.reshape(widen(F, v), shape=(flat_size(v.shape), *(1,) * (len(x.shape) - 2)))


def _normalized(F: Any, x: Any, scale: Any, bias: Any, mean: Any, var: Any, epsilon: float) -> Any:
    wide = widen(F, x)
    scale, bias, mean, var = (_along_channels(F, v, x) for v in (scale, bias, mean, var))
    ratio = F.divide(scale, F.sqrt(F.add(var, epsilon)))
    return narrow(F, F.add(F.multiply(F.subtract(wide, mean), ratio), bias), x)


@operator("BatchNormalization")
def _batch_normalization(
    F: Any, x: Any, scale: Any, bias: Any, mean: Any, var: Any, *, epsilon: float = 1e-5,
    momentum: float = 0.9, training_mode: int = 0, spatial: int = 1,
) -> Any:  # fmt: skip
    if not spatial:
        raise ValueRangeError("spatial=0 ended with opset 8; export the model anew")
    training = training_mode if F.version >= 14 else F.outputs > 1
    if not training:
        if len({dtype_of(v) for v in (x, scale, bias, mean, var)}) == 1 and len(x.shape) > 1:
            return F.batch_norm(x, mean, var, scale, bias, epsilon=epsilon)
        return _normalized(F, x, scale, bias, mean, var, epsilon)
    wide = widen(F, x)
    axes = tuple(a for a in range(len(x.shape)) if a != 1)
    now_mean = F.mean(wide, axis=axes, keepdims=False)
    now_var = F.var(wide, axis=axes, keepdims=False)
    y = _normalized(F, x, scale, bias, now_mean, now_var, epsilon)

    def running(old: Any, new: Any) -> Any:
        total = F.add(F.multiply(widen(F, old), momentum), F.multiply(new, 1 - momentum))
        return narrow(F, total, old)

    found = (y, running(mean, now_mean), running(var, now_var))
    return (*found, narrow(F, now_mean, mean), narrow(F, now_var, var))


@operator("InstanceNormalization")
def _instance_normalization(F: Any, x: Any, scale: Any, bias: Any, *, epsilon: float = 1e-5) -> Any:
    return F.instance_norm(x, scale, bias, epsilon=epsilon)


def _standardized(F: Any, x: Any, axes: tuple[int, ...], epsilon: float) -> tuple[Any, Any, Any]:
    mean = F.mean(x, axis=axes, keepdims=True)
    centred = F.subtract(x, mean)
    var = F.mean(F.multiply(centred, centred), axis=axes, keepdims=True)
    inverse = F.divide(F.like(1, x), F.sqrt(F.add(var, epsilon)))
    return F.multiply(centred, inverse), mean, inverse


@operator("LayerNormalization")
def _layer_normalization(
    F: Any, x: Any, scale: Any, bias: Any = None, *, axis: int = -1, epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Any:  # fmt: skip
    axes = tuple(range(axis_of(axis, len(x.shape)), len(x.shape)))
    shape = tuple(x.shape[a] for a in axes)
    same = tuple(scale.shape) == shape and (bias is None or tuple(bias.shape) == shape)
    if F.outputs == 1 and same and dtype_of(scale) is dtype_of(x):
        return F.layer_norm(x, scale, bias, axes=axes, epsilon=epsilon)
    stash = element_dtype(stash_type)
    wide = widen(F, x) if stash.bits < 32 or dtype_of(x).bits > 32 else cast(F, x, stash)
    y, mean, inverse = _standardized(F, wide, axes, epsilon)
    y = F.multiply(y, cast(F, scale, dtype_of(wide)))
    if bias is not None:
        y = F.add(y, cast(F, bias, dtype_of(wide)))
    return narrow(F, y, x), cast(F, mean, stash), cast(F, inverse, stash)


@operator("RMSNormalization")
def _rms_normalization(
    F: Any, x: Any, scale: Any, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    axes = tuple(range(axis_of(axis, len(x.shape)), len(x.shape)))
    if tuple(scale.shape) == tuple(x.shape[a] for a in axes) and dtype_of(scale) is dtype_of(x):
        return F.rms_norm(x, scale, axes=axes, epsilon=epsilon)
    wide = widen(F, x)
    power = F.mean(F.multiply(wide, wide), axis=axes, keepdims=True)
    y = F.divide(wide, F.sqrt(F.add(power, epsilon)))
    return cast(F, F.multiply(y, cast(F, scale, dtype_of(wide))), dtype_of(scale))


@operator("GroupNormalization")
def _group_normalization(
    F: Any, x: Any, scale: Any, bias: Any, *, num_groups: int, epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Any:  # fmt: skip
    batch, channels = x.shape[:2]
    if num_groups < 1 or channels % num_groups:
        raise ShapeError(f"{channels} channels do not split into {num_groups} groups")
    if tuple(scale.shape) == (channels,):
        return F.group_norm(x, scale, bias, groups=num_groups, epsilon=epsilon)
    wide = widen(F, x)
    parts = F.reshape(wide, shape=(batch, num_groups, flat_size(x.shape[1:]) // num_groups))
    y = _standardized(F, parts, (2,), epsilon)[0]
    # Until version 21 there was one scale and one bias for each group.
    y = F.add(
        F.multiply(y, unsqueeze(F, widen(F, scale), (1,))), unsqueeze(F, widen(F, bias), (1,))
    )
    return narrow(F, F.reshape(y, shape=tuple(x.shape)), x)


@operator("MeanVarianceNormalization")
def _mean_variance_normalization(F: Any, x: Any, *, axes: Any = (0, 2, 3)) -> Any:
    wide, along = widen(F, x), axes_of(axes, len(x.shape))
    centred = F.subtract(wide, F.mean(wide, axis=along, keepdims=True))
    deviation = F.sqrt(F.mean(F.multiply(centred, centred), axis=along, keepdims=True))
    return narrow(F, F.divide(centred, F.add(deviation, 1e-9)), x)


@operator("LpNormalization")
def _lp_normalization(F: Any, x: Any, *, axis: int = -1, p: int = 2) -> Any:
    wide = widen(F, x)
    if p == 1:
        norm = F.sum(F.abs(wide), axis=axis, keepdims=True)
    elif p == 2:
        norm = F.sqrt(F.sum(F.multiply(wide, wide), axis=axis, keepdims=True))
    else:
        raise ValueRangeError(f"p is {p}; it may be 1 or 2")
    zero = F.like(0, wide)
    return narrow(F, F.where(F.equal(norm, zero), zero, F.divide(wide, norm)), x)


@operator("LRN")
def _lrn(
    F: Any, x: Any, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> Any:
    wide = widen(F, x)
    if size < 1 or len(x.shape) < 2:
        raise ValueRangeError(f"size is {size} and the shape {tuple(x.shape)}; neither fits")
    rest = (0,) * (len(x.shape) - 2)
    before, after = (size - 1) // 2, size // 2
    squares = F.pad(
        F.multiply(wide, wide), F.like(0, wide), before=(0, before, *rest), after=(0, after, *rest)
    )
    windows = F.as_windows(squares, axes=(1,), sizes=(size,), steps=(1,), dilations=(1,))
    total = F.sum(windows, axis=(len(x.shape),), keepdims=False)
    divisor = F.power(F.add(F.multiply(total, alpha / size), bias), beta)
    return narrow(F, F.divide(wide, divisor), x)


@operator("Dropout")
def _dropout_1(F: Any, x: Any, *, ratio: float = 0.5, is_test: int = 1) -> Any:
    mask_dtype = dtypes.bool if F.version >= 10 else dtype_of(x)
    return F.copy(x), F.full(F.place(np.ones((), mask_dtype.numpy)), shape=tuple(x.shape))


@operator("Dropout", 12, host=(1, 2), random=True)
def _dropout_12(
    F: Any, x: Any, ratio: Any = None, training: Any = None, *, seed: int | None = None
) -> Any:
    share = 0.5 if ratio is None else float(ratio.reshape(()))
    if training is None or not bool(training.reshape(())) or share == 0:
        return F.copy(x), F.full(F.place(np.bool_(True)), shape=tuple(x.shape))
    if not 0 <= share < 1:
        raise ValueRangeError(f"ratio is {share}; it must be from 0 up to but not 1")
    drawn = np.random.RandomState(seed).uniform(0, 1, tuple(x.shape)) >= share
    mask = F.place(np.asarray(drawn))
    kept = F.where(mask, F.multiply(widen(F, x), 1 / (1 - share)), F.like(0, widen(F, x)))
    return narrow(F, kept, x), mask
