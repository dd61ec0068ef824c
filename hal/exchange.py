"""Exchange of memory with other libraries through DLPack.

Source: https://dmlc.github.io/dlpack/latest/python_spec.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.device import as_device
from hal.dtypes import as_dtype
from hal.errors import DTypeError, ExchangeError
from hal.memory import from_host, to_host, wrap
from hal.storage import Storage, Value

__all__ = ["adopt", "dlpack_device", "from_dlpack", "to_dlpack"]

CPU = (1, 0)


def dlpack_device(x: Value) -> tuple[int, int]:
    """Return DLPack's device type and number for a tensor.

    Raises
    ------
    ExchangeError
        When the device cannot share its memory.
    """
    if x.device.runtime.expose(x._array) is None:
        raise ExchangeError(
            f"{x.device.name} does not share its memory through DLPack; use numpy() for a copy"
        )
    return CPU


def to_dlpack(x: Value, stream: Any, max_version: Any, dl_device: Any, copy: bool | None) -> Any:
    """Return a DLPack capsule over a tensor's memory, or over a copy."""
    exposed = None if copy else x.device.runtime.expose(x._array)
    if exposed is None:
        if copy is False:
            raise ExchangeError(
                f"{x.device.name} does not share its memory; allow a copy with copy=True"
            )
        if not copy and dl_device not in (CPU,):
            dlpack_device(x)
        exposed = to_host(x)
    else:
        x.device.synchronize()
    if dl_device not in (None, CPU):
        raise ExchangeError(f"DLPack device {dl_device} is not {CPU}, where this tensor can go")
    if stream is not None:
        raise ExchangeError(f"a tensor of host memory has no stream; got {stream!r}, give None")
    try:
        return exposed.__dlpack__(max_version=max_version)
    except (BufferError, TypeError, RuntimeError) as error:
        raise ExchangeError(
            f"DLPack cannot carry {x.dtype}: {error}; convert with astype(...) first"
        ) from None


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Value:
    """Return a tensor over the memory of another library's array, copied only where it must be.

    Parameters
    ----------
    x : object
        Anything with ``__dlpack__`` and ``__dlpack_device__``.
    device : Device or str, optional
        Where the tensor shall be; where ``x`` is when left out.
    copy : bool, optional
        True always copies, False raises instead of copying, None copies only if needed.

    Raises
    ------
    ExchangeError
        When ``copy=False`` and sharing is not possible, or the dtype cannot be carried.

    Examples
    --------
    >>> import hal, numpy as np
    >>> a = np.ones(2, dtype=np.float32)
    >>> x = hal.from_dlpack(a, device="cpu:0")
    >>> a[0] = 5
    >>> x
    Tensor([5., 1.], dtype=float32, device='cpu:0')
    """
    if isinstance(x, Value):
        if device is not None and as_device(device) is not x.device:
            if copy is False:
                raise ExchangeError(f"moving from {x.device.name} to {device} needs a copy")
            return from_host(to_host(x), as_device(device))
        from hal.dispatch import call
        from hal.ops import operators

        made: Value = call(
            operators["copy" if copy else "reshape"], x, **({} if copy else {"shape": x.shape})
        )
        return made
    if not hasattr(x, "__dlpack__"):
        raise DTypeError(f"{type(x).__name__} has no __dlpack__; use hal.asarray(...)")
    target = as_device(device)
    try:
        host = np.from_dlpack(x, device=None if tuple(x.__dlpack_device__()) == CPU else "cpu")
        as_dtype(host.dtype)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise ExchangeError(f"{type(x).__name__} could not be imported: {error}") from None
    return adopt(host, target, copy)


def adopt(host: Any, device: Any, copy: bool | None) -> Value:
    """Return a tensor over a host array's memory where the device can, else over a copy.

    Raises
    ------
    ExchangeError
        When ``copy=False`` and the device cannot share the array's memory.
    """
    if copy is not True and host.flags.c_contiguous and host.flags.writeable and host.size:
        buffer = device.runtime.adopt(host)
        if buffer is not None:
            dtype = as_dtype(host.dtype)
            device.check_dtype(dtype)
            stream = device.current_stream()
            storage = Storage(device, buffer, host.nbytes, stream, owned=False, keep=host)
            spec = device.spec(dtype, host.shape)
            array = device.runtime.view(buffer, dtype, spec.shape, spec.strides, 0)
            return wrap(spec, array, (storage, 0))
    if copy is False:
        raise ExchangeError(
            f"{device.name} cannot share this array's memory (it must be C-contiguous, writable "
            "and on the host the device shares); allow a copy"
        )
    return from_host(host, device)
