"""Random numbers: drawn on the host by NumPy, so that a seed means the same on every device."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.dtypes import float64
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import cast
from hal.onnx.registry import operator
from hal.onnx.tensors import element_dtype
from hal.onnx.values import dtype_of, is_text


def _source(seed: float | None) -> Any:
    return np.random.RandomState(None if seed is None else int(seed) % 2**32)


def _uniform(F: Any, shape: Any, dtype: Any, low: float, high: float, seed: Any) -> Any:
    F.check(shape, float64)
    drawn = _source(seed).uniform(size=tuple(shape)) * (high - low) + low
    return np.asarray(drawn).astype(dtype.numpy)


def _normal(F: Any, shape: Any, dtype: Any, mean: float, scale: float, seed: Any) -> Any:
    F.check(shape, float64)
    drawn = _source(seed).standard_normal(size=tuple(shape)) * scale + mean
    return np.asarray(drawn).astype(dtype.numpy)


@operator("RandomUniform", random=True)
def _random_uniform(
    F: Any, *, shape: Any, dtype: int = 1, low: float = 0.0, high: float = 1.0,
    seed: float | None = None,
) -> Any:  # fmt: skip
    return _uniform(F, shape, element_dtype(dtype), low, high, seed)


@operator("RandomNormal", random=True)
def _random_normal(
    F: Any, *, shape: Any, dtype: int = 1, mean: float = 0.0, scale: float = 1.0,
    seed: float | None = None,
) -> Any:  # fmt: skip
    return _normal(F, shape, element_dtype(dtype), mean, scale, seed)


def _kind(x: Any, dtype: int | None) -> Any:
    return dtype_of(x) if dtype is None else element_dtype(dtype)


@operator("RandomUniformLike", random=True, raw=True)
def _random_uniform_like(
    F: Any, x: Any, *, dtype: int | None = None, low: float = 0.0, high: float = 1.0,
    seed: float | None = None,
) -> Any:  # fmt: skip
    return _uniform(F, x.shape, _kind(x, dtype), low, high, seed)


@operator("RandomNormalLike", random=True, raw=True)
def _random_normal_like(
    F: Any, x: Any, *, dtype: int | None = None, mean: float = 0.0, scale: float = 1.0,
    seed: float | None = None,
) -> Any:  # fmt: skip
    return _normal(F, x.shape, _kind(x, dtype), mean, scale, seed)


@operator("Bernoulli", random=True)
def _bernoulli(F: Any, x: Any, *, dtype: int | None = None, seed: float | None = None) -> Any:
    if is_text(x):
        raise ValueRangeError("probabilities are numbers")
    drawn = F.place(_source(seed).uniform(size=tuple(x.shape)).astype(dtype_of(x).numpy))
    return cast(F, F.greater(x, drawn), _kind(x, dtype))


@operator("Multinomial", random=True)
def _multinomial(
    F: Any, x: Any, *, dtype: int = 6, sample_size: int = 1, seed: float | None = None
) -> Any:
    """Draw classes by their unnormalised log-probabilities, with Gumbel's trick."""
    if len(x.shape) != 2 or sample_size < 0:
        raise ShapeError(f"{tuple(x.shape)} must be (batch, classes), {sample_size} not negative")
    batch, classes = x.shape
    F.check((batch, sample_size, classes), float64)
    drawn = _source(seed).gumbel(size=(batch, sample_size, classes))
    noise = F.place(drawn.astype(dtype_of(x).numpy))
    total = F.add(F.reshape(x, shape=(batch, 1, classes)), noise)
    return cast(F, F.argmax(total, axis=2, keepdims=False), element_dtype(dtype))
