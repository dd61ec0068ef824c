"""Devices: which there are, which is the default, how much memory one has."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
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
from hal.plugin import Backend, Chip, DeviceInfo, MemoryStats, Runtime, backends, failures
from hal.plugin.discovery import backend as backend_of
from hal.plugin.discovery import devices_of
from hal.plugin.layout import Shape
from hal.storage import Spec
from hal.stream import Event, Stream, ThreadStreams, chosen_stream

__all__ = ["Device", "Event", "Stream", "default_device", "device", "devices"]

_SPEC_LIMIT = 65536
when_opened: list[Callable[[Runtime], None]] = []
"""What is told of every runtime before it is used, by modules that stand above this one."""

_default: ContextVar[Device | None] = ContextVar("hal_default_device", default=None)


class Device:
    """One device, such as ``cpu:0``. There is one object for each; get it from :func:`device`.

    Attributes
    ----------
    name : str
        Backend and index, for example ``"cpu:0"``; of an emulated chip ``"cpu:0/CHIP"``.
    info : DeviceInfo
        What the backend says about it: description, architecture, memory, dtypes, links.
    chip : Chip or None
        The figures of the chip that is emulated.

    Examples
    --------
    >>> import hal
    >>> hal.device("cpu:0").name
    'cpu:0'
    """

    def __init__(self, backend: Backend, info: DeviceInfo, chip: Chip | None = None) -> None:
        self.backend = backend
        self.info = info
        self.chip = chip
        self.index = info.index
        self.name = f"{backend.name}:{info.index}" + (f"/{chip.name}" if chip else "")
        self.lost: DeviceLost | None = None
        self.tracer: Any = None  # What records the calls, on the device of a program's trace.
        self.evaluator: Any = None
        self._specs: dict[Any, Spec] = {}
        self.constants: dict[Any, Any] = {}
        self._runtime: Runtime | None = None
        self._default_stream: Stream | None = None
        self._threads: ThreadStreams | None = None
        self._lock = threading.RLock()

    @property
    def runtime(self) -> Runtime:
        """The opened device; opening happens at first use."""
        if self._runtime is None:
            with self._lock:
                if self._runtime is None:
                    self._runtime = _told(self.backend.open(self.index))
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
                    made = Stream(self)
                    if self.runtime.thread_streams and not self.runtime.synchronous:
                        self._threads = ThreadStreams()
                    self._default_stream = made
        return self._default_stream

    def current_stream(self) -> Stream:
        """Return the stream chosen by ``with stream:`` in this thread, else the default one.

        Where the backend has a default stream for each thread, that of this thread; the main
        thread's is :attr:`default_stream`.
        """
        chosen = chosen_stream(self)
        if chosen is not None:
            return chosen
        default = self.default_stream
        return default if self._threads is None else self._threads.of(default)

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
_emulated: dict[tuple[Device, str], Device] = {}


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
    if backend is not None:
        return _of(_backend(backend))
    return [d for b in backends().values() for d in _of(b)]


def device(name: str | Device, emulate: str | Path | Chip | None = None) -> Device:
    """Return a device by name.

    Parameters
    ----------
    name : str or Device
        ``"cpu:0"``; a backend's name alone means its device 0. ``"cpu:0/CHIP"`` is the chip that
        ``device("cpu:0", emulate="CHIP")`` emulates.
    emulate : str, Path or Chip, optional
        A chip to emulate on the device: one of those that the backend has figures of, or a TOML
        file with figures of another.

    Raises
    ------
    PluginMissing
        When no plugin provides the backend; names the package to install.
    DeviceError
        When the backend has no such device; says which there are, or why there is none.
    ValueRangeError
        When the chip is unknown; says which there are.

    Examples
    --------
    >>> import hal
    >>> hal.device("cpu")
    hal.device('cpu:0')
    """
    if isinstance(name, str) and "/" in name:
        name, _, named = name.partition("/")
        if emulate is not None:
            raise ValueRangeError(
                f"the device {name}/{named} emulates {named!r} already; leave emulate= out"
            )
        emulate = named
    found = name if isinstance(name, Device) else _real(name)
    return found if emulate is None else _emulating(found, emulate)


def _real(name: str) -> Device:
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


def _emulating(host: Device, wanted: str | Path | Chip) -> Device:
    """Return the one device that emulates a chip on another."""
    if host.chip is not None:
        raise ValueRangeError(f"{host.name} is emulated itself; name the device that is there")
    known = _emulated.get((host, wanted)) if isinstance(wanted, str) else None
    if known is not None:
        return known
    chip = _chip(host, wanted)
    with _lock:
        known = _emulated.get((host, chip.name))
        if known is None:
            own = backends().get(chip.backend)
            offers = None if own is None else partial(own.offers, chip.architecture)
            info, runtime = host.backend.emulate(host.index, chip, offers)
            known = Device(host.backend, info, chip)
            known._runtime = _told(runtime)
            _emulated[host, chip.name] = known
    if known.chip != chip:
        raise ValueRangeError(
            f"{known.name} is in use already, with other figures; give this chip another name"
        )
    return known


def _told(runtime: Runtime) -> Runtime:
    for listener in when_opened:
        listener(runtime)
    return runtime


def _chip(host: Device, wanted: str | Path | Chip) -> Chip:
    if isinstance(wanted, Chip):
        return wanted
    chips = host.backend.chips()
    if wanted in chips:
        return chips[str(wanted)]
    path = Path(wanted)
    if path.suffix == ".toml" and path.is_file():
        return Chip.read(path)
    raise ValueRangeError(
        f"there is no chip {str(wanted)!r} to emulate on {host.name}; there are: "
        f"{', '.join(chips) or 'none'}; or name a TOML file that describes one"
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
    With ``HAL_EMULATE`` it is the chip of that name, emulated on the device.

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
    found = _unemulated_default()
    chip = os.environ.get("HAL_EMULATE")
    if not chip or found.chip is not None:
        return found
    try:
        return device(found, emulate=chip)
    except HalError as error:
        raise type(error)(f"HAL_EMULATE={chip}: {error}") from None


def _unemulated_default() -> Device:
    wanted = os.environ.get("HAL_DEVICE")
    if wanted:
        try:
            return device(wanted)
        except HalError as error:
            raise type(error)(f"HAL_DEVICE={wanted}: {error}") from None
    if backend_of("cpu") is not None:
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
    found = backend_of(name)
    if found is not None:
        return found
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
