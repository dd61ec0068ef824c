"""Starts one of the vendor's libraries, or says what takes its place where it does not start."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

from hal.errors import HalWarning

__all__ = ["started"]

Library = TypeVar("Library")


def started(name: str, instead: str, make: Callable[[], Library]) -> Library | None:
    """Return what ``make`` does; None, with a warning, where the library cannot be used.

    The bindings load the library itself at the first call; it starts with errors of its own kind.

    Parameters
    ----------
    name : str
        The library's.
    instead : str
        What happens without it, for the warning.
    make : callable
    """
    try:
        return make()
    except Exception as error:
        warnings.warn(f"{name} cannot be used, {instead}: {error}", HalWarning, stacklevel=3)
        return None
