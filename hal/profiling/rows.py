"""Sums a profile's events by operator or by name, and writes them as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from hal.errors import ValueRangeError
from hal.profiling.events import ProfileEvent

__all__ = ["By", "ProfileRow", "as_text", "sum_events"]

By = Literal["operator", "name"]


@dataclass(frozen=True)
class ProfileRow:
    """What the events of one operator, or of one name, took together.

    Attributes
    ----------
    name : str
        A node's or scope's name; empty in a table by operator.
    operator : str
        In a table by name: what the model calls the operator, or those of hal that ran.
    kind : str
        As in :class:`ProfileEvent`.
    device : str
    calls : int
    seconds : float
        By name, a scope's time includes that of what it encloses.
    """

    name: str
    operator: str
    kind: str
    device: str
    calls: int
    seconds: float


def sum_events(events: Iterable[ProfileEvent], by: By) -> tuple[ProfileRow, ...]:
    """Return a row for each operator or name, the costliest first.

    Raises
    ------
    ValueRangeError
        When ``by`` is neither.
    """
    if by == "operator":
        rows = _by_operator(events)
    elif by == "name":
        rows = _by_name(list(events))
    else:
        raise ValueRangeError(f"a profile is summed by 'operator' or by 'name', not by {by!r}")
    return tuple(sorted(rows, key=lambda row: -row.seconds))


def _by_operator(events: Iterable[ProfileEvent]) -> list[ProfileRow]:
    sums: dict[tuple[str, str, str], list[float]] = {}
    for e in events:
        if e.kind not in ("node", "scope"):
            sums.setdefault((e.operator, e.kind, e.device), []).append(e.duration)
    return [ProfileRow("", *key, len(took), sum(took)) for key, took in sums.items()]


def _by_name(events: Sequence[ProfileEvent]) -> list[ProfileRow]:
    spans = [e for e in events if e.kind in ("node", "scope")]
    # A compiled program has no spans of its nodes: there its calls are summed.
    spanned = {e.scopes for e in spans}
    calls = [
        e
        for e in events
        if e.kind not in ("node", "scope", "decomposed") and e.scopes and e.scopes not in spanned
    ]
    sums: dict[tuple[str, str, str], list[ProfileEvent]] = {}
    for e in (*spans, *calls):
        kind = e.kind if e.kind == "scope" else "node"
        sums.setdefault((e.name, kind, e.device), []).append(e)
    return [
        ProfileRow(
            name, ", ".join(sorted({e.operator for e in found} - {""})), kind, device,
            len(found), sum(e.duration for e in found),
        )
        for (name, kind, device), found in sums.items()
    ]  # fmt: skip


def as_text(rows: Sequence[ProfileRow], total: float) -> str:
    """Return rows as a table with the share of the total time of all calls."""
    named = any(row.name for row in rows)
    heading = f"{'operator':24} {'kind':10} {'device':10} {'calls':>8} {'ms':>11}"
    lines = [(f"{'name':32} " if named else "") + f"{heading} {'us each':>10} {'%':>6}"]
    for row in rows:
        # What a decomposed operator or a scope encloses is counted by itself.
        encloses = row.kind in ("decomposed", "scope")
        share = "" if encloses or not total else f"{100 * row.seconds / total:.1f}"
        lines.append(
            (f"{row.name[:32]:32} " if named else "")
            + f"{row.operator[:24]:24} {row.kind:10} {row.device:10} {row.calls:>8} "
            f"{1e3 * row.seconds:>11.3f} {1e6 * row.seconds / row.calls:>10.1f} {share:>6}"
        )
    return "\n".join(lines)
