"""A program as text for Graphviz: https://graphviz.org/doc/info/lang.html."""

from __future__ import annotations

from hal.plugin import Program
from hal.program.drawing.colours import colour
from hal.program.drawing.graph import graph_of

__all__ = ["to_dot"]


def to_dot(program: Program) -> str:
    """Return a program as a directed graph in Graphviz's language."""
    graph = graph_of(program)
    lines = [
        f"digraph {_quoted(graph.name)} {{",
        '  node [shape=box style="rounded,filled" fontname="monospace" fontsize=10]',
        '  edge [fontname="monospace" fontsize=9]',
    ]
    for number, node in enumerate(graph.nodes):
        # A backslash and l end a line that stands to the left.
        text = "".join(f"{_escaped(line)}\\l" for line in node.lines)
        label = f'"{_escaped(node.title)}\\n{text}"'
        lines.append(f'  n{number} [label={label} fillcolor="{colour(node.kind)}"]')
    for edge in graph.edges:
        style = " style=dashed" if edge.order else ""
        lines.append(f"  n{edge.source} -> n{edge.target} [label={_quoted(edge.text)}{style}]")
    return "\n".join([*lines, "}", ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'
