"""What passes ask and say about single calls."""

from __future__ import annotations

from collections.abc import Iterable

from hal.device import Device
from hal.plugin import Call
from hal.program.asking import find_kernel

__all__ = ["PRODUCTS", "has_kernel", "joined_labels"]

PRODUCTS = ("matmul", "linear", "linear_fused", "attention")
"""Operators that multiply matrices: a device may take their operands in more than one order."""


def has_kernel(call: Call, device: Device) -> bool:
    """Return whether the device has a kernel for a call as it is."""
    return find_kernel(call.op, call.signature, device) is not None


def joined_labels(calls: Iterable[Call]) -> str:
    """Return the labels of calls that become one, each once."""
    return ", ".join(dict.fromkeys(call.label for call in calls if call.label))
