"""Sequences of tensors: made, changed, split and joined."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.errors import HalIndexError, ShapeError
from hal.onnx.operators.common import axis_of, cut, integers, squeeze, unsqueeze
from hal.onnx.registry import operator
from hal.onnx.values import is_text, to_host


def joined(F: Any, values: list[Any], axis: int) -> Any:
    """Return tensors joined along an axis, on the device if one of them lies there."""
    if not values:
        raise ShapeError("an empty sequence cannot be joined")
    if any(is_text(v) for v in values):
        return np.concatenate(values, axis)
    E = F.over(*values)
    return E.concat(*E.placed(values), axis=axis_of(axis, len(values[0].shape)))


def stacked(F: Any, values: list[Any], kind: Any) -> Any:
    """Return tensors along a new first axis; ``kind`` says what no tensors at all are."""
    if not values:
        shape = () if kind is None or kind.shape is None else kind.shape
        known = tuple(n if isinstance(n, int) else 0 for n in shape)
        dtype = object if kind is not None and kind.text else np.float32
        if kind is not None and kind.dtype is not None:
            dtype = kind.dtype.numpy
        return np.empty((0, *known), dtype)
    if any(is_text(v) for v in values):
        return np.stack(values)
    E = F.over(*values)
    return E.concat(*[unsqueeze(E, v, (0,)) for v in E.placed(values)], axis=0)


def _place(sequence: list[Any], position: Any, extra: int) -> int:
    if position is None:
        return len(sequence) - 1 + extra
    found = int(to_host(position).reshape(()))
    if not -len(sequence) <= found < len(sequence) + extra:
        raise HalIndexError(f"position {found} is outside a sequence of {len(sequence)}")
    return found + len(sequence) if found < 0 else found


@operator("SequenceConstruct", raw=True)
def _sequence_construct(F: Any, *inputs: Any) -> Any:
    return list(inputs)


@operator("SequenceEmpty", raw=True)
def _sequence_empty(F: Any, *, dtype: int = 1) -> Any:
    return []


@operator("SequenceInsert", raw=True)
def _sequence_insert(F: Any, sequence: Any, tensor: Any, position: Any = None) -> Any:
    place = _place(sequence, position, 1)
    return [*sequence[:place], tensor, *sequence[place:]]


@operator("SequenceErase", raw=True)
def _sequence_erase(F: Any, sequence: Any, position: Any = None) -> Any:
    place = _place(sequence, position, 0)
    return [*sequence[:place], *sequence[place + 1 :]]


@operator("SequenceAt", raw=True)
def _sequence_at(F: Any, sequence: Any, position: Any) -> Any:
    return sequence[_place(sequence, position, 0)]


@operator("SequenceLength", raw=True)
def _sequence_length(F: Any, sequence: Any) -> Any:
    return np.array(len(sequence), np.int64)


@operator("ConcatFromSequence", raw=True)
def _concat_from_sequence(F: Any, sequence: Any, *, axis: int, new_axis: int = 0) -> Any:
    if not new_axis:
        return joined(F, sequence, axis)
    if any(is_text(v) for v in sequence):
        return np.stack(sequence, axis)
    E = F.over(*sequence)
    return joined(F, [unsqueeze(E, v, (axis,)) for v in E.placed(sequence)], axis)


@operator("SplitToSequence", raw=True)
def _split_to_sequence(
    F: Any, x: Any, split: Any = None, *, axis: int = 0, keepdims: int = 1
) -> Any:
    axis = axis_of(axis, len(x.shape))
    size = x.shape[axis]
    if split is None:
        sizes: tuple[int, ...] = (1,) * size
    elif to_host(split).ndim == 0:
        each = int(to_host(split))
        if each < 1:
            raise ShapeError(f"the parts have size {each}; it must be 1 or more")
        sizes = tuple(min(each, size - at) for at in range(0, size, each))
    else:
        sizes = integers(to_host(split))
    if sum(sizes) != size or min(sizes, default=0) < 0:
        raise ShapeError(f"the parts {sizes} do not add up to axis {axis} of {tuple(x.shape)}")
    ends = np.cumsum(sizes, dtype=np.int64).tolist()
    E = F.over(x)
    if is_text(x):
        parts = [x.take(range(e - n, e), axis) for e, n in zip(ends, sizes, strict=True)]
        return [p.squeeze(axis) for p in parts] if split is None and not keepdims else parts
    parts = [E.copy(cut(E, x, {axis: (e - n, e)})) for e, n in zip(ends, sizes, strict=True)]
    # Single elements only lose their axis when the parts were not asked for by size.
    return [squeeze(E, p, (axis,)) for p in parts] if split is None and not keepdims else parts


@operator("SequenceMap", raw=True)
def _sequence_map(F: Any, sequence: Any, *more: Any, body: Any) -> Any:
    results: list[list[Any]] = [[] for _ in body.outputs]
    F.run.count_turns(F.step, len(sequence))
    for n, first in enumerate(sequence):
        others = [m[n] if isinstance(m, list) else m for m in more]
        for row, value in zip(results, F.call(body, [first, *others]), strict=True):
            row.append(value)
    return tuple(results)
