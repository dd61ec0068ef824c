"""Kernels one after another in a single call from Python: a table of functions and arguments."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from hal_cpu.dnn import failed, scratch_memory, together
from hal_cpu.jit import compile_loop
from hal_cpu.placed import MOST_ARGUMENTS, Placed

__all__ = ["join"]

_SLOTS = 3 + MOST_ARGUMENTS
"""Of an entry: the function, how many arguments, whether it returns a status, the arguments."""


def join(steps: Sequence[Callable[..., None]]) -> Callable[..., None] | None:
    """Return one function for several that are placed; None where none of them can be joined."""
    groups: list[list[Callable[..., None]]] = []
    for step in steps:
        found = isinstance(step, Placed)
        if found and groups and isinstance(groups[-1][0], Placed):
            groups[-1].append(step)
        else:
            groups.append([step])
    if all(len(group) == 1 for group in groups):
        return None
    parts = [_Series(group) if len(group) > 1 else group[0] for group in groups]
    if len(parts) == 1:
        return parts[0]

    def run(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        for part in parts:
            part(stream, outputs, inputs)

    return run


class _Series:
    """Work that is done in one call, once it is known which functions do it."""

    def __init__(self, steps: Sequence[Any]) -> None:
        self._steps: Sequence[Placed] = steps
        self._table: Any = None
        self._count = 0
        self._scratch = [step.scratch for step in steps if step.scratch is not None]
        self._room = max((scratch.room for scratch in self._scratch), default=0)
        self._start = 0

    def __call__(self, stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        """Run all of it, in order."""
        together(self._run)

    def _run(self) -> None:
        if self._table is None:
            self._table = self._filled()
        if self._room:
            start = scratch_memory(self._room)
            if start != self._start:
                for scratch in self._scratch:
                    scratch.pointed(start)
                self._start = start
        table = self._table
        _caller()(0, self._count, 0, ctypes.addressof(table))
        if table[-1]:
            raise failed("dnnl_primitive_execute", table[-1])

    def _filled(self) -> Any:
        calls = [call for step in self._steps for call in step.calls()]
        self._count = len(calls)
        table = (ctypes.c_int64 * (_SLOTS * self._count + 1))()
        for number, call in enumerate(calls):
            entry = (call.function, len(call.arguments), call.status, *call.arguments)
            for slot, value in enumerate(entry, _SLOTS * number):
                table[slot] = value
        return table


@cache
def _caller() -> Any:
    """Return what calls the entries of a table until one returns a status that is not 0.

    The status then is where the table ends.
    """
    slots = "".join(
        f"  %s{n} = getelementptr i64, ptr %entry, i64 {n + 3}\n  %a{n} = load i64, ptr %s{n}\n"
        for n in range(MOST_ARGUMENTS)
    )
    cases = " ".join(f"i64 {n}, label %call{n}" for n in range(MOST_ARGUMENTS + 1))
    calls = "".join(
        f"call{n}:\n  %r{n} = call i32 %function({', '.join(f'i64 %a{m}' for m in range(n))})\n"
        "  br label %after\n"
        for n in range(MOST_ARGUMENTS + 1)
    )
    results = ", ".join(f"[%r{n}, %call{n}]" for n in range(MOST_ARGUMENTS + 1))
    return compile_loop(
        f"""define void @loop(i64 %begin, i64 %end, i64 %size, ptr %table) {{
start:
  %where = mul i64 %end, {_SLOTS}
  %last = getelementptr i64, ptr %table, i64 %where
  br label %head
head:
  %i = phi i64 [%begin, %start], [%next, %after]
  %more = icmp slt i64 %i, %end
  br i1 %more, label %body, label %done
body:
  %at = mul i64 %i, {_SLOTS}
  %entry = getelementptr i64, ptr %table, i64 %at
  %function = load ptr, ptr %entry
  %place = getelementptr i64, ptr %entry, i64 1
  %count = load i64, ptr %place
{slots}  switch i64 %count, label %done [ {cases} ]
{calls}after:
  %returned = phi i32 {results}
  %told = getelementptr i64, ptr %entry, i64 2
  %tells = load i64, ptr %told
  %well = icmp eq i64 %tells, 0
  %status = select i1 %well, i32 0, i32 %returned
  %wide = sext i32 %status to i64
  store i64 %wide, ptr %last
  %bad = icmp ne i32 %status, 0
  %next = add i64 %i, 1
  br i1 %bad, label %done, label %head
done:
  ret void
}}
""",
        1,
    ).run
