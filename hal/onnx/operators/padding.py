"""Padding by a value, by reflection, by the edge, or around."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.dtypes import int64
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import axes_of, integers
from hal.onnx.registry import operator

_MODES = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def padded(F: Any, x: Any, before: list[int], after: list[int], mode: str, value: Any) -> Any:
    """Return a value padded on each axis; negative padding cuts off."""
    ndim = len(x.shape)
    cut = [(max(0, -b), n - max(0, -a)) for b, a, n in zip(before, after, x.shape, strict=True)]
    if any(start > stop for start, stop in cut):
        raise ShapeError(f"the padding {before}, {after} cuts off more than {tuple(x.shape)} has")
    x = F.slice(x, start=tuple(c[0] for c in cut), stop=tuple(c[1] for c in cut), step=(1,) * ndim)
    low, high = tuple(max(0, b) for b in before), tuple(max(0, a) for a in after)
    if mode == "constant":
        return F.pad(x, value, before=low, after=high)
    if mode not in _MODES:
        raise ValueRangeError(f"mode is {mode!r}; it may be constant, {', '.join(_MODES)}")
    for axis in range(ndim):
        if not low[axis] and not high[axis]:
            continue
        size = x.shape[axis]
        if size == 0:
            raise ShapeError(
                f"axis {axis} of {tuple(x.shape)} is empty; there is nothing to repeat"
            )
        F.check((size + low[axis] + high[axis],), int64)
        source = np.pad(np.arange(size), (low[axis], high[axis]), mode=_MODES[mode])  # type: ignore[call-overload]
        x = F.take(x, F.place(source.astype(np.int64)), axis=axis)
    return F.copy(x)


def _pad(F: Any, x: Any, pads: tuple[int, ...], mode: str, value: Any, axes: Any = None) -> Any:
    ndim = len(x.shape)
    along = tuple(range(ndim)) if axes is None else axes_of(axes, ndim)
    if len(pads) != 2 * len(along):
        raise ShapeError(f"{len(pads)} pads do not fit {len(along)} axes; each needs two")
    before, after = [0] * ndim, [0] * ndim
    for n, a in enumerate(along):
        before[a], after[a] = pads[n], pads[n + len(along)]
    return padded(F, x, before, after, mode, value)


@operator("Pad")
def _pad_1(
    F: Any, x: Any, *, paddings: Any = None, pads: Any = (), mode: str = "constant",
    value: float = 0.0,
) -> Any:  # fmt: skip
    return _pad(F, x, paddings or pads, mode, F.like(value, x))


@operator("Pad", 11, host=(1, 3), moves=True)
def _pad_11(
    F: Any, x: Any, pads: Any, value: Any = None, axes: Any = None, *, mode: str = "constant"
) -> Any:
    value = F.like(0, x) if value is None else F.reshape(value, shape=())
    return _pad(F, x, integers(pads), mode, value, None if axes is None else integers(axes))
