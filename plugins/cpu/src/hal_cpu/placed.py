"""What kernels do on arrays that have their place: from Python one by one, or many in one call."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = ["MOST_ARGUMENTS", "NativeCall", "Placed", "native"]

MOST_ARGUMENTS = 24
"""Arguments of a native call: integers and pointers, 64 bits each."""


class NativeCall(NamedTuple):
    """A function's address and its arguments.

    Attributes
    ----------
    function : int
    arguments : tuple of int
    status : bool
        Whether it returns one, 0 for well.
    """

    function: int
    arguments: tuple[int, ...]
    status: bool = False


def native(function: Any, *arguments: int, status: bool = False) -> NativeCall:
    """Return the call of a ctypes function."""
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return NativeCall(address, arguments, status)


class Placed:
    """A kernel's work on its own arrays: what ``Kernel.place`` returns.

    Parameters
    ----------
    run : callable
        Does it.
    calls : callable
        Returns the native calls that do the same, in order. They are made while nobody else uses
        the team of threads.
    scratch : object, optional
        Has ``room`` bytes of scratch memory ``pointed`` at before the calls.
    held : object, optional
        What has to live as long.
    """

    __slots__ = ("_run", "calls", "held", "scratch")

    def __init__(
        self,
        run: Callable[[], None],
        calls: Callable[[], Sequence[NativeCall]],
        scratch: Any = None,
        held: Any = None,
    ) -> None:
        self._run = run
        self.calls = calls
        self.scratch = scratch
        self.held = held

    def __call__(
        self, stream: Any = None, outputs: Sequence[Any] = (), inputs: Sequence[Any] = ()
    ) -> None:
        """Run, on the arrays that it has."""
        self._run()
