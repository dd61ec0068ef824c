"""Whose turn it is to use the team of threads: one piece of work at a time, forks included."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["together"]

_turn = threading.Lock()
_forked: list[ThreadPoolExecutor] = []


def together(work: Callable[..., Any], *arguments: Any) -> None:
    """Call what occupies the whole team, once nobody else does.

    Two teams at once would only take turns on every processor. A child process has none of the
    threads its parent's team was made of, yet OpenMP waits for them: there the work goes to a
    thread that was never in a team, and gets one of its own.
    """
    with _turn:
        if _forked:
            _forked[0].submit(work, *arguments).result()
        else:
            work(*arguments)


def _after_fork() -> None:
    _forked[:] = [ThreadPoolExecutor(1, thread_name_prefix="hal-cpu-team")]
    _turn.release()


# A child must not find the lock held by a thread that it does not have.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_after_fork
    )
