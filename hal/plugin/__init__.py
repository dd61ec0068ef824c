"""What a plugin author imports: the contract, layouts, and the hook's marker."""

from hal.plugin.chip import Chip, Cost, Estimate, Offer
from hal.plugin.collectives import REDUCTIONS, Communicator
from hal.plugin.contract import CONTRACT_VERSION, Backend, Runtime
from hal.plugin.discovery import (
    GROUP,
    PluginFailure,
    backends,
    failures,
    hookimpl,
    register,
    unregister,
)
from hal.plugin.layout import (
    Layout,
    broadcast_shapes,
    broadcast_strides,
    contiguous_strides,
    extent,
    reshape_strides,
)
from hal.plugin.program import Array, Call, Program, Released
from hal.plugin.roofline import Product
from hal.plugin.values import DeviceInfo, Devices, HostEvent, Kernel, MemoryStats, Shared, Signature

__all__ = [
    "CONTRACT_VERSION",
    "GROUP",
    "REDUCTIONS",
    "Array",
    "Backend",
    "Call",
    "Chip",
    "Communicator",
    "Cost",
    "DeviceInfo",
    "Devices",
    "Estimate",
    "HostEvent",
    "Kernel",
    "Layout",
    "MemoryStats",
    "Offer",
    "PluginFailure",
    "Product",
    "Program",
    "Released",
    "Runtime",
    "Shared",
    "Signature",
    "backends",
    "broadcast_shapes",
    "broadcast_strides",
    "contiguous_strides",
    "extent",
    "failures",
    "hookimpl",
    "register",
    "reshape_strides",
    "unregister",
]
