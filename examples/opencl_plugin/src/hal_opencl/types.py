"""How each dtype lies in memory and what it is calculated with, in OpenCL C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hal import dtypes
from hal.dtypes import DType

__all__ = ["CTYPES", "CType", "moved", "supported"]


@dataclass(frozen=True)
class CType:
    """One dtype in OpenCL C.

    Attributes
    ----------
    memory : str
        The type of an element in memory.
    value : str
        The type it is calculated with: half precision is calculated in float and rounded once.
    modular : str
        The type in which sums and products may overflow: unsigned for integers, since overflow
        of signed ones is undefined in C, and no narrower than int, which C would promote it to.
    load, store : str
        Expressions of a pointer ``p``, an index ``i`` and a value ``x``.
    """

    memory: str
    value: str
    modular: str
    load: str = "{p}[{i}]"
    store: str = "{p}[{i}] = {x}"

    def read(self, pointer: str, index: str) -> str:
        """Return the expression of one element's value."""
        return self.load.format(p=pointer, i=index)

    def write(self, pointer: str, index: str, value: str) -> str:
        """Return the statement that writes one element."""
        return self.store.format(p=pointer, i=index, x=value) + ";"


CTYPES: dict[DType, CType] = {
    dtypes.bool: CType("uchar", "uchar", "uint"),
    dtypes.int8: CType("char", "char", "uint"),
    dtypes.int16: CType("short", "short", "uint"),
    dtypes.int32: CType("int", "int", "uint"),
    dtypes.int64: CType("long", "long", "ulong"),
    dtypes.uint8: CType("uchar", "uchar", "uint"),
    dtypes.uint16: CType("ushort", "ushort", "uint"),
    dtypes.uint32: CType("uint", "uint", "uint"),
    dtypes.uint64: CType("ulong", "ulong", "ulong"),
    # Every OpenCL device converts half precision, whether or not it calculates with it.
    dtypes.float16: CType(
        "half", "float", "float", "vload_half({i}, {p})", "vstore_half_rte({x}, {i}, {p})"
    ),
    dtypes.bfloat16: CType(
        "ushort", "float", "float", "bfloat16_load({p}[{i}])", "{p}[{i}] = bfloat16_round({x})"
    ),
    dtypes.float32: CType("float", "float", "float"),
    dtypes.float64: CType("double", "double", "double"),
}

_BITS = {1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"}


def moved(dtype: DType) -> CType:
    """Return the type of an element that is only moved: its bits."""
    name = _BITS[dtype.itemsize]
    return CType(name, name, name)


def supported(device: Any) -> tuple[DType, ...]:
    """Return the dtypes an OpenCL device has: all real ones, float64 where it calculates in it."""
    return tuple(d for d in CTYPES if d is not dtypes.float64 or device.double_fp_config)
