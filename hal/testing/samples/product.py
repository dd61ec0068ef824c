"""Samples of matrix products."""

from __future__ import annotations

from collections.abc import Iterator

from hal.dtypes import DType
from hal.ops import Operator
from hal.testing.sample import Input, Sample, sampler
from hal.testing.values import small

Shape = tuple[int, ...]


@sampler("matmul")
def matmul(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield vectors, matrices and batches that broadcast; sizes beside multiples of tiles."""
    pairs: tuple[tuple[Shape, Shape], ...] = (
        ((3,), (3,)),
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((2, 3), (3, 4)),
        ((1, 1), (1, 1)),
        ((1, 33), (33, 1)),
        ((17, 1), (1, 9)),
        ((31, 33), (33, 65)),
        ((0, 3), (3, 4)),
        ((2, 0), (0, 3)),
        ((2, 3), (3, 0)),
        ((5, 2, 3), (5, 3, 4)),
        ((5, 2, 3), (3, 4)),
        ((2, 1, 2, 3), (3, 3, 4)),
        ((4, 3), (2, 3, 1)),
        ((0, 2, 3), (3, 4)),
    )
    for first, second in pairs:
        yield Sample((Input(first), Input(second)))
    yield Sample((Input((5, 7)), Input((7, 5))), layouts=True)
    yield Sample((Input((3, 4, 6)), Input((3, 6, 4))), layouts=True)
    yield Sample((Input((5, 9), small), Input((9, 7), small)), {"precision": "highest"}, "small")
    yield Sample((Input((129, 255)), Input((255, 65))), large=True)


@sampler("linear")
def linear(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield with and without the bias, over any leading axes."""
    for shape, weight in (
        ((3,), (4, 3)), ((2, 3), (4, 3)), ((2, 5, 33), (17, 33)), ((0, 3), (4, 3)),
        ((1, 1), (1, 1)), ((2, 0), (3, 0)),
    ):  # fmt: skip
        yield Sample((Input(shape), Input(weight)))
        yield Sample((Input(shape), Input(weight), None), note="bias left out")
        yield Sample((Input(shape), Input(weight), Input(weight[:1])), note="bias")
    given = Input((5, 7)), Input((4, 7)), Input((4,))
    yield Sample(given, note="bias", layouts=True)
    yield Sample((Input((65, 127)), Input((129, 127)), Input((129,))), large=True)
