"""NVIDIA GPUs as a backend of hal."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from hal.errors import DeviceError
from hal.ops import Operator
from hal.plugin import Backend, Devices, Offer, Runtime, Shared, Signature
from hal_cuda.array_interface import imported
from hal_cuda.collectives import identity
from hal_cuda.driver import GpuDriver, holder
from hal_cuda.offline import offer
from hal_cuda.probe import probe
from hal_cuda.runtime import CudaRuntime
from hal_cuda.standin import StandinDriver, standin_devices

__all__ = ["CudaBackend"]


class CudaBackend(Backend):
    """Every GPU the driver shows to this process, or with ``HAL_CUDA=standin`` the stand-in."""

    name = "cuda"
    contract = (1, 0)

    def __init__(self) -> None:
        self._found: Devices | None = None

    def devices(self) -> Devices:
        """Return the GPUs; asked of the driver once."""
        if self._found is None:
            try:
                self._found = standin_devices() if _wants_standin() else probe()
            # A driver that answers nonsense must not take the other backends with it.
            except Exception as error:
                return Devices((), reason=f"the driver failed: {error}", remedy="check nvidia-smi")
        return self._found

    def open(self, index: int) -> Runtime:
        """Return a GPU's runtime."""
        found = self.devices()
        if all(info.index != index for info in found.found):
            raise DeviceError(f"there is no device cuda:{index}: {found.reason}; {found.remedy}")
        if _wants_standin():
            return CudaRuntime(StandinDriver())
        return CudaRuntime(GpuDriver(index, several=len(found.found) > 1))

    def offers(self, architecture: str, op: Operator, signature: Signature) -> Offer | None:
        """Return whether GPUs of an architecture have a kernel; no GPU or library is needed.

        It takes the vendor's libraries to be there, and to take what the plugin would ask of them.
        """
        return offer(architecture, op, signature)

    def shared(self, x: Any) -> Shared | None:
        """Return what an object shares by the CUDA array interface."""
        devices = self.devices().found
        found = imported(x) if devices else None
        if found is None or devices[0].emulated or not found.address:
            return found
        return replace(found, device=(found.device[0], holder(found.address)))

    def communicator_identity(self) -> bytes:
        """Return a new identity of a group of GPUs."""
        return identity()


def _wants_standin() -> bool:
    return os.environ.get("HAL_CUDA") == "standin"
