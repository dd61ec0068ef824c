"""What came of one case."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STATUSES", "Outcome"]

STATUSES = ("passed", "failed", "unsupported", "skipped")


@dataclass(frozen=True)
class Outcome:
    """What came of one case.

    Attributes
    ----------
    group : str
        The operator's name, or the chapter of the runtime's rules.
    dtype : str
        The dtype under test; empty for rules.
    case : str
        What was tried, in one line.
    route : str
        ``native``, ``decomposed``, ``host``, or empty when no kernel had to run.
    status : str
        ``passed``, ``failed``, ``unsupported`` (the device lacks a dtype), or ``skipped``.
    message : str
        Why, unless it passed.
    seconds : float
    """

    group: str
    dtype: str
    case: str
    route: str = ""
    status: str = "passed"
    message: str = ""
    seconds: float = 0.0
