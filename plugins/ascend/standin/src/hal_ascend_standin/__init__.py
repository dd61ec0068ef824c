"""Stands in for CANN: the same C interface, real streams, protected memory, injected faults.

The plugin for Ascend finds it where no CANN is installed. Its arithmetic is that of hal's
references, so results are right but slow; it is for developing and testing without the hardware.
"""

from __future__ import annotations

import os

__all__ = ["provide"]


def provide() -> tuple[str, str]:
    """Return the folder of the libraries and what they stand in for; builds them if need be.

    Raises
    ------
    BuildError
        When they are not there and cannot be built.
    """
    from hal_ascend_standin.arithmetic import install
    from hal_ascend_standin.build import build

    place = build(os.environ.get("HAL_STANDIN_SANITIZE", ""))
    install(place)
    return str(place), f"stand-in for {os.environ.get('HAL_STANDIN_CHIP') or '910B3'}"
