"""Devices, streams and events: what runs, in what order, and how much memory it takes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
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
from hal.plugin.layout import Shape
from hal.storage import Spec

__all__ = ["Device", "Event", "Stream", "default_device", "device", "devices"]

_SPEC_LIMIT = 65536
_streams: ContextVar[dict[Device, Stream]] = ContextVar("hal_streams")
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
        chosen = _streams.get(None)
        found = None if chosen is None else chosen.get(self)
        return self.default_stream if found is None else found

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
        >>> hal.device("cpu:0").memory_stats().allocated - before
        4000000
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


class Stream:
    """A queue of work on one device, run in the order it was enqueued.

    ``with stream:`` sends this thread's work on the device to it. Tensors remember the stream that
    last wrote them, and hal inserts the wait when another stream uses them.

    Parameters
    ----------
    device : Device, str or None
        Where; the default device when left out.

    Examples
    --------
    >>> import hal
    >>> stream = hal.Stream("cpu:0")
    >>> with stream:
    ...     x = hal.ones(3, device="cpu:0") + 1
    >>> stream.synchronize()
    """

    __slots__ = ("__weakref__", "_tokens", "device", "failure", "handle", "pending")

    def __init__(self, device: Any = None) -> None:
        self.device: Device = as_device(device)
        self.handle = self.device.runtime.stream()
        self.pending: str | None = None
        self.failure: Exception | None = None
        self._tokens: list[Token[dict[Device, Stream]]] = []

    def __enter__(self) -> Stream:
        chosen = {**_streams.get({}), self.device: self}
        self._tokens.append(_streams.set(chosen))
        return self

    def __exit__(self, *exception: object) -> None:
        _streams.reset(self._tokens.pop())

    def synchronize(self) -> None:
        """Wait until all work enqueued so far is done.

        Raises
        ------
        DeviceError
            When some of it failed; names the earliest operation that can have failed.
        """
        first, self.pending = self.pending, None
        failure, self.failure = self.failure, None
        try:
            self.device.runtime.synchronize(self.handle)
        except DeviceError as error:
            raise named(error, self.device, first) from error
        if failure is not None:
            raise failure

    def query(self) -> bool:
        """Return whether all work enqueued so far is done, without waiting."""
        return self.record_event().query()

    def record_event(self) -> Event:
        """Return a new event recorded behind the work enqueued so far."""
        event = Event(self.device)
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Make work enqueued from now on wait for an event, of this device or another."""
        event.wait(self)

    def wait_stream(self, other: Stream) -> None:
        """Make work enqueued from now on wait for what another stream was given so far."""
        if other is not self:
            other.record_event().wait(self)

    def __repr__(self) -> str:
        return f"<hal.Stream on {self.device.name}>"


class Event:
    """A mark in a stream's order, to wait for, to ask about, and to measure time with.

    Parameters
    ----------
    device : Device, str or None
        Where; the default device when left out.

    Examples
    --------
    >>> import hal
    >>> start, end = hal.Event("cpu:0"), hal.Event("cpu:0")
    >>> start.record(); end.record()
    >>> start.elapsed_time(end) >= 0
    True
    """

    __slots__ = ("__weakref__", "device", "handle", "recorded")

    def __init__(self, device: Any = None) -> None:
        self.device: Device = as_device(device)
        self.handle = self.device.runtime.event()
        self.recorded = False

    def record(self, stream: Stream | None = None) -> None:
        """Record the event behind the work a stream was given so far.

        Raises
        ------
        ValueRangeError
            When the stream belongs to another device.
        """
        stream = stream or self.device.current_stream()
        if stream.device is not self.device:
            raise ValueRangeError(
                f"an event of {self.device.name} cannot be recorded on a stream of "
                f"{stream.device.name}; make the event on that device"
            )
        self.device.runtime.record(self.handle, stream.handle)
        self.recorded = True

    def wait(self, stream: Stream | None = None) -> None:
        """Make a stream's later work wait for the event; an unrecorded event waits for nothing."""
        stream = stream or self.device.current_stream()
        if not self.recorded:
            return
        if stream.device.runtime is self.device.runtime:
            self.device.runtime.wait(self.handle, stream.handle)
        else:
            self.synchronize()

    def query(self) -> bool:
        """Return whether the event is complete (true when never recorded), without waiting."""
        return not self.recorded or self.device.runtime.query(self.handle)

    def synchronize(self) -> None:
        """Wait until the event is complete."""
        if self.recorded:
            self.device.runtime.synchronize_event(self.handle)

    def elapsed_time(self, end: Event) -> float:
        """Return the time from this event to ``end`` in milliseconds; waits for both.

        Raises
        ------
        ValueRangeError
            When one was not recorded, or they are of different devices.
        """
        if not (self.recorded and end.recorded):
            raise ValueRangeError("elapsed_time needs two recorded events; call record() on both")
        if self.device is not end.device:
            raise ValueRangeError(
                f"elapsed_time needs events of one device, not of {self.device.name} "
                f"and {end.device.name}"
            )
        self.synchronize()
        end.synchronize()
        return self.device.runtime.elapsed(self.handle, end.handle)


def named(error: DeviceError, device: Device, operation: str | None) -> DeviceError:
    """Return the error with device and operation filled in; remember a lost device."""
    made = type(error)(
        error.message,
        operation=error.operation or operation,
        device=error.device or device.name,
        code=error.code,
        text=error.text,
    )
    if isinstance(made, DeviceLost):
        device.lost = made
    return made


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
    if number and not (number.isascii() and number.isdigit()):
        raise ValueRangeError(f"{name!r} is no device name; write backend:index, such as 'cpu:0'")
    backend = _backend(family)
    found = _of(backend)
    index = int(number or 0)
    for candidate in found:
        if candidate.index == index:
            return candidate
    if found:
        listed = ", ".join(d.name for d in found)
        raise DeviceError(f"there is no device {family}:{index}; there are: {listed}")
    state = backend.devices()
    raise DeviceError(
        f"there is no device {family}:{index}: {state.reason or 'none was found'}; "
        f"{state.remedy or 'see `hal devices`'}"
    )


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
            for info in backend.devices().found
        ]
