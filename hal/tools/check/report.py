"""What a check found, for each device: rows, memory, times, and a verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hal.tools.check.judge import ROUTES, Row
from hal.tools.check.predict import Prediction

__all__ = ["SCHEMA", "DeviceReport", "Memory", "Report"]

SCHEMA = 1
"""The version of the JSON; raised when a key changes its meaning or goes away."""

VERDICTS = {0: "runs natively", 1: "runs, but", 3: "cannot run"}


@dataclass(frozen=True)
class Memory:
    """Bytes that one run takes.

    Attributes
    ----------
    weights, inputs, outputs : int
    intermediate : int
        What lies between, by hal's plan: the peak, with memory used again.
    capacity : int
        What the device has.
    """

    weights: int
    inputs: int
    outputs: int
    intermediate: int
    capacity: int

    @property
    def peak(self) -> int:
        """All of it together."""
        return self.weights + self.inputs + self.outputs + self.intermediate


@dataclass(frozen=True)
class DeviceReport:
    """What becomes of the model on one device.

    Attributes
    ----------
    name, description, architecture, emulated : str
    status : int
        0 runs natively; 1 runs with host fallbacks, unchecked nodes or over a limit; 3 cannot run.
    problems : tuple of str
        Why the status is not 0.
    nodes : tuple of Row
        In the model's order.
    folded : int
        Nodes that depend on constants alone and are calculated at loading.
    memory : Memory
    prediction : Prediction or None
        None where no figures of the chip are known, or a node is impossible.
    missing : dict of str to str
        The dtypes that the model needs and the device lacks, with what to use instead.
    labels : dict of str to str
        The names of nodes by the labels in the prediction.
    items : int
        What one run handles: the batch.
    """

    name: str
    description: str
    architecture: str
    emulated: str
    status: int
    problems: tuple[str, ...]
    nodes: tuple[Row, ...]
    folded: int
    memory: Memory
    prediction: Prediction | None
    missing: dict[str, str]
    labels: dict[str, str]
    items: int

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The dtypes of all values that nodes read and write."""
        return tuple(sorted({name for row in self.nodes for name in row.dtypes}))

    @property
    def verdict(self) -> str:
        """The status in words."""
        return VERDICTS[self.status]

    @property
    def counts(self) -> dict[str, int]:
        """How many nodes go which way."""
        return {route: sum(row.route == route for row in self.nodes) for route in ROUTES}

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        memory = {**asdict(self.memory), "peak": self.memory.peak}
        return {
            "name": self.name,
            "description": self.description,
            "architecture": self.architecture,
            "emulated": self.emulated,
            "verdict": self.verdict,
            "status": self.status,
            "problems": list(self.problems),
            "dtypes": {"used": list(self.dtypes), "missing": self.missing},
            "counts": {**self.counts, "folded": self.folded},
            "nodes": [{**asdict(row), "dtypes": list(row.dtypes)} for row in self.nodes],
            "memory": memory,
            "prediction": None if self.prediction is None else self._predicted(self.prediction),
        }

    def _predicted(self, found: Prediction) -> dict[str, Any]:
        return {
            "seconds": found.seconds,
            "eager_seconds": found.eager,
            "items_per_second": self.items / found.seconds if found.seconds else None,
            "bounds": found.bounds,
            "otherwise_seconds": found.otherwise,
            "contributors": [
                {
                    "operator": c.operator,
                    "shapes": c.shapes,
                    "calls": c.calls,
                    "seconds": c.seconds,
                    "share": c.seconds / found.seconds if found.seconds else 0.0,
                    "bound": c.bound,
                    "nodes": self.nodes_of(c.labels),
                }
                for c in found.contributors
            ],
        }

    def nodes_of(self, labels: tuple[str, ...]) -> list[str]:
        """Return the names of the nodes that calls are labelled with, each once."""
        found = [part for text in labels for part in text.split(", ") if part]
        return [self.labels[part] for part in dict.fromkeys(found) if part in self.labels]


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes
    ----------
    model : str
        The file's name; empty for a model that is no file.
    inputs : dict of str to str
        The types it was checked with.
    batch : int
        What one run handles, for the throughput.
    devices : tuple of DeviceReport
    """

    model: str
    inputs: dict[str, str]
    batch: int
    devices: tuple[DeviceReport, ...]

    @property
    def status(self) -> int:
        """The worst of the devices' statuses: 0, 1 or 3."""
        return max(d.status for d in self.devices)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON has it; :data:`SCHEMA` is its version.

        Examples
        --------
        >>> from hal.tools.check import Report
        >>> Report("net.onnx", {}, 1, ()).to_json()
        {'schema': 1, 'model': 'net.onnx', 'inputs': {}, 'batch': 1, 'devices': []}
        """
        return {
            "schema": SCHEMA,
            "model": self.model,
            "inputs": self.inputs,
            "batch": self.batch,
            "devices": [d.to_json() for d in self.devices],
        }
