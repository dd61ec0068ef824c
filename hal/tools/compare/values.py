"""The values of a model as named host arrays, whatever kind they are of; and moved to a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.device import Device
from hal.onnx.values import to_host
from hal.tensor import Tensor

__all__ = ["hosted", "moved", "parts", "shown_type"]


def parts(name: str, value: Any) -> dict[str, Any]:
    """Return the arrays a value is made of, by name.

    A tensor or an array of strings is one; a sequence gives ``name[0]`` and so on, a map
    ``name.keys`` and ``name.values``, an empty optional nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from hal.tools.compare.values import parts
    >>> list(parts("s", [np.ones(2), np.ones(3)])), list(parts("m", {"a": 1.0}))
    (['s[0]', 's[1]'], ['m.keys', 'm.values'])
    """
    if value is None:
        return {}
    if isinstance(value, list | tuple):
        found: dict[str, Any] = {}
        for n, element in enumerate(value):
            found.update(parts(f"{name}[{n}]", element))
        return found
    if isinstance(value, dict):
        return {
            f"{name}.keys": np.array(list(value)),
            f"{name}.values": np.array([np.asarray(v) for v in value.values()]),
        }
    return {name: to_host(value)}


def moved(value: Any, device: Device) -> Any:
    """Return a value on a device: tensors are copied, what lies on the host stays there."""
    if isinstance(value, list):
        return [moved(v, device) for v in value]
    return value.to_device(device) if isinstance(value, Tensor) else value


def hosted(value: Any) -> Any:
    """Return a value on the host, of whatever kind it is."""
    if isinstance(value, list):
        return [hosted(v) for v in value]
    return to_host(value) if isinstance(value, Tensor) else value


def shown_type(array: Any) -> str:
    """Return dtype and shape in words.

    Examples
    --------
    >>> import numpy as np
    >>> from hal.tools.compare.values import shown_type
    >>> shown_type(np.ones((2, 3), np.float32))
    'float32[2, 3]'
    """
    dtype = "string" if array.dtype.kind in "OUS" else str(array.dtype)
    return f"{dtype}{list(array.shape)}"
