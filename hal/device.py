"""Devices: which there are, which is the default, how much memory one has."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, overload

from hal.dtypes import DType
from hal.errors import (
    DeviceError,
    DeviceLost,
    HalError,
    PluginMissing,
    Unsupported,
    ValueRangeError,
)
from hal.plugin import Backend, DeviceInfo, MemoryStats, Runtime, backends, failures
from hal.plugin.discovery import devices_of
from hal.plugin.layout import Shape
from hal.storage import Spec
from hal.stream import Event, Stream, chosen_stream

__all__ = ["Device", "Event", "Stream", "default_device", "device", "devices"]

_SPEC_LIMIT = 65536
_default: ContextVar[Device | None] = ContextVar("hal_default_device", default=None)


class Device:
    """One device, such as ``cpu:0``. There is one object for each; get it from :func:`device`.

    Attributes
    ----------
    name : str
        Backend and index, for example ``"cpu:0"``.
    info : DeviceInfo
        What the backend says about it: description, architecture, memory, dtypes, links.

    Examples
    --------
    >>> import hal
    >>> hal.device("cpu:0").name
    'cpu:0'
    """

    def __init__(self, backend: Backend, info: DeviceInfo) -> None:
        self.backend = backend
        self.info = info
        self.index = info.index
        self.name = f"{backend.name}:{info.index}"
        self.lost: DeviceLost | None = None
        self.tracer: Any = None  # What records the calls, on the device of a program's trace.
        self.evaluator: Any = None
        self._specs: dict[Any, Spec] = {}
        self.constants: dict[Any, Any] = {}
        self._runtime: Runtime | None = None
        self._default_stream: Stream | None = None
        self._lock = threading.RLock()

    @property
    def runtime(self) -> Runtime:
        """The opened device; opening happens at first use."""
        if self._runtime is None:
            with self._lock:
                if self._runtime is None:
                    self._runtime = self.backend.open(self.index)
        return self._runtime

    def spec(self, dtype: DType, shape: Shape, strides: Shape | None = None) -> Spec:
        """Return the one spec with this dtype, shape and strides on this device."""
        key = (dtype, shape, strides)
        found = self._specs.get(key)
        if found is None:
            made = Spec(self, dtype, shape, strides)
            if len(self._specs) >= _SPEC_LIMIT:
                self._specs.clear()
            # The canonical strides are the identity; other spellings point at the same object.
            found = self._specs.setdefault((dtype, shape, made.strides), made)
            if made.contiguous:
                found = self._specs.setdefault((dtype, shape, None), found)
            self._specs[key] = found
        return found

    def check_dtype(self, dtype: DType) -> None:
        """Raise when tensors of this dtype cannot live here.

        Raises
        ------
        Unsupported
        """
        if dtype not in self.info.dtypes:
            listed = ", ".join(d.name for d in self.info.dtypes)
            raise Unsupported(
                f"{self.name} ({self.info.description}) has no {dtype}; convert to one of: {listed}"
            )

    def traces(self, other: Device) -> bool:
        """Return whether this stands for another device while a function is traced."""
        return self.tracer is not None and self.tracer.target is other

    @property
    def default_stream(self) -> Stream:
        """The stream that work goes to when no other was chosen."""
        if self._default_stream is None:
            with self._lock:
                if self._default_stream is None:
                    self._default_stream = Stream(self)
        return self._default_stream

    def current_stream(self) -> Stream:
        """Return the stream chosen by ``with stream:`` in this thread, else the default one."""
        chosen = chosen_stream(self)
        return self.default_stream if chosen is None else chosen

    def synchronize(self) -> None:
        """Wait until all work on the device's current and default streams is done.

        Raises
        ------
        DeviceError
            When work that was enqueued earlier failed.
        """
        current = self.current_stream()
        current.synchronize()
        if current is not self.default_stream:
            self.default_stream.synchronize()

    def memory_stats(self) -> MemoryStats:
        """Return the device's memory statistics in bytes.

        Raises
        ------
        Unsupported
            When the backend keeps none.

        Examples
        --------
        >>> import hal
        >>> before = hal.device("cpu:0").memory_stats().allocated
        >>> x = hal.zeros(1_000_000, dtype=hal.float32, device="cpu:0")
        >>> hal.device("cpu:0").memory_stats().allocated - before >= x.nbytes
        True
        """
        stats = self.runtime.memory_stats()
        if stats is None:
            raise Unsupported(f"{self.name} keeps no memory statistics")
        return stats

    def __repr__(self) -> str:
        return f"hal.device({self.name!r})"

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return device, (self.name,)


_lock = threading.RLock()
_known: dict[tuple[Backend, int], Device] = {}


def devices(backend: str | None = None) -> list[Device]:
    """Return every device that is there, of all backends or of one.

    Raises
    ------
    PluginMissing
        When no backend has that name.

    Examples
    --------
    >>> import hal
    >>> "cpu:0" in [d.name for d in hal.devices()]
    True
    """
    loaded = backends()
    if backend is not None:
        return _of(_backend(backend))
    return [d for b in loaded.values() for d in _of(b)]


def device(name: str | Device) -> Device:
    """Return a device by name.

    Parameters
    ----------
    name : str or Device
        ``"cpu:0"``; a backend's name alone means its device 0.

    Raises
    ------
    PluginMissing
        When no plugin provides the backend; names the package to install.
    DeviceError
        When the backend has no such device; says which there are, or why there is none.

    Examples
    --------
    >>> import hal
    >>> hal.device("cpu")
    hal.device('cpu:0')
    """
    if isinstance(name, Device):
        return name
    if not isinstance(name, str):
        raise ValueRangeError(f"a device is named like 'cpu:0', not {name!r}")
    family, _, number = name.partition(":")
    if not family.isidentifier() or (number and not (number.isascii() and number.isdigit())):
        raise ValueRangeError(f"{name!r} is no device name; write backend:index, such as 'cpu:0'")
    backend = _backend(family)
    index = int(number or 0)
    known = _known.get((backend, index))
    if known is not None:
        return known
    found = _of(backend)
    for candidate in found:
        if candidate.index == index:
            return candidate
    if found:
        listed = ", ".join(d.name for d in found)
        raise DeviceError(f"there is no device {family}:{index}; there are: {listed}")
    state = devices_of(backend)
    raise DeviceError(
        f"there is no device {family}:{index}: {state.reason or 'none was found'}; "
        f"{state.remedy or 'see `hal devices`'}"
    )


def traced(target: Device) -> bool:
    """Return whether a function is being traced for a device in this thread."""
    current = _default.get()
    return current is not None and current.traces(target)


def as_device(given: Any) -> Device:
    """Return the device a name or None (the default) stands for."""
    if given is None:
        return default_device()
    return given if isinstance(given, Device) else device(given)


@overload
def default_device() -> Device: ...
@overload
def default_device(chosen: str | Device) -> AbstractContextManager[Device]: ...
def default_device(
    chosen: str | Device | None = None,
) -> Device | AbstractContextManager[Device]:
    """Return the device new tensors go to, or make another one the default in a ``with`` block.

    Without a block it is the device named by ``HAL_DEVICE``, else ``cpu:0``, else the first found.

    Parameters
    ----------
    chosen : str or Device, optional
        The default inside the block.

    Examples
    --------
    >>> import hal
    >>> with hal.default_device("cpu:0"):
    ...     hal.zeros(2).device
    hal.device('cpu:0')
    """
    if chosen is not None:
        return _defaulting(device(chosen))
    current = _default.get()
    if current is not None:
        return current
    wanted = os.environ.get("HAL_DEVICE")
    if wanted:
        try:
            return device(wanted)
        except HalError as error:
            raise type(error)(f"HAL_DEVICE={wanted}: {error}") from None
    if "cpu" in backends():
        return device("cpu")
    found = devices()
    if not found:
        raise PluginMissing("no device was found; install a plugin: pip install hal-cpu")
    return found[0]


@contextmanager
def _defaulting(chosen: Device) -> Iterator[Device]:
    token = _default.set(chosen)
    try:
        yield chosen
    finally:
        _default.reset(token)


def _backend(name: str) -> Backend:
    if not isinstance(name, str):
        raise ValueRangeError(f"a backend is named like 'cpu', not {name!r}")
    loaded = backends()
    if name in loaded:
        return loaded[name]
    failed = failures().get(name)
    if failed is not None:
        raise PluginMissing(
            f"the plugin for {name!r} was not loaded: {failed.reason}; {failed.remedy}"
        )
    known = ", ".join(d.name for d in devices()) or "none"
    raise PluginMissing(
        f"no installed plugin provides {name!r}; known devices: {known}. "
        f"Plugins are named hal-NAME: try pip install hal-{name}"
    )


def _of(backend: Backend) -> list[Device]:
    with _lock:
        return [
            _known.setdefault((backend, info.index), Device(backend, info))
            for info in devices_of(backend).found
        ]
