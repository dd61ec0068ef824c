"""The backend's array: where a tensor's first element lies on the GPU, and how the rest follow."""

from __future__ import annotations

from typing import Any

from hal.dtypes import DType

__all__ = ["Array", "Borrowed"]


class Borrowed:
    """Device memory that another library owns."""

    __slots__ = ("nbytes", "pointer")

    def __init__(self, pointer: int, nbytes: int) -> None:
        self.pointer = pointer
        self.nbytes = nbytes


class Array:
    """A view of device memory.

    Attributes
    ----------
    pointer : int
        The address of the first element.
    dtype : DType
    shape, strides : tuple of int
        Strides in elements.
    buffer : object
        What owns the memory.
    """

    __slots__ = ("buffer", "dtype", "pointer", "shape", "strides")

    def __init__(
        self,
        buffer: Any,
        dtype: DType,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int,
    ) -> None:
        self.buffer = buffer
        self.pointer = buffer.pointer + offset * dtype.itemsize
        self.dtype = dtype
        self.shape = shape
        self.strides = strides
