"""Values that test tensors are filled with: ordinary ones, special ones, extremes, indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from hal.dtypes import DType, integer_range

__all__ = [
    "Values",
    "booleans",
    "extremes",
    "indices",
    "integers",
    "nonzero",
    "ordinary",
    "positive",
    "small",
    "special",
    "ties",
    "unit",
]

Values = Callable[[np.random.Generator, tuple[int, ...], DType], Any]
"""``values(rng, shape, dtype)`` returns a host array."""


def ordinary(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Any:
    """Return values of everyday size: normal deviates, small integers, both truth values.

    Examples
    --------
    >>> import hal, numpy as np
    >>> ordinary(np.random.default_rng(0), (3,), hal.int8).dtype
    dtype('int8')
    """
    if dtype.kind == "bool":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype.kind == "int":
        low, high = integer_range(dtype)
        return _cast(rng.integers(max(low, -20), min(high, 20) + 1, shape), dtype)
    if dtype.kind == "uint":
        return _cast(rng.integers(0, min(integer_range(dtype)[1], 40) + 1, shape), dtype)
    if dtype.kind == "complex":
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype.numpy)
    return _cast(rng.standard_normal(shape) * 2, dtype)


def _cast(array: Any, dtype: DType) -> Any:
    with np.errstate(all="ignore"):
        return np.asarray(array).astype(dtype.numpy)


def positive(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Any:
    """Return values above zero."""
    if dtype.kind in ("int", "uint"):
        return _cast(rng.integers(1, min(integer_range(dtype)[1], 19) + 1, shape), dtype)
    if dtype.kind == "float":
        return _cast(rng.uniform(0.05, 3.0, shape), dtype)
    return ordinary(rng, shape, dtype)


def unit(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Any:
    """Return values between -1 and 1."""
    if dtype.kind == "float":
        return _cast(rng.uniform(-1, 1, shape), dtype)
    return ordinary(rng, shape, dtype)


def nonzero(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Any:
    """Return ordinary values, none of them zero."""
    found = ordinary(rng, shape, dtype)
    return np.where(found == 0, np.ones((), dtype.numpy), found)


def small(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Any:
    """Return small numbers, for exponents and for products of many factors."""
    if dtype.kind == "int":
        return _cast(rng.integers(-2, 4, shape), dtype)
    if dtype.kind == "uint":
        return _cast(rng.integers(0, 4, shape), dtype)
    if dtype.kind == "float":
        return _cast(rng.uniform(0.7, 1.4, shape) * rng.choice([-1.0, 1.0], shape), dtype)
    return ordinary(rng, shape, dtype)


def ties(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Any:
    """Return values of which many are equal, for what orders and compares."""
    if dtype.kind == "bool":
        return ordinary(rng, shape, dtype)
    low = 0 if dtype.kind == "uint" else -2
    found = rng.integers(low, 2 if dtype.bits < 4 else 3, shape)
    return _cast(found + 1j * rng.integers(-1, 2, shape), dtype) if dtype.kind == "complex" else (
        _cast(found, dtype)
    )  # fmt: skip


def booleans(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Any:
    """Return zeros and ones in any dtype, mostly zeros."""
    return _cast(rng.uniform(size=shape) < 0.3, dtype)


def extremes(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Any:
    """Return integers up to the ends of the dtype's range, so that arithmetic wraps around."""
    if dtype.kind not in ("int", "uint"):
        return ordinary(rng, shape, dtype)
    low, high = integer_range(dtype)
    edges = [low, low + 1, high - 1, high, high // 2, 0, 1]
    return np.array(rng.choice(np.array(edges, dtype=object), shape)).astype(dtype.numpy)


def special(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Any:
    """Return NaN, infinities, signed zeros, the largest and smallest normal numbers, in turn."""
    if dtype.kind not in ("float", "complex"):
        return extremes(rng, shape, dtype)
    return np.resize(_specials(dtype), shape)


def _specials(dtype: DType) -> Any:
    if dtype.kind == "complex":
        part = np.float32 if dtype.bits == 64 else np.float64
        parts = np.array([0.0, -0.0, 1.5, -2.0, np.inf, np.nan], part)
        return np.array([complex(a, b) for a in parts for b in parts[:3]], dtype.numpy)
    info: Any = ml_dtypes.finfo(dtype.numpy)  # type: ignore[no-untyped-call]
    top, tiny = float(info.max), float(info.tiny)
    ordinary_ones = [1.0, -1.0, 0.5, 1.5, 2.5, -2.5, -3.5, 0.25]
    values = [np.nan, 0.0, -0.0, *ordinary_ones, top, -top, tiny, -tiny]
    if dtype.bits >= 16:
        values += [np.inf, -np.inf]
    return _cast(np.array(values), dtype)


def indices(size: int, negative: bool = True) -> Values:
    """Return valid positions on an axis of a size, counted from either end."""

    def found(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Any:
        low = -size if negative and dtype.kind == "int" else 0
        return rng.integers(low, max(size, 1), shape).astype(dtype.numpy)

    return found


def integers(low: int, high: int) -> Values:
    """Return integers from ``low`` up to, not including, ``high``."""

    def found(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Any:
        return rng.integers(low, high, shape).astype(dtype.numpy)

    return found
