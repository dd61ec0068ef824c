"""Streams and events: in what order work runs on a device."""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from hal.errors import DeviceError, DeviceLost, DTypeError, ValueRangeError

if TYPE_CHECKING:
    from hal.device import Device

__all__ = ["Event", "Stream", "ThreadStreams", "chosen_stream", "named"]

T = TypeVar("T")

# What ``with stream:`` chose in this context, a level per nested block.
_chosen: ContextVar[tuple[dict[Device, Stream], ...]] = ContextVar("hal_streams", default=())


def chosen_stream(device: Device) -> Stream | None:
    """Return the stream that ``with stream:`` chose for a device in this thread."""
    levels = _chosen.get()
    return levels[-1].get(device) if levels else None


def _resolved(device: Any) -> Device:
    # hal.device stands above this module; a stream may still be made from a device's name.
    from hal.device import as_device

    return as_device(device)


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

    __slots__ = ("__weakref__", "device", "failure", "handle", "pending")

    def __init__(self, device: Any = None) -> None:
        self.device = _resolved(device)
        self.handle = self.device.runtime.stream()
        self.pending: str | None = None
        self.failure: Exception | None = None

    def __del__(self) -> None:
        # Whoever would have waited for this stream waits for the default one from now on.
        if sys.is_finalizing() or not hasattr(self, "handle") or self.device.runtime.synchronous:
            return
        home = self.device.default_stream
        try:
            home.wait_stream(self)
            home.pending = home.pending or self.pending
        # A finaliser cannot raise: the default stream reports the error.
        except Exception as error:
            home.failure = home.failure or error

    def __enter__(self) -> Stream:
        levels = _chosen.get()
        outer = levels[-1] if levels else {}
        _chosen.set((*levels, {**outer, self.device: self}))
        return self

    def __exit__(self, *exception: object) -> None:
        _chosen.set(_chosen.get()[:-1])

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
        return self.device.runtime.query_stream(self.handle)

    def record_event(self) -> Event:
        """Return a new event recorded behind the work enqueued so far."""
        event = Event(self.device)
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Make work enqueued from now on wait for an event, of this device or another."""
        _check(event, Event).wait(self)

    def wait_stream(self, other: Stream) -> None:
        """Make work enqueued from now on wait for what another stream was given so far."""
        if _check(other, Stream) is not self:
            other.record_event().wait(self)

    def __repr__(self) -> str:
        return f"<hal.Stream on {self.device.name}>"

    def __reduce__(self) -> NoReturn:
        raise DTypeError("a stream cannot be copied or pickled; make another: hal.Stream(device)")


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
        self.device = _resolved(device)
        self.handle = self.device.runtime.event()
        self.recorded = False

    def record(self, stream: Stream | None = None) -> None:
        """Record the event behind the work a stream was given so far.

        Raises
        ------
        ValueRangeError
            When the stream belongs to another device.
        """
        stream = self.device.current_stream() if stream is None else _check(stream, Stream)
        if stream.device is not self.device:
            raise ValueRangeError(
                f"an event of {self.device.name} cannot be recorded on a stream of "
                f"{stream.device.name}; make the event on that device"
            )
        self.device.runtime.record(self.handle, stream.handle)
        self.recorded = True

    def wait(self, stream: Stream | None = None) -> None:
        """Make a stream's later work wait for the event; an unrecorded event waits for nothing."""
        stream = self.device.current_stream() if stream is None else _check(stream, Stream)
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
        if not (self.recorded and _check(end, Event).recorded):
            raise ValueRangeError("elapsed_time needs two recorded events; call record() on both")
        if self.device is not end.device:
            raise ValueRangeError(
                f"elapsed_time needs events of one device, not of {self.device.name} "
                f"and {end.device.name}"
            )
        self.synchronize()
        end.synchronize()
        return self.device.runtime.elapsed(self.handle, end.handle)

    def __repr__(self) -> str:
        return f"<hal.Event on {self.device.name}, {'' if self.recorded else 'not '}recorded>"

    def __reduce__(self) -> NoReturn:
        raise DTypeError("an event cannot be copied or pickled; make another: hal.Event(device)")


class ThreadStreams(threading.local):
    """The stream that each thread's work on a device goes to where none was chosen."""

    stream: Stream | None = None

    def of(self, default: Stream) -> Stream:
        """Return the calling thread's, made at first use; the main thread's is the default one."""
        if self.stream is None:
            main = threading.current_thread() is threading.main_thread()
            self.stream = default if main else Stream(default.device)
        return self.stream


def _check(given: T, kind: type[T]) -> T:
    """Return what was given if it is of the kind."""
    if not isinstance(given, kind):
        raise DTypeError(f"a hal.{kind.__name__} is needed, not {type(given).__name__}")
    return given


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
