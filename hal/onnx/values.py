"""What a model calculates with: tensors, host arrays, strings, sequences, optionals, maps.

Values that are known on the host (shapes, small constants and what is calculated from them alone)
stay on the host as NumPy arrays, so that a model's arithmetic on shapes never waits for a device.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.device import Device
from hal.dtypes import DType, as_dtype
from hal.errors import DTypeError
from hal.memory import from_host
from hal.tensor import Tensor

__all__ = ["Constant", "describe", "dtype_of", "is_text", "to_device", "to_host"]

SMALL = 1024
"""Elements up to which a constant is kept on the host."""


def is_text(value: Any) -> bool:
    """Whether a value is an array of strings.

    Examples
    --------
    >>> import numpy as np
    >>> is_text(np.array(["a"], object)), is_text(np.ones(2))
    (True, False)
    """
    return isinstance(value, np.ndarray) and value.dtype.kind in "OUS"


def dtype_of(value: Any) -> DType:
    """Return the hal dtype of a tensor or host array."""
    return as_dtype(value.dtype)


def to_host(value: Any) -> Any:
    """Return a value as a NumPy array; waits for the device when it lies there."""
    if isinstance(value, Tensor):
        return value.numpy()
    if not isinstance(value, np.ndarray):
        raise DTypeError(f"a tensor is needed here, not {describe(value)}")
    return value


def to_device(value: Any, device: Device) -> Tensor:
    """Return a value as a tensor on the device."""
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, np.ndarray) or is_text(value):
        raise DTypeError(f"a tensor of numbers is needed here, not {describe(value)}")
    result: Tensor = from_host(value, device)  # type: ignore[assignment]
    return result


def describe(value: Any) -> str:
    """Return a few words on what a value is, for errors.

    Examples
    --------
    >>> describe(None), describe([1])
    ('nothing', 'a sequence of 1')
    """
    if value is None:
        return "nothing"
    if isinstance(value, list | tuple):
        return f"a sequence of {len(value)}"
    if is_text(value):
        return f"strings of shape {value.shape}"
    if isinstance(value, Tensor | np.ndarray):
        return f"{dtype_of(value)} of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"


class Constant:
    """A weight or another value that never changes; goes to the device at first use.

    Parameters
    ----------
    value : numpy.ndarray, Tensor, list or None
    """

    __slots__ = ("_device_value", "_host", "small")

    def __init__(self, value: Any) -> None:
        array = isinstance(value, np.ndarray)
        self.small = not isinstance(value, Tensor) and (
            not array or is_text(value) or value.size <= SMALL
        )
        self._host = None if isinstance(value, Tensor) else value
        self._device_value: Tensor | None = value if isinstance(value, Tensor) else None

    def value(self, device: Device) -> Any:
        """Return the host array of a small constant, the tensor of a large one."""
        return self._host if self.small else self.on(device)

    def on(self, device: Device) -> Tensor:
        """Return the constant as a tensor on the device."""
        if self._device_value is None:
            self._device_value = to_device(self._host, device)
            if not self.small:
                self._host = None
        return self._device_value

    @property
    def nbytes(self) -> int:
        """Bytes of the elements; 0 for what is no tensor."""
        found = self._host if self._device_value is None else self._device_value
        return int(getattr(found, "nbytes", 0))
