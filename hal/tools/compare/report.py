"""Writes a comparison as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from hal.tools.compare.difference import Difference
from hal.tools.compare.plot import svg
from hal.tools.compare.result import Comparison, Row

__all__ = ["COLUMNS", "cells", "to_html"]

COLUMNS = (
    "value", "operator", ">introduced", ">inherited", ">max abs", ">max rel", ">cosine", ">ULP",
    "verdict",
)  # fmt: skip
"""The columns of a table of rows; ``>`` marks those of numbers."""

_STYLE = """
body { font: 14px/1.45 sans-serif; margin: 2em auto; max-width: 1100px; color: #222; }
h1 { font-size: 1.4em; } table { border-collapse: collapse; width: 100%; font-size: 12px; }
th, td { padding: 3px 8px; border-bottom: 1px solid #e5e5e5; text-align: left; }
th { position: sticky; top: 0; background: #fff; } .n { text-align: right; }
.introduces { background: #fbe3e0; } .off { background: #fdf3dc; } .equal { color: #888; }
.agrees { color: #1e7e34; } .differs { color: #c0392b; }
"""


def cells(row: Row) -> tuple[str, ...]:
    """Return what a table shows of a row, in the order of :data:`COLUMNS`."""
    total = row.total
    ulp = total.ulp or 0
    return (
        row.value,
        row.operator + (f" x{row.times}" if row.times > 1 else ""),
        "?" if row.introduced is None else _number(row.introduced, row.introduced.scaled),
        "?" if row.inherited is None else _number(row.inherited, row.inherited.scaled),
        _number(total, total.max_abs),
        _number(total, total.max_rel),
        f"{total.cosine:.7f}",
        "" if total.ulp is None else f"{ulp:.0e}" if ulp > 9999 else str(ulp),
        verdict(row),
    )


def verdict(row: Row) -> str:
    """Return a row's verdict in a word or a few."""
    words = [row.verdict, row.total.note, "output" if row.output else ""]
    return "; ".join(filter(None, words))


def _number(found: Difference, error: float) -> str:
    if not found.unequal:
        return "0"
    return "inf" if found.special else f"{error:.1e}"


def to_html(comparison: Comparison) -> str:
    """Return the page: what was found, a plot, and all values.

    Examples
    --------
    >>> from hal.tools.compare import Comparison, to_html
    >>> to_html(Comparison("net.onnx", "a:0", "b:0")).startswith("<!DOCTYPE html>")
    True
    """
    status = "agrees" if comparison.ok else "differs"
    title = f"{comparison.model}: {comparison.device} against {comparison.against}"
    given = ", ".join(f"{name} {text}" for name, text in comparison.inputs.items())
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f'<h1>{escape(title)}: <span class="{status}">{status}</span></h1>',
            "<ul>",
            *[f"<li>{escape(line)}</li>" for line in comparison.verdict()[1:]],
            f"<li>precision {escape(comparison.precision)}; inputs: {escape(given)}</li>",
            "</ul>",
            svg(comparison.rows),
            *_table(comparison),
            "</body></html>",
        ]
    )


def _table(comparison: Comparison) -> Iterator[str]:
    yield "<table><thead><tr><th class=n>#</th>"
    for name in COLUMNS:
        yield f"<th{' class=n' if name[0] == '>' else ''}>{escape(name.lstrip('>'))}</th>"
    yield "</tr></thead><tbody>"
    for row in comparison.rows:
        yield f'<tr class="{row.verdict}" title="{escape(f"{row.type} {row.note}".strip())}">'
        yield f"<td class=n>{row.position}</td>"
        for name, text in zip(COLUMNS, cells(row), strict=True):
            yield f"<td{' class=n' if name[0] == '>' else ''}>{escape(text)}</td>"
        yield "</tr>"
    yield "</tbody></table>"
