"""How many processors' worth of time Linux lets a container use.

https://docs.kernel.org/admin-guide/cgroup-v2.html (``cpu.max``) and
https://docs.kernel.org/scheduler/sched-bwc.html (``cpu.cfs_quota_us``)
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

__all__ = ["processor_quota"]


def processor_quota(root: Path = Path("/")) -> float | None:
    """Return how many processors' worth of time this process gets; None where nothing limits it.

    Threads beyond that number would only use the quota up sooner, and then all are stopped.

    Parameters
    ----------
    root : Path
        Where the file system begins.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mount, read = "sys/fs/cgroup", _unified
        elif "cpu" in controllers.split(","):
            mount, read = "sys/fs/cgroup/cpu", _legacy
        else:
            continue
        # Those around a group limit it as well. Within a container, its own may be the outermost.
        group = PurePosixPath(path)
        for each in (group, *group.parents):
            limit = read(root / mount / str(each).strip("/"))
            if limit is not None:
                limits.append(limit)
    return min(limits, default=None)


def _unified(folder: Path) -> float | None:
    """Return what version 2 says: ``QUOTA PERIOD`` in microseconds, or ``max`` for no quota."""
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    return _ratio(quota, period)


def _legacy(folder: Path) -> float | None:
    """Return what version 1 says: two files with microseconds, a quota of -1 for none."""
    return _ratio(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float | None:
    if quota.isdigit() and period.isdigit() and int(quota) and int(period):
        return int(quota) / int(period)
    return None


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
