"""Boxes in images: suppression of overlapping ones, and pooling inside of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hal.dtypes import as_dtype, float64
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import cut, flat_size, narrow, widen
from hal.onnx.registry import operator
from hal.onnx.values import to_host


def _corners(F: Any, boxes: Any, center: bool) -> list[Any]:
    """Return the lower and upper corners along both axes, each (batch, boxes, 1)."""
    a, b, c, d = (cut(F, boxes, {2: (i, i + 1)}) for i in range(4))
    if center:
        half_width, half_height = F.multiply(c, 0.5), F.multiply(d, 0.5)
        return [
            F.subtract(a, half_width), F.subtract(b, half_height),
            F.add(a, half_width), F.add(b, half_height),
        ]  # fmt: skip
    return [F.minimum(a, c), F.minimum(b, d), F.maximum(a, c), F.maximum(b, d)]


def _overlaps(F: Any, boxes: Any, center: bool, threshold: float) -> Any:
    """Return, for each pair of boxes, whether their intersection over union is above."""
    low1, low2, high1, high2 = _corners(F, boxes, center)

    def other(v: Any) -> Any:
        return F.permute(v, axes=(0, 2, 1))

    first = F.subtract(F.minimum(high1, other(high1)), F.maximum(low1, other(low1)))
    second = F.subtract(F.minimum(high2, other(high2)), F.maximum(low2, other(low2)))
    met = F.multiply(F.maximum(first, 0.0), F.maximum(second, 0.0))
    area = F.multiply(F.subtract(high1, low1), F.subtract(high2, low2))
    union = F.subtract(F.add(area, other(area)), met)
    # Written as a product: boxes without area have no quotient.
    return F.logical_and(F.greater(met, F.multiply(union, threshold)), F.greater(union, 0.0))


@operator("NonMaxSuppression", host=(2, 3, 4))
def _non_max_suppression(
    F: Any, boxes: Any, scores: Any, most: Any = None, iou_threshold: Any = None,
    score_threshold: Any = None, *, center_point_box: int = 0,
) -> Any:  # fmt: skip
    limit = 0 if most is None else int(most.reshape(-1)[0])
    threshold = 0.0 if iou_threshold is None else float(iou_threshold.reshape(-1)[0])
    if len(boxes.shape) != 3 or boxes.shape[2] != 4 or scores.shape[2] != boxes.shape[1]:
        raise ShapeError(f"boxes {tuple(boxes.shape)} do not fit scores {tuple(scores.shape)}")
    order = to_host(F.argsort(scores, axis=2, descending=True, stable=True))
    ranked = to_host(scores)
    overlapping = to_host(_overlaps(F, boxes, bool(center_point_box), threshold))
    chosen = []
    for batch in range(scores.shape[0]):
        for group in range(scores.shape[1]):
            free = np.ones(boxes.shape[1], bool)
            if score_threshold is not None:
                free &= ranked[batch, group] > float(score_threshold.reshape(-1)[0])
            kept = 0
            for box in order[batch, group].tolist():
                if kept >= limit:
                    break
                if free[box]:
                    chosen.append((batch, group, box))
                    free &= ~overlapping[batch, box]
                    free[box] = False
                    kept += 1
    return F.place(np.array(chosen, np.int64).reshape(-1, 3))


def _samples(start: float, bin_size: float, bins: int, per_bin: int, size: int) -> Any:
    """Return index and weight of both neighbours of each sample along an axis."""
    step = np.arange(bins)[:, None] * bin_size + (np.arange(per_bin) + 0.5) * bin_size / per_bin
    where = start + step.reshape(-1)
    inside = (where >= -1) & (where <= size)
    where = np.clip(where, 0, size - 1)
    low = np.floor(where).astype(np.int64)
    high = np.minimum(low + 1, size - 1)
    t = where - low
    return low, high, (1 - t) * inside, t * inside


@operator("RoiAlign", host=(1, 2))
def _roi_align(
    F: Any, x: Any, rois: Any, batch_indices: Any, *,
    coordinate_transformation_mode: str = "output_half_pixel", mode: str = "avg",
    output_height: int = 1, output_width: int = 1, sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Any:  # fmt: skip
    channels, height, width = x.shape[1:]
    half_pixel = coordinate_transformation_mode == "half_pixel"
    if mode not in ("avg", "max") or min(output_height, output_width) < 1 or sampling_ratio < 0:
        raise ValueRangeError(
            f"mode {mode!r}, output {output_height} by {output_width} or sampling_ratio "
            f"{sampling_ratio} is out of range"
        )
    wide = widen(F, x)
    parts = []
    for roi, image in zip(rois.astype(np.float64), batch_indices.reshape(-1), strict=True):
        x1, y1, x2, y2 = roi * spatial_scale - (0.5 if half_pixel else 0.0)
        roi_width, roi_height = x2 - x1, y2 - y1
        if not half_pixel:
            roi_width, roi_height = max(roi_width, 1.0), max(roi_height, 1.0)
        if not (math.isfinite(roi_width) and math.isfinite(roi_height)):
            raise ValueRangeError(f"the region {roi.tolist()} is not finite")
        rows = sampling_ratio or max(1, math.ceil(roi_height / output_height))
        columns = sampling_ratio or max(1, math.ceil(roi_width / output_width))
        F.check((channels, output_height * rows, output_width * columns, 4), float64)
        y = _samples(y1, roi_height / output_height, output_height, rows, height)
        z = _samples(x1, roi_width / output_width, output_width, columns, width)
        plane = F.reshape(
            cut(F, wide, {0: (int(image), int(image) + 1)}), shape=(channels, height * width)
        )
        corners = []
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            index = F.place((y[i][:, None] * width + z[j]).reshape(-1))
            weight = (y[2 + i][:, None] * z[2 + j]).reshape(-1)
            weight = F.place(weight.astype(_numpy(wide)))
            corners.append(F.multiply(F.take(plane, index, axis=1), weight))
        shape = (channels, output_height, rows, output_width, columns)
        if mode == "avg":
            total = F.reshape(F.add(F.add(*corners[:2]), F.add(*corners[2:])), shape=shape)
            found = F.mean(total, axis=(2, 4), keepdims=False)
        else:
            most = F.maximum(F.maximum(*corners[:2]), F.maximum(*corners[2:]))
            found = F.max(F.reshape(most, shape=shape), axis=(2, 4), keepdims=False)
        parts.append(F.reshape(found, shape=(1, channels, output_height, output_width)))
    if not parts:
        return F.full(F.like(0, x), shape=(0, channels, output_height, output_width))
    return narrow(F, F.concat(*parts, axis=0), x)


@operator("MaxRoiPool", host=(1,))
def _max_roi_pool(
    F: Any, x: Any, rois: Any, *, pooled_shape: Any, spatial_scale: float = 1.0
) -> Any:
    channels, height, width = x.shape[1:]
    rows, columns = pooled_shape
    F.check((len(rois), channels, rows, columns), float64)
    F.run.count_turns(F.step, len(rois) * rows * columns)
    cells = []
    for roi in rois:
        image, x1, y1, x2, y2 = (math.floor(v + 0.5) for v in
                                 (roi[0], *(roi[1:] * spatial_scale).tolist()))  # fmt: skip
        tall, wide = max(y2 - y1 + 1, 1) / rows, max(x2 - x1 + 1, 1) / columns
        for i in range(rows):
            for j in range(columns):
                top, bottom = (min(max(v + y1, 0), height) for v in
                               (math.floor(i * tall), math.ceil((i + 1) * tall)))  # fmt: skip
                left, right = (min(max(v + x1, 0), width) for v in
                               (math.floor(j * wide), math.ceil((j + 1) * wide)))  # fmt: skip
                if bottom <= top or right <= left:
                    cells.append(F.full(F.like(0, x), shape=(1, channels)))
                    continue
                part = cut(F, x, {0: (image, image + 1), 2: (top, bottom), 3: (left, right)})
                cells.append(F.max(part, axis=(2, 3), keepdims=False))
    if not cells:
        return F.full(F.like(0, x), shape=(0, channels, rows, columns))
    found = F.reshape(
        F.concat(*cells, axis=0), shape=(len(rois), flat_size(pooled_shape), channels)
    )
    found = F.permute(found, axes=(0, 2, 1))
    return F.reshape(found, shape=(len(rois), channels, rows, columns))


def _numpy(x: Any) -> Any:
    return as_dtype(x.dtype).numpy
