"""Makes hal errors of OpenCL's."""

from __future__ import annotations

from typing import Any

import pyopencl as cl

from hal.errors import DeviceError, DeviceLost, OutOfMemory

__all__ = ["failed", "failed_code"]

_STATUS: Any = cl.status_code
_DEVICE_NOT_AVAILABLE = -2
_NO_MEMORY = {-4: "MEM_OBJECT_ALLOCATION_FAILURE", -61: "INVALID_BUFFER_SIZE"}


def failed(message: str, error: cl.Error) -> DeviceError:
    """Return the hal error for one that a call of OpenCL raised."""
    return failed_code(message, error.code, str(error))


def failed_code(message: str, code: int, text: str | None = None) -> DeviceError:
    """Return the hal error for an OpenCL error code."""
    kind = (
        DeviceLost
        if code == _DEVICE_NOT_AVAILABLE
        else OutOfMemory
        if code in _NO_MEMORY
        else DeviceError
    )
    return kind(message, code=code, text=text or _STATUS.to_string(code))
