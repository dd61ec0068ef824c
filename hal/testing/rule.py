"""The runtime's rules: checks of order, memory, errors and the like, one function each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hal.device import Device
from hal.dtypes import COMPUTE, DType
from hal.errors import Unsupported, ValueRangeError
from hal.testing.bench import Bench, NotOffered
from hal.testing.outcome import Outcome

__all__ = ["Rule", "all_rules", "rule", "run_rule"]

CHAPTERS = ("backend", "copies", "order", "memory", "kernels", "programs", "errors", "threads")
"""The chapters of the rules; a module of :mod:`hal.testing.rules` holds each."""


@dataclass(frozen=True)
class Rule:
    """One rule of the runtime.

    Attributes
    ----------
    chapter : str
    name : str
        What holds, as a sentence.
    check : callable
        ``check(bench)`` or ``check(bench, parameter)``; raises where the rule does not hold.
    over : callable or None
        ``over(device)`` lists the parameters it is checked for.
    slow : bool
        Whether ``--quick`` leaves it out.
    """

    chapter: str
    name: str
    check: Callable[..., None]
    over: Callable[[Device], Iterable[Any]] | None = None
    slow: bool = False


_rules: list[Rule] = []


def rule(
    over: Callable[[Device], Iterable[Any]] | None = None, slow: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a check; its chapter is its module's name, its function's name says what holds."""

    def keep(function: Callable[..., None]) -> Callable[..., None]:
        chapter = function.__module__.rpartition(".")[2]
        _rules.append(Rule(chapter, function.__name__.replace("_", " "), function, over, slow))
        return function

    return keep


def all_rules(only: tuple[str, ...] = ()) -> list[Rule]:
    """Return the rules of all chapters, or of those named.

    Parameters
    ----------
    only : tuple of str
        Chapters, or parts of rules' names.

    Raises
    ------
    ValueRangeError
        When no rule has such a name.

    Examples
    --------
    >>> {rule.chapter for rule in all_rules(("backend",))}
    {'backend'}
    """
    for chapter in CHAPTERS:
        import_module(f"hal.testing.rules.{chapter}")
    found = [r for r in _rules if not only or any(_named(r, o) for o in only)]
    if not found:
        raise ValueRangeError(
            f"no rule is called {', '.join(only)}; chapters are: {', '.join(CHAPTERS)}"
        )
    return sorted(found, key=lambda r: CHAPTERS.index(r.chapter))


def _named(found: Rule, name: str) -> bool:
    return name == found.chapter if name in CHAPTERS else name in found.name


def run_rule(found: Rule, device: Device) -> Iterator[Outcome]:
    """Check a rule, for each of its parameters, and yield what comes of it."""
    parameters: Iterable[Any] = (None,) if found.over is None else found.over(device)
    for parameter in parameters:
        arguments = () if found.over is None else (parameter,)
        start = time.perf_counter()
        status, message = _judge(found, Bench(device), arguments)
        is_dtype = isinstance(parameter, DType)
        yield Outcome(
            group=found.chapter,
            dtype=parameter.name if is_dtype else "",
            case=found.name if parameter is None or is_dtype else f"{found.name}: {parameter}",
            status=status,
            message=message,
            seconds=time.perf_counter() - start,
        )


def _judge(found: Rule, bench: Bench, arguments: tuple[Any, ...]) -> tuple[str, str]:
    try:
        found.check(bench, *arguments)
    except NotOffered as reason:
        return "skipped", str(reason)
    except AssertionError as error:
        return "failed", str(error) or "the check failed"
    # Whatever a device raises where it should not is a failure to report.
    except Exception as error:
        # One that lacks dtypes may lack the calculation that the rule is tried with.
        if isinstance(error, Unsupported) and not set(COMPUTE) <= set(bench.device.info.dtypes):
            return "skipped", str(error)
        return "failed", f"{type(error).__name__}: {error}"
    return "passed", ""
