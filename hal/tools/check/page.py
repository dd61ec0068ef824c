"""A check as one HTML page: everything in the file itself, drawings as inline SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from hal.tools.check.judge import ROUTES
from hal.tools.check.report import DeviceReport, Report
from hal.tools.words import amount, duration, rate

__all__ = ["page"]

_COLOURS = {
    "native": "#2b8a3e", "free": "#868e96", "decomposed": "#1971c2", "host": "#e67700",
    "unchecked": "#9c36b5", "impossible": "#c92a2a",
    "matrix": "#1971c2", "vector": "#2b8a3e", "memory": "#e67700", "launch": "#868e96",
}  # fmt: skip

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  color: #212529; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #dee2e6;
  padding-top: 1rem } h3 { font-size: 1rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .25rem .6rem;
  border-bottom: 1px solid #e9ecef; vertical-align: top } .n { text-align: right;
  font-variant-numeric: tabular-nums } .route { color: #fff; border-radius: .3rem;
  padding: 0 .4rem; white-space: nowrap } .s0 { color: #2b8a3e } .s1 { color: #e67700 }
  .s3 { color: #c92a2a } summary { cursor: pointer } svg { display: block; max-width: 100% }
  code { font-size: .9em }
@media (prefers-color-scheme: dark) { body { color: #dee2e6; background: #1a1b1e }
  td, th, h2 { border-color: #373a40 } svg text { fill: #dee2e6 } }
"""


def page(report: Report) -> str:
    """Return a report as an HTML page that needs nothing else.

    Examples
    --------
    >>> from hal.tools.check import Report, page
    >>> page(Report("net.onnx", {}, 1, ())).startswith("<!DOCTYPE html>")
    True
    """
    title = f"hal check: {report.model or 'a model'}"
    inputs = ", ".join(f"{name}: {kind}" for name, kind in report.inputs.items()) or "no inputs"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>Checked with <code>{escape(inputs)}</code>. Times are predicted, not measured.</p>",
        _summary(report),
        *[part for d in report.devices for part in _device(d)],
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _summary(report: Report) -> str:
    rows = []
    for d in report.devices:
        time = duration(d.prediction.seconds) if d.prediction else "unknown"
        speed = rate(d.items, d.prediction.seconds) if d.prediction else "unknown"
        share = d.memory.peak / d.memory.capacity if d.memory.capacity else 0.0
        problems = "; ".join(d.problems)
        rows.append(
            [
                escape(d.name),
                f'<b class="s{d.status}">{escape(d.verdict)}</b>'
                + (f"<br/>{escape(problems)}" if problems else ""),
                escape(time),
                escape(speed),
                escape(f"{amount(d.memory.peak)} of {amount(d.memory.capacity)} ({share:.1%})"),
            ]
        )
    return _table(("device", "verdict", "latency", "throughput", "memory"), rows, right=(2, 3))


def _device(d: DeviceReport) -> Iterable[str]:
    mark = f" ({d.emulated})" if d.emulated else ""
    yield f"<h2>{escape(d.name)}: {escape(d.description)}{escape(mark)}</h2>"
    counts = [(route, float(d.counts[route])) for route in ROUTES if d.counts[route]]
    yield "<h3>Nodes</h3>"
    yield _bar(counts, lambda n: f"{n:.0f}")
    yield _nodes(d)
    lacking = "".join(f"<li>{escape(text)}</li>" for text in d.missing.values())
    yield f"<p>dtypes: {escape(', '.join(d.dtypes) or 'none')}</p>"
    if lacking:
        yield f"<ul>{lacking}</ul>"
    yield "<h3>Memory</h3>"
    m = d.memory
    parts = [
        ("weights", m.weights), ("inputs", m.inputs), ("outputs", m.outputs),
        ("intermediate", m.intermediate),
    ]  # fmt: skip
    rows = [[name, escape(amount(n))] for name, n in parts]
    rows.append(["peak, of what there is", escape(f"{amount(m.peak)} of {amount(m.capacity)}")])
    yield _table(("", ""), rows, right=(1,))
    if d.prediction is not None:
        yield "<h3>Predicted time, by what bounds it</h3>"
        yield _bar(sorted(d.prediction.bounds.items(), key=lambda b: -b[1]), duration)
        others = [f"{name}: {duration(s)}" for name, s in d.prediction.otherwise.items()]
        if others:
            yield f"<p>It would take, with {escape('; with '.join(others))}.</p>"
        yield _contributors(d)


def _nodes(d: DeviceReport) -> str:
    worst = sorted(d.nodes, key=lambda row: -ROUTES.index(row.route))
    rows = [
        [
            f'<span class="route" style="background:{_COLOURS[row.route]}">{row.route}</span>',
            escape(row.operator),
            escape(row.name) + (f" ({row.times} times)" if row.times > 1 else ""),
            escape(", ".join(row.dtypes)),
            str(row.kernels),
            escape("; ".join(filter(None, (row.reason, row.note)))),
            escape(row.advice),
        ]
        for row in worst
    ]
    heading = ("route", "operator", "node", "dtypes", "kernels", "why", "what to do")
    listed = _table(heading, rows, right=(4,))
    attention = sum(row.route not in ("native", "free") for row in d.nodes)
    opened = ' open="open"' if attention else ""
    return (
        f"<details{opened}><summary>{len(rows)} nodes, {attention} not native; "
        f"{d.folded} more are calculated at loading</summary>{listed}</details>"
    )


def _contributors(d: DeviceReport) -> str:
    assert d.prediction is not None
    top = d.prediction.contributors[:20]
    longest = max((c.seconds for c in top), default=0.0)
    rows = []
    for c in top:
        width = 200 * c.seconds / longest if longest else 0.0
        colour = _COLOURS.get(c.bound, _COLOURS["host"])
        drawn = (
            f'<svg width="200" height="12" role="img"><title>{escape(duration(c.seconds))}'
            f'</title><rect width="{width:.1f}" height="12" fill="{colour}"/></svg>'
        )
        share = c.seconds / d.prediction.seconds if d.prediction.seconds else 0.0
        rows.append(
            [
                escape(c.operator), f"<code>{escape(c.shapes)}</code>", str(c.calls),
                escape(duration(c.seconds)), f"{share:.1%}", escape(c.bound), drawn,
            ]
        )  # fmt: skip
    heading = ("operator", "inputs", "calls", "time", "share", "bound", "")
    return _table(heading, rows, right=(2, 3, 4))


def _bar(parts: Sequence[tuple[str, float]], shown: object) -> str:
    """Return one bar cut into parts, with a line of text for each part below."""
    assert callable(shown)
    total = sum(value for _, value in parts)
    if not total:
        return "<p>nothing</p>"
    drawn, at = [], 0.0
    for line, (name, value) in enumerate(parts):
        width = 800 * value / total
        colour = _COLOURS.get(name, _COLOURS["host"])
        text = escape(f"{name}: {shown(value)} ({value / total:.1%})")
        drawn.append(
            f'<rect x="{at:.1f}" width="{width:.1f}" height="22" fill="{colour}">'
            f"<title>{text}</title></rect>"
            f'<rect x="0" y="{32 + 20 * line}" width="12" height="12" fill="{colour}"/>'
            f'<text x="18" y="{43 + 20 * line}" font-size="14">{text}</text>'
        )
        at += width
    height = 30 + 20 * len(parts)
    return f'<svg viewBox="0 0 800 {height}" width="800" height="{height}">{"".join(drawn)}</svg>'


def _table(
    heading: Sequence[str], rows: Sequence[Sequence[str]], right: tuple[int, ...] = ()
) -> str:
    """Return a table; cells are HTML already."""

    def cells(tag: str, row: Sequence[str]) -> str:
        marks = [' class="n"' if n in right else "" for n in range(len(row))]
        return "".join(
            f"<{tag}{mark}>{cell}</{tag}>" for mark, cell in zip(marks, row, strict=True)
        )

    head = f"<thead><tr>{cells('th', heading)}</tr></thead>" if any(heading) else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table>{head}<tbody>{body}</tbody></table>"
