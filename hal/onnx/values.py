"""What a model calculates with: tensors, host arrays, strings, sequences, optionals, maps.

Values that are known on the host (shapes, small constants and what is calculated from them alone)
stay on the host as NumPy arrays, so that a model's arithmetic on shapes never waits for a device.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

import numpy as np

from hal.device import Device, traced
from hal.dtypes import DType, as_dtype
from hal.errors import DTypeError
from hal.memory import allocate, base, from_host, wrap
from hal.onnx.stored import Weight
from hal.storage import Storage
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


def weight_to_device(weight: Weight, device: Device) -> Tensor:
    """Return a weight as a tensor, read into its own memory where the host sees that."""
    device.check_dtype(weight.dtype)
    stream = device.current_stream()
    value = allocate(device.spec(weight.dtype, weight.shape), stream)
    runtime = device.runtime
    exposed = runtime.expose(value._array) if runtime.synchronous else None
    if exposed is None:
        runtime.upload(value._array, weight.host(), stream.handle)
    else:
        weight.fill(exposed)
    return value  # type: ignore[return-value]


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

    It stays there, but for a weight that can be read again: of such a one, what a program is traced
    with is the program's, which may have no need of it once it is packed.

    Parameters
    ----------
    value : numpy.ndarray, Weight, Tensor, list or None
    """

    __slots__ = ("_device_value", "_host", "_storage", "small")

    def __init__(self, value: Any) -> None:
        if isinstance(value, Weight) and value.size <= SMALL:
            value = value.host()
        array = isinstance(value, np.ndarray | Weight)
        self.small = not isinstance(value, Tensor) and (
            not array or is_text(value) or value.size <= SMALL
        )
        self._host = None if isinstance(value, Tensor) else value
        self._device_value: Tensor | None = value if isinstance(value, Tensor) else None
        self._storage: ref[Storage] | None = None

    def value(self, device: Device) -> Any:
        """Return the host array of a small constant, the tensor of a large one."""
        return self._host if self.small else self.on(device)

    def on(self, device: Device) -> Tensor:
        """Return the constant as a tensor on the device."""
        host = self._host  # Looked at first: another thread takes it away last.
        found = self._device_value
        again = isinstance(host, Weight) and host.again
        if found is None:
            found = self._made(host, device)
            if again:
                self._storage = ref(base(found)[0])
        self._device_value = None if again and traced(device) else found
        if not self.small and not again:
            self._host = None
        return found

    def _made(self, host: Any, device: Device) -> Tensor:
        if not isinstance(host, Weight):
            return to_device(host, device)
        storage = None if self._storage is None else self._storage()
        spec = device.spec(host.dtype, host.shape)
        if storage is None:
            return weight_to_device(host, device)
        array = device.runtime.view(storage.buffer, spec.dtype, spec.shape, spec.strides, 0)
        return wrap(spec, array, (storage, 0))  # type: ignore[return-value]

    @property
    def nbytes(self) -> int:
        """Bytes of the elements; 0 for what is no tensor."""
        found = self._host if self._device_value is None else self._device_value
        return int(getattr(found, "nbytes", 0))
