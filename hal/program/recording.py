"""When a program is recorded and replayed, and what is copied for that."""

from __future__ import annotations

from hal.plugin import Array, Program

__all__ = ["copied", "worth_recording"]

_EACH = 1 << 20  # Bytes that are copied in about the time that enqueuing a call takes.


def copied(program: Program) -> list[Array]:
    """Return what a replay copies: inputs, results, and inputs that the program writes once more.

    What a recording works on keeps its address, while arguments and results change theirs.
    """
    written = {x.buffer for call in program.calls if not call.view for x in call.outputs}
    inputs = {x.buffer: x for x in program.inputs}
    results = {x.buffer: x for x in program.outputs if x.buffer not in inputs}
    back = [x for x in inputs.values() if x.buffer in written]
    return [*inputs.values(), *results.values(), *back]


def worth_recording(program: Program) -> bool:
    """Return whether replaying a recording is possible, and saves more than copying costs.

    The host cannot take part, and only packed inputs are copied.
    """
    calls = [call for call in program.calls if not call.view]
    if any(call.host for call in calls) or not all(x.layout.contiguous for x in program.inputs):
        return False
    arrays = copied(program)
    nbytes = sum(x.layout.nbytes for x in arrays)
    return len(arrays) < len(calls) and nbytes <= len(calls) * _EACH
