"""How far two arrays are apart: absolute, relative, in direction, in units in the last place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, sqrt
from typing import Any

import numpy as np

from hal.dtypes import DType, as_dtype

__all__ = ["Allowance", "Difference", "difference", "peak", "same_bits", "unusual"]

_CHUNK = 1 << 20
"""Elements looked at together, so that a large value needs little memory beside itself."""


@dataclass(frozen=True)
class Allowance:
    """How large the error of an element may be: ``relative * |expected| + absolute``.

    Attributes
    ----------
    relative : float
    absolute : float or numpy.ndarray
        One for all elements, or an array of the result's shape.
    """

    relative: float = 0.0
    absolute: Any = 0.0

    def of(self, expected: Any, chunk: slice) -> Any:
        """Return the allowed error of some elements, given their expected sizes."""
        scalar = np.ndim(self.absolute) == 0
        absolute = self.absolute if scalar else np.reshape(self.absolute, -1)[chunk]
        return self.relative * expected + absolute


@dataclass(frozen=True)
class Difference:
    """How far a value is from the one it is compared with.

    Attributes
    ----------
    elements, unequal, wrong, special : int
        How many there are, how many differ, how many differ by more than is allowed, and how many
        differ for one of both is NaN or infinite.
    max_abs, max_rel : float
        The largest absolute error; the largest relative error of elements that are not zero.
    scaled : float
        The largest absolute error divided by the largest expected magnitude.
    cosine : float
        Of the angle between both, as vectors; 1 where both are zero.
    ulp : int or None
        The largest error in units in the last place; None for what is no floating-point number.
    note : str
        Why nothing could be measured: other shapes, other kinds of values.
    """

    elements: int
    unequal: int = 0
    wrong: int = 0
    special: int = 0
    max_abs: float = 0.0
    max_rel: float = 0.0
    scaled: float = 0.0
    cosine: float = 1.0
    ulp: int | None = None
    note: str = ""

    @property
    def agrees(self) -> bool:
        """Whether every element is within what is allowed."""
        return self.wrong == 0

    @property
    def severity(self) -> float:
        """The scaled error; infinite where NaN or infinity is on one side alone."""
        return inf if self.special else self.scaled

    def worse_than(self, other: Difference) -> bool:
        """Whether this is further apart; what is not allowed is further than what is."""
        mine, others = ((not d.agrees, d.severity, d.unequal) for d in (self, other))
        return mine > others


def difference(found: Any, expected: Any, allowed: Allowance | None = None) -> Difference:
    """Return how far an array is from an expected one.

    Equal infinities and NaN in the same places are no difference; NaN on one side alone is never
    allowed.

    Parameters
    ----------
    found, expected : numpy.ndarray
        Of numbers, truth values or strings. Their dtypes may differ; the coarser one counts.
    allowed : Allowance, optional
        No difference at all, when left out.

    Examples
    --------
    >>> import numpy as np
    >>> from hal.tools.compare.difference import difference
    >>> found = difference(np.float32([1, 2.000001]), np.float32([1, 2]))
    >>> found.unequal, found.ulp
    (1, 4)
    """
    if found.shape != expected.shape:
        size = max(found.size, expected.size, 1)
        return Difference(
            size, size, size, note=f"shape {list(found.shape)} against {list(expected.shape)}"
        )
    if found.dtype.kind in "OUS" or expected.dtype.kind in "OUS":
        return _of_texts(found, expected)
    kinds = {as_dtype(x.dtype).kind in ("float", "complex") for x in (found, expected)}
    if len(kinds) == 2:
        note = f"{as_dtype(found.dtype)} against {as_dtype(expected.dtype)}"
        return Difference(found.size, found.size, max(found.size, 1), note=note)
    return _of_numbers(_real(found), _real(expected), found.size, allowed or Allowance())


def _of_numbers(a: Any, b: Any, size: int, allowed: Allowance) -> Difference:
    unequal = wrong = special = ulp = 0
    largest = relative = scale = dot = square_a = square_b = 0.0
    counted = _has_ulp(a) and a.dtype == b.dtype
    with np.errstate(all="ignore"):
        for chunk in _chunks(a.size):
            x, y = a[chunk], b[chunk]
            wide_x, wide_y = _wide(x), _wide(y)
            equal = (x == y) | (np.isnan(wide_x) & np.isnan(wide_y))
            error = np.where(equal, 0.0, _distance(x, y, wide_x, wide_y))
            magnitude = np.abs(np.where(np.isfinite(wide_y), wide_y, 0))
            unequal += int(np.count_nonzero(~equal))
            wrong += int(np.count_nonzero(~(error <= allowed.of(magnitude, chunk)) & ~equal))
            finite = np.isfinite(error)
            special += int(np.count_nonzero(~finite))
            error = np.where(finite, error, 0)
            largest = max(largest, float(error.max(initial=0)))
            ratio = np.where(magnitude > 0, error / magnitude, 0)
            relative = max(relative, float(ratio.max(initial=0)))
            scale = max(scale, float(magnitude.max(initial=0)))
            both = np.isfinite(wide_x) & np.isfinite(wide_y)
            p, q = np.where(both, wide_x, 0), np.where(both, wide_y, 0)
            dot += float(p @ q)
            square_a += float(p @ p)
            square_b += float(q @ q)
            if counted and not equal.all():
                ulp = max(ulp, _ulp(x[finite & ~equal], y[finite & ~equal]))
    lengths = sqrt(square_a) * sqrt(square_b)
    cosine = dot / lengths if lengths else float(square_a == square_b and not special)
    return Difference(
        size,
        unequal,
        wrong,
        special,
        largest,
        relative,
        largest / scale if scale else (inf if largest else 0.0),
        1.0 if not unequal else max(-1.0, min(1.0, cosine)),
        ulp if counted else None,
    )


def _of_texts(found: Any, expected: Any) -> Difference:
    same = found.dtype.kind in "OUS" and expected.dtype.kind in "OUS"
    if not same:
        return Difference(
            found.size, found.size, max(found.size, 1), note="strings against numbers"
        )
    unequal = int(np.count_nonzero(found.astype(str) != expected.astype(str)))
    return Difference(found.size, unequal, unequal)


def same_bits(found: Any, expected: Any) -> bool:
    """Return whether two arrays hold the same, to the last bit; strings to the last letter."""
    if found.shape != expected.shape or found.dtype.kind != expected.dtype.kind:
        return False
    if found.dtype.kind in "OUS":
        return bool(np.array_equal(found.astype(str), expected.astype(str)))
    if found.dtype != expected.dtype:
        return False
    a, b = (np.ascontiguousarray(x).reshape(-1).view(np.uint8) for x in (found, expected))
    return all(np.array_equal(a[c], b[c]) for c in _chunks(a.size))


def peak(array: Any) -> float:
    """Return the largest finite magnitude; 0 where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from hal.tools.compare.difference import peak
    >>> peak(np.array([1.0, -3.0, np.inf]))
    3.0
    """
    if array.dtype.kind in "OUS" or not array.size:
        return 0.0
    flat = _real(array)
    found = 0.0
    for chunk in _chunks(flat.size):
        size = np.abs(_wide(flat[chunk]))
        found = max(found, float(np.where(np.isfinite(size), size, 0).max(initial=0)))
    return found


def unusual(array: Any) -> tuple[int, int]:
    """Return how many elements are NaN, and how many are infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from hal.tools.compare.difference import unusual
    >>> unusual(np.array([1.0, np.nan, -np.inf]))
    (1, 1)
    """
    if array.dtype.kind in "OUSbiu" or as_dtype(array.dtype).kind not in ("float", "complex"):
        return 0, 0
    flat = _real(array)
    nans = infinities = 0
    for chunk in _chunks(flat.size):
        wide = _wide(flat[chunk])
        nans += int(np.count_nonzero(np.isnan(wide)))
        infinities += int(np.count_nonzero(np.isinf(wide)))
    return nans, infinities


# Elements


def _chunks(size: int) -> Iterator[slice]:
    for start in range(0, size, _CHUNK):
        yield slice(start, start + _CHUNK)


def _real(array: Any) -> Any:
    """Return all elements in a row; a complex number as its two parts."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _wide(flat: Any) -> Any:
    return flat.astype(np.float64)


def _distance(x: Any, y: Any, wide_x: Any, wide_y: Any) -> Any:
    """Return the distance of elements; of 64-bit integers without rounding them first."""
    if x.dtype == y.dtype and x.dtype.kind in "iu" and x.dtype.itemsize == 8:
        return (np.maximum(x, y) - np.minimum(x, y)).view(np.uint64).astype(np.float64)
    return np.abs(wide_x - wide_y)


def _has_ulp(flat: Any) -> bool:
    dtype: DType = as_dtype(flat.dtype)
    return dtype.kind == "float" and dtype.bits >= 8 and dtype.name != "float8_e8m0fnu"


def _ulp(x: Any, y: Any) -> int:
    """Return the largest distance of numbers in the order of their bit patterns."""
    if not x.size:
        return 0
    kind = np.dtype(f"u{x.dtype.itemsize}")
    sign = np.uint64(1 << (8 * kind.itemsize - 1))
    a, b = (np.ascontiguousarray(v).view(kind).astype(np.uint64) for v in (x, y))
    size_a, size_b = a & ~sign, b & ~sign
    apart = (a & sign) != (b & sign)
    between = np.maximum(size_a, size_b) - np.minimum(size_a, size_b)
    return int(np.where(apart, size_a + size_b, between).max())
