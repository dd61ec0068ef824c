"""What a matrix product calculates: sizes and strides, whoever calculates it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hal.ops import Operator
from hal.plugin import Layout, Signature
from hal_cuda.geometry import Axis, join_axes, spread

__all__ = ["Problem", "problem"]


class Problem(NamedTuple):
    """A batch of products of row-major matrices, with strides in elements.

    Attributes
    ----------
    rows, columns, depth : int
    left, right : tuple of int
        The strides of the left matrix along rows and depth, of the right along depth and columns.
    batch : list of Axis
        Sizes, and the strides of result, left and right.
    """

    rows: int
    columns: int
    depth: int
    left: tuple[int, int]
    right: tuple[int, int]
    batch: list[Axis]


def problem(op: Operator, signature: Signature) -> Problem:
    """Return what ``matmul``, ``linear`` or the product of ``linear_fused`` calculates."""
    a, b = signature.inputs[:2]
    assert a is not None
    assert b is not None
    if op.name != "matmul":
        lead = spread(a.shape[:-1], [Layout(a.dtype, a.shape[:-1], a.strides[:-1])])
        joined = join_axes(lead)
        if len(joined) <= 1:
            rows, (stride,) = joined[0] if joined else (1, (a.shape[-1],))
            batch: list[Axis] = []
        else:
            rows, (stride,) = joined[-1]
            steps = _packed([n for n, _ in joined[:-1]], rows * b.shape[0])
            batch = [(n, (o, s[0], 0)) for (n, s), o in zip(joined[:-1], steps, strict=True)]
        right = (b.strides[1], b.strides[0])
        return Problem(rows, b.shape[0], b.shape[1], (stride, a.strides[-1]), right, batch)
    left = (a.strides[-2] if a.ndim > 1 else 0, a.strides[-1])
    right = (b.strides[-2], b.strides[-1]) if b.ndim > 1 else (b.strides[0], 0)
    rows = a.shape[-2] if a.ndim > 1 else 1
    columns = b.shape[-1] if b.ndim > 1 else 1
    depth = a.shape[-1]
    count = len(signature.outputs[0].shape) - (a.ndim > 1) - (b.ndim > 1)
    shape = signature.outputs[0].shape[:count]
    heads = [
        Layout(x.dtype, x.shape[:-2], x.strides[:-2]) if x.ndim > 2 else Layout(x.dtype, ())
        for x in (a, b)
    ]
    steps = _packed(shape, rows * columns)
    axes = [(n, (o, *s)) for (n, s), o in zip(spread(shape, heads), steps, strict=True)]
    return Problem(rows, columns, depth, left, right, join_axes(axes))


def _packed(shape: Sequence[int], step: int) -> list[int]:
    """Return the strides of contiguous axes over blocks of ``step`` elements."""
    strides = []
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return strides[::-1]
