"""Which Ascend devices there are, and what is missing when there are none."""

from __future__ import annotations

import atexit
import ctypes
import threading
import weakref
from typing import Any

from hal.errors import DeviceError, Unsupported
from hal.ops import Operator
from hal.plugin import Backend, DeviceInfo, Devices, Offer, Runtime, Signature
from hal_ascend.codes import ENUMS
from hal_ascend.collectives import new_identity
from hal_ascend.families import family
from hal_ascend.library import Cann
from hal_ascend.locate import Missing, locate
from hal_ascend.operators import recipe_for, refusal
from hal_ascend.prototypes import operator_prototypes
from hal_ascend.runtime import AscendRuntime

__all__ = ["AscendBackend"]

_DLPACK_ASCEND = 21
"""DLPack's ``kDLAscend``: https://github.com/dmlc/dlpack/pull/189."""

_CORES = {
    "AI cores": "ACL_DEV_ATTR_AICORE_CORE_NUM",
    "vector cores": "ACL_DEV_ATTR_VECTOR_CORE_NUM",
}


class AscendBackend(Backend):
    """Ascend processors, or what stands in for one."""

    name = "ascend"
    contract = (1, 0)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cann: Cann | None = None
        self._found: Devices | None = None
        self._runtimes: weakref.WeakSet[AscendRuntime] = weakref.WeakSet()

    @property
    def cann(self) -> Cann:
        """CANN's libraries, loaded at the first use.

        Raises
        ------
        Missing
            When CANN is not there.
        """
        with self._lock:
            if self._cann is None:
                cann = Cann(locate())
                cann.initialize()
                self._cann = cann
                atexit.register(self.close)
            return self._cann

    def devices(self) -> Devices:
        """Return what is there, or what is missing and how to install it."""
        if self._found is None:
            try:
                found = self._devices()
            except Missing as missing:
                return Devices((), missing.reason, missing.remedy)
            except DeviceError as error:
                return Devices(
                    (),
                    f"CANN answers: {error}",
                    "check the driver and the card with `npu-smi info`",
                )
            if not found.found:
                return found
            self._found = found
        return self._found

    def _devices(self) -> Devices:
        cann = self.cann
        count = ctypes.c_uint32()
        cann.check(cann.aclrtGetDeviceCount(ctypes.byref(count)), "aclrtGetDeviceCount")
        name = cann.aclrtGetSocName()
        soc = name.decode() if name else "unknown"
        if count.value == 0:
            return Devices(
                (),
                "CANN finds no device",
                "check the driver and the card with `npu-smi info`; in a container, pass the "
                "devices /dev/davinci* and the driver's folder on",
            )
        return Devices(tuple(self._info(i, soc, count.value) for i in range(count.value)))

    def _info(self, index: int, soc: str, count: int) -> DeviceInfo:
        chip = family(soc)
        properties: dict[str, Any] = {"family": chip.name}
        for what, attribute in _CORES.items():
            cores = self._attribute(index, attribute)
            if cores:
                properties[what] = cores
        numbers = [ctypes.c_int32() for _ in range(3)]
        if self.cann.aclrtGetVersion(*[ctypes.byref(n) for n in numbers]) == 0:
            properties["runtime"] = ".".join(str(n.value) for n in numbers)
        if self.cann.version:
            properties["CANN"] = self.cann.version
        return DeviceInfo(
            index=index,
            description=soc,
            architecture=soc.removeprefix("Ascend"),
            memory=self._attribute(index, "ACL_DEV_ATTR_TOTAL_GLOBAL_MEM_SIZE"),
            dtypes=chip.dtypes,
            links=self._links(index, count),
            properties=properties,
            emulated=self.cann.installation.emulated,
            dlpack=(_DLPACK_ASCEND, index),
        )

    def _links(self, index: int, count: int) -> dict[str, str]:
        """Return the devices whose memory this one reaches by itself."""
        links = {}
        for other in range(count):
            reaches = ctypes.c_int32()
            if other == index:
                continue
            if self.cann.aclrtDeviceCanAccessPeer(ctypes.byref(reaches), index, other):
                self.cann.aclGetRecentErrMsg()
            elif reaches.value:
                links[f"{self.name}:{other}"] = "peer access"
        return links

    def _attribute(self, index: int, name: str) -> int:
        """Return an attribute of a device, 0 where this CANN does not tell."""
        value = ctypes.c_int64()
        if self.cann.aclrtGetDeviceInfo is None:
            return 0
        if self.cann.aclrtGetDeviceInfo(index, ENUMS[name], ctypes.byref(value)):
            self.cann.aclGetRecentErrMsg()
            return 0
        return value.value

    def open(self, index: int) -> Runtime:
        """Return the runtime of one device."""
        soc = self.devices().found[index].description
        runtime = AscendRuntime(self.cann, index, family(soc))
        self._runtimes.add(runtime)
        return runtime

    def offers(self, architecture: str, op: Operator, signature: Signature) -> Offer | None:
        """Return whether CANN's documentation has what a kernel needs on a chip."""
        chip = family(f"Ascend{architecture}")
        if not chip.prefixes:
            return None
        try:
            recipe = recipe_for(op, signature, chip)
        except Unsupported as error:
            return Offer(False, str(error), refused=True)
        if recipe is None:
            return Offer(False, refusal(op, chip))
        names = dict.fromkeys(step.name for step in recipe.steps)
        detail = ", ".join(f"aclnn{name}" for name in names)
        notes = [operator_prototypes()[name].notes.get(chip.exceptions) for name in names]
        if "undocumented" in notes:
            detail += f" (not among what CANN documents for {chip.name})"
        return Offer(True, detail)

    def communicator_identity(self) -> bytes:
        """Return the identity of a new group of devices."""
        if not self._runtimes:
            raise DeviceError("no Ascend device is open; use one before making a group")
        next(iter(self._runtimes)).enter()
        return new_identity(self.cann)

    def close(self) -> None:
        """Close every device and end CANN; called when the process ends."""
        for runtime in list(self._runtimes):
            runtime.close()
        with self._lock:
            cann, self._cann, self._found = self._cann, None, None
        if cann is not None:
            cann.aclFinalize()
