"""Numbers as people read them."""

from __future__ import annotations

__all__ = ["amount", "duration", "rate"]


def amount(nbytes: float) -> str:
    """Return a number of bytes.

    Examples
    --------
    >>> from hal.tools.words import amount
    >>> amount(512), amount(24 * 2**30), amount(1536 * 2**20)
    ('512 B', '24.0 GiB', '1.5 GiB')
    """
    size = float(nbytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def duration(seconds: float) -> str:
    """Return a time.

    Examples
    --------
    >>> from hal.tools.words import duration
    >>> duration(0.01234), duration(3.2e-6)
    ('12.3 ms', '3.2 µs')
    """
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            return f"{seconds * factor:.3g} {unit}"
    raise AssertionError("unreachable")


def rate(items: int, seconds: float) -> str:
    """Return items per second.

    Examples
    --------
    >>> from hal.tools.words import rate
    >>> rate(8, 0.01), rate(1, 3.0), rate(64, 0.005)
    ('800 /s', '0.333 /s', '12,800 /s')
    """
    if not seconds:
        return "unknown"
    found = items / seconds
    return f"{found:,.0f} /s" if found >= 100 else f"{found:.3g} /s"
