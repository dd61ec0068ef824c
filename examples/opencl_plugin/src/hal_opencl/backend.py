"""Which OpenCL devices there are, what they can do, and how to open one."""

from __future__ import annotations

import threading
from typing import Any

from hal.errors import DeviceError
from hal.plugin import Backend, DeviceInfo, Devices, Runtime
from hal_opencl.types import supported

__all__ = ["OpenClBackend"]

_INSTALL = (
    "install a driver for your GPU, or PoCL for the processor: pip install 'hal-opencl[pocl]'"
)


class OpenClBackend(Backend):
    """Every device of every OpenCL platform, in the order the platforms name them."""

    name = "opencl"
    contract = (1, 0)

    def __init__(self) -> None:
        self._found: list[Any] = []
        self._devices: Devices | None = None
        self._lock = threading.Lock()

    def devices(self) -> Devices:
        """Return the devices; when there is none, say whether a package or a driver is missing."""
        with self._lock:
            if self._devices is None:
                self._devices = self._look()
            return self._devices

    def open(self, index: int) -> Runtime:
        """Return the runtime of one device."""
        found = self.devices().found
        if index >= len(found):
            raise DeviceError(f"there is no OpenCL device {index}; there are {len(found)}")
        from hal_opencl.pocl import name_the_processor
        from hal_opencl.runtime import OpenClRuntime

        name_the_processor(self._found[index])
        return OpenClRuntime(self._found[index])

    def _look(self) -> Devices:
        try:
            import pyopencl as cl
        except ImportError as error:
            return Devices((), f"pyopencl cannot be imported: {error}", "pip install hal-opencl")
        try:
            self._found = [d for p in cl.get_platforms() for d in p.get_devices()]
            found = tuple(_describe(i, d) for i, d in enumerate(self._found))
        except cl.Error as error:
            return Devices((), f"OpenCL found no platform: {error}", _INSTALL)
        return Devices(found) if found else Devices((), "no OpenCL platform has a device", _INSTALL)


def _describe(index: int, device: Any) -> DeviceInfo:
    return DeviceInfo(
        index=index,
        description=device.name.strip(),
        architecture=device.opencl_c_version.strip(),
        memory=device.global_mem_size,
        dtypes=supported(device),
        properties={
            "platform": device.platform.name.strip(),
            "version": device.platform.version.strip(),
            "driver": device.driver_version.strip(),
            "compute units": device.max_compute_units,
            "largest tensor": device.max_mem_alloc_size,
        },
    )
