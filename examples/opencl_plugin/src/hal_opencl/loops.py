"""Loops over strided arrays: as few axes as memory allows, and OpenCL C to find an element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

__all__ = ["Loop", "collapse", "index_type", "position"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Loop:
    """Axes to go over, and each operand's stride along each, in elements."""

    sizes: Shape
    strides: tuple[Shape, ...]

    @property
    def count(self) -> int:
        """Number of positions."""
        return prod(self.sizes)

    def padded(self, rank: int) -> Loop:
        """Return the same loop with axes of size 1 in front, ``rank`` in all."""
        lead = rank - len(self.sizes)
        return Loop((1,) * lead + self.sizes, tuple((0,) * lead + s for s in self.strides))


def collapse(sizes: Shape, strides: Sequence[Shape]) -> Loop:
    """Return the loop without axes of size 1 and with axes that lie like one made one.

    Examples
    --------
    >>> collapse((2, 3, 1), [(3, 1, 7), (3, 1, 0)])
    Loop(sizes=(6,), strides=((1,), (1,)))
    """
    axes = [a for a, n in enumerate(sizes) if n != 1]
    kept: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for axis in axes:
        size = sizes[axis]
        if kept and all(k[-1] == s[axis] * size for k, s in zip(steps, strides, strict=True)):
            kept[-1] *= size
            for k, s in zip(steps, strides, strict=True):
                k[-1] = s[axis]
        else:
            kept.append(size)
            for k, s in zip(steps, strides, strict=True):
                k.append(s[axis])
    return Loop(tuple(kept), tuple(tuple(k) for k in steps))


def index_type(*extents: int) -> tuple[str, Any]:
    """Return the integer type, in OpenCL C and in NumPy, that counts to the given extents."""
    return ("int", np.int32) if max(extents, default=0) < 2**30 else ("long", np.int64)


def position(index: str, size: str, rank: int, operands: Sequence[str]) -> str:
    """Return statements that turn a counter into a position of each operand.

    Sizes are named ``{size}0`` and so on, an operand's strides ``{operand}_{size}0``; the operand's
    own name is the position that is moved.
    """
    lines = [f"Index {index}_left = {index};"]
    for axis in range(rank - 1, -1, -1):
        along = f"{index}_left % {size}{axis}" if axis else f"{index}_left"
        lines.append(f"{{ const Index along = {along};")
        lines += [f"  {o} += along * {o}_{size}{axis};" for o in operands]
        lines.append(f"  {index}_left /= {size}{axis}; }}" if axis else "}")
    return "\n    ".join(lines)
