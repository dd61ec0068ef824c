"""What ran where and how often, and what may run on the host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

from hal.errors import ValueRangeError

__all__ = [
    "Report",
    "Row",
    "Tally",
    "current_policy",
    "fallback",
    "report",
    "reset_report",
    "tally",
]

Policy = Literal["error", "warn", "allow"]

POLICIES: tuple[Policy, ...] = ("error", "warn", "allow")
_policy: ContextVar[Policy | None] = ContextVar("hal_fallback", default=None)
_tallies: dict[tuple[str, str, str], Tally] = {}
_warned: set[tuple[str, str]] = set()


class Tally:
    """Counts the calls of one operator on one device by one route."""

    __slots__ = ("calls",)

    def __init__(self) -> None:
        self.calls = 0


@dataclass(frozen=True)
class Row:
    """One line of a report."""

    operator: str
    device: str
    route: str
    calls: int


@dataclass(frozen=True)
class Report:
    """What ran where and how often.

    Attributes
    ----------
    rows : tuple of Row
        Operator, device, route (``"native"``, ``"decomposed"`` or ``"host"``) and calls; a
        decomposed call also counts the operators it was decomposed into.
    """

    rows: tuple[Row, ...]

    def calls(self, route: str | None = None, device: str | None = None) -> int:
        """Return the number of calls, of all routes and devices or of one."""
        return sum(
            r.calls for r in self.rows if route in (None, r.route) and device in (None, r.device)
        )

    def __str__(self) -> str:
        lines = [f"{'operator':24} {'device':12} {'route':10} {'calls':>10}"]
        lines += [f"{r.operator:24} {r.device:12} {r.route:10} {r.calls:>10}" for r in self.rows]
        return "\n".join(lines)


def report() -> Report:
    """Return what ran where since the start or the last :func:`reset_report`.

    Examples
    --------
    >>> import hal
    >>> hal.reset_report()
    >>> x = hal.ones(3, device="cpu:0") + 1
    >>> [(r.operator, r.route) for r in hal.report().rows if r.operator == "add"]
    [('add', 'native')]
    """
    return Report(
        tuple(
            Row(op, device, route, count.calls)
            for (op, device, route), count in sorted(_tallies.items())
            if count.calls
        )
    )


def reset_report() -> None:
    """Count from zero again.

    Examples
    --------
    >>> import hal
    >>> hal.reset_report()
    >>> hal.report().calls()
    0
    """
    for count in _tallies.values():
        count.calls = 0
    _warned.clear()


def tally(operator: str, device: str, route: str) -> Tally:
    """Return the counter of an operator on a device by a route."""
    return _tallies.setdefault((operator, device, route), Tally())


def first_time(operator: str, device: str) -> bool:
    """Return whether this is the first host run of an operator to warn about."""
    if (operator, device) in _warned:
        return False
    _warned.add((operator, device))
    return True


# Policy on running on the host


@contextmanager
def fallback(policy: Policy) -> Iterator[None]:
    """Choose, for a ``with`` block, what happens when a device lacks a primitive operator.

    Parameters
    ----------
    policy : {"error", "warn", "allow"}
        Raise :class:`Unsupported`; run on the host and warn once per operator (the default);
        run on the host silently but counted. ``HAL_FALLBACK`` sets it for the process.

    Raises
    ------
    ValueRangeError
        For another policy.

    Examples
    --------
    >>> import hal
    >>> with hal.fallback("error"):
    ...     x = hal.ones(2) + 1
    """
    token = _policy.set(_checked_policy(policy, "fallback"))
    try:
        yield
    finally:
        _policy.reset(token)


def _checked_policy(policy: Any, where: str) -> Policy:
    if policy not in POLICIES:
        raise ValueRangeError(f"{where}: {policy!r} is no policy; use one of {POLICIES}")
    found: Policy = policy
    return found


def current_policy() -> Policy:
    """Return the policy in force."""
    chosen = _policy.get()
    return chosen or _checked_policy(os.environ.get("HAL_FALLBACK", "warn"), "HAL_FALLBACK")
