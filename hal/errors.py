"""The errors hal raises: one small hierarchy, each kind also the built-in kind people catch.

Every message says what was given, what is allowed and what to do about it.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "DTypeError",
    "DependencyMissing",
    "DeviceError",
    "DeviceLost",
    "ExchangeError",
    "HalAttributeError",
    "HalError",
    "HalIndexError",
    "HalOverflowError",
    "HalWarning",
    "LinAlgError",
    "ModelError",
    "OutOfMemory",
    "PluginError",
    "PluginMissing",
    "ShapeError",
    "TraceError",
    "Unsupported",
    "ValueRangeError",
]


class HalError(Exception):
    """Base of every error that hal raises on purpose.

    Examples
    --------
    >>> import hal
    >>> try:
    ...     hal.zeros(3) + hal.zeros(4)
    ... except hal.HalError as error:
    ...     print(type(error).__name__)
    ShapeError
    """


class ShapeError(HalError, ValueError):
    """Shapes, axes or sizes do not fit the operation."""


class ValueRangeError(HalError, ValueError):
    """A value or an option lies outside what the operation accepts."""


class DTypeError(HalError, TypeError):
    """A dtype or a Python type does not fit the operation."""


class HalIndexError(HalError, IndexError):
    """An index or an axis lies outside the tensor."""


class HalOverflowError(HalError, OverflowError):
    """A Python number does not fit the dtype it would be stored in."""


class ExchangeError(HalError, BufferError, ValueError):
    """Memory cannot be shared, or data exchanged through DLPack, as it was asked for."""


class HalAttributeError(HalError, AttributeError):
    """An object lacks the method that an operation needs of it."""


class LinAlgError(HalError, np.linalg.LinAlgError):
    """A matrix has no such factorisation, inverse or solution; NumPy's error of that name too."""


class ModelError(HalError, ValueError):
    """A model is damaged, contradicts itself, or asks for more than its user allows."""


class Unsupported(HalError, NotImplementedError):
    """The device cannot do this; the message names the alternatives."""


class TraceError(HalError, TypeError):
    """A function cannot be compiled: what it does depends on the values it is given."""


class DeviceError(HalError, RuntimeError):
    """A device refused or failed an operation.

    Parameters
    ----------
    message : str
        What happened, in one sentence.
    operation : str, optional
        The earliest operation that can have failed.
    device : str, optional
        The device's name, for example ``"cpu:0"``.
    code : int, optional
        The vendor's error code.
    text : str, optional
        The vendor's own text.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        device: str | None = None,
        code: int | None = None,
        text: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.device = device
        self.code = code
        self.text = text

    def __str__(self) -> str:
        parts = [self.message]
        if self.operation is not None:
            parts.append(f"operation: {self.operation}")
        if self.device is not None:
            parts.append(f"device: {self.device}")
        if self.code is not None:
            parts.append(f"vendor code: {self.code}")
        if self.text is not None:
            parts.append(f"vendor text: {self.text}")
        return "; ".join(parts)


class DeviceLost(DeviceError):
    """The device cannot be used again in this process."""


class OutOfMemory(DeviceError, MemoryError):
    """The device has no room for an allocation."""


class DependencyMissing(HalError, ImportError):
    """A package that only this function needs is missing; the message says how to install it."""


class PluginError(HalError, ImportError):
    """A plugin is installed but cannot be used."""


class PluginMissing(HalError, LookupError):
    """No installed plugin provides the device that was asked for."""


class HalWarning(UserWarning):
    """Warns that an operation ran on the host because the device lacks it."""
