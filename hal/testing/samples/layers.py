"""Samples of softmax, normalization, attention and rotary embedding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import DType
from hal.ops import Operator
from hal.testing.sample import Input, Sample, sampler
from hal.testing.values import ordinary, positive, unit

Shape = tuple[int, ...]


def _shifted(rng: np.random.Generator, shape: Shape, dtype: DType) -> Any:
    """Return values around 200, whose exponentials overflow float32 unless the top is taken off."""
    found = ordinary(rng, shape, dtype)
    return (found + np.asarray(200, dtype.numpy)) if dtype.kind == "float" else found


@sampler("softmax", "log_softmax")
def softmax(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield each axis; large values, and values of which some are minus infinity."""
    for shape, axis in (((1,), 0), ((5,), 0), ((3, 5), 0), ((3, 5), 1), ((2, 3, 4), 1),
                        ((3, 0), 1), ((0, 3), 1), ((4, 1), 1), ((31, 257), 1)):  # fmt: skip
        yield Sample((Input(shape),), {"axis": axis})
        yield Sample((Input(shape, _shifted),), {"axis": axis}, "large values")
    yield Sample((Input((5, 7), _masked),), {"axis": 1}, "minus infinity")
    for axis in (0, 1):
        yield Sample((Input((5, 7)),), {"axis": axis}, layouts=True)
    yield Sample((Input((7, 10_007)),), {"axis": 1}, large=True)


def _masked(rng: np.random.Generator, shape: Shape, dtype: DType) -> Any:
    found = ordinary(rng, shape, dtype)
    found[..., 1::2] = -np.inf
    return found


_SHAPED: tuple[tuple[Shape, tuple[int, ...]], ...] = (
    ((5,), (-1,)),
    ((3, 5), (-1,)),
    ((3, 5), (0,)),
    ((2, 3, 4), (-1,)),
    ((2, 3, 4), (1, 2)),
    ((33, 65), (-1,)),
    ((1, 1), (-1,)),
    ((0, 3), (-1,)),
)


@sampler("layer_norm", "rms_norm")
def over_axes(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield with and without weight and bias."""
    most = 2 if op.name == "layer_norm" else 1
    for shape, axes in _SHAPED:
        inner = tuple(shape[a] for a in axes)
        for count in range(most + 1):
            given = (Input(shape), *[Input(inner)] * count)
            yield Sample(given, {"axes": axes}, f"{count} parameters")
        yield Sample((Input(shape),), {"axes": axes, "epsilon": 0.5}, "epsilon 0.5")
    given = (Input((5, 7)), *[Input((7,))] * most)
    yield Sample(given, {"axes": (1,)}, layouts=True)
    yield Sample((Input((65, 1023)), *[Input((1023,))] * most), {"axes": (1,)}, large=True)


@sampler("group_norm", "instance_norm")
def over_channels(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield groups of channels, with and without weight and bias."""
    for shape, groups in (((2, 4, 5), 2), ((2, 6, 3, 5), 3), ((1, 4, 1, 9), 1), ((3, 4, 33), 4),
                          ((0, 4, 3), 2)):  # fmt: skip
        attributes = {"groups": groups} if op.name == "group_norm" else {}
        channels = (shape[1],)
        yield Sample((Input(shape),), attributes)
        yield Sample((Input(shape), Input(channels), Input(channels)), attributes, "affine")
        yield Sample((Input(shape), None, Input(channels)), attributes, "bias alone")
    attributes = {"groups": 2} if op.name == "group_norm" else {}
    yield Sample((Input((3, 4, 6)), Input((4,)), Input((4,))), attributes, layouts=True)


@sampler("batch_norm")
def batch_norm(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield given statistics, with and without weight and bias."""
    for shape in ((2, 4), (2, 4, 5), (2, 3, 4, 5), (0, 3), (33, 65)):
        channels = (shape[1],)
        statistics = Input(shape), Input(channels), Input(channels, positive)
        yield Sample(statistics)
        yield Sample((*statistics, Input(channels), Input(channels)), note="affine")
    given = Input((3, 4, 6)), Input((4,)), Input((4,), positive), Input((4,)), Input((4,))
    yield Sample(given, layouts=True)


@sampler("attention")
def attention(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield heads, shared heads, masks of both kinds, causal order, other lengths and scales."""
    shapes: tuple[tuple[Shape, Shape], ...] = (
        ((3, 4), (3, 4)),
        ((2, 3, 4), (2, 5, 4)),
        ((2, 4, 5, 8), (2, 4, 5, 8)),
        ((1, 4, 1, 8), (1, 2, 33, 8)),
        ((2, 6, 3, 4), (2, 3, 7, 4)),
    )
    for query, key in shapes:
        given = Input(query), Input(key), Input((*key[:-1], 5))
        scores = (query[-2], key[-2])
        for causal in (False, True):
            yield Sample(given, {"causal": causal})
        hidden = Input(scores, _half_hidden, dtypes.bool)
        yield Sample((*given, hidden), note="mask of truth values")
        yield Sample((*given, Input(scores, unit)), note="mask that is added")
        yield Sample(given, {"scale": 0.3}, "scale 0.3")
    given = Input((3, 4, 6)), Input((3, 5, 6)), Input((3, 5, 2))
    yield Sample(given, layouts=True)
    large = Input((2, 8, 65, 32))
    yield Sample((large, large, large), {"causal": True}, large=True)


def _half_hidden(rng: np.random.Generator, shape: Shape, dtype: DType) -> Any:
    """Return a mask in which every query but the last sees a key."""
    found = rng.uniform(size=shape) < 0.6
    found[..., 0] = True
    if shape[-2] > 1:
        found[..., -1, :] = False
    return found


@sampler("rotary_embedding")
def rotary_embedding(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield both pairings, over all features and over some."""
    for interleaved in (False, True):
        attributes = {"interleaved": interleaved}
        for shape, angles in (
            ((3, 8), (3, 4)), ((2, 4, 5, 8), (5, 4)), ((2, 3, 10), (3, 3)), ((0, 8), (1, 4)),
            ((1, 2), (1, 1)), ((33, 66), (33, 33)),
        ):  # fmt: skip
            turned = Input(angles, unit), Input(angles, unit)
            yield Sample((Input(shape), *turned), attributes)
        turned = Input((4, 3), unit), Input((4, 3), unit)
        yield Sample((Input((3, 4, 6)), *turned), attributes, layouts=True)
