"""What is only moved arrives bit by bit, from and to memory in any order."""

from __future__ import annotations

import numpy as np
import pytest

from hal.dtypes import as_dtype
from hal.ops import operators
from hal.plugin import Layout, Signature
from hal_cpu.kernels import find_kernel

ORDERS = [(0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0)]


def laid_out(values, order):
    """Return values in memory whose axes follow one another in an order."""
    return np.ascontiguousarray(values.transpose(order)).transpose(np.argsort(order))


def layout(array):
    strides = tuple(s // array.itemsize for s in array.strides)
    return Layout(as_dtype(array.dtype), array.shape, strides)


def placed(name, out, inputs, **attributes):
    """Run an operator's kernel as a program does, on arrays that have their place."""
    signature = Signature(tuple(map(layout, inputs)), (layout(out),), attributes)
    kernel = find_kernel(operators[name], signature)
    run = None if kernel.place is None else kernel.place([out], inputs)
    (run or kernel.into)(None, [out], inputs)
    return run is not None


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("parts_order", ORDERS)
@pytest.mark.parametrize("order", ORDERS)
def test_parts_come_to_lie_behind_one_another(axis, order, parts_order):
    random = np.random.default_rng(0)
    parts = []
    for size, lies in ((5, parts_order), (1, ORDERS[0]), (2, parts_order)):
        shape = [2, 8, 9, 10]
        shape[axis] = size
        parts.append(laid_out(random.normal(size=shape).astype(np.float32), lies))
    expected = np.concatenate(parts, axis)
    out = laid_out(np.zeros_like(expected), order)
    placed("concat", out, parts, axis=axis)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", ["bool", "int8", "float16", "float32", "int64", "complex128"])
def test_copies_of_slices_keep_every_bit(dtype):
    values = np.random.default_rng(0).integers(0, 100, (20, 12, 40)).astype(dtype)
    sliced = values.transpose(2, 0, 1)[::2, 3:]
    out = np.zeros(sliced.shape, dtype)
    placed("copy", out, [sliced])
    np.testing.assert_array_equal(out, sliced)


def test_large_ones_are_compiled_and_small_ones_are_not():
    large, small = np.zeros((64, 64), np.float32), np.zeros((4, 4), np.float32)
    assert placed("concat", np.empty((128, 64), np.float32), [large, large], axis=0)
    assert not placed("concat", np.empty((8, 4), np.float32), [small, small], axis=0)
    assert placed("copy", np.empty_like(large), [large.T])
    assert not placed("copy", np.empty_like(small), [small.T])
