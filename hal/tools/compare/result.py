"""What came of a comparison: a row for each value, and a verdict."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from hal.tools.compare.difference import Difference

__all__ = ["Comparison", "Row"]

FORMAT = 1


@dataclass
class Row:
    """A value of the model on both sides; of one made several times, the worst.

    Attributes
    ----------
    value, node, operator : str
        Its name, that of the node that makes it, and the node's operator.
    position : int
        In the order in which values were first made.
    type : str
        dtype and shape.
    total : Difference
        Of both runs, judged by what may be left after many nodes.
    introduced : Difference or None
        Of the node alone with equal inputs, judged by what one node may be off; None where it could
        not be run so.
    inherited : Difference or None
        What the differing inputs alone make of it.
    nans, infinities : tuple of int
        How many are NaN and infinite on each side.
    origins : tuple of str
        What begins here: ``"NaN on cpu:0"``, ``"infinity on cpu:0"``.
    output : bool
        Whether it is an output of the model.
    times : int
        How often it was made: once, except in loops.
    note : str
        What was done differently, or not at all.
    """

    value: str
    node: str
    operator: str
    position: int
    type: str
    total: Difference
    introduced: Difference | None = None
    inherited: Difference | None = None
    nans: tuple[int, int] = (0, 0)
    infinities: tuple[int, int] = (0, 0)
    origins: tuple[str, ...] = ()
    output: bool = False
    times: int = 1
    note: str = ""

    @property
    def verdict(self) -> str:
        """``"equal"``, ``"within"`` tolerance, ``"introduces"`` too much, or just ``"off"``."""
        if self.introduced is not None and not self.introduced.agrees:
            return "introduces"
        if not self.total.agrees:
            return "off"
        return "within" if self.total.unequal else "equal"

    def merge(self, other: Row) -> None:
        """Take in the same value, made once more: the worst stays."""
        self.times += 1
        if other.total.worse_than(self.total):
            self.total, self.type = other.total, other.type
        for name in ("introduced", "inherited"):
            mine, new = getattr(self, name), getattr(other, name)
            if new is not None and (mine is None or new.worse_than(mine)):
                setattr(self, name, new)
        self.nans = max(self.nans, other.nans)
        self.infinities = max(self.infinities, other.infinities)
        self.origins = tuple(dict.fromkeys((*self.origins, *other.origins)))
        self.note = self.note or other.note


@dataclass
class Comparison:
    """What came of comparing a model's runs.

    Attributes
    ----------
    model, device, against : str
        What ran where, in words; emulated devices say so.
    precision : str
    rows : list of Row
        In the order in which values were made.
    uncompared : dict of str to str
        Values that only the first device has, with the reason.
    origins : list of str
        Where NaN and infinities begin, values that are not compared included.
    inputs : dict of str to str
        Their types.
    """

    model: str
    device: str
    against: str
    precision: str = "highest"
    rows: list[Row] = field(default_factory=list)
    uncompared: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    origins: list[str] = field(default_factory=list)

    @property
    def culprits(self) -> list[Row]:
        """The rows of nodes that introduce more error than is allowed, in order."""
        return [row for row in self.rows if row.verdict == "introduces"]

    @property
    def outputs(self) -> list[Row]:
        """The rows of the model's outputs."""
        return [row for row in self.rows if row.output]

    @property
    def ok(self) -> bool:
        """Whether no node introduces too much, and no output is off by too much."""
        return not self.culprits and all(row.total.agrees for row in self.outputs)

    @property
    def first_difference(self) -> Row | None:
        """The first value that differs at all."""
        return next((row for row in self.rows if row.total.unequal), None)

    @property
    def first_divergence(self) -> Row | None:
        """The first value that differs by more than may be left after many nodes."""
        return next((row for row in self.rows if not row.total.agrees), None)

    def worst(self, most: int) -> list[Row]:
        """Return the rows that differ most: culprits first, then by introduced and total error.

        Outputs that differ are always among them, at the end.
        """

        def weight(row: Row) -> tuple[Any, ...]:
            introduced = 0.0 if row.introduced is None else row.introduced.severity
            return row.verdict == "introduces", introduced, row.total.severity, row.total.unequal

        differing = [row for row in self.rows if row.total.unequal or weight(row)[:2] > (False, 0)]
        found = sorted(differing, key=weight, reverse=True)
        return [*found[:most], *[row for row in found[most:] if row.output]]

    def verdict(self) -> list[str]:
        """Return what was found, in a few sentences."""
        lines = [f"{'agrees' if self.ok else 'differs'}: {self.device} and {self.against}"]
        lines.append(f"values compared: {len(self.rows)}")
        lines += [f"output {row.value!r}: {measured(row.total)}" for row in self.outputs]
        for row in self.culprits[:5]:
            assert row.introduced is not None
            lines.append(f"introduced by {node_of(row)}: {measured(row.introduced)}")
        if len(self.culprits) > 5:
            lines.append(f"... and by {len(self.culprits) - 5} more nodes")
        first = self.first_divergence
        if first is not None:
            lines.append(f"first beyond tolerance: {first.value!r} of {node_of(first)}")
        lines += self.origins[:5]
        reasons = list(self.uncompared.values())
        for reason in dict.fromkeys(reasons):
            lines.append(f"values not compared: {reasons.count(reason)} ({reason})")
        return lines

    def to_json(self) -> str:
        """Return everything as JSON; numbers that JSON lacks are texts, such as ``"inf"``."""
        data = {
            "format": FORMAT,
            "verdict": "agrees" if self.ok else "differs",
            "summary": self.verdict(),
            **{name: getattr(self, name) for name in ("model", "device", "against", "precision")},
            "inputs": self.inputs,
            "first_difference": getattr(self.first_difference, "value", None),
            "first_divergence": getattr(self.first_divergence, "value", None),
            "introduced_by": [node_of(row) for row in self.culprits],
            "origins": self.origins,
            "rows": [{**asdict(row), "verdict": row.verdict} for row in self.rows],
            "uncompared": self.uncompared,
        }
        return json.dumps(_plain(data), indent=2, ensure_ascii=False, allow_nan=False)


def node_of(row: Row) -> str:
    """Return what a row's node is called."""
    name = f" {row.node!r}" if row.node else f" that makes {row.value!r}"
    return f"the node {row.operator}{name}"


def measured(found: Difference) -> str:
    """Return a difference in words."""
    if found.note:
        return found.note
    if not found.unequal:
        return "equal"
    text = f"{found.unequal} of {found.elements} elements differ"
    if found.max_abs:
        text += f" by up to {found.max_abs:.2g}, {found.scaled:.2g} of the largest"
    if found.special:
        text += f"; {found.special} are NaN or infinite on one side"
    if found.wrong != found.unequal:
        text += f"; {found.wrong or 'none'} by more than is allowed"
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(v) for v in value]
    return value
