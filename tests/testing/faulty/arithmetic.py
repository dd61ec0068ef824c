"""Kernels that calculate wrongly.

Each function takes the bugs that are on, a signature and its attributes, and returns what replaces
the reference; that returns None where the bug changes nothing.
"""

from __future__ import annotations

import numpy as np

from hal import dtypes


def _sum(bugs, signature, attributes):
    axis = attributes["axis"]

    def run(x):
        dtype = attributes["dtype"].numpy
        if "off-by-one reduction" in bugs and len(axis) == 1 and x.shape[axis[0]] > 16:
            x = np.delete(x, -1, axis[0])
            return np.sum(x, axis, dtype, keepdims=attributes["keepdims"])
        if "integers as floats" in bugs and dtype.kind in "iu":
            return np.sum(x.astype(np.float64), axis, keepdims=attributes["keepdims"])
        if "nondeterministic" in bugs and dtype == np.float32 and len(axis) == 1:
            order = np.random.default_rng().permutation(x.shape[axis[0]])
            shuffled = np.take(x, order, axis[0])
            return np.sum(shuffled, axis, dtype, keepdims=attributes["keepdims"])
        return None

    return run


def _extreme(bugs, signature, attributes):
    def run(*inputs):
        if "ignored NaN" not in bugs or inputs[0].dtype.kind != "f":
            return None
        if len(inputs) == 2:
            return np.fmax(*inputs)
        return np.fmax.reduce(inputs[0], axis=attributes["axis"], keepdims=attributes["keepdims"])

    return run


def _cast(bugs, signature, attributes):
    target = attributes["dtype"]

    def run(x):
        narrower = target.kind == "float" and target.bits == 16 and x.dtype == np.float32
        if "wrong rounding" not in bugs or not narrower:
            return None
        lost = np.uint32(0xFFFF if target is dtypes.bfloat16 else 0x1FFF)
        cut = (np.ascontiguousarray(x).view(np.uint32) & ~lost).view(np.float32).reshape(x.shape)
        return cut.astype(target.numpy)

    return run


def _multiply(bugs, signature, attributes):
    def run(x, y):
        if "signed zero lost" in bugs and x.dtype.kind == "f":
            return np.multiply(x, y) + x.dtype.type(0)
        return None

    return run


def _add(bugs, signature, attributes):
    def run(x, y):
        if "overflow saturates" not in bugs or x.dtype not in (np.int8, np.int16, np.int32):
            return None
        limits = np.iinfo(x.dtype)
        return np.clip(x.astype(np.int64) + y, limits.min, limits.max).astype(x.dtype)

    return run


def _softmax(bugs, signature, attributes):
    def run(x):
        if "naive softmax" not in bugs or x.dtype != np.float32:
            return None
        grown = np.exp(x)
        return grown / grown.sum(attributes["axis"], keepdims=True)

    return run


def _argmax(bugs, signature, attributes):
    axis = attributes["axis"]

    def run(x):
        if "last of equal" not in bugs or len(axis) != 1:
            return None
        found = np.argmax(np.flip(x, axis[0]), axis[0], keepdims=attributes["keepdims"])
        return x.shape[axis[0]] - 1 - found

    return run


def _argsort(bugs, signature, attributes):
    def run(x):
        if "unstable sort" not in bugs or attributes["descending"]:
            return None
        axis = attributes["axis"]
        # A stable sort of the mirror image: equal elements come out in the opposite order.
        mirrored = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
        return x.shape[axis] - 1 - mirrored

    return run


def _take(bugs, signature, attributes):
    def run(x, indices):
        if "negative index" not in bugs:
            return None
        return np.take(x, np.maximum(indices, 0), attributes["axis"])

    return run


ARITHMETIC = {
    "sum": _sum,
    "max": _extreme,
    "maximum": _extreme,
    "cast": _cast,
    "multiply": _multiply,
    "add": _add,
    "softmax": _softmax,
    "argmax": _argmax,
    "argsort": _argsort,
    "take": _take,
}
