"""Draws a program as a graph: as Graphviz text, or as a picture that needs nothing to be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hal.errors import ValueRangeError
from hal.plugin import Program
from hal.program.drawing.dot import to_dot
from hal.program.drawing.graph import graph_of
from hal.program.drawing.svg import to_html, to_svg

__all__ = ["draw", "graph_of", "to_dot", "to_html", "to_svg"]

_WRITERS = {".dot": to_dot, ".gv": to_dot, ".svg": to_svg, ".html": to_html}


def draw(program: Program, path: Any) -> None:
    """Write a program as a graph, in the format that the file's name ends with.

    Parameters
    ----------
    program : Program
    path : str or os.PathLike
        ``.svg`` and ``.html`` are pictures for any browser, ``.dot`` and ``.gv`` Graphviz's text.

    Raises
    ------
    ValueRangeError
        For another ending, or when the file cannot be written.
    """
    target = Path(path)
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        raise ValueRangeError(
            f"{target.name!r} ends with no format that a program is drawn in; end it with one of "
            f"{', '.join(_WRITERS)}"
        )
    text = write(program)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ValueRangeError(f"{path} cannot be written: {error.strerror}") from None
