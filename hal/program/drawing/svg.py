"""A program as a picture: https://www.w3.org/TR/SVG11/."""

from __future__ import annotations

from html import escape

from hal.plugin import Program
from hal.program.drawing.colours import colour
from hal.program.drawing.graph import Edge, Node, graph_of
from hal.program.drawing.place import Placed, place

__all__ = ["to_html", "to_svg"]

_CHARACTER = 7.1  # the width of one at 11 pixels, a little more than usual
_LINE = 14.0
_PAD = 8.0

_STYLE = (
    "text{font:11px monospace;fill:#222}.t{font-weight:bold}.e{font-size:10px;fill:#555}"
    "rect{stroke:#666}path{fill:none;stroke:#777}.o{stroke-dasharray:4 3}"
)
_PAGE = (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    "<style>body{{margin:1em;font:14px sans-serif}}div{{overflow:auto}}</style></head><body>"
    "<h1>{title}</h1><p>{about}</p><div>{svg}</div></body></html>\n"
)


def to_svg(program: Program) -> str:
    """Return a program as an SVG document that needs nothing beside it."""
    graph = graph_of(program)
    sizes = [_size(node) for node in graph.nodes]
    placed = place(sizes, [(e.source, e.target) for e in graph.edges])
    width, height = round(placed.width), round(placed.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">',
        f"<title>{escape(graph.name)}</title><style>{_STYLE}</style>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0,0L8,4L0,8z" style="fill:#777"/></marker>'
        "</defs>",
    ]
    labelled: set[tuple[int, str]] = set()
    for edge, path in zip(graph.edges, placed.paths, strict=True):
        parts.append(_edge(edge, path, labelled))
    parts += [_box(node, n, sizes[n], placed) for n, node in enumerate(graph.nodes)]
    return "\n".join([*parts, "</svg>", ""])


def to_html(program: Program) -> str:
    """Return a page with the picture and a line about the program."""
    calls = [call for call in program.calls if not call.view]
    host = sum(call.host for call in calls)
    constants = sum(program.sizes[b] for b in program.constants)
    about = f"{len(calls)} calls, {constants:,} bytes of constants"
    about += f", {host} on the host" if host else ""
    return _PAGE.format(title=escape(program.name), about=about, svg=to_svg(program))


def _size(node: Node) -> tuple[float, float]:
    longest = max(len(line) for line in (node.title, *node.lines))
    return (
        longest * _CHARACTER + 2 * _PAD,
        (1 + len(node.lines)) * _LINE + 2 * _PAD - 4,
    )


def _box(node: Node, number: int, size: tuple[float, float], placed: Placed) -> str:
    (x, y), (width, height) = placed.centres[number], size
    left, top = x - width / 2, y - height / 2
    rounded = ' rx="10"' if node.kind in ("input", "output") else ' rx="3"'
    dashed = ' class="o"' if node.kind == "view" else ""
    parts = [
        f'<g><rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
        f'{rounded}{dashed} fill="{colour(node.kind)}"/>'
    ]
    for line, text in enumerate((node.title, *node.lines)):
        bold = ' class="t"' if line == 0 else ""
        at = top + _PAD + 8 + line * _LINE
        parts.append(f'<text x="{left + _PAD:.1f}" y="{at:.1f}"{bold}>{escape(text)}</text>')
    return "".join([*parts, "</g>"])


def _edge(edge: Edge, path: list[tuple[float, float]], labelled: set[tuple[int, str]]) -> str:
    (x, y), *rest = path
    curve = f"M{x:.1f},{y:.1f}"
    for to_x, to_y in rest:
        middle = (y + to_y) / 2
        curve += f"C{x:.1f},{middle:.1f} {to_x:.1f},{middle:.1f} {to_x:.1f},{to_y:.1f}"
        x, y = to_x, to_y
    order = ' class="o"' if edge.order else ""
    drawn = (
        f'<path d="{curve}"{order} marker-end="url(#a)"><title>{escape(edge.text)}</title></path>'
    )
    # A value that several calls read is named once.
    if edge.order or (edge.source, edge.text) in labelled:
        return drawn
    labelled.add((edge.source, edge.text))
    (first_x, first_y), (second_x, _) = path[0], path[1]
    at = first_x + (second_x - first_x) * 0.12 + 4
    return f'{drawn}<text x="{at:.1f}" y="{first_y + 13:.1f}" class="e">{escape(edge.text)}</text>'
