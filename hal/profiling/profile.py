"""``hal.profile()``: records what runs inside a ``with`` block."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from hal.device import Device
from hal.errors import ValueRangeError
from hal.plans import record_calls
from hal.profiling.events import MemoryEvent, ProfileEvent, memory_event, profile_event
from hal.profiling.rows import By, ProfileRow, as_text, sum_events
from hal.profiling.trace_events import trace_events
from hal.recorder import Recorder, current_recorder, scope

__all__ = ["Profile"]

_lock = threading.Lock()


class Profile:
    """Records every operator's call inside a ``with`` block, on all devices and in all threads.

    A call has its operator, shapes, dtypes, device, stream, route (native, decomposed or host),
    start and duration: the device's own time where it works asynchronously, the host's where it
    does not. A compiled program is run call by call while it is profiled, under the names of the
    model's nodes. Printed, a profile is a table by operator; :meth:`save` writes a trace.

    Outside of a block nothing is timed and calls cost what they cost without profiles.

    Attributes
    ----------
    events : tuple of ProfileEvent
        In order of their start.
    memory : tuple of MemoryEvent
        Each device's memory whenever a call had changed it, where the backend keeps statistics.
    seconds : float
        The time of all calls and copies; those within a decomposed operator count, it does not.

    Examples
    --------
    >>> import hal
    >>> x = hal.ones((64, 64))
    >>> with hal.profile() as profile:
    ...     y = x @ x + 1
    >>> [(e.operator, e.kind, str(e.outputs[0].shape)) for e in profile.events]
    [('matmul', 'native', '(64, 64)'), ('add', 'native', '(64, 64)')]
    >>> print(profile)
    operator                 kind       device        calls          ms    us each      %
    ...
    """

    scope = staticmethod(scope)

    def __init__(self) -> None:
        self.events: tuple[ProfileEvent, ...] = ()
        self.memory: tuple[MemoryEvent, ...] = ()
        self._devices: list[Device] = []
        self._recorder: Recorder | None = None

    def __enter__(self) -> Profile:
        with _lock:
            if current_recorder() is not None:
                raise ValueRangeError("a profile is running already; end it before the next begins")
            self._recorder = Recorder()
            record_calls(self._recorder)
        return self

    def __exit__(self, kind: Any, *exception: object) -> None:
        with _lock:
            record_calls(None)
        recorder, self._recorder = self._recorder, None
        assert recorder is not None
        recorder.resolve(failed=kind is not None)
        seen = {r.device: None for r in recorder.records if r.device is not None}
        self._devices = sorted(seen, key=lambda device: device.name)
        found = sorted(map(profile_event, recorder.records), key=lambda e: e.start)
        self.events = tuple(found)
        self.memory = tuple(memory_event(s) for s in recorder.samples if s.device in seen)

    @property
    def seconds(self) -> float:
        """Seconds of all calls and copies."""
        counted = ("native", "host", "copy")
        return sum(e.duration for e in self.events if e.kind in counted)

    def rows(self, by: By = "operator") -> tuple[ProfileRow, ...]:
        """Return the sums by operator, or by the names of nodes and scopes, the costliest first.

        Raises
        ------
        ValueRangeError
            When ``by`` is neither ``"operator"`` nor ``"name"``.
        """
        return sum_events(self.events, by)

    def table(self, by: By = "operator") -> str:
        """Return the same as text. The share is that of the time of all calls and copies."""
        return as_text(self.rows(by), self.seconds)

    def save(self, path: Any) -> None:
        """Write a trace for chrome://tracing or https://ui.perfetto.dev.

        It has a track for each stream of each device and for each Python thread, and the memory
        of each device over time.

        Parameters
        ----------
        path : str or os.PathLike

        Raises
        ------
        ValueRangeError
            When the file cannot be written.
        """
        described = {}
        for device in self._devices:
            emulated = f", emulated: {device.info.emulated}" if device.info.emulated else ""
            described[device.name] = device.info.description + emulated
        synchronous = [d.name for d in self._devices if d.runtime.synchronous]
        trace = trace_events(self.events, self.memory, described, synchronous)
        try:
            Path(path).write_text(json.dumps(trace))
        except OSError as error:
            raise ValueRangeError(f"the trace cannot be written to {path}: {error}") from None

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<hal.profile of {len(self.events)} events, {1e3 * self.seconds:.3f} ms>"
