"""The part of a matrix on and above its diagonal, or on and below it; the rest is zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hal.plugin import Layout
from hal_cuda.geometry import blocks
from hal_cuda.launch import Launch
from hal_cuda.source import Source
from hal_cuda.types import ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["triangle", "triangle_source"]


def triangle(driver: Driver, source: Layout, out: Layout, upper: bool) -> Launch:
    """Return the launch that writes a triangle of a stack of matrices; pointers are out, in.

    Parameters
    ----------
    source : Layout
        Of which the last three axes say how matrices, rows and columns lie.
    out : Layout
        Packed, of the same shape but for the first axes.
    upper : bool
    """
    rows, columns = out.shape[-2:]
    matrix = source.strides[-3] if source.ndim > 2 else 0
    words = [out.size, rows, columns, upper, matrix, *source.strides[-2:]]
    grid = blocks(out.size, driver.multiprocessors)
    return Launch(driver, triangle_source(ctype(out.dtype)), grid, 2, words)


def triangle_source(dtype: str) -> Source:
    """Return the source of a triangle."""
    body = f"""
typedef TriangleArgs<{dtype}> Args;
extern "C" __global__ void triangle(Args a) {{ triangle_of(a); }}
"""
    return Source("triangle", body, ("linalg",))
