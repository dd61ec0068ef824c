"""Samples of operators that make tensors and move elements."""

from __future__ import annotations

from collections.abc import Iterator

from hal import dtypes
from hal.dtypes import DType
from hal.ops import Operator
from hal.testing.sample import Input, Sample, sampler
from hal.testing.samples.elementwise import LARGE, SHAPES
from hal.testing.values import ordinary, special

Shape = tuple[int, ...]


@sampler("full")
def full(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield every shape."""
    for shape in (*SHAPES, (1000,)):
        yield Sample((Input(()),), {"shape": shape})
    yield Sample((Input((), special),), {"shape": (3,)}, "special")
    yield Sample((Input(()),), {"shape": LARGE}, large=True)


@sampler("arange")
def arange(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield rising, falling, empty and fractional ranges."""
    ranges: list[tuple[float, float, float]] = [(0, 5, 1), (0, 0, 1), (3, 40, 7), (5, 0, 1)]
    if dtype.kind != "uint":
        ranges += [(5, -5, -3), (-10, 1, 2), (0, -31, -1)]
    if dtype.kind in ("float", "complex"):
        ranges += [(0.5, 3.0, 0.5), (1.0, 0.0, -0.25)]
    for start, stop, step in ranges:
        yield Sample((), {"start": start, "stop": stop, "step": step, "dtype": dtype})
    if dtype.bits >= 32 and dtype.kind != "complex":
        whole = {"start": 0, "stop": 100_003, "step": 1, "dtype": dtype}
        yield Sample((), whole, large=True)


@sampler("linspace")
def linspace(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield with and without the end, of 0, 1 and many points."""
    for num in (0, 1, 2, 5, 33):
        for endpoint in (True, False):
            low = 0.0 if dtype.kind == "uint" else -64.0
            # Integers are cut off, so their points lie on or well between them.
            high = low + 64.0 if dtype.kind in ("int", "uint") else 3.5
            if dtype.kind in ("int", "uint") and num not in (0, 1, 2, 5 if endpoint else 2, 33):
                continue
            attributes = {"start": low, "stop": high, "num": num, "endpoint": endpoint}
            yield Sample((), {**attributes, "dtype": dtype})


@sampler("eye")
def eye(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield square and other shapes, on and beside the diagonal."""
    for rows, columns in ((3, 3), (4, 2), (2, 5), (0, 3), (1, 1), (33, 31)):
        for k in (0, 1, -1, 7):
            yield Sample((), {"rows": rows, "columns": columns, "k": k, "dtype": dtype})


@sampler("copy", "real", "imag")
def plain(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield every shape and layout."""
    for shape in SHAPES:
        yield Sample((Input(shape),))
    for shape in ((5, 7), (3, 4, 6), (257,)):
        yield Sample((Input(shape),), layouts=True)
    yield Sample((Input((40,), special),), note="special", layouts=True)
    yield Sample((Input(LARGE),), layouts=True, large=True)


@sampler("bitcast")
def bitcast(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield every dtype whose elements are as large."""
    for to in dtypes.ALL:
        # Bits that are no value of bool or of a dtype narrower than a byte have no meaning.
        if (to.bits, to.itemsize) == (dtype.bits, dtype.itemsize) and to.kind != "bool":
            yield Sample((Input((2, 3)),), {"dtype": to}, layouts=to is dtype)


@sampler("reshape")
def reshape(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield splits and joins of axes."""
    pairs: list[tuple[Shape, Shape]] = [
        ((), (1,)), ((1,), ()), ((6,), (2, 3)), ((2, 3), (6,)), ((2, 3, 4), (6, 4)),
        ((2, 3, 4), (4, -1)), ((0, 3), (3, 0)), ((1, 5, 1), (5,)), ((4, 6), (2, 2, 3, 2)),
    ]  # fmt: skip
    for shape, to in pairs:
        yield Sample((Input(shape),), {"shape": to})
    for to in ((24,), (4, 6), (2, 3, 2, 2), (8, 3)):
        yield Sample((Input((4, 6)),), {"shape": to}, layouts=True)


@sampler("permute")
def permute(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield orders of axes."""
    for shape, axes in (((), ()), ((3,), (0,)), ((3, 5), (1, 0)), ((2, 3, 4), (2, 0, 1)),
                        ((2, 0, 4), (2, 1, 0)), ((2, 3, 4, 5), (0, 3, 1, 2))):  # fmt: skip
        yield Sample((Input(shape),), {"axes": axes})
    yield Sample((Input((5, 7)),), {"axes": (1, 0)}, layouts=True)


@sampler("broadcast_to")
def broadcast_to(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield new axes and stretched ones."""
    for shape, to in (((), (3,)), ((1,), (4,)), ((3, 1), (3, 4)), ((4,), (2, 3, 4)), ((0,), (2, 0)),
                      ((1, 5, 1), (2, 5, 3))):  # fmt: skip
        yield Sample((Input(shape),), {"shape": to})
    yield Sample((Input((5, 7)),), {"shape": (3, 5, 7)}, layouts=True)


@sampler("slice")
def slices(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield parts, steps and reversals."""
    parts: list[tuple[Shape, Shape, Shape, Shape]] = [
        ((10,), (0,), (10,), (1,)), ((10,), (2,), (9,), (3,)), ((10,), (9,), (-1,), (-1,)),
        ((10,), (8,), (1,), (-2,)), ((10,), (5,), (5,), (1,)), ((3, 5), (1, 0), (3, 5), (1, 2)),
        ((3, 5), (2, 4), (-1, -1), (-1, -3)), ((0, 4), (0, 0), (0, 4), (1, 1)),
    ]  # fmt: skip
    for shape, start, stop, step in parts:
        yield Sample((Input(shape),), {"start": start, "stop": stop, "step": step})
    attributes = {"start": (4, 1), "stop": (-1, 7), "step": (-2, 3)}
    yield Sample((Input((5, 7)),), attributes, layouts=True)


@sampler("diagonal")
def diagonal(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield the main diagonal and its neighbours, inside and outside."""
    for shape in ((3, 3), (3, 5), (4, 2), (2, 3, 4), (0, 3)):
        for offset in (0, 1, -2, 9):
            yield Sample((Input(shape),), {"offset": offset})
    yield Sample((Input((5, 7)),), {"offset": 1}, layouts=True)


@sampler("as_windows")
def as_windows(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield overlapping, spaced and dilated windows."""
    for shape, axes, sizes, steps, dilations in (
        ((10,), (0,), (3,), (1,), (1,)),
        ((10,), (0,), (3,), (2,), (2,)),
        ((2, 6, 7), (1, 2), (2, 3), (1, 2), (2, 1)),
    ):
        attributes = {"axes": axes, "sizes": sizes, "steps": steps, "dilations": dilations}
        yield Sample((Input(shape),), attributes)
    attributes = {"axes": (0, 1), "sizes": (2, 3), "steps": (1, 2), "dilations": (2, 1)}
    yield Sample((Input((5, 7)),), attributes, layouts=True)


@sampler("concat")
def concat(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield one, two and many parts, some of them empty."""
    for shapes, axis in (
        (((3,),), 0), (((3,), (4,)), 0), (((0,), (4,), (1,)), 0), (((2, 3), (2, 1)), 1),
        (((2, 3), (5, 3)), 0), (((2, 3, 4), (2, 1, 4), (2, 2, 4)), 1), (((33,),) * 9, 0),
    ):  # fmt: skip
        yield Sample(tuple(map(Input, shapes)), {"axis": axis})
    for axis in (0, 1):
        yield Sample((Input((5, 7)), Input((5, 7))), {"axis": axis}, layouts=True)
    yield Sample((Input(LARGE), Input(LARGE)), {"axis": 1}, large=True)


@sampler("pad")
def pad(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield padding on either side, on both, on none."""
    value = Input(())
    for shape, before, after in (
        ((3,), (2,), (1,)), ((3,), (0,), (0,)), ((3, 5), (1, 0), (0, 2)), ((0,), (1,), (2,)),
        ((2, 3, 4), (1, 1, 1), (2, 0, 3)), ((), (), ()),
    ):  # fmt: skip
        yield Sample((Input(shape), value), {"before": before, "after": after})
    yield Sample((Input((5, 7)), value), {"before": (1, 2), "after": (0, 3)}, layouts=True)


@sampler("repeat")
def repeat(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield repetitions along each axis, none among them."""
    for shape, repeats, axis in (((3,), 2, 0), ((3,), 0, 0), ((3, 5), 3, 1), ((3, 5), 1, 0),
                                 ((2, 3, 4), 2, 1), ((0,), 3, 0)):  # fmt: skip
        yield Sample((Input(shape),), {"repeats": repeats, "axis": axis})
    yield Sample((Input((5, 7)),), {"repeats": 2, "axis": 1}, layouts=True)


@sampler("roll")
def roll(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield shifts in both directions, by more than the size, on several axes."""
    for shape, shifts, axes in (((5,), (2,), (0,)), ((5,), (-7,), (0,)), ((5,), (0,), (0,)),
                                ((3, 4), (1, -1), (0, 1)), ((0, 3), (1,), (1,)),
                                ((31,), (31,), (0,))):  # fmt: skip
        yield Sample((Input(shape),), {"shifts": shifts, "axes": axes})
    yield Sample((Input((5, 7)),), {"shifts": (2, 3), "axes": (0, 1)}, layouts=True)


@sampler("tril", "triu")
def triangle(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield the triangle at, above and below the diagonal, also of NaN and infinity."""
    for shape in ((3, 3), (3, 5), (5, 2), (2, 3, 4), (0, 3), (1, 1)):
        for k in (0, 1, -2, 9):
            yield Sample((Input(shape),), {"k": k})
    yield Sample((Input((5, 7)),), {"k": 1}, layouts=True)
    yield Sample((Input((6, 6), special if dtype is not dtypes.bool else ordinary),), {"k": 0},
                 "special")  # fmt: skip
