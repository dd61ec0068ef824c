"""Runs once what a program would calculate twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hal.plugin import Call, Program
from hal.program.passes.uses import rename, single_writes, stable

__all__ = ["common_subexpressions"]


def common_subexpressions(program: Program) -> Program:
    """Return the program with one call for equal calls on equal inputs."""
    single, unchanging = single_writes(program), stable(program)
    # Each result stays a buffer of its own: a caller may write into one of them.
    results = {x.buffer for x in program.outputs}
    first: dict[Any, Call] = {}
    same: dict[int, int] = {}
    calls: list[Call] = []
    for call in program.calls:
        arrays = tuple(
            [
                None if x is None else x._replace(buffer=same.get(x.buffer, x.buffer))
                for x in call.inputs
            ]
        )
        buffers = [x.buffer for x in call.outputs]
        if (
            call.view
            or any(b not in single or b in results for b in buffers)
            or any(x is not None and x.buffer not in unchanging for x in arrays)
        ):
            calls.append(call)
            continue
        layouts = tuple([x.layout for x in call.outputs])
        key = (call.op, arrays, layouts, tuple(call.attributes.items()))
        known = first.setdefault(key, call)
        if known is call:
            calls.append(call)
        else:
            same.update(zip(buffers, [x.buffer for x in known.outputs], strict=True))
    return rename(replace(program, calls=tuple(calls)), same)
