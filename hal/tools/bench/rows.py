"""What each operator took, how much work that was, and how near the device's limits it came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hal.plugin.chip import Cost
from hal.profiling import ProfileEvent
from hal.tools.bench.limits import Limits

__all__ = ["OperatorRow", "operator_rows"]


@dataclass(frozen=True)
class OperatorRow:
    """All calls of one operator by one route, per run of the model.

    Attributes
    ----------
    operator, route : str
        The route is native, host, or copy for what moves between host and device.
    calls : float
    seconds : float
    flop : float
        All operations: those of products, and one for each element and step of the rest.
    nbytes : float
        Read and written once each.
    share : float or None
        The time that the work takes at the device's limits, over the time it took. Above 1 where
        the bytes lay in a cache; None where nothing is counted.
    bound : str
        The limit that is nearest: ``"matrix"`` or ``"memory"``; empty where nothing is counted.
    """

    operator: str
    route: str
    calls: float
    seconds: float
    flop: float
    nbytes: float
    share: float | None
    bound: str

    def to_json(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return {
            "operator": self.operator,
            "route": self.route,
            "calls": self.calls,
            "seconds": self.seconds,
            "flop": self.flop,
            "bytes": self.nbytes,
            "share_of_limit": self.share,
            "bound": self.bound or None,
        }


@dataclass
class _Sum:
    calls: int = 0
    seconds: float = 0.0
    flop: float = 0.0
    nbytes: float = 0.0
    matrix_time: float = 0.0
    memory_time: float = 0.0
    least: float = 0.0


def operator_rows(
    events: Iterable[ProfileEvent], limits: Limits, runs: int
) -> tuple[OperatorRow, ...]:
    """Return a row for each operator and route, the costliest first.

    Parameters
    ----------
    events : iterable of ProfileEvent
        Of a profile of several equal runs.
    limits : Limits
    runs : int
    """
    sums: dict[tuple[str, str], _Sum] = {}
    known: dict[Any, Cost | None] = {}
    for e in events:
        if e.kind not in ("native", "host", "copy"):
            continue
        found = sums.setdefault((e.operator, e.kind), _Sum())
        found.calls += 1
        found.seconds += e.duration
        key = (e.operator, e.kind, str(e.inputs), str(e.outputs), str(e.attributes))
        if key not in known:
            known[key] = e.cost
        work = known[key]
        if work is not None:
            _add(found, work, limits)
    rows = [_row(*key, found, runs) for key, found in sums.items()]
    return tuple(sorted(rows, key=lambda row: -row.seconds))


def _add(found: _Sum, work: Cost, limits: Limits) -> None:
    matrix = work.matrix / limits.matrix[work.dtype] if work.matrix else 0.0
    memory = work.nbytes / limits.bandwidth
    found.flop += work.matrix + work.vector
    found.nbytes += work.nbytes
    found.matrix_time += matrix
    found.memory_time += memory
    found.least += max(matrix, memory)


def _row(operator: str, route: str, found: _Sum, runs: int) -> OperatorRow:
    bound = "matrix" if found.matrix_time > found.memory_time else "memory"
    counted = bool(found.least and found.seconds)
    return OperatorRow(
        operator, route, found.calls / runs, found.seconds / runs,
        found.flop / runs, found.nbytes / runs,
        found.least / found.seconds if counted else None, bound if counted else "",
    )  # fmt: skip
