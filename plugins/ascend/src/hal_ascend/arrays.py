"""What kernels of this plugin work on: addresses, and how a tensor lies behind one."""

from __future__ import annotations

from hal.dtypes import DType

__all__ = ["Array"]


class Array:
    """A tensor on the device: where its first element is. The layout is the kernel's signature's.

    Attributes
    ----------
    address : int
        Of the first element, in bytes.
    dtype, shape
        For copies and collectives.
    """

    __slots__ = ("address", "dtype", "shape")

    def __init__(self, address: int, dtype: DType, shape: tuple[int, ...]) -> None:
        self.address = address
        self.dtype = dtype
        self.shape = shape
