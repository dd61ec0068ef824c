"""Discrete Fourier transforms along one axis.

``norm`` says where to divide: by n after the inverse ("backward"), by n after the transform
("forward"), or by the square root of n after each ("ortho").
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import COMPLEX, DType, complex_counterpart, real_counterpart
from hal.errors import ShapeError, ValueRangeError
from hal.ops.operator import (
    REQUIRED,
    Attributes,
    Evaluator,
    Inference,
    Inputs,
    define,
    normalize_axis,
)
from hal.ops.rules import check_dtype, present
from hal.plugin.layout import Layout, Shape

__all__ = ["NORMS"]

FAMILY = "fourier"
NORMS = ("backward", "ortho", "forward")
PRECISE = (dtypes.float32, dtypes.float64)


def _canonical(name: str, x: Layout, attributes: Attributes) -> Attributes:
    axis = normalize_axis(name, attributes["axis"], x.ndim)
    if attributes["norm"] not in NORMS:
        raise ValueRangeError(f"{name}: norm is {attributes['norm']!r}; it must be one of {NORMS}")
    if x.shape[axis] < 1:
        raise ShapeError(f"{name}: axis {axis} of {x.shape} is empty; it needs an element")
    return {**attributes, "axis": axis}


def _with_size(shape: Shape, axis: int, size: int) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


def _fft_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    check_dtype(name, x.dtype, (*COMPLEX, *PRECISE))
    dtype = complex_counterpart(x.dtype)
    return Inference((dtype,), ((dtype, x.shape),), _canonical(name, x, attributes))


def _fft(x: Any, axis: int, norm: Any, inverse: bool) -> Any:
    transform = np.fft.ifft if inverse else np.fft.fft
    return transform(x, axis=axis, norm=norm)


define("fft", FAMILY, _fft, _fft_rule, axis=-1, norm="backward", inverse=False)


def _rfft_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    check_dtype(name, x.dtype, PRECISE)
    canonical = _canonical(name, x, attributes)
    axis = canonical["axis"]
    shape = _with_size(x.shape, axis, x.shape[axis] // 2 + 1)
    return Inference((x.dtype,), ((complex_counterpart(x.dtype), shape),), canonical)


def _part(F: Evaluator, x: Any, axis: int, start: int, stop: int, step: int = 1) -> Any:
    starts, stops, steps = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    starts[axis], stops[axis], steps[axis] = start, stop, step
    return F.slice(x, start=tuple(starts), stop=tuple(stops), step=tuple(steps))


def _decompose_rfft(F: Evaluator, x: Any, axis: int, norm: str) -> Any:
    whole = F.fft(x, axis=axis, norm=norm)
    return F.copy(_part(F, whole, axis, 0, x.shape[axis] // 2 + 1))


define(
    "rfft",
    FAMILY,
    lambda x, axis, norm: np.fft.rfft(x, axis=axis, norm=norm),
    _rfft_rule,
    _decompose_rfft,
    axis=-1,
    norm="backward",
)


def _irfft_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    check_dtype(name, x.dtype, (*COMPLEX, *PRECISE))
    canonical = _canonical(name, x, attributes)
    axis, n = canonical["axis"], canonical["n"].__index__()
    if n < 1 or x.shape[axis] != n // 2 + 1:
        raise ShapeError(
            f"{name}: {x.shape[axis]} elements along axis {axis} of {x.shape} do not give {n}; "
            f"n must be 1 or more and the axis of size n // 2 + 1"
        )
    dtype = complex_counterpart(x.dtype)
    out: tuple[DType, Shape] = (real_counterpart(dtype), _with_size(x.shape, axis, n))
    return Inference((dtype,), (out,), {**canonical, "n": n})


def _decompose_irfft(F: Evaluator, x: Any, axis: int, norm: str, n: int) -> Any:
    # The other half of the spectrum of real numbers is the conjugate of this one, backwards.
    if n > 2:
        rest = _part(F, x, axis, (n - 1) // 2, 0, -1)
        x = F.concat(x, F.conj(rest), axis=axis)
    return F.copy(F.real(F.fft(x, axis=axis, norm=norm, inverse=True)))


define(
    "irfft",
    FAMILY,
    lambda x, axis, norm, n: np.fft.irfft(x, n, axis=axis, norm=norm),
    _irfft_rule,
    _decompose_irfft,
    axis=-1,
    norm="backward",
    n=REQUIRED,
)
