"""What a finished profile tells, one event at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hal.ops import cost, operators
from hal.plugin.chip import Cost
from hal.plugin.layout import Layout
from hal.recorder import Kind, Record, Sample

__all__ = ["MemoryEvent", "ProfileEvent", "memory_event", "profile_event"]


@dataclass(frozen=True, slots=True)
class ProfileEvent:
    """One call, copy, node or scope.

    Attributes
    ----------
    kind : str
        ``"native"`` and ``"host"`` for an operator's call by its route; ``"decomposed"`` for the
        span of the calls that an operator was decomposed into; ``"copy"`` between host and device;
        ``"node"`` of a model; ``"scope"`` of the user's.
    operator : str
        The operator's name, ``"upload"`` or ``"download"``; for a node what the model calls its
        operator, for a scope nothing.
    scopes : tuple of str
        The names around it, from the outside in; that of the node or scope itself last.
    device : str
        Such as ``"cpu:0"``; empty for a scope, which has none.
    stream, thread : int
        Counted in the order in which they were met; the default stream is 0.
    start, duration : float
        Seconds. The start counts from that of the profile. Times of native calls, copies and nodes
        are the device's where it works asynchronously, others the host's.
    inputs, outputs : tuple of Layout or None
        Dtype, shape and strides.
    attributes : mapping of str to object
    allocated : int
        By how many bytes the device's memory grew during the call.
    """

    kind: Kind
    operator: str
    scopes: tuple[str, ...]
    device: str
    stream: int
    thread: int
    start: float
    duration: float
    inputs: tuple[Layout | None, ...]
    outputs: tuple[Layout | None, ...]
    attributes: Mapping[str, Any]
    allocated: int

    @property
    def name(self) -> str:
        """The innermost name around the event: a node's or a scope's; may be empty."""
        return self.scopes[-1] if self.scopes else ""

    @property
    def cost(self) -> Cost | None:
        """Operations and bytes of an operator's call; None for everything else."""
        outputs = [x for x in self.outputs if x is not None]
        if self.operator not in operators or self.kind not in ("native", "host", "decomposed"):
            return None
        return cost(operators[self.operator], self.inputs, outputs, self.attributes)


@dataclass(frozen=True, slots=True)
class MemoryEvent:
    """A device's memory in bytes, at a time in seconds since the profile began.

    Attributes
    ----------
    device : str
    time : float
    allocated : int
        Held by live tensors.
    reserved : int
        Held from the system, the free blocks of a pool included.
    """

    device: str
    time: float
    allocated: int
    reserved: int


def profile_event(record: Record) -> ProfileEvent:
    """Return what a resolved record tells."""
    own = record.kind in ("node", "scope")
    return ProfileEvent(
        record.kind,
        record.attributes.get("operator", "") if own else record.name,
        (*record.scopes, record.name) if own else record.scopes,
        "" if record.device is None else record.device.name,
        record.stream,
        record.thread,
        record.begin / 1e9,
        (record.end - record.begin) / 1e9,
        record.inputs,
        record.outputs,
        {} if own else dict(record.attributes),
        record.allocated,
    )


def memory_event(sample: Sample) -> MemoryEvent:
    """Return what a sample of a device's memory tells."""
    return MemoryEvent(sample.device.name, sample.time / 1e9, sample.allocated, sample.reserved)
