"""Launches of kernels over packed arrays, whose source text names sizes and pointers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hal_opencl.programs import BUFFER, Array, Programs
from hal_opencl.queue import Queue

__all__ = ["GROUP", "Launch", "nothing", "packed_launch", "tree"]

Launch = Callable[[Queue, Array, Sequence[Any]], None]
"""Enqueues a kernel: the queue, the output, the inputs (None for one that was left out)."""

GROUP = 64
"""Work-items in a group."""


def packed_launch(
    programs: Programs,
    source: str,
    out: str,
    inputs: Mapping[str, tuple[int, str]],
    sizes: Mapping[str, int],
    items: int,
    numbers: Mapping[str, tuple[str, float]] | None = None,
    **parts: object,
) -> Launch:
    """Return a function that enqueues a kernel whose arrays are packed.

    Parameters
    ----------
    programs : Programs
    source : str
        The kernel's body, a format string of ``parts``. Its text has the output's pointer ``x``,
        the inputs' pointers, sizes, and numbers by name.
    out : str
        The type of the output's elements in memory.
    inputs : mapping of str to (int, str)
        For each pointer the input's position and the type of its elements.
    sizes : mapping of str to int
        Integers by name, of type long.
    items : int
        Work-items, rounded up to whole groups.
    numbers : mapping of str to (str, float), optional
        Floating-point arguments: type and value.
    **parts
        What the source text is completed with.
    """
    numbers = numbers or {}
    pointers = {"x": out} | {name: f"const {kind}" for name, (_, kind) in inputs.items()}
    declared = [f"const long {name}" for name in sizes]
    declared += [f"const {kind} {name}" for name, (kind, _) in numbers.items()]
    declared += [f"__global {kind}* {p}, const long {p}_start" for p, kind in pointers.items()]
    starts = " ".join(f"{p} += {p}_start;" for p in pointers)
    head, _, body = source.rpartition("KERNEL")
    text = f"{head}__kernel void run({', '.join(declared)}) {{{{ {starts} {body} }}}}"
    kinds: list[Any] = [np.int64] * len(sizes)
    kinds += [np.float64 if kind == "double" else np.float32 for kind, _ in numbers.values()]
    function = programs.function(
        text.format(group=GROUP, **parts), [*kinds, *[BUFFER, np.int64] * len(pointers)]
    )
    fixed = [*sizes.values(), *[value for _, value in numbers.values()]]
    grid = (-(-items // GROUP) * GROUP,)
    positions = [position for position, _ in inputs.values()]

    def launch(queue: Queue, target: Array, sources: Sequence[Any]) -> None:
        arguments = list(fixed)
        for array in (target, *[sources[p] for p in positions]):
            arguments += (array.handle, array.offset)
        function(queue, grid, (GROUP,), arguments)

    return launch if items else nothing


def nothing(queue: Queue, target: Array, sources: Sequence[Any]) -> None:
    """Enqueue nothing: there are no elements."""


def tree(kind: str, name: str, join: str) -> str:
    """Return statements that join a group's values of ``name`` (a tree of ``join``) for all lanes.

    Needs a ``__local`` array named ``shared`` of ``kind``, and the lane's number in ``lane``.
    """
    return f"""
    shared[lane] = {name};
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = {GROUP // 2}; half_way > 0; half_way /= 2) {{
        if (lane < half_way) {{
            const {kind} l = shared[lane], r = shared[lane + half_way];
            shared[lane] = {join};
        }}
        barrier(CLK_LOCAL_MEM_FENCE);
    }}
    {name} = shared[0];
    barrier(CLK_LOCAL_MEM_FENCE);"""
