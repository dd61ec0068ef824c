"""What the vendor's error codes mean for hal: out of memory, a lost device, or another failure."""

from __future__ import annotations

import re
from typing import Any

from hal.errors import DeviceError, DeviceLost, OutOfMemory

__all__ = ["Waits", "check", "failure", "translated", "waited"]

# After one of these the context cannot be used again; only a new process can.
STICKY = {
    "CUDA_ERROR_ECC_UNCORRECTABLE",
    "CUDA_ERROR_NVLINK_UNCORRECTABLE",
    "CUDA_ERROR_CONTAINED",
    "CUDA_ERROR_ILLEGAL_ADDRESS",
    "CUDA_ERROR_LAUNCH_TIMEOUT",
    "CUDA_ERROR_CONTEXT_IS_DESTROYED",
    "CUDA_ERROR_ASSERT",
    "CUDA_ERROR_HARDWARE_STACK_ERROR",
    "CUDA_ERROR_ILLEGAL_INSTRUCTION",
    "CUDA_ERROR_MISALIGNED_ADDRESS",
    "CUDA_ERROR_INVALID_ADDRESS_SPACE",
    "CUDA_ERROR_INVALID_PC",
    "CUDA_ERROR_LAUNCH_FAILED",
    "CUDA_ERROR_TENSOR_MEMORY_LEAK",
    "CUDA_ERROR_EXTERNAL_DEVICE",
    "CUDA_ERROR_MPS_CLIENT_TERMINATED",
    "CUDA_ERROR_DEINITIALIZED",
}
_MEMORY = {
    "CUDA_ERROR_OUT_OF_MEMORY",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUFFT_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
}


class Waits(DeviceError):
    """Raised by work that looks at a result on the host, where a stream is captured."""


def waited(error: BaseException | None) -> bool:
    """Return whether an error came of work that waits.

    Examples
    --------
    >>> waited(Waits("")), waited(ValueError())
    (True, False)
    """
    while error is not None and not isinstance(error, Waits):
        error = error.__cause__
    return error is not None


def failure(name: str, code: int | None, text: str, message: str = "") -> DeviceError:
    """Return the error of hal for one of the vendor's, by its name.

    Examples
    --------
    >>> type(failure("CUDA_ERROR_ILLEGAL_ADDRESS", 700, "")).__name__
    'DeviceLost'
    >>> type(failure("CUDA_ERROR_OUT_OF_MEMORY", 2, "")).__name__
    'OutOfMemory'
    """
    described = f"{name}: {text}" if text else name
    if name in _MEMORY:
        what = message or "the device has no room for this"
        return OutOfMemory(f"{what}; free tensors or use smaller ones", code=code, text=described)
    if name in STICKY:
        return DeviceLost(
            "the device is lost: a kernel or the hardware failed, and the vendor allows no further "
            "work in this process; start a new one (HAL_SYNC=1 finds the operation)",
            code=code,
            text=described,
        )
    return DeviceError(message or "the device refused a call", code=code, text=described)


def check(result: Any, message: str = "") -> Any:
    """Return the values of a call of cuda.bindings, or raise for the code in front of them."""
    code, *values = result
    if int(code) != 0:
        raise failure(code.name, int(code), _text(code), message)
    return values[0] if len(values) == 1 else values


def _text(code: Any) -> str:
    from cuda.bindings import driver

    status, text = driver.cuGetErrorString(code)
    return text.decode() if int(status) == 0 and text else ""


def translated(error: Exception, message: str = "") -> Exception:
    """Return the error of hal for one that cuda.core or a library raised.

    Examples
    --------
    >>> error = RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: no room")
    >>> type(translated(error)).__name__
    'OutOfMemory'
    """
    if isinstance(error, DeviceError):
        return error
    text = str(error)
    if type(error).__name__ == "cuSOLVERError":  # Its bindings leave out what all names begin with.
        text = f"CUSOLVER_STATUS_{text}"
    found = re.search(r"(?:CUDA_ERROR|CUBLAS_STATUS|CUDNN_STATUS|CUFFT|CUSOLVER_STATUS)_\w+", text)
    if found is None:
        return DeviceError(message or "the device failed", text=f"{type(error).__name__}: {text}")
    return failure(found.group(), _code(found.group()), text.partition(": ")[2] or text, message)


def _code(name: str) -> int | None:
    try:
        from cuda.bindings import driver
    except ImportError:
        return None
    member = getattr(driver.CUresult, name, None)
    return None if member is None else int(member)
