"""Runs the kit: every operator's cases and every rule, on one device."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from hal.device import Device, as_device
from hal.dtypes import DType
from hal.errors import ValueRangeError
from hal.ops import Operator, operators
from hal.testing.case import all_groups, cases_of, run_case
from hal.testing.outcome import Outcome
from hal.testing.result import Result
from hal.testing.rule import Rule, all_rules, run_rule
from hal.version import VERSION

__all__ = ["Task", "run", "tasks"]


@dataclass(frozen=True)
class Task:
    """What is run and reported together: an operator in a dtype, or a rule.

    Attributes
    ----------
    name : str
        For example ``add float32`` or ``memory: freed memory is given back``.
    """

    name: str
    op: Operator | None = None
    dtype: DType | None = None
    rule: Rule | None = None

    def run(self, device: Any, quick: bool = False) -> Iterator[Outcome]:
        """Run the task's cases and yield what comes of each."""
        found = as_device(device)
        if self.rule is not None:
            yield from run_rule(self.rule, found)
        elif self.op is not None and self.dtype is not None:
            if self.dtype not in found.info.dtypes:
                reason = f"the device has no {self.dtype}"
                yield Outcome(self.op.name, self.dtype.name, "any", "", "unsupported", reason)
                return
            for case in cases_of(self.op, self.dtype, quick):
                yield run_case(case, found)


def tasks(only: tuple[str, ...] = (), quick: bool = False) -> list[Task]:
    """Return everything there is to run, operators first.

    Parameters
    ----------
    only : tuple of str
        Operators, chapters of rules (``rules`` for all), or parts of rules' names; all when empty.
    quick : bool
        Leave out what is slow.

    Raises
    ------
    ValueRangeError
        When a name fits nothing.

    Examples
    --------
    >>> [task.name for task in tasks(("bitwise_invert",))][:2]
    ['bitwise_invert bool', 'bitwise_invert int8']
    """
    names = tuple(o for o in only if o in operators)
    rest = tuple(o for o in only if o not in operators)
    found = []
    if names or not only:
        groups = all_groups(names)
        found += [Task(f"{op.name} {dtype}", op=op, dtype=dtype) for op, dtype in groups]
    if rest or not only:
        chosen = all_rules(() if "rules" in rest else rest)
        found += [Task(f"{r.chapter}: {r.name}", rule=r) for r in chosen if not (quick and r.slow)]
    if not found:
        raise ValueRangeError(f"nothing to run is named {', '.join(only)}")
    return found


def empty_result(device: Device, quick: bool) -> Result:
    """Return a result that says of which device, when, and with what, but has no cases yet."""
    return Result(
        device=device.name,
        description=device.info.description,
        emulated=device.info.emulated,
        quick=quick,
        versions={
            "hal": VERSION,
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def run(
    device: Any,
    only: tuple[str, ...] = (),
    quick: bool = False,
    progress: Callable[[int, int, Task], None] | None = None,
) -> Result:
    """Run the conformance kit on a device.

    Parameters
    ----------
    device : Device or str
    only : tuple of str
        As for :func:`tasks`.
    quick : bool
        Leave out large tensors, most ways to lie in memory, and slow rules.
    progress : callable, optional
        Called before each task with its number, the number of tasks, and the task.

    Returns
    -------
    Result

    Examples
    --------
    >>> result = run("cpu:0", only=("logical_not",))
    >>> result.ok, result.cases > 10
    (True, True)
    """
    found = as_device(device)
    todo = tasks(only, quick)
    start = time.perf_counter()
    result = empty_result(found, quick)
    for number, task in enumerate(todo):
        if progress is not None:
            progress(number, len(todo), task)
        result.add(task.run(found, quick))
    result.seconds = time.perf_counter() - start
    return result
