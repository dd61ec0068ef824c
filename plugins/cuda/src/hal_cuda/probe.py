"""Finds the GPUs, or the exact reason why there is none and what to do about it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hal.plugin import DeviceInfo, Devices
from hal_cuda.types import SUPPORTED

__all__ = ["MINIMUM_CAPABILITY", "probe"]

MINIMUM_CAPABILITY = (8, 0)
_DLPACK_CUDA = 2
_PACKAGES = ("cuda.bindings.driver", "cuda.core", "cuda.bindings.nvrtc")
_INSTALL = "pip install 'hal-cuda[cu13]' (or 'hal-cuda[cu12]' for a driver of CUDA 12)"


def probe(load: Any = import_module) -> Devices:
    """Return the GPUs that hal can use.

    Parameters
    ----------
    load : callable
        How a module is imported; tests give their own.
    """
    modules = {}
    for name in _PACKAGES:
        try:
            modules[name] = load(name)
        except ImportError as error:
            missing = f"the Python package with {name} is not installed: {error}"
            return Devices((), reason=missing, remedy=_INSTALL)
    api = modules["cuda.bindings.driver"]
    try:
        absent = _initialize(api, modules["cuda.bindings.nvrtc"])
    # cuda.bindings raises its own kinds of error when a library cannot be loaded.
    except Exception as error:
        absent = _not_loaded(str(error))
    if absent is not None:
        return absent
    count = _value(api.cuDeviceGetCount())
    found, refused = [], []
    for index in range(count):
        capability, info = _describe(api, index, count)
        if capability < MINIMUM_CAPABILITY:
            refused.append(f"{info.description} has compute capability {_dotted(capability)}")
        else:
            found.append(info)
    if found:
        return Devices(tuple(found))
    if refused:
        return Devices(
            (),
            reason="; ".join(refused),
            remedy=f"use a GPU of compute capability {_dotted(MINIMUM_CAPABILITY)} or newer",
        )
    return Devices(
        (),
        reason="the driver finds no GPU",
        remedy="check that nvidia-smi lists one, that CUDA_VISIBLE_DEVICES does not hide it, and "
        "that a container was started with its GPUs",
    )


def _initialize(api: Any, nvrtc: Any) -> Devices | None:
    """Start the driver; return why that is not possible, or None."""
    status = api.cuInit(0)[0]
    if int(status) != 0:
        name = status.name
        if name == "CUDA_ERROR_NO_DEVICE":
            return Devices(
                (),
                reason="the driver finds no GPU (CUDA_ERROR_NO_DEVICE)",
                remedy="check that nvidia-smi lists one, that CUDA_VISIBLE_DEVICES does not hide "
                "it, and that a container was started with its GPUs",
            )
        return Devices(
            (),
            reason=f"the driver does not start: {name}, vendor code {int(status)}",
            remedy="check nvidia-smi and the system's log; a new driver may need a restart",
        )
    driver = _value(api.cuDriverGetVersion())
    major, minor = nvrtc.nvrtcVersion()[1:]
    if driver // 1000 < major:
        return Devices(
            (),
            reason=f"the driver supports CUDA {driver // 1000}.{driver % 1000 // 10}, the "
            f"installed packages are for CUDA {major}.{minor}",
            remedy=f"update the driver, or install the packages for it: "
            f"pip install 'hal-cuda[cu{driver // 1000}]'",
        )
    return None


def _not_loaded(text: str) -> Devices:
    if "nvrtc" in text.lower():
        return Devices((), reason=f"NVRTC cannot be loaded: {text}", remedy=_INSTALL)
    return Devices(
        (),
        reason=f"the NVIDIA driver (libcuda) cannot be loaded: {text}",
        remedy="install NVIDIA's driver; in a container, start it with access to the GPUs",
    )


def _describe(api: Any, index: int, count: int) -> tuple[tuple[int, int], DeviceInfo]:
    device = _value(api.cuDeviceGet(index))
    attributes = api.CUdevice_attribute

    def read(name: str) -> int:
        attribute = getattr(attributes, f"CU_DEVICE_ATTRIBUTE_{name}")
        return int(_value(api.cuDeviceGetAttribute(attribute, device)))

    major, minor = read("COMPUTE_CAPABILITY_MAJOR"), read("COMPUTE_CAPABILITY_MINOR")
    driver = _value(api.cuDriverGetVersion())
    info = DeviceInfo(
        index=index,
        description=_value(api.cuDeviceGetName(128, device)).split(b"\0")[0].decode(),
        architecture=f"sm_{major}{minor}",
        memory=int(_value(api.cuDeviceTotalMem(device))),
        dtypes=SUPPORTED,
        links=_links(api, device, index, count),
        properties={
            "compute capability": _dotted((major, minor)),
            "multiprocessors": read("MULTIPROCESSOR_COUNT"),
            "clock": f"{read('CLOCK_RATE') // 1000} MHz",
            "memory clock": f"{read('MEMORY_CLOCK_RATE') // 1000} MHz",
            "memory bus": f"{read('GLOBAL_MEMORY_BUS_WIDTH')} bits",
            "L2 cache": f"{read('L2_CACHE_SIZE') >> 20} MiB",
            "CUDA of the driver": f"{driver // 1000}.{driver % 1000 // 10}",
        },
        dlpack=(_DLPACK_CUDA, index),
    )
    return (major, minor), info


def _links(api: Any, device: Any, index: int, count: int) -> dict[str, str]:
    """Return how this GPU reaches each other one."""
    links = {}
    for other in range(count):
        if other == index:
            continue
        reachable = _value(api.cuDeviceCanAccessPeer(device, _value(api.cuDeviceGet(other))))
        links[f"cuda:{other}"] = "peer access" if reachable else "through the host"
    return links


def _value(result: Any) -> Any:
    status, value = result
    if int(status) != 0:
        raise RuntimeError(f"{status.name} ({int(status)})")
    return value


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
