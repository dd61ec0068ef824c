"""An asynchronous device over NumPy, with a thread per stream, and bugs that can be switched on.

Without bugs it is correct, but no kinder than it must be: a stream starts its work only when
somebody waits for it or a while has passed, freed memory is overwritten at once, and memory that
was never written holds garbage. So whatever relies on more than the contract promises shows.
"""

from __future__ import annotations

from faulty.bugs import BUGS
from faulty.runtime import MEMORY, FaultyRuntime
from hal.dtypes import ALL
from hal.plugin import Backend, DeviceInfo, Devices, hookimpl

__all__ = ["BUGS", "FaultyBackend", "FaultyRuntime", "Plugin"]


class FaultyBackend(Backend):
    """One device named ``faulty:0``."""

    name = "faulty"
    contract = (1, 0)

    def __init__(self):
        self.runtime = FaultyRuntime()

    def devices(self):
        if "raising devices" in self.runtime.bugs:
            raise RuntimeError("the driver does not answer")
        info = DeviceInfo(0, "NumPy behind queues", "python", MEMORY, ALL, emulated="all of it")
        return Devices((info,))

    def open(self, index):
        return self.runtime


class Plugin:
    """What is registered with hal."""

    def __init__(self):
        self.backend = FaultyBackend()

    @hookimpl
    def hal_backend(self):
        return self.backend
