"""Compares two runs of the kit: what got better, what got worse."""

from __future__ import annotations

from dataclasses import dataclass, field

from hal.testing.result import Group, Result

__all__ = ["Comparison", "compare"]

# From the best to the worst: on the device and right, right, not there, wrong.
_ORDER = ("native", "decomposed", "host", "skipped", "unsupported", "failed")


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs.

    Attributes
    ----------
    worse, better, other : list of str
        A line for each difference; ``other`` for what only one of the runs has.
    """

    worse: list[str] = field(default_factory=list)
    better: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = []
        for title, lines in (("worse", self.worse), ("better", self.better), ("", self.other)):
            if lines:
                parts += [f"{title}:" if title else "only in one of them:"]
                parts += [f"  {line}" for line in lines]
        return "\n".join(parts) or "no difference"


def compare(before: Result, after: Result) -> Comparison:
    """Return what changed from one run to another, of one device or of two.

    Examples
    --------
    >>> from hal.testing import Outcome, Result
    >>> before, after = Result("x:0"), Result("x:0")
    >>> before.add([Outcome("add", "float32", "4", "native")])
    >>> after.add([Outcome("add", "float32", "4", "host")])
    >>> compare(before, after).worse
    ['add float32: native -> host']
    """
    found = Comparison()
    for key in dict.fromkeys([*before.groups, *after.groups]):
        name = " ".join(filter(None, key))
        old, new = before.groups.get(key), after.groups.get(key)
        if old is None or new is None:
            there = after if old is None else before
            found.other.append(f"{name}: only on {there.device} of {there.date or 'no date'}")
            continue
        _compare_groups(found, name, old, new)
    return found


def _compare_groups(found: Comparison, name: str, old: Group, new: Group) -> None:
    was, now = _ORDER.index(old.verdict), _ORDER.index(new.verdict)
    if was != now:
        lines = found.worse if now > was else found.better
        lines.append(f"{name}: {old.verdict} -> {new.verdict}")
    old_failures = {f.case: f.message for f in old.failures}
    new_failures = {f.case: f.message for f in new.failures}
    found.worse.extend(
        f"{name}: {case}: {message}"
        for case, message in new_failures.items()
        if case not in old_failures
    )
    found.better.extend(
        f"{name}: {case}: fails no more" for case in old_failures if case not in new_failures
    )
    if not old.failures and not new.failures and was == now:
        _compare_routes(found, name, old, new)


def _compare_routes(found: Comparison, name: str, old: Group, new: Group) -> None:
    """Tell when more or fewer cases of equal groups need another way than a kernel."""
    if old.cases != new.cases:
        return
    detours = [g.routes["decomposed"] + g.routes["host"] for g in (old, new)]
    if detours[0] != detours[1]:
        lines = found.worse if detours[1] > detours[0] else found.better
        lines.append(f"{name}: {detours[0]} -> {detours[1]} cases without a kernel of their own")
