"""Samples of convolution, pooling and resampling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hal.dtypes import DType
from hal.ops import Operator
from hal.testing.sample import Input, Sample, sampler
from hal.testing.values import unit

Shape = tuple[int, ...]


@sampler("convolution")
def convolution(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield one to three spatial axes; strides, padding, dilation, groups."""
    cases: tuple[tuple[Shape, Shape, dict[str, Any]], ...] = (
        ((2, 3, 9), (4, 3, 3), {}),
        ((1, 1, 1), (1, 1, 1), {}),
        ((2, 4, 9), (6, 2, 3), {"groups": 2, "padding": 1}),
        ((2, 3, 7, 8), (5, 3, 3, 2), {"stride": 2}),
        ((2, 3, 7, 8), (5, 3, 3, 3), {"padding": "same"}),
        ((2, 3, 7, 8), (5, 3, 1, 1), {}),
        ((2, 3, 9, 8), (5, 3, 3, 2), {"dilation": (2, 3), "padding": ((1, 2), (0, 1))}),
        ((1, 4, 6, 6), (4, 1, 3, 3), {"groups": 4, "padding": 1}),
        ((1, 2, 4, 5, 3), (3, 2, 2, 3, 1), {"stride": (1, 2, 1)}),
        ((0, 3, 7, 8), (5, 3, 3, 2), {}),
    )
    for shape, weight, attributes in cases:
        yield Sample((Input(shape), Input(weight, unit)), attributes)
        bias = Input(weight[:1])
        yield Sample((Input(shape), Input(weight, unit), bias), attributes, "bias")
    given = Input((2, 3, 5, 6)), Input((4, 3, 2, 3), unit), Input((4,))
    yield Sample(given, {"padding": 1}, layouts=True)
    yield Sample((Input((2, 16, 33, 31)), Input((24, 16, 3, 3), unit)), {"padding": 1}, large=True)


@sampler("convolution_transpose")
def convolution_transpose(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield one to three spatial axes; strides, both paddings, dilation, groups."""
    cases: tuple[tuple[Shape, Shape, dict[str, Any]], ...] = (
        ((2, 3, 5), (3, 4, 3), {}),
        ((2, 4, 5), (4, 3, 3), {"groups": 2, "stride": 2}),
        ((2, 3, 4, 5), (3, 2, 3, 2), {"stride": 2, "padding": 1, "output_padding": 1}),
        ((2, 3, 4, 5), (3, 2, 3, 3), {"dilation": 2}),
        ((1, 2, 3, 2, 3), (2, 3, 2, 2, 2), {"stride": (2, 1, 2)}),
    )
    for shape, weight, attributes in cases:
        yield Sample((Input(shape), Input(weight, unit)), attributes)
        outputs = weight[1] * attributes.get("groups", 1)
        bias = Input((outputs,))
        yield Sample((Input(shape), Input(weight, unit), bias), attributes, "bias")
    given = Input((2, 3, 4, 5)), Input((3, 4, 2, 3), unit)
    yield Sample(given, {"stride": 2}, layouts=True)


@sampler("max_pool", "average_pool", "lp_pool")
def pool(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield windows, strides, padding, dilation, and what is left over at the end."""
    cases: list[tuple[Shape, dict[str, Any]]] = [
        ((2, 3, 9), {"window": 3}),
        ((2, 3, 9), {"window": 2, "stride": 3}),
        ((2, 3, 7, 8), {"window": (3, 2), "padding": 1}),
        ((2, 3, 7, 8), {"window": 3, "stride": 2, "ceil_mode": True}),
        ((2, 3, 9, 8), {"window": 2, "dilation": (3, 2)}),
        ((1, 2, 4, 5, 3), {"window": 2, "stride": 1}),
        ((0, 2, 4, 5), {"window": 2}),
        ((1, 1, 1, 1), {"window": 1}),
    ]
    if op.name == "average_pool":
        cases += [
            ((2, 3, 7, 8), {"window": 3, "padding": 1, "count_include_pad": False}),
            ((2, 3, 7, 8), {"window": 2, "divisor": 3}),
        ]
    if op.name == "lp_pool":
        cases.append(((2, 3, 7, 8), {"window": 2, "p": 1.0}))
    for shape, attributes in cases:
        yield Sample((Input(shape),), attributes)
    yield Sample((Input((2, 3, 5, 6)),), {"window": 2}, layouts=True)


@sampler("adaptive_max_pool", "adaptive_average_pool")
def adaptive(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield output sizes that divide the input's, and that do not."""
    for shape, size in (((2, 3, 9), 3), ((2, 3, 9), 4), ((2, 3, 7, 8), (3, 4)), ((2, 3, 7, 8), 1),
                        ((1, 2, 4, 5, 3), (2, 3, 3)), ((0, 2, 4), 2), ((1, 1, 3), 5)):  # fmt: skip
        yield Sample((Input(shape),), {"output_size": size})
    yield Sample((Input((2, 3, 5, 6)),), {"output_size": (2, 4)}, layouts=True)


@sampler("interpolate")
def interpolate(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield each mode, larger and smaller, by size and by scale."""
    modes: tuple[dict[str, Any], ...] = (
        {"mode": "nearest"},
        {"mode": "nearest-exact"},
        {"mode": "linear"},
        {"mode": "linear", "align_corners": True},
        {"mode": "cubic"},
    )
    for mode in modes:
        if dtype.kind != "float" and not mode["mode"].startswith("nearest"):
            continue
        for shape, to in (((2, 3, 5), {"size": (8,)}), ((2, 3, 8), {"size": (3,)}),
                          ((1, 2, 4, 5), {"scale": 2.0}), ((1, 2, 5, 7), {"size": (3, 10)}),
                          ((0, 2, 4), {"size": (6,)})):  # fmt: skip
            yield Sample((Input(shape),), {**mode, **to}, mode["mode"])
        yield Sample((Input((2, 3, 5, 6)),), {**mode, "size": (7, 4)}, mode["mode"], layouts=True)
