"""What came of a run: counts per operator and dtype, failures, and a table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hal.dtypes import ALL, COMPUTE
from hal.errors import ValueRangeError
from hal.testing.outcome import Outcome
from hal.testing.rule import CHAPTERS

__all__ = ["Group", "Result", "load"]

FORMAT = 1
_ROUTES = ("native", "decomposed", "host")


@dataclass
class Group:
    """The cases of an operator in a dtype, or of a chapter of rules.

    Attributes
    ----------
    statuses, routes : Counter
        How many cases ended so, and went so.
    failures : list of Outcome
    notes : list of Outcome
        What was skipped or unsupported, each reason once.
    seconds : float
    """

    statuses: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    failures: list[Outcome] = field(default_factory=list)
    notes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.statuses[outcome.status] += 1
        if outcome.route:
            self.routes[outcome.route] += 1
        self.seconds += outcome.seconds
        if outcome.status == "failed":
            self.failures.append(outcome)
        elif outcome.message and outcome.message not in {n.message for n in self.notes}:
            self.notes.append(outcome)

    @property
    def cases(self) -> int:
        """How many cases it has."""
        return self.statuses.total()

    @property
    def verdict(self) -> str:
        """The worst of its cases: failed, host, decomposed, native, unsupported or skipped."""
        if self.statuses["failed"]:
            return "failed"
        for route in reversed(_ROUTES):
            if self.routes[route]:
                return route
        if self.statuses["passed"]:
            return "native"  # Nothing but views and empty results: no kernel had to run.
        return "unsupported" if self.statuses["unsupported"] else "skipped"


@dataclass
class Result:
    """What came of a run of the kit on a device."""

    device: str
    description: str = ""
    emulated: str = ""
    quick: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    date: str = ""
    seconds: float = 0.0
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count outcomes."""
        for outcome in outcomes:
            key = (outcome.group, outcome.dtype)
            self.groups.setdefault(key, Group()).add(outcome)

    @property
    def cases(self) -> int:
        """How many cases were run."""
        return sum(g.cases for g in self.groups.values())

    @property
    def failures(self) -> list[Outcome]:
        """The cases that failed."""
        return [f for g in self.groups.values() for f in g.failures]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def count(self, status: str) -> int:
        """Return how many cases ended with a status."""
        return sum(g.statuses[status] for g in self.groups.values())

    def operators(self) -> list[str]:
        """Return the operators that were run, in order."""
        return list(dict.fromkeys(name for name, _ in self.groups if name not in CHAPTERS))

    def to_json(self) -> str:
        """Return the result as JSON, to be read by :func:`load`."""
        head = {
            "format": FORMAT,
            "device": self.device,
            "description": self.description,
            "emulated": self.emulated,
            "quick": self.quick,
            "versions": self.versions,
            "date": self.date,
            "seconds": round(self.seconds, 3),
            "cases": self.cases,
        }
        groups = [
            {
                "group": name,
                "dtype": dtype,
                "verdict": g.verdict,
                "statuses": dict(g.statuses),
                "routes": dict(g.routes),
                "failures": [_slim(f) for f in g.failures],
                "notes": [_slim(n) for n in g.notes],
                "seconds": round(g.seconds, 4),
            }
            for (name, dtype), g in self.groups.items()
        ]
        return json.dumps({**head, "groups": groups}, indent=1) + "\n"


def _slim(outcome: Outcome) -> dict[str, str]:
    return {
        "case": outcome.case,
        "route": outcome.route,
        "status": outcome.status,
        "message": outcome.message,
    }


def load(path: str | Path) -> Result:
    """Read a result that was saved as JSON.

    Raises
    ------
    ValueRangeError
        When the file holds something else.
    """
    try:
        data: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueRangeError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueRangeError(f"{path} is no JSON: {error}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueRangeError(
            f"{path} is no result of the conformance kit that this hal reads; "
            "save one with: hal conformance DEVICE --json FILE"
        )
    names = ("device", "description", "emulated", "quick", "versions", "date", "seconds")
    result = Result(**{k: data[k] for k in names})
    for g in data["groups"]:
        where = {"group": g["group"], "dtype": g["dtype"]}
        result.groups[g["group"], g["dtype"]] = Group(
            Counter(g["statuses"]),
            Counter(g["routes"]),
            [Outcome(**where, **f) for f in g["failures"]],
            [Outcome(**where, **n) for n in g["notes"]],
            g["seconds"],
        )
    return result


# The table

_LETTERS = {
    "native": "N",
    "decomposed": "D",
    "host": "H",
    "failed": "F",
    "unsupported": "-",
    "skipped": "-",
}
_SHORT = {"bool": "bool", "bfloat16": "bf16"} | {
    d.name: f"{d.name[0]}{d.bits}" for d in COMPUTE if d.name not in ("bool", "bfloat16")
}
_STORED = [d.name for d in ALL if d.storage_only]
_ORDER = ("unsupported", "native", "decomposed", "host", "failed")
LEGEND = (
    "N native, D decomposed, H on the host, F failed, - dtype not on the device, "
    "blank not defined; 'rest' is the worst of the dtypes that only store values"
)


def table(result: Result) -> str:
    """Return the result as a table of operators and dtypes, rules below.

    Examples
    --------
    >>> result = Result("x:0")
    >>> result.add([Outcome("add", "float32", "4", "native")])
    >>> print(table(result).splitlines()[1])
    add                                                                           N
    """
    lines = [f"{'operator':24}" + "".join(f"{_SHORT[d.name]:>5}" for d in COMPUTE) + "  rest"]
    for name in result.operators():
        row = f"{name:24}"
        for dtype in COMPUTE:
            row += f"{_letter(result, name, [dtype.name]):>5}"
        lines.append((row + f"{_letter(result, name, _STORED):>6}").rstrip())
    rules = [(k, g) for k, g in result.groups.items() if k[0] in CHAPTERS]
    if rules:
        chapters: dict[str, Counter[str]] = {}
        for (name, _), group in rules:
            chapters.setdefault(name, Counter()).update(group.statuses)
        lines += ["", f"{'rules of':24}{'passed':>8}{'failed':>8}{'skipped':>9}"]
        lines += [
            f"{name:24}{c['passed']:>8}{c['failed']:>8}{c['skipped']:>9}"
            for name, c in chapters.items()
        ]
    return "\n".join(lines)


def _letter(result: Result, name: str, dtypes: list[str]) -> str:
    verdicts = [result.groups[name, d].verdict for d in dtypes if (name, d) in result.groups]
    return _LETTERS[max(verdicts, key=_ORDER.index)] if verdicts else ""


def summary(result: Result) -> str:
    """Return the counts in one line."""
    counted = [
        f"{result.count(s)} {s}"
        for s in ("passed", "failed", "unsupported", "skipped")
        if result.count(s)
    ]
    return f"{result.device}: {result.cases} cases in {result.seconds:.1f} s: {', '.join(counted)}"
