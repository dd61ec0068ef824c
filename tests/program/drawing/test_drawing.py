"""A program drawn: what its graph holds, that boxes do not overlap, that the files are valid."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

import hal
from hal.program.drawing import graph_of, to_svg
from hal.program.drawing.place import place

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def program(cpu):
    weight = hal.asarray(np.eye(8, dtype=np.float32), device=cpu)

    def block(x):
        with hal.profile.scope("first <layer>"):
            h = x @ weight
        return hal.exp(h) * 0.5 + x

    return hal.compile(block).program(hal.ones((4, 8), device=cpu))


def titles(graph, kind=None):
    return [n.title for n in graph.nodes if kind in (None, n.kind)]


def test_a_graph_has_arguments_calls_and_results(program):
    graph = graph_of(program)
    assert titles(graph) == ["argument 0", "linear", "fused", "result 0"]
    names = [(graph.nodes[e.source].title, graph.nodes[e.target].title) for e in graph.edges]
    assert sorted(names) == [
        ("argument 0", "fused"),
        ("argument 0", "linear"),
        ("fused", "result 0"),
        ("linear", "fused"),
    ]
    assert {e.text.split(": ")[-1] for e in graph.edges} == {"float32[4x8]"}


def test_a_fused_chain_is_written_out_with_its_numbers(program):
    (chain,) = [n for n in graph_of(program).nodes if n.title == "fused"]
    text = "\n".join(chain.lines)
    assert re.search(r"(\w) = exp\(\w\)\n(\w) = multiply\(\1, 0.5\)\n(\w) = add\(", text)
    assert text.splitlines()[-1].startswith("return ")


def test_a_call_shows_its_constants_and_the_models_name(program):
    (product,) = [n for n in graph_of(program).nodes if n.title == "linear"]
    assert product.lines[0] == "“first <layer>”"
    assert any("float32[8x8]" in line for line in product.lines)


def test_a_write_into_an_argument_comes_before_what_reads_it(cpu):
    def write(x):
        x[0] = 5.0
        return x + x

    graph = graph_of(hal.compile(write).program(hal.ones((2, 2), device=cpu)))
    copy, add = titles(graph).index("copy"), titles(graph).index("add")
    assert any((e.source, e.target) == (copy, add) for e in graph.edges)
    assert any(e.order and e.target == copy for e in graph.edges)


def test_views_are_drawn_where_they_are_read(cpu):
    graph = graph_of(hal.compile(lambda x: hal.exp(x[::2])).program(hal.ones(6, device=cpu)))
    assert titles(graph, "view") == ["slice"]
    view = graph.nodes.index(next(n for n in graph.nodes if n.kind == "view"))
    assert [graph.nodes[e.target].title for e in graph.edges if e.source == view] == ["exp"]


def overlaps(a, b):
    (ax, ay, aw, ah), (bx, by, bw, bh) = a, b
    return ax < bx + bw and bx < ax + aw and ay < by + bh and by < ay + ah


def boxes(svg):
    found = ElementTree.fromstring(svg).iter(f"{SVG}rect")
    return [tuple(float(r.get(k)) for k in ("x", "y", "width", "height")) for r in found]


def deep(cpu, layers):
    def model(x):
        for _ in range(layers):
            y = hal.nn.softmax(x @ x)
            z = hal.concat([hal.sort(x), y])[: x.shape[0]]
            x = x + hal.sin(y) @ z
        return x, hal.sum(x)

    return hal.compile(model).program(hal.ones((8, 8), device=cpu))


def test_boxes_of_a_large_program_do_not_overlap_and_lie_in_the_picture(cpu):
    program = deep(cpu, 35)
    svg = to_svg(program)
    found = boxes(svg)
    assert len(found) > 200
    assert not any(overlaps(a, b) for n, a in enumerate(found) for b in found[:n])
    width, height = (float(ElementTree.fromstring(svg).get(k)) for k in ("width", "height"))
    assert all(x >= 0 and y >= 0 and x + w <= width and y + h <= height for x, y, w, h in found)


def test_edges_run_downward():
    placed = place([(10, 10)] * 5, [(0, 1), (1, 2), (0, 3), (2, 4), (3, 4), (0, 4)])
    for path in placed.paths:
        assert all(a[1] < b[1] for a, b in pairwise(path))


def test_an_empty_graph_has_a_place_too():
    assert place([], []).centres == []


@pytest.mark.parametrize("name", ["net.svg", "net.html", "net.dot", "net.gv"])
def test_a_program_is_written_in_each_format(program, tmp_path, name):
    program.draw(tmp_path / name)
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert "linear" in text
    if name.endswith("svg"):
        assert ElementTree.fromstring(text).tag == f"{SVG}svg"
    if name.endswith("html"):
        assert "2 calls" in text
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_graphvizs_text_names_every_node_and_edge_and_escapes_what_it_must(program):
    text = program.to_dot()
    assert text.startswith('digraph "block" {')
    assert len(re.findall(r"^  n\d+ \[label=", text, re.M)) == 4
    assert len(re.findall(r"^  n\d+ -> n\d+ ", text, re.M)) == 4
    assert text.count('"') % 2 == 0


def test_another_ending_is_refused(program, tmp_path):
    with pytest.raises(hal.ValueRangeError, match=r"end it with one of .dot, .gv, .svg, .html"):
        program.draw(tmp_path / "net.png")
    with pytest.raises(hal.ValueRangeError, match="cannot be written"):
        program.draw(tmp_path / "no" / "net.svg")
