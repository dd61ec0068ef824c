"""Draws the error of each value over the run of a model, as SVG that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from math import ceil, floor, isfinite, log10

from hal.tools.compare.difference import Difference
from hal.tools.compare.result import Row

__all__ = ["svg"]

WIDTH, HEIGHT = 960, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 14, 40
DECADES = 12

Place = Callable[[float], float]


def svg(rows: Sequence[Row]) -> str:
    """Return a picture: a value's place in the run against its error, on a logarithmic scale.

    Errors are relative to the largest element; NaN and infinities on one side alone are at the top,
    what is less than a trillionth of the largest error at the bottom. Dots are what a node
    introduces, the line is what it inherits, and dots that are not allowed are large.

    Examples
    --------
    >>> from hal.tools.compare.plot import svg
    >>> svg([]).startswith("<svg")
    True
    """
    measured = [d for row in rows for d in (row.introduced, row.inherited) if d is not None]
    errors = [d.severity for d in measured if isfinite(d.severity) and d.severity]
    high = ceil(log10(max(errors, default=1.0)))
    low = min(max(floor(log10(min(errors, default=1e-7))), high - DECADES), high - 1)
    span = WIDTH - LEFT - RIGHT

    def across(position: float) -> float:
        return LEFT + span * (position + 0.5) / max(len(rows), 1)

    def up(exponent: float) -> float:
        exponent = min(max(exponent, low), high)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (exponent - low) / (high - low)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" '
        'aria-label="error of each value, introduced and inherited" '
        'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11">',
        *_axes(low, high, up, len(rows), across),
        *_inherited(rows, across, up),
        *_introduced(rows, across, up),
        "</svg>",
    ]
    return "\n".join(parts)


def _error(found: Difference | None) -> float:
    return 0.0 if found is None else found.severity


def _axes(low: int, high: int, up: Place, count: int, across: Place) -> Iterator[str]:
    step = max(1, (high - low) // 8)
    for exponent in range(low, high + 1, step):
        y = up(exponent)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        yield (
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555">'
            f"1e{exponent}</text>"
        )
    for n in sorted({0, count // 4, count // 2, 3 * count // 4, max(count - 1, 0)}):
        yield (
            f'<text x="{across(n):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" '
            f'fill="#555">{n}</text>'
        )
    yield (
        f'<text x="{LEFT}" y="{HEIGHT - 6}" fill="#333">value, in the order of the run; '
        '<tspan fill="#c0392b">&#9679; introduced by the node</tspan>, '
        '<tspan fill="#2c6fbb">&#8213; inherited from its inputs</tspan>; '
        "error relative to the largest element</text>"
    )


def _inherited(rows: Sequence[Row], across: Place, up: Place) -> Iterator[str]:
    """Yield the line; it is broken where nothing is inherited or known."""
    points: list[str] = []
    for n, row in enumerate(rows):
        error = _error(row.inherited)
        if error:
            points.append(f"{across(n):.1f},{up(log10(error)):.1f}")
        if points and (not error or n == len(rows) - 1):
            if len(points) == 1:
                points.append(points[0])
            yield (
                f'<polyline points="{" ".join(points)}" fill="none" stroke="#2c6fbb" '
                'stroke-width="1.5" stroke-linecap="round"/>'
            )
            points = []


def _introduced(rows: Sequence[Row], across: Place, up: Place) -> Iterator[str]:
    for n, row in enumerate(rows):
        error = _error(row.introduced)
        if error:
            wrong = row.verdict == "introduces"
            yield (
                f'<circle cx="{across(n):.1f}" cy="{up(log10(error)):.1f}" '
                f'r="{5 if wrong else 2}" fill="#c0392b" fill-opacity="{1 if wrong else 0.6}">'
                f"<title>{escape(f'{row.operator} {row.node}: {row.value}, {error:.3g}')}</title>"
                "</circle>"
            )
