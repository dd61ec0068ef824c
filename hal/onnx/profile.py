"""What each node of a model cost: a table, and a trace for trace viewers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hal.device import Device
from hal.onnx.execution import Run
from hal.onnx.graph import Step

__all__ = ["Profile", "ProfileRow", "Recorder"]


@dataclass(frozen=True)
class ProfileRow:
    """One node: its name, its operator, how often it ran, and how many seconds that took."""

    name: str
    operator: str
    calls: int
    seconds: float


@dataclass(frozen=True)
class Profile:
    """What each node cost, the costliest first.

    Attributes
    ----------
    rows : tuple of ProfileRow
    repeat : int
        How many runs were measured.
    events : tuple of (name, operator, start, seconds)
        Every call in order; the start counts from the first.
    """

    rows: tuple[ProfileRow, ...]
    repeat: int
    events: tuple[tuple[str, str, float, float], ...]

    @property
    def seconds(self) -> float:
        """Seconds of all nodes in all runs."""
        return sum(row.seconds for row in self.rows)

    def save(self, path: Any) -> None:
        """Write a trace in the JSON format that chrome://tracing and Perfetto read.

        Parameters
        ----------
        path : str or os.PathLike
        """
        events = [
            {"name": operator, "cat": "node", "ph": "X", "pid": 0, "tid": 0,
             "ts": start * 1e6, "dur": seconds * 1e6, "args": {"node": name}}
            for name, operator, start, seconds in self.events
        ]  # fmt: skip
        Path(path).write_text(json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}))

    def __str__(self) -> str:
        total = self.seconds or 1.0
        lines = [f"{'operator':24} {'node':32} {'calls':>8} {'ms':>10} {'%':>6}"]
        for row in self.rows:
            share = 100 * row.seconds / total
            lines.append(
                f"{row.operator[:24]:24} {row.name[:32]:32} {row.calls:>8} "
                f"{row.seconds * 1e3:>10.3f} {share:>6.1f}"
            )
        return "\n".join(lines)


class Recorder:
    """Measures nodes; waits for the device after each."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._events: list[tuple[str, str, float, float]] = []
        self._start = time.perf_counter()

    def __call__(self, run: Run, step: Step, call: Callable[[], Any]) -> Any:
        """Run one node and note what it took; of a function, what each node in it took."""
        if step.body is not None:
            return call()
        start = time.perf_counter()
        result = call()
        self._device.synchronize()
        seconds = time.perf_counter() - start
        name = step.name or next(iter(filter(None, step.outputs)), "")
        self._events.append((name, step.operator, start - self._start, seconds))
        return result

    def profile(self, repeat: int) -> Profile:
        """Return what was measured."""
        sums: dict[tuple[str, str], tuple[int, float]] = {}
        for name, operator, _, seconds in self._events:
            calls, total = sums.get((name, operator), (0, 0.0))
            sums[name, operator] = (calls + 1, total + seconds)
        rows = [ProfileRow(n, o, calls, total) for (n, o), (calls, total) in sums.items()]
        rows.sort(key=lambda row: -row.seconds)
        return Profile(tuple(rows), repeat, tuple(self._events))
