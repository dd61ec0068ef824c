"""Resampling along axes: each axis is a product with a small matrix, or a choice of elements."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from hal import dtypes
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import axes_of, cast, move_axis, widen
from hal.onnx.registry import operator
from hal.onnx.values import dtype_of


class _How(NamedTuple):
    """The attributes of Resize that say how coordinates and weights are found."""

    mode: str
    transform: str
    nearest: str
    cubic: float
    antialias: bool
    exclude_outside: bool
    extrapolation: float


def _coordinates(how: _How, size: int, out: int, scale: float, roi: tuple[float, float]) -> Any:
    """Return where each element of the result lies on the input's axis."""
    x = np.arange(out, dtype=np.float64)
    exact = scale * size
    if how.transform == "half_pixel":
        return (x + 0.5) / scale - 0.5
    if how.transform == "half_pixel_symmetric":
        return size / 2 * (1 - out / exact) + (x + 0.5) / scale - 0.5
    if how.transform == "pytorch_half_pixel":
        return (x + 0.5) / scale - 0.5 if out > 1 else x * 0
    if how.transform == "align_corners":
        return x * (size - 1) / (exact - 1) if exact != 1 else x * 0
    if how.transform == "asymmetric":
        return x / scale
    if how.transform == "tf_half_pixel_for_nn":
        return (x + 0.5) / scale
    if how.transform == "tf_crop_and_resize":
        start, end = roi
        if out > 1:
            return start * (size - 1) + x * (end - start) * (size - 1) / (out - 1)
        return np.full(out, 0.5 * (start + end) * (size - 1))
    raise ValueRangeError(f"coordinate_transformation_mode {how.transform!r} is unknown")


def _nearest(how: _How, x: Any, scale: float) -> Any:
    rounded = {
        "round_prefer_floor": lambda: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda: np.floor(x + 0.5),
        "floor": lambda: np.floor(x),
        "ceil": lambda: np.ceil(x),
        # What opset 10 and older meant.
        "simple": lambda: np.ceil(x) if scale < 1 else np.floor(x),
    }
    if how.nearest not in rounded:
        raise ValueRangeError(f"nearest_mode {how.nearest!r} is unknown")
    return rounded[how.nearest]()


def _linear(distance: Any) -> Any:
    return np.clip(1 - np.abs(distance), 0, None)


def _cubic(distance: Any, a: float) -> Any:
    d = np.abs(distance)
    inner = ((a + 2) * d - (a + 3)) * d * d + 1
    outer = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, inner, np.where(d < 2, outer, 0))


def _matrix(how: _How, x: Any, size: int, scale: float) -> Any:
    """Return the weight of each of the input's elements in each of the result's."""
    stretch = min(scale, 1.0) if how.antialias else 1.0
    half = 1 if how.mode == "linear" else 2
    first = math.floor(-half / stretch) + 1
    # The element to the left, so that the distance to it is in (0, 1].
    left = np.ceil(x) - 1
    taps = left[:, None] + np.arange(first, 2 - first)
    distance = (taps - x[:, None]) * stretch
    weights = _linear(distance) if how.mode == "linear" else _cubic(distance, how.cubic)
    if how.antialias:
        weights = weights / weights.sum(axis=1, keepdims=True)
    if how.exclude_outside:
        weights = np.where((taps >= 0) & (taps < size), weights, 0)
        weights = weights / weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((len(x), size))
    places = np.clip(taps, 0, size - 1).astype(np.int64)
    np.add.at(matrix, (np.arange(len(x))[:, None], places), weights)
    return matrix


def _along(F: Any, x: Any, axis: int, out: int, scale: float, roi: Any, how: _How) -> Any:
    size = x.shape[axis]
    where = _coordinates(how, size, out, scale, roi)
    if how.mode == "nearest":
        index = np.clip(_nearest(how, where, scale), 0, size - 1).astype(np.int64)
        found = F.take(x, F.place(index), axis=axis)
    else:
        F.check((out, size), dtypes.float64)
        matrix = F.place(_matrix(how, where, size, scale).T.astype(dtype_of(x).numpy))
        found = move_axis(F, F.matmul(move_axis(F, x, axis, -1), matrix), -1, axis)
    if how.transform != "tf_crop_and_resize":
        return found
    outside = np.asarray((where < 0) | (where > size - 1))
    place = tuple(out if a == axis else 1 for a in range(len(x.shape)))
    return F.where(F.place(outside.reshape(place)), F.like(how.extrapolation, x), found)


def _resized(F: Any, x: Any, outs: Any, scales: Any, rois: Any, how: _How) -> Any:
    if how.mode not in ("nearest", "linear", "cubic"):
        raise ValueRangeError(f"mode is {how.mode!r}; it may be nearest, linear or cubic")
    if any(n == 0 and o for n, o in zip(x.shape, outs, strict=True)):
        raise ShapeError(f"{tuple(x.shape)} has an empty axis, which cannot grow to {outs}")
    F.check(outs, dtype_of(x))
    y = x
    if how.mode != "nearest":
        y = widen(F, x) if dtype_of(x).kind == "float" else F.cast(x, dtype=dtypes.float32)
    for axis, (out, scale) in enumerate(zip(outs, scales, strict=True)):
        if (out, scale) != (x.shape[axis], 1.0) or how.transform == "tf_crop_and_resize":
            y = _along(F, y, axis, out, scale, rois[axis], how)
    return cast(F, F.copy(y), dtype_of(x))


@operator("Resize", 11, host=(1, 2, 3))
def _resize(
    F: Any, x: Any, roi: Any = None, scales: Any = None, sizes: Any = None, *,
    antialias: int = 0, axes: Any = None, coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75, exclude_outside: int = 0, extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch", mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Any:  # fmt: skip
    ndim = len(x.shape)
    along = tuple(range(ndim)) if axes is None else axes_of(axes, ndim)
    outs, factors, rois = list(x.shape), [1.0] * ndim, [(0.0, 1.0)] * ndim
    given = sizes if sizes is not None and sizes.size else scales
    if given is None or given.size != len(along):
        raise ShapeError(f"sizes or scales must hold one number for each of {len(along)} axes")
    numbers = given.reshape(-1).tolist()
    if not all(n > 0 for n in numbers) or not all(map(math.isfinite, numbers)):
        raise ValueRangeError(f"the sizes or scales {numbers} must be above 0 and finite")
    if given is sizes:
        ratios = [n / max(x.shape[a], 1) for n, a in zip(numbers, along, strict=True)]
        if keep_aspect_ratio_policy != "stretch":
            ratio = (min if keep_aspect_ratio_policy == "not_larger" else max)(ratios)
            ratios = [ratio] * len(along)
            numbers = [math.floor(ratio * x.shape[a] + 0.5) for a in along]
    else:
        ratios = numbers
        numbers = [math.floor(x.shape[a] * s) for a, s in zip(along, ratios, strict=True)]
    for position, a in enumerate(along):
        outs[a], factors[a] = int(numbers[position]), float(ratios[position])
        if coordinate_transformation_mode == "tf_crop_and_resize":
            if roi is None or roi.size != 2 * len(along):
                raise ShapeError("tf_crop_and_resize needs a roi of two numbers for each axis")
            flat = roi.reshape(-1)
            rois[a] = (float(flat[position]), float(flat[position + len(along)]))
    how = _How(
        mode, coordinate_transformation_mode, nearest_mode, cubic_coeff_a, bool(antialias),
        bool(exclude_outside), extrapolation_value,
    )  # fmt: skip
    return _resized(F, x, outs, factors, rois, how)


def _upsampled(F: Any, x: Any, scales: Any, mode: str) -> Any:
    if len(scales) != len(x.shape) or not all(0 < s < math.inf for s in scales):
        raise ShapeError(f"the scales {scales} do not fit {tuple(x.shape)}")
    outs = [math.floor(n * s) for n, s in zip(x.shape, scales, strict=True)]
    how = _How(mode.replace("bilinear", "linear"), "asymmetric", "simple", -0.75, False, False, 0.0)
    return _resized(F, x, outs, scales, [(0.0, 1.0)] * len(outs), how)


@operator("Upsample")
def _upsample_7(F: Any, x: Any, *, scales: Any, mode: str = "nearest") -> Any:
    return _upsampled(F, x, [float(s) for s in scales], mode)


@operator("Upsample", 9, host=(1,))
def _upsample_9(F: Any, x: Any, scales: Any, *, mode: str = "nearest") -> Any:
    return _upsampled(F, x, scales.reshape(-1).tolist(), mode)


operator("Resize", 10, host=(1,))(_upsample_9)
