"""Figures of chips, a TOML file each, with the source of every figure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from hal.plugin import Chip

__all__ = ["shipped_chips"]


@cache
def shipped_chips() -> Mapping[str, Chip]:
    """Return the chips of this folder by name.

    Examples
    --------
    >>> shipped_chips()["nvidia-a100"].architecture
    'sm_80'
    """
    found = [Chip.read(path) for path in sorted(Path(__file__).parent.glob("*.toml"))]
    return {chip.name: chip for chip in found}
