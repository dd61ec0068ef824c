"""A complete hal plugin in one file: a device whose memory is bytearrays."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from hal import dtypes
from hal.dtypes import DType
from hal.errors import OutOfMemory
from hal.ops import Operator
from hal.plugin import (
    Backend,
    DeviceInfo,
    Devices,
    Kernel,
    MemoryStats,
    Runtime,
    Signature,
    hookimpl,
)

__all__ = ["hal_backend"]

MEMORY = 64 << 20

FUNCTIONS: dict[str, np.ufunc] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.true_divide,
    "maximum": np.maximum,
    "exp": np.exp,
    "matmul": np.matmul,
}


class MinimalRuntime(Runtime):
    """One opened device. Calls finish their work before they return: it is synchronous."""

    alignment = 16

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._allocated = 0
        self._peak = 0
        self._count = 0

    def allocate(self, nbytes: int, stream: Any) -> Any:
        """Return a new buffer, as long as the device has room."""
        with self._lock:
            if self._allocated + nbytes > MEMORY:
                free = MEMORY - self._allocated
                raise OutOfMemory(f"{nbytes} bytes were asked for, {free} of {MEMORY} are free")
            self._allocated += nbytes
            self._peak = max(self._peak, self._allocated)
            self._count += 1
        return bytearray(nbytes)

    def free(self, buffer: Any, stream: Any) -> None:
        """Take a buffer back."""
        with self._lock:
            self._allocated -= len(buffer)
            self._count -= 1

    def view(
        self,
        buffer: Any,
        dtype: DType,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int,
    ) -> Any:
        """Return the array that kernels get; what it is, is the plugin's own affair."""
        size = dtype.itemsize
        steps = [s * size for s in strides]
        return np.ndarray(shape, dtype.numpy, buffer, offset * size, steps)

    def upload(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Copy from the host."""
        array[...] = host

    def download(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Copy to the host."""
        host[...] = array

    def kernel(self, op: Operator, signature: Signature) -> Kernel | None:
        """Return what runs the operator here, or None: hal then finds another way."""
        if op.name in ("copy", "full"):  # full copies one element to all, as NumPy broadcasts
            return Kernel(lambda stream, outputs, inputs: np.copyto(outputs[0], inputs[0]))
        function = FUNCTIONS.get(op.name)
        if function is None:
            return None

        def into(stream: Any, outputs: Any, inputs: Any) -> None:
            with np.errstate(all="ignore"):
                function(*inputs, out=outputs[0])

        return Kernel(into)

    def memory_stats(self) -> MemoryStats:
        """Return how much memory is in use; optional, but people look for it."""
        with self._lock:
            return MemoryStats(self._allocated, self._allocated, self._peak, MEMORY, self._count)


class MinimalBackend(Backend):
    """The family of devices called ``minimal``; it has one."""

    name = "minimal"
    contract = (1, 0)

    def devices(self) -> Devices:
        """Say what is there; a driver that is missing would be the reason, not an exception."""
        info = DeviceInfo(
            index=0,
            description="Bytearrays",
            architecture="python",
            memory=MEMORY,
            dtypes=(dtypes.bool, dtypes.int32, dtypes.int64, dtypes.float32),
        )
        return Devices((info,))

    def open(self, index: int) -> Runtime:
        """Return the runtime; hal calls this once, when the device is first used."""
        return MinimalRuntime()


@hookimpl
def hal_backend() -> Backend:
    """Return the backend; hal finds this function through the entry point."""
    return MinimalBackend()
