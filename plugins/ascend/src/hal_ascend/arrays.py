"""What kernels of this plugin work on: addresses, and how a tensor lies behind one."""

from __future__ import annotations

from hal.dtypes import DType
from hal_ascend.pool import Block

__all__ = ["Array"]


class Array:
    """A tensor on the device: where its first element is. The layout is the kernel's signature's.

    Attributes
    ----------
    address : int
        Of the first element, in bytes.
    block : Block
        The memory it lies in.
    dtype, shape
        For copies and collectives.
    """

    __slots__ = ("address", "block", "dtype", "shape")

    def __init__(self, address: int, block: Block, dtype: DType, shape: tuple[int, ...]) -> None:
        self.address = address
        self.block = block
        self.dtype = dtype
        self.shape = shape
