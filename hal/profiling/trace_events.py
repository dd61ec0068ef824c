"""A profile in the Trace Event Format, which chrome://tracing and Perfetto read.

https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hal.plugin.layout import Layout
from hal.profiling.events import MemoryEvent, ProfileEvent

__all__ = ["trace_events"]

Track = tuple[int, int]
_HOST = 0


def trace_events(
    events: Sequence[ProfileEvent],
    memory: Iterable[MemoryEvent],
    described: dict[str, str],
    synchronous: Iterable[str],
) -> dict[str, Any]:
    """Return the JSON object of a trace.

    Each device is a process with a track per stream and a counter of its memory; the host is one
    with a track per Python thread, for scopes, decomposed operators and what the host ran.

    Parameters
    ----------
    events : sequence of ProfileEvent
    memory : iterable of MemoryEvent
    described : dict of str to str
        What each device is, by name.
    synchronous : iterable of str
        The devices on which threads may run calls of one stream at the same time.
    """
    numbers = {name: n for n, name in enumerate(described, 1)}
    crossing = set(synchronous)
    tracks: dict[Track, str] = {}
    made: list[dict[str, Any]] = []
    # An enclosing span comes before what it encloses.
    for e in sorted(events, key=lambda e: (e.start, -e.duration)):
        track, name = _track(e, numbers, crossing)
        tracks[track] = name
        made.append(_complete(e, track))
    for m in memory:
        counted = {"allocated": m.allocated, "cached": max(0, m.reserved - m.allocated)}
        made.append(
            {"name": "memory", "ph": "C", "pid": numbers[m.device], "tid": 0,
             "ts": _microseconds(m.time), "args": counted}
        )  # fmt: skip
    names = {_HOST: "host", **{n: f"{d} ({described[d]})" for d, n in numbers.items()}}
    about = [
        {"name": "process_name", "ph": "M", "pid": pid, "tid": 0, "args": {"name": name}}
        for pid, name in names.items()
    ]
    about += [
        {"name": "process_sort_index", "ph": "M", "pid": pid, "tid": 0, "args": {"sort_index": pid}}
        for pid in names
    ]
    about += [
        {"name": "thread_name", "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}}
        for (pid, tid), name in sorted(tracks.items())
    ]
    return {"traceEvents": about + made, "displayTimeUnit": "ms"}


def _track(e: ProfileEvent, numbers: dict[str, int], crossing: set[str]) -> tuple[Track, str]:
    if e.kind in ("scope", "decomposed", "host") or (e.kind == "node" and e.device in crossing):
        return (_HOST, e.thread), f"Python thread {e.thread}"
    name = f"stream {e.stream}" if e.kind != "node" else f"nodes of stream {e.stream}"
    thread = 0
    if e.device in crossing and e.thread:
        thread = e.thread
        name += f", thread {e.thread}"
    # Few streams have more than 2**16 threads on them.
    return (numbers[e.device], (2 * e.stream + (e.kind == "node")) * 2**16 + thread), name


def _complete(e: ProfileEvent, track: Track) -> dict[str, Any]:
    details: dict[str, Any] = {"kind": e.kind}
    if e.scopes:
        details["scope"] = " / ".join(e.scopes)
    if e.operator and e.kind == "node":
        details["operator"] = e.operator
    if e.inputs or e.outputs:
        details["inputs"] = [_described(x) for x in e.inputs]
        details["outputs"] = [_described(x) for x in e.outputs]
    if e.attributes:
        details["attributes"] = {k: str(v) for k, v in e.attributes.items()}
    if e.allocated:
        details["allocated bytes"] = e.allocated
    if e.device:
        details["device"] = e.device
    name = e.name if e.kind in ("scope", "node") else e.operator
    # Viewers nest by time: an end is rounded from the same numbers wherever it is one.
    start, end = _microseconds(e.start), _microseconds(e.start + e.duration)
    return {
        "name": name or e.operator, "cat": e.kind, "ph": "X", "pid": track[0], "tid": track[1],
        "ts": start, "dur": round(end - start, 3), "args": details,
    }  # fmt: skip


def _microseconds(seconds: float) -> float:
    return round(1e6 * seconds, 3)


def _described(layout: Layout | None) -> str | None:
    if layout is None:
        return None
    sizes = "x".join(map(str, layout.shape))
    strides = "" if layout.contiguous else f" strides {','.join(map(str, layout.strides))}"
    return f"{layout.dtype}[{sizes}]{strides}"
