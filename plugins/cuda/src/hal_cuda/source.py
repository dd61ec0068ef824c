"""Puts the source of kernels together from the files beside it and a generated body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

__all__ = ["BLOCK", "Source", "bundle", "part"]

BLOCK = 256
"""Threads of a block, the same for every kernel."""

_COMMON = ("types", "math", "complex", "block")
_ENTRY = 'extern "C" '


@dataclass(frozen=True)
class Source:
    """A program for the device with one kernel.

    Attributes
    ----------
    name : str
        The kernel, an ``extern "C" __global__`` function of one structure named ``Args``.
    body : str
        The source of the kernel and of what it alone needs.
    parts : tuple of str
        Files of this package that the body builds on, besides those that every program has.
    wide_index : bool
        Whether positions need 64 bits.
    """

    name: str
    body: str
    parts: tuple[str, ...] = ()
    wide_index: bool = False

    @cached_property
    def text(self) -> str:
        """The whole source."""
        return _joined(self.parts, self.wide_index) + self.body

    @property
    def in_step(self) -> bool:
        """Whether the threads of a block wait for each other."""
        own = self.body + "".join(map(part, self.parts))
        return "__syncthreads" in own or "combine_threads" in own


@cache
def part(name: str) -> str:
    """Return a file of this package's source.

    Examples
    --------
    >>> "struct bf16" in part("types")
    True
    """
    return resources.files("hal_cuda").joinpath("source", f"{name}.cuh").read_text()


@cache
def _joined(parts: tuple[str, ...], wide_index: bool) -> str:
    define = "#define HAL_WIDE_INDEX\n" if wide_index else ""
    return define + "\n".join(map(part, (*_COMMON, *parts)))


def bundle(sources: Sequence[Source]) -> str:
    """Return one program with many kernels, number i in the namespace ``ki``.

    Compiling them together takes a fraction of the time; tests do it. They must agree in the width
    of positions.

    Examples
    --------
    >>> one = Source("f", 'extern "C" __global__ void f(Args a) {}')
    >>> bundle([one, one]).count("namespace k")
    2
    """
    parts = tuple(dict.fromkeys(name for source in sources for name in source.parts))
    spaces = [
        f"namespace k{number} {{\n{source.body.replace(_ENTRY, '')}\n}}\n"
        for number, source in enumerate(sources)
    ]
    return _joined(parts, sources[0].wide_index) + "".join(spaces)
