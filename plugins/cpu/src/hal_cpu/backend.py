"""What the CPU is called, how much memory it has, and how to open it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from hal.dtypes import ALL
from hal.plugin import CONTRACT_VERSION, Backend, Chip, DeviceInfo, Devices, Runtime
from hal_cpu.chips import shipped_chips
from hal_cpu.emulate import EmulatedRuntime, Offers, describe
from hal_cpu.pool import host_memory
from hal_cpu.runtime import CpuRuntime

__all__ = ["CpuBackend"]


class CpuBackend(Backend):
    """The host's processor, always device 0."""

    name = "cpu"
    contract = CONTRACT_VERSION

    def devices(self) -> Devices:
        """Return the one device."""
        info = DeviceInfo(
            index=0,
            description=_model_name(),
            architecture=platform.machine(),
            memory=host_memory(),
            dtypes=ALL,
            properties={"cores": len(os.sched_getaffinity(0)) if _LINUX else os.cpu_count()},
            dlpack=(1, 0),
        )
        return Devices((info,))

    def open(self, index: int) -> Runtime:
        """Return the runtime."""
        return CpuRuntime()

    def chips(self) -> Mapping[str, Chip]:
        """Return the chips that there are files of."""
        return shipped_chips()

    def emulate(
        self, index: int, chip: Chip, offers: Offers | None = None
    ) -> tuple[DeviceInfo, Runtime]:
        """Return a device that does a chip's work on the processor."""
        return describe(index, chip), EmulatedRuntime(chip, offers)


_LINUX = hasattr(os, "sched_getaffinity")


def _model_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        return platform.processor() or platform.machine()
    return platform.processor() or platform.machine()
