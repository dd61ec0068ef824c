"""Shares the turns of a loop out among a few threads; ``HAL_NUM_THREADS`` says how many."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from hal_cpu.quota import processor_quota

__all__ = ["limit_blas", "share", "thread_count"]


@cache
def thread_count() -> int:
    """Return how many threads work.

    ``HAL_NUM_THREADS`` says so, else ``OMP_NUM_THREADS``, else it is one for each processor that
    this process may use, a container's share of time taken into account.
    """
    wanted = os.environ.get("HAL_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = processor_quota()
    return processors if quota is None else max(1, min(processors, int(quota)))


@cache
def limit_blas() -> None:
    """Give NumPy's BLAS as many threads where ``HAL_NUM_THREADS`` or a quota says how many.

    It reads ``OMP_NUM_THREADS`` by itself, and ``OPENBLAS_NUM_THREADS`` is meant for it alone.
    """
    chosen = os.environ.get("HAL_NUM_THREADS") or processor_quota() is not None
    if chosen and not os.environ.get("OPENBLAS_NUM_THREADS"):
        from threadpoolctl import threadpool_limits

        threadpool_limits(limits=thread_count(), user_api="blas")


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count() - 1, thread_name_prefix="hal-cpu")


# A child process has none of its parent's threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def share(work: Callable[[int, int], None], extent: int) -> None:
    """Run ``work(begin, end)`` on parts of ``range(extent)``, one of them in this thread."""
    parts = min(thread_count(), extent)
    if parts < 2:
        work(0, extent)
        return
    edges = [extent * n // parts for n in range(parts + 1)]
    others = [_pool().submit(work, edges[n], edges[n + 1]) for n in range(1, parts)]
    work(edges[0], edges[1])
    for other in others:
        other.result()
