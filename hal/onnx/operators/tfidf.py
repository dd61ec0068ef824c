"""Counts of n-grams in rows of words or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hal.dtypes import float32
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.registry import operator


def _grams(
    pool: Sequence[Any], starts: Sequence[int], indexes: Sequence[int]
) -> dict[tuple[Any, ...], int]:
    """Return, for each n-gram of the pool, where the result counts it."""
    found: dict[tuple[Any, ...], int] = {}
    position = 0
    for n, start in enumerate(starts, 1):
        end = starts[n] if n < len(starts) else len(pool)
        if not 0 <= start <= end <= len(pool) or (end - start) % n:
            raise ValueRangeError(f"ngram_counts {list(starts)} do not fit a pool of {len(pool)}")
        for at in range(start, end, n):
            if position >= len(indexes):
                raise ValueRangeError(f"{len(indexes)} ngram_indexes do not fit the pool")
            found[tuple(pool[at : at + n])] = indexes[position]
            position += 1
    return found


@operator("TfIdfVectorizer", host=None)
def _tfidf(
    F: Any,
    x: Any,
    *,
    max_gram_length: int,
    max_skip_count: int,
    min_gram_length: int,
    mode: str,
    ngram_counts: Any,
    ngram_indexes: Any,
    pool_int64s: Any = None,
    pool_strings: Any = None,
    weights: Any = None,
) -> Any:
    if x.ndim not in (1, 2):
        raise ShapeError(f"the input has shape {x.shape}; it must be (words,) or (rows, words)")
    if mode not in ("TF", "IDF", "TFIDF") or not 1 <= min_gram_length <= max_gram_length:
        raise ValueRangeError(
            f"mode {mode!r} or gram lengths {min_gram_length} to {max_gram_length} are out of range"
        )
    if min(ngram_indexes, default=0) < 0 or max_skip_count < 0:
        raise ValueRangeError("ngram_indexes and max_skip_count must be 0 or more")
    grams = _grams(pool_strings or pool_int64s or (), ngram_counts, ngram_indexes)
    width = max(ngram_indexes, default=-1) + 1
    rows = (x if x.ndim == 2 else x.reshape(1, -1)).tolist()
    F.check((len(rows), width), float32)
    counts = np.zeros((len(rows), width), np.float32)
    for row, words in enumerate(rows):
        F.limits.check(
            "iterations", len(words) * (max_skip_count + 1) * max_gram_length, "the n-grams"
        )
        for n in range(min_gram_length, max_gram_length + 1):
            # Words that stand alone have no distance to vary.
            for step in range(1, (max_skip_count if n > 1 else 0) + 2):
                for start in range(len(words) - (n - 1) * step):
                    index = grams.get(tuple(words[start : start + (n - 1) * step + 1 : step]))
                    if index is not None:
                        counts[row, index] += 1
    if mode != "TF":
        factor = np.ones(width, np.float32)
        if weights is not None:
            if len(weights) != len(ngram_indexes):
                raise ShapeError(f"{len(weights)} weights do not fit {len(ngram_indexes)} n-grams")
            factor[list(ngram_indexes)] = weights
        counts = (np.minimum(counts, 1) if mode == "IDF" else counts) * factor
    return counts if x.ndim == 2 else counts[0]
