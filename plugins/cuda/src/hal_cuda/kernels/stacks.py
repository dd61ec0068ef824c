"""Stacks of matrices: rows first, as hal has them, and columns first, as the vendor's library."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from hal.dtypes import DType
from hal.plugin import Layout
from hal_cuda.kernels.elementwise import loop
from hal_cuda.launch import Launch

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["Stack", "copying", "identity", "stack"]


class Stack(NamedTuple):
    """A stack of matrices, packed one behind another."""

    dtype: DType
    matrices: int
    rows: int
    columns: int

    @property
    def step(self) -> int:
        """The bytes of one matrix."""
        return self.rows * self.columns * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all."""
        return self.matrices * self.step

    @property
    def packed(self) -> Layout:
        """Rows first, as hal has them."""
        return Layout(self.dtype, (self.matrices, self.rows, self.columns))

    @property
    def turned(self) -> Layout:
        """The same matrices, columns first, as the library has them."""
        return self.part(self.rows, self.columns)

    def part(self, rows: int, columns: int) -> Layout:
        """Return the first rows and columns of matrices that lie columns first."""
        strides = (self.rows * self.columns, 1, self.rows)
        return Layout(self.dtype, (self.matrices, rows, columns), strides)


def stack(x: Layout) -> Stack:
    """Return an array's last two axes as matrices."""
    return Stack(x.dtype, prod(x.shape[:-2]), *x.shape[-2:])


def copying(driver: Driver, source: Layout, target: Layout, value: str = "v0") -> Launch:
    """Return the launch that copies from one layout to another; pointers are target, source."""
    return loop(driver, f"r0 = {value};", [source], [target])


def identity(driver: Driver, square: Stack) -> tuple[Launch, Launch]:
    """Return the launches that make each matrix an identity, one behind the other."""
    size = square.rows
    diagonal = Layout(square.dtype, (square.matrices, size), (size * size, size + 1))
    zero, one = (
        loop(driver, f"r0 = narrow<decltype(r0 + r0)>({value});", [], [written])
        for value, written in ((0, square.packed), (1, diagonal))
    )
    return zero, one
