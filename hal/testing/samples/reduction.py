"""Samples of operators that reduce, accumulate, or order along axes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hal.dtypes import COMPUTE, DType
from hal.ops import Operator
from hal.testing.sample import Input, Sample, family_sampler, sampler
from hal.testing.values import Values, booleans, extremes, ordinary, small, special, ties, unit

Shape = tuple[int, ...]

_WHERE: tuple[tuple[Shape, Any], ...] = (
    ((), None),
    ((1,), 0),
    ((5,), None),
    ((31,), 0),
    ((257,), 0),
    ((1000,), None),
    ((3, 5), 0),
    ((3, 5), 1),
    ((3, 5), None),
    ((4, 1), 1),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (1,)),
    ((2, 3, 4), -1),
    ((2, 3, 4), ()),
    ((65, 33), 0),
    ((33, 65), 1),
    ((2, 3, 1, 5, 2), (1, 3)),
)
_EMPTY: tuple[tuple[Shape, Any], ...] = (((0,), 0), ((3, 0), 1), ((0, 3), None), ((2, 0, 3), 1))
_UNREDUCED: tuple[tuple[Shape, Any], ...] = (((3, 0), 0), ((0, 4), 1))
_NO_IDENTITY = ("max", "min", "argmax", "argmin")
_ONE_AXIS = ("argmax", "argmin")
_VALUES: dict[str, Values] = {
    "prod": small,
    "any": booleans,
    "all": booleans,
    "count_nonzero": booleans,
    "argmax": ties,
    "argmin": ties,
}
_NAN_OPEN = ("prod", "var", "std")


@family_sampler("reduction")
def reduction(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield every kind of axis, with and without ``keepdims``, empty and odd sizes."""
    values = _VALUES.get(op.name, ordinary)
    empty = () if op.name in _NO_IDENTITY or op.name in ("mean", "var", "std") else _EMPTY
    for shape, axis in (*_WHERE, *empty, *_UNREDUCED):
        if op.name in _ONE_AXIS and isinstance(axis, tuple):
            if len(axis) != 1:
                continue
            axis = axis[0]
        if axis == () and op.name in ("var", "std"):
            continue
        if op.name in _NO_IDENTITY and 0 in shape and axis is not None:
            continue
        for keepdims in (False, True):
            yield Sample((Input(shape, values),), {"axis": axis, "keepdims": keepdims})
    for axis in (0, 1, None):
        attributes = {"axis": axis, "keepdims": False}
        yield Sample((Input((5, 7), values),), attributes, layouts=True)
        yield Sample((Input((5, 7), ties),), attributes, "ties")
        yield Sample((Input((300, 131), values),), attributes, large=op.name != "sum")
    yield Sample((Input((3, 100_003), values),), {"axis": 1, "keepdims": False}, large=True)
    if dtype.kind in ("int", "uint"):
        yield Sample((Input((9, 31), extremes),), {"axis": 1, "keepdims": False}, "extremes")
    if dtype.kind == "float" and op.name not in _NAN_OPEN:
        yield Sample((Input((6, 5), _with_nan),), {"axis": 1, "keepdims": False}, "NaN")
        yield Sample((Input((6, 5), _with_infinity),), {"axis": 1, "keepdims": False}, "infinite")
    if op.name in ("var", "std"):
        for correction in (1.0, 0.5):
            corrected = {"axis": 1, "keepdims": False, "correction": correction}
            yield Sample((Input((4, 9)),), corrected, f"correction {correction}")
    if "dtype" in op.defaults:
        for target in COMPUTE[1:]:
            widened = {"axis": 1, "keepdims": False, "dtype": target}
            yield Sample((Input((4, 9), small),), widened, f"in {target}")


def _with_nan(rng: np.random.Generator, shape: Shape, dtype: DType) -> Any:
    found = ordinary(rng, shape, dtype)
    found[0, 1] = found[2, -1] = float("nan")
    return found


def _with_infinity(rng: np.random.Generator, shape: Shape, dtype: DType) -> Any:
    found = ordinary(rng, shape, dtype)
    found[0, 1] = float("inf")
    found[2, 0] = float("-inf")
    return found


@sampler("cumulative_sum", "cumulative_prod")
def scan(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield running totals along each axis."""
    values = small if op.name == "cumulative_prod" else ordinary
    for shape, axis in (((1,), 0), ((0,), 0), ((31,), 0), ((257,), 0), ((3, 5), 0), ((3, 5), 1),
                        ((2, 3, 4), 1), ((2, 0, 3), 1), ((3, 0), 0)):  # fmt: skip
        yield Sample((Input(shape, values),), {"axis": axis})
    for axis in (0, 1):
        yield Sample((Input((5, 7), values),), {"axis": axis}, layouts=True)
    yield Sample((Input((3, 10_007), unit),), {"axis": 1}, large=True)
    for target in COMPUTE[1:]:
        yield Sample((Input((4, 6), small),), {"axis": 1, "dtype": target}, f"in {target}")


@sampler("sort", "argsort")
def sort(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield both directions, with ties (which stay in order) and NaN (which goes last)."""
    for descending in (False, True):
        for shape, axis in (((1,), 0), ((0,), 0), ((31,), -1), ((257,), 0), ((3, 5), 0),
                            ((3, 5), 1), ((2, 3, 4), 1), ((3, 0), 0), ((2, 0, 3), 1)):  # fmt: skip
            attributes = {"axis": axis, "descending": descending, "stable": True}
            yield Sample((Input(shape, ties),), attributes)
            yield Sample((Input(shape, ordinary),), attributes)
        attributes = {"axis": 0, "descending": descending, "stable": True}
        yield Sample((Input((5, 7), ties),), attributes, layouts=True)
        yield Sample((Input((40,), special),), attributes, "special")
        yield Sample((Input((10_007,), ties),), attributes, large=True)


@sampler("topk")
def topk(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield the first k of either end."""
    for largest in (False, True):
        for shape, axis, k in (((1,), 0, 1), ((31,), 0, 5), ((31,), 0, 31), ((3, 5), 0, 2),
                               ((3, 5), 1, 0), ((2, 3, 4), 1, 3), ((2, 0, 3), 2, 2)):  # fmt: skip
            yield Sample((Input(shape, ties),), {"k": k, "axis": axis, "largest": largest})
        yield Sample((Input((5, 7)),), {"k": 3, "axis": 0, "largest": largest}, layouts=True)
        yield Sample((Input((4003,)),), {"k": 50, "axis": 0, "largest": largest}, large=True)


@sampler("searchsorted")
def searchsorted(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield positions in ordered values, of values between, equal and outside."""
    for side in ("left", "right"):
        for length, shape in (
            (1, (5,)),
            (31, ()),
            (31, (4, 6)),
            (0, (3,)),
            (7, (0,)),
            (200, (99,)),
        ):
            yield Sample((Input((length,), _ordered), Input(shape, ties)), {"side": side})
        yield Sample((Input((9,), _ordered), Input((5, 7), ties)), {"side": side})


def _ordered(rng: np.random.Generator, shape: Shape, dtype: DType) -> Any:
    return np.sort(ties(rng, shape, dtype))
