"""Samples of matrix products."""

from __future__ import annotations

from collections.abc import Iterator

from hal.dtypes import DType, bfloat16, float16, float32, int8, uint8
from hal.ops import Operator
from hal.ops.scaled import FLOAT8, RESULTS
from hal.testing.sample import Input, Sample, sampler
from hal.testing.values import integers, positive, small

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


@sampler("quantized_linear")
def quantized_linear(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield both widths of code with and without a sign, groups that do and do not divide a row."""
    ways = [(bits, codes) for bits in (8, 4) for codes in (int8, uint8)]
    for bits, codes in ways:
        for lead, rows, columns, group in (
            ((3,), 5, 8, None), ((2, 3), 4, 7, None), ((4,), 6, 64, 32), ((1,), 3, 70, 32),
            ((), 3, 9, 4), ((0,), 2, 4, None), ((2,), 1, 1, 1), ((2,), 3, 0, None),
        ):  # fmt: skip
            given = _quantized(lead, rows, columns, group, bits, codes)
            yield Sample(given, {"bits": bits, "group_size": group}, codes.name)
    for bits, codes in ways:
        attributes = {"bits": bits, "group_size": 16}
        given = _quantized((3,), 6, 48, 16, bits, codes)
        zeros = Input(given[2].shape, integers(0, 2**bits) if codes is uint8 else integers(-3, 4))
        bias = Input((6,))
        yield Sample((*given, zeros), attributes, f"{codes.name}, zero points")
        yield Sample((*given, None, bias), attributes, f"{codes.name}, bias")
        full = (*given, zeros, bias)
        yield Sample(full, attributes, f"{codes.name}, both", layouts=bits == 4)
    large = _quantized((33,), 129, 256, 64, 4, uint8)
    yield Sample(large, {"bits": 4, "group_size": 64}, large=True)


@sampler("scaled_linear")
def scaled_linear(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield every pair of float8 and every result, with scales for rows and for all of them."""
    for lead, rows, columns in (
        ((3,), 4, 8), ((16,), 32, 48), ((2, 5), 16, 32), ((), 3, 9), ((0,), 2, 4), ((2,), 3, 0),
        ((2,), 0, 3), ((1,), 1, 1),
    ):  # fmt: skip
        for by_row in (False, True):
            given = _scaled(lead, rows, columns, by_row, by_row, dtype)
            yield Sample(given, note="scales of rows" if by_row else "")
    for weight in FLOAT8:
        for result in RESULTS:
            given = _scaled((17,), 48, 64, result is bfloat16, result is float16, weight)
            bias = Input((48,), dtype=result)
            yield Sample(given, {"dtype": result}, f"by {weight}")
            yield Sample((*given, bias), {"dtype": result}, f"by {weight}, bias")
    full = (*_scaled((5, 3), 16, 32, True, True, dtype), Input((16,), dtype=float16))
    yield Sample(full, {"dtype": float16}, layouts=True)
    large = _scaled((65,), 144, 256, False, False, dtype)
    yield Sample(large, {"dtype": bfloat16}, large=True)


def _scaled(
    lead: Shape, rows: int, columns: int, by_row: bool, by_column: bool, weight: DType
) -> tuple[Input, Input, Input, Input]:
    return (
        Input((*lead, columns)),
        Input((rows, columns), dtype=weight),
        Input((*lead, 1) if by_row else (), positive, float32),
        Input((rows, 1) if by_column else (), positive, float32),
    )


def _quantized(
    lead: Shape, rows: int, columns: int, group: int | None, bits: int, codes: DType
) -> tuple[Input, Input, Input]:
    values = integers(0, 256) if codes is uint8 else integers(-128, 128)
    groups = -(-columns // (group or max(columns, 1)))
    return (
        Input((*lead, columns)),
        Input((rows, -(-columns * bits // 8)), values, codes),
        Input((rows, groups), positive),
    )
