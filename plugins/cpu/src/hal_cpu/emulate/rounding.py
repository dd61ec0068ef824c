"""Rounds numbers as a chip's units do before they calculate with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.dtypes import bfloat16

__all__ = ["flushed", "rounded"]

# Bits of float32's mantissa, which has 23, that a format without a NumPy dtype drops.
_DROPPED = {"tf32": 13, "hf32": 12}
_NAMED = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(bfloat16.numpy)}
_SMALLEST = np.finfo(np.float32).smallest_normal


def rounded(array: Any, to: str) -> Any:
    """Return float32 or complex64 numbers rounded to a shorter format, to nearest, ties to even.

    Parameters
    ----------
    array : numpy.ndarray
    to : {"float16", "bfloat16", "tf32", "hf32"}
        TF32 keeps 10 bits of the mantissa, HF32 11; both have float32's exponent.

    Examples
    --------
    >>> import numpy as np
    >>> rounded(np.float32([1 + 2**-11, 1 + 2**-10]), "tf32").tolist()
    [1.0, 1.0009765625]
    """
    if array.dtype == np.complex64:
        return rounded(array.real, to) + np.complex64(1j) * rounded(array.imag, to)
    with np.errstate(over="ignore"):
        if to in _NAMED:
            return array.astype(_NAMED[to]).astype(np.float32)
        drop = _DROPPED[to]
        bits = np.ascontiguousarray(array).view(np.uint32)
        half = np.uint32((1 << (drop - 1)) - 1)
        kept = bits + half + ((bits >> np.uint32(drop)) & np.uint32(1))
        kept &= np.uint32(0xFFFFFFFF << drop & 0xFFFFFFFF)
        return np.where(np.isfinite(array), kept.view(np.float32).reshape(array.shape), array)


def flushed(array: Any) -> Any:
    """Return float32 or complex64 numbers with zeros of their sign in place of subnormal ones.

    Examples
    --------
    >>> import numpy as np
    >>> flushed(np.float32([1e-39, -1e-39, 0.5])).tolist()
    [0.0, -0.0, 0.5]
    """
    if array.dtype == np.complex64:
        pairs = flushed(np.ascontiguousarray(array).view(np.float32))
        return pairs.view(np.complex64).reshape(array.shape)
    return np.where(np.abs(array) < _SMALLEST, np.copysign(np.float32(0), array), array)
