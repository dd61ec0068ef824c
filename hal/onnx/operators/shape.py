"""Shapes, constants and values made from numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hal import dtypes
from hal.errors import ModelError, ShapeError, ValueRangeError
from hal.onnx.operators.common import axes_of, axis_of, flat_size, integers
from hal.onnx.operators.common import squeeze as without_axes
from hal.onnx.operators.common import unsqueeze as with_axes
from hal.onnx.registry import operator
from hal.onnx.tensors import element_dtype
from hal.onnx.values import dtype_of


@operator("Constant")
def _constant(
    F: Any,
    *,
    value: Any = None,
    sparse_value: Any = None,
    value_float: Any = None,
    value_floats: Any = None,
    value_int: Any = None,
    value_ints: Any = None,
    value_string: Any = None,
    value_strings: Any = None,
) -> Any:
    for tensor in (value, sparse_value):
        if tensor is not None:
            return tensor
    for number, dtype in (
        (value_float, np.float32), (value_floats, np.float32), (value_int, np.int64),
        (value_ints, np.int64), (value_string, object), (value_strings, object),
    ):  # fmt: skip
        if number is not None:
            return np.array(number, dtype)
    raise ModelError("a Constant needs one of its attributes")


@operator("ConstantOfShape", host=(0,))
def _constant_of_shape(F: Any, shape: Any, *, value: Any = None) -> Any:
    number = np.zeros((), np.float32) if value is None else value
    if number.size != 1:
        raise ShapeError(f"the value has shape {number.shape}; it must hold one element")
    return F.full(number.reshape(()), shape=integers(shape))


@operator("Shape", raw=True)
def _shape(F: Any, x: Any, *, start: int = 0, end: int | None = None) -> Any:
    return np.array(tuple(x.shape)[slice(start, end)], np.int64)


@operator("Size", raw=True)
def _size(F: Any, x: Any) -> Any:
    return np.array(flat_size(x.shape), np.int64)


@operator("Identity", raw=True)
def _identity(F: Any, x: Any) -> Any:
    return x


@operator("Reshape", moves=True)
def _reshape_1(F: Any, x: Any, *, shape: Any) -> Any:
    return F.reshape(x, shape=_filled(x, shape, 0))


@operator("Reshape", 5, host=(1,), moves=True)
def _reshape_5(F: Any, x: Any, shape: Any, *, allowzero: int = 0) -> Any:
    return F.reshape(x, shape=_filled(x, integers(shape), allowzero))


def _filled(x: Any, shape: Any, allowzero: int) -> tuple[int, ...]:
    if allowzero:
        return tuple(shape)
    if any(n == 0 and a >= len(x.shape) for a, n in enumerate(shape)):
        raise ShapeError(f"the shape {tuple(shape)} keeps an axis that {tuple(x.shape)} lacks")
    return tuple(x.shape[a] if n == 0 else n for a, n in enumerate(shape))


@operator("Squeeze", host=(1,), moves=True)
def _squeeze(F: Any, x: Any, given: Any = None, *, axes: Any = None) -> Any:
    if given is None and axes is None:
        return F.reshape(x, shape=tuple(n for n in x.shape if n != 1))
    return without_axes(F, x, axes if given is None else integers(given))


@operator("Unsqueeze", host=(1,), moves=True)
def _unsqueeze(F: Any, x: Any, given: Any = None, *, axes: Any = ()) -> Any:
    return with_axes(F, x, axes if given is None else integers(given))


@operator("Flatten", moves=True)
def _flatten(F: Any, x: Any, *, axis: int = 1) -> Any:
    axis = axis if axis == len(x.shape) else axis_of(axis, len(x.shape))
    return F.reshape(x, shape=(flat_size(x.shape[:axis]), flat_size(x.shape[axis:])))


@operator("Expand", host=(1,), moves=True)
def _expand(F: Any, x: Any, shape: Any) -> Any:
    # A size of 1 in the shape keeps the input's: both broadcast to each other.
    wanted = np.broadcast_shapes(tuple(x.shape), integers(shape))
    return F.copy(F.broadcast_to(x, shape=tuple(int(n) for n in wanted)))


@operator("Range", host=(0, 1, 2))
def _range(F: Any, start: Any, limit: Any, delta: Any, *, stash_type: int = 1) -> Any:
    dtype = dtype_of(start)
    for number in (start, limit, delta):
        if number.size != 1:
            raise ShapeError("start, limit and delta are one number each")
    first, last, step = (n.reshape(()).item() if dtype.kind in ("int", "uint")
                         else float(n.reshape(())) for n in (start, limit, delta))  # fmt: skip
    if step == 0 or not all(map(math.isfinite, (first, last, step))):
        raise ValueRangeError(f"start {first}, limit {last} and delta {step} give no range")
    return F.arange(start=first, stop=last, step=step, dtype=dtype)


@operator("EyeLike")
def _eye_like(F: Any, x: Any, *, dtype: int | None = None, k: int = 0) -> Any:
    if len(x.shape) != 2:
        raise ShapeError(f"the input has shape {tuple(x.shape)}; it needs two axes")
    wanted = dtype_of(x) if dtype is None else element_dtype(dtype)
    return F.eye(rows=x.shape[0], columns=x.shape[1], k=k, dtype=wanted)


@operator("Trilu", host=(1,))
def _trilu(F: Any, x: Any, k: Any = None, *, upper: int = 1) -> Any:
    diagonal = 0 if k is None else int(k.reshape(()))
    # Diagonals further out than the axes are long mean the same as the outermost.
    most = max(x.shape[-2:], default=0) + 1
    return (F.triu if upper else F.tril)(x, k=max(-most, min(diagonal, most)))


@operator("CenterCropPad", host=(1,), moves=True)
def _center_crop_pad(F: Any, x: Any, shape: Any, *, axes: Any = None) -> Any:
    ndim = len(x.shape)
    along = axes_of(axes, ndim) if axes is not None else tuple(range(ndim))
    wanted = integers(shape)
    if len(wanted) != len(along):
        raise ShapeError(f"the shape {wanted} does not fit the axes {along}")
    starts, stops, before, after = [0] * ndim, list(x.shape), [0] * ndim, [0] * ndim
    for a, n in zip(along, wanted, strict=True):
        missing = n - x.shape[a]
        if missing >= 0:
            before[a], after[a] = missing // 2, missing - missing // 2
        else:
            starts[a] = -missing // 2
            stops[a] = starts[a] + n
    part = F.slice(x, start=tuple(starts), stop=tuple(stops), step=(1,) * ndim)
    if not any(before) and not any(after):
        return F.copy(part)
    return F.pad(part, F.like(0, x), before=tuple(before), after=tuple(after))


@operator("OptionalHasElement", raw=True)
def _optional_has_element(F: Any, x: Any = None) -> Any:
    return np.array(x is not None, bool)


@operator("OptionalGetElement", raw=True)
def _optional_get_element(F: Any, x: Any) -> Any:
    if x is None:
        raise ValueRangeError("the optional is empty")
    return x


@operator("Optional", raw=True)
def _optional(F: Any, x: Any = None, *, type: Any = None) -> Any:
    return x


_WINDOWS = {
    "HannWindow": (0.5, 0.5, 0.0),
    "HammingWindow": (25 / 46, 21 / 46, 0.0),
    "BlackmanWindow": (0.42, 0.5, 0.08),
}


def _window(coefficients: tuple[float, float, float]) -> Any:
    def function(F: Any, size: Any, *, output_datatype: int = 1, periodic: int = 1) -> Any:
        count = int(size.reshape(()))
        if count < 0:
            raise ValueRangeError(f"the size is {count}; it must be 0 or more")
        angle = 2 * math.pi / max(count if periodic else count - 1, 1)
        line = F.arange(start=0, stop=count, step=1, dtype=dtypes.float32)
        first, second, third = coefficients
        phase = F.multiply(line, angle)
        found = F.subtract(F.like(first, line), F.multiply(F.cos(phase), second))
        if third:
            found = F.add(found, F.multiply(F.cos(F.multiply(phase, 2.0)), third))
        return F.cast(found, dtype=element_dtype(output_datatype))

    return function


for _name, _coefficients in _WINDOWS.items():
    operator(_name, host=(0,))(_window(_coefficients))
