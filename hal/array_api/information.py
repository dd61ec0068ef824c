"""Inspection of the namespace: what the standard lets a program ask.

Source: https://data-apis.org/array-api/latest/API_specification/inspection.html
"""

from __future__ import annotations

from typing import Any

from hal.array_api.conversion import isdtype
from hal.device import Device, as_device, default_device, devices
from hal.dtypes import COMPUTE, DEFAULT_COMPLEX, DEFAULT_FLOATING, DEFAULT_INTEGER, DType

__all__ = ["NamespaceInfo", "__array_api_version__", "__array_namespace_info__"]

__array_api_version__ = "2025.12"

_MAX_DIMENSIONS = 64
_BEYOND_STANDARD = ("float16", "bfloat16")


class NamespaceInfo:
    """What hal can do, as the standard asks for it. Made by ``hal.__array_namespace_info__()``.

    Examples
    --------
    >>> import hal
    >>> info = hal.__array_namespace_info__()
    >>> info.default_dtypes()["real floating"]
    hal.float32
    """

    def capabilities(self) -> dict[str, Any]:
        """Return whether masks and shapes that depend on data work, and how many axes may be."""
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,
            "max dimensions": _MAX_DIMENSIONS,
        }

    def default_device(self) -> Device:
        """Return the device that new tensors go to."""
        return default_device()

    def devices(self) -> tuple[Device, ...]:
        """Return every device that is there."""
        return tuple(devices())

    def default_dtypes(self, *, device: Any = None) -> dict[str, DType]:
        """Return the dtypes of Python numbers and of indices; they are those of every device."""
        as_device(device)
        return {
            "real floating": DEFAULT_FLOATING,
            "complex floating": DEFAULT_COMPLEX,
            "integral": DEFAULT_INTEGER,
            "indexing": DEFAULT_INTEGER,
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, DType]:
        """Return the standard's dtypes that a device has, all or those of some kinds.

        Parameters
        ----------
        device : Device or str, optional
            The default device when left out.
        kind : str or tuple of str, optional
            As for :func:`isdtype`.
        """
        there = as_device(device).info.dtypes
        return {
            dtype.name: dtype
            for dtype in COMPUTE
            if dtype in there
            and dtype.name not in _BEYOND_STANDARD
            and (kind is None or isdtype(dtype, kind))
        }


def __array_namespace_info__() -> NamespaceInfo:  # noqa: N807  (the standard's name)
    """Return what hal can do: capabilities, devices, dtypes, defaults.

    Returns
    -------
    NamespaceInfo

    Examples
    --------
    >>> import hal
    >>> hal.__array_namespace_info__().capabilities()["boolean indexing"]
    True
    """
    return NamespaceInfo()
