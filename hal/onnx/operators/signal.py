"""Fourier transforms and mel weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hal.dtypes import float64
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import axis_of, cut, move_axis, narrow, unsqueeze, widen
from hal.onnx.registry import operator
from hal.onnx.tensors import element_dtype


def _resized(F: Any, x: Any, axis: int, size: int) -> Any:
    """Return x cut off or filled with zeros to a size along an axis."""
    have = x.shape[axis]
    if size <= have:
        return cut(F, x, {axis: (0, size)})
    after = tuple(size - have if a == axis else 0 for a in range(len(x.shape)))
    return F.pad(x, F.like(0, x), before=(0,) * len(x.shape), after=after)


def transformed(F: Any, x: Any, axis: int, inverse: bool, onesided: bool) -> Any:
    """Return the transform of (..., 1 or 2), where the last axis holds real and imaginary parts."""
    size, parts = x.shape[axis], x.shape[-1]
    if parts not in (1, 2) or size < 1:
        raise ShapeError(f"{tuple(x.shape)} must end in 1 or 2, with a signal of 1 or more")
    lead = tuple(x.shape[:-1])
    real, imaginary = (F.reshape(cut(F, x, {-1: (i % parts, i % parts + 1)}), shape=lead)
                       for i in range(2))  # fmt: skip
    imaginary = imaginary if parts == 2 else F.multiply(imaginary, 0.0)
    if onesided and inverse:
        # The half of a real signal's spectrum that was left out mirrors the other.
        whole = 2 * (size - 1)
        tail = slice(whole - size, 0, -1)
        real, imaginary = (
            F.concat(p, _mirrored(F, p, axis, tail, sign), axis=axis)
            for p, sign in ((real, 1.0), (imaginary, -1.0))
        )
        size = whole
    found = F.fft(F.complex(real, imaginary), axis=axis, inverse=inverse)
    if onesided and not inverse:
        found = cut(F, found, {axis: (0, size // 2 + 1)})
    real = unsqueeze(F, F.copy(F.real(found)), (-1,))
    if onesided and inverse:
        return real
    return F.concat(real, unsqueeze(F, F.copy(F.imag(found)), (-1,)), axis=len(lead))


def _mirrored(F: Any, x: Any, axis: int, part: slice, sign: float) -> Any:
    bounds = [part.indices(n) if a == axis else (0, n, 1) for a, n in enumerate(x.shape)]
    starts, stops, steps = (tuple(b[i] for b in bounds) for i in range(3))
    return F.multiply(F.slice(x, start=starts, stop=stops, step=steps), sign)


def _dft(F: Any, x: Any, length: Any, axis: int, inverse: int, onesided: int) -> Any:
    axis = axis_of(axis, len(x.shape))
    if axis == len(x.shape) - 1:
        raise ShapeError("the last axis holds real and imaginary parts; it has no transform")
    wide = widen(F, x)
    if length is not None:
        size = int(length.reshape(()))
        if size < 1:
            raise ValueRangeError(f"the length is {size}; it must be 1 or more")
        bins = size // 2 + 1 if inverse and onesided else size
        wide = _resized(F, wide, axis, bins)
    return narrow(F, transformed(F, wide, axis, bool(inverse), bool(onesided)), x)


@operator("DFT", host=(1,))
def _dft_17(
    F: Any, x: Any, length: Any = None, *, axis: int = 1, inverse: int = 0, onesided: int = 0
) -> Any:
    return _dft(F, x, length, axis, inverse, onesided)


@operator("DFT", 20, host=(1, 2))
def _dft_20(
    F: Any, x: Any, length: Any = None, axis: Any = None, *, inverse: int = 0, onesided: int = 0
) -> Any:
    return _dft(F, x, length, -2 if axis is None else int(axis.reshape(())), inverse, onesided)


@operator("STFT", host=(1, 3))
def _stft(
    F: Any, x: Any, step: Any, window: Any = None, length: Any = None, *, onesided: int = 1
) -> Any:
    size = int(length.reshape(())) if length is not None else window.shape[0]
    by = int(step.reshape(()))
    signal = x if len(x.shape) == 3 else unsqueeze(F, x, (2,))
    if not 1 <= size <= signal.shape[1] or by < 1:
        raise ShapeError(f"frames of {size} every {by} do not fit a signal of {signal.shape[1]}")
    frames = F.as_windows(widen(F, signal), axes=(1,), sizes=(size,), steps=(by,), dilations=(1,))
    frames = F.copy(move_axis(F, frames, 3, 2))
    if window is not None:
        frames = F.multiply(frames, F.reshape(widen(F, window), shape=(size, 1)))
    return narrow(F, transformed(F, frames, 2, False, bool(onesided)), x)


def _mel(hertz: Any) -> Any:
    return 2595 * np.log10(1 + hertz / 700)


@operator("MelWeightMatrix", host=None)
def _mel_weight_matrix(
    F: Any, bins: Any, length: Any, rate: Any, low: Any, high: Any, *, output_datatype: int = 1
) -> Any:
    count, size, sampling = (int(v.reshape(())) for v in (bins, length, rate))
    first, last = (float(v.reshape(())) for v in (low, high))
    rows = size // 2 + 1
    if count < 1 or size < 1 or sampling < 1 or not 0 <= first < last < math.inf:
        raise ValueRangeError(
            f"{count} bins of {size} points at {sampling} Hz from {first} to {last} Hz do not fit"
        )
    F.check((rows, count), float64)
    F.run.count_turns(F.step, 2 * rows + count)
    edges = np.linspace(_mel(first), _mel(last), count + 3)[:-1]
    hertz = 700 * (10 ** (edges / 2595) - 1)
    points = ((size + 1) * hertz // sampling).astype(np.int64)
    matrix = np.zeros((rows, count))
    for n in range(count):
        start, top, end = points[n : n + 3].tolist()
        for row in range(start, min(top, rows)):
            matrix[row, n] = (row - start) / (top - start)
        if top < rows:
            matrix[top, n] = 1
        for row in range(top + 1, min(end, rows)):
            matrix[row, n] = (end - row) / (end - top)
    return matrix.astype(element_dtype(output_datatype).numpy)
