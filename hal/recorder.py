"""What a running profile writes down: calls with their times, copies, scopes, memory.

Without a profile nothing is written and nothing is timed: eager plans are exchanged for watched
ones when a profile starts, and the rest asks once per program, copy or scope whether one runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from hal.device import Device
from hal.errors import DTypeError
from hal.ops import Operator
from hal.plugin.layout import Layout
from hal.stream import Stream

__all__ = [
    "Kind",
    "Record",
    "Recorder",
    "Sample",
    "current_recorder",
    "named",
    "scope",
    "scopes",
    "use",
]

T = TypeVar("T")
Kind = Literal["native", "host", "decomposed", "copy", "node", "scope"]
Layouts = tuple[Layout | None, ...]

_scopes: ContextVar[tuple[str, ...]] = ContextVar("hal_scopes", default=())
_active: Recorder | None = None


@dataclass(slots=True)
class Record:
    """One thing that ran; the times are marks until the recorder has resolved them.

    Attributes
    ----------
    kind : str
        ``native`` or ``host`` for a call by its route, ``decomposed`` for the span of the calls
        that an operator was decomposed into, ``copy``, ``node`` or ``scope``.
    name : str
        The operator's, the node's or the scope's.
    device : Device or None
        None for what has none: a scope.
    stream, thread : int
        Counted in the order in which they were met.
    scopes : tuple of str
        The names around it, from the outside in; the last is that of a model's node, if there is.
    inputs, outputs : tuple of Layout or None
    attributes : mapping
    op : Operator or None
    begin, end : object
        Nanoseconds of the host's clock, or events of an asynchronous device; resolved to
        nanoseconds since the profile began.
    allocated : int
        By how many bytes the device's memory grew.
    """

    kind: Kind
    name: str
    device: Device | None
    stream: int
    thread: int
    scopes: tuple[str, ...]
    inputs: Layouts
    outputs: Layouts
    attributes: Mapping[str, Any]
    op: Operator | None
    begin: Any
    end: Any
    allocated: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """A device's memory at one time, in nanoseconds since the profile began."""

    device: Device
    time: int
    allocated: int
    reserved: int


class _Clock:
    """Turns events of one device into times of the host."""

    def __init__(self, device: Device) -> None:
        self._runtime = device.runtime
        device.synchronize()
        self._event = self._runtime.event()
        self._runtime.record(self._event, device.default_stream.handle)
        self._runtime.synchronize_event(self._event)
        self._host = time.perf_counter_ns()

    def resolve(self, begin: Any, end: Any) -> tuple[int, int]:
        start = self._host + round(1e6 * self._runtime.elapsed(self._event, begin))
        return start, start + max(0, round(1e6 * self._runtime.elapsed(begin, end)))


class Recorder:
    """Collects the records of one profile, from every thread."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.samples: list[Sample] = []
        self._start = time.perf_counter_ns()
        self._clocks: dict[Device, _Clock] = {}
        self._streams: dict[Device, dict[Stream, int]] = {}
        self._threads: dict[int, int] = {}
        self._known: dict[Device, int] = {}
        self._lock = threading.RLock()

    # Marks

    def mark(self, device: Device, stream: Stream) -> Any:
        """Return the time now: the host's, or an event behind the work of an asynchronous stream.

        It is a time only once :meth:`resolve` was called.
        """
        runtime = device.runtime
        if runtime.synchronous:
            return time.perf_counter_ns()
        event = runtime.event()
        runtime.record(event, stream.handle)
        return event

    def resolve(self, failed: bool) -> None:
        """Wait for the devices and turn every mark into nanoseconds since the start.

        Parameters
        ----------
        failed : bool
            Whether an error ended the profile: then no device is waited for, and what ran on an
            asynchronous one is left out.

        Raises
        ------
        DeviceError
            When work on a device failed.
        """
        if failed:
            self.records = [r for r in self.records if isinstance(r.begin, int)]
        else:
            for streams in self._streams.values():
                for stream in streams:
                    stream.synchronize()
        for record in self.records:
            begin, end = record.begin, record.end
            if not isinstance(begin, int):
                assert record.device is not None
                begin, end = self._clocks[record.device].resolve(begin, end)
            record.begin, record.end = begin - self._start, end - self._start
        self._streams.clear()

    def _place(self, device: Device, stream: Stream) -> tuple[int, int]:
        with self._lock:
            if device not in self._clocks and not device.runtime.synchronous:
                self._clocks[device] = _Clock(device)
            streams = self._streams.setdefault(device, {device.default_stream: 0})
            return streams.setdefault(stream, len(streams)), self._thread()

    def _thread(self) -> int:
        with self._lock:
            return self._threads.setdefault(threading.get_ident(), len(self._threads))

    def _memory(self, device: Device) -> int:
        """Note the device's memory, if it changed; return what is allocated."""
        stats = device.runtime.memory_stats()
        if stats is None:
            return 0
        if self._known.get(device) != stats.allocated:
            self._known[device] = stats.allocated
            now = time.perf_counter_ns() - self._start
            self.samples.append(Sample(device, now, stats.allocated, stats.reserved))
        return stats.allocated

    # What is recorded

    def timed(
        self, kind: Kind, name: str, device: Device, run: Callable[[], T], *,
        stream: Stream | None = None, inputs: Layouts = (), outputs: Any = (),
        attributes: Mapping[str, Any] | None = None, op: Operator | None = None, label: str = "",
    ) -> T:  # fmt: skip
        """Run something and write down how long it took on the device.

        Parameters
        ----------
        kind : str
        name : str
        device : Device
        run : callable
        stream : Stream, optional
            The current one when left out.
        inputs : tuple of Layout or None
        outputs : tuple of Layout or callable
            A function gets the result and returns the layouts.
        attributes : mapping, optional
        op : Operator, optional
        label : str
            What the model calls it, beside the scopes around.
        """
        stream = stream or device.current_stream()
        place, thread = self._place(device, stream)
        before = self._memory(device)
        # The host's own clock times what the host does around the device's work.
        on_host = kind in ("decomposed", "host")
        begin = time.perf_counter_ns() if on_host else self.mark(device, stream)
        result = run()
        end = time.perf_counter_ns() if on_host else self.mark(device, stream)
        grown = self._memory(device) - before
        around = (*scopes(), label) if label else scopes()
        self.records.append(
            Record(
                kind, name, device, place, thread, around, inputs,
                outputs(result) if callable(outputs) else outputs,
                attributes or {}, op, begin, end, grown,
            )
        )  # fmt: skip
        return result

    def host_span(self, name: str, begin: int) -> None:
        """Write down a scope that ends now."""
        end = time.perf_counter_ns()
        self.records.append(
            Record(
                "scope", name, None, 0, self._thread(), scopes(), (), (), {}, None, begin, end
            )
        )  # fmt: skip

    def watched(
        self, op: Operator, into: Callable[..., None], device: Device, stream: Stream,
        inputs: Layouts, outputs: Layouts, attributes: Mapping[str, Any] | None = None,
        kind: Kind = "native", label: str = "",
    ) -> Callable[..., None]:  # fmt: skip
        """Return a kernel's ``into`` that writes down each run."""

        def run(handle: Any, outs: Sequence[Any], ins: Sequence[Any]) -> None:
            self.timed(
                kind, op.name, device, lambda: into(handle, outs, ins), stream=stream,
                inputs=inputs, outputs=outputs, attributes=attributes, op=op, label=label,
            )  # fmt: skip

        return run


def current_recorder() -> Recorder | None:
    """Return the recorder of the profile that runs, if one does."""
    return _active


def use(recorder: Recorder | None) -> None:
    """Say which recorder is told what runs."""
    global _active
    _active = recorder


def scopes() -> tuple[str, ...]:
    """Return the names of the scopes around what runs now, from the outside in."""
    return _scopes.get()


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Give what runs inside a ``with`` block, or inside a decorated function, a name.

    A profile shows the name with every call, and the block as a span. While a function is compiled,
    the names become labels of the program's calls, so that later runs show them too.

    Parameters
    ----------
    name : str

    Examples
    --------
    >>> import hal
    >>> x = hal.ones(3)
    >>> with hal.profile() as profile:
    ...     with hal.profile.scope("layer 3"):
    ...         y = x + 1
    >>> [e.scopes for e in profile.events if e.operator == "add"]
    [('layer 3',)]
    """
    if not isinstance(name, str):
        raise DTypeError(f"a scope's name is a string, not {type(name).__name__}")
    begin = time.perf_counter_ns() if _active is not None else None
    try:
        with named(name):
            yield
    finally:
        if begin is not None and _active is not None:
            _active.host_span(name, begin)


@contextmanager
def named(*names: str, alone: bool = False) -> Iterator[None]:
    """Add names to those around what runs in the block, or replace them, without a span."""
    token = _scopes.set(names if alone else (*_scopes.get(), *names))
    try:
        yield
    finally:
        _scopes.reset(token)
