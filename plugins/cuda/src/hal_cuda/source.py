"""Puts the source of kernels together from the files beside it and a generated body."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["BLOCK", "Source", "compose"]

BLOCK = 256
"""Threads of a block, the same for every kernel."""

MARK = "// What this program adds to the parts that all programs share."
_ORDER = ("types", "math", "complex", "block")


@dataclass(frozen=True)
class Source:
    """A program for the device.

    Attributes
    ----------
    name : str
        The function to start.
    text : str
        The whole source; two equal texts are one program.
    """

    name: str
    text: str


@cache
def _part(name: str) -> str:
    return resources.files("hal_cuda").joinpath("source", f"{name}.cuh").read_text()


def compose(name: str, body: str, *parts: str, wide_index: bool = False) -> Source:
    """Return the program whose function ``name`` is in ``body``.

    Parameters
    ----------
    name : str
    body : str
        Source with the function, as ``extern "C" __global__``.
    *parts : str
        Files of this package that the body builds on, besides types, math, complex and block.
    wide_index : bool
        Whether positions need 64 bits.
    """
    define = "#define HAL_WIDE_INDEX\n" if wide_index else ""
    common, own = ("\n".join(_part(part) for part in names) for names in (_ORDER, parts))
    return Source(name, f"{define}{common}\n{MARK}\n{own}\n{body}")
