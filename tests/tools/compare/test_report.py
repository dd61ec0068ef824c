"""What a comparison is saved and shown as."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np

from hal.tools.compare import compare, to_html
from hal.tools.compare.plot import svg
from hal.tools.compare.report import cells


def bend(given, result):
    result.flat[0] = np.inf
    result.flat[1] += np.float32(0.5)
    return result


def test_json_has_every_value_and_the_verdict(bent, network):
    bent["tanh"] = bend
    data = json.loads(compare(network, "bent:0", "cpu:0").to_json())
    assert data["verdict"] == "differs"
    assert data["introduced_by"] == ["the node Tanh 'squash'"]
    assert [row["value"] for row in data["rows"]] == ["a", "b", "c", "d", "e", "y"]
    assert data["rows"][2]["introduced"]["max_abs"] == 0.5
    assert data["rows"][2]["verdict"] == "introduces"
    assert data["first_divergence"] == "c"
    assert data["inputs"] == {"x": "float32[1, 16]"}


def test_the_page_needs_nothing_else_and_shows_every_value(bent, network):
    bent["tanh"] = bend
    network.graph.node[2].name = "<squash>"
    page = to_html(compare(network, "bent:0", "cpu:0"))
    assert not re.search(r"(src|href)=|url\(|@import|<script", page)
    assert page.count("<tr") == 1 + 6
    assert "&lt;squash&gt;" in page
    assert "<squash>" not in page


def test_the_plot_tells_introduced_from_inherited_error(bent, network):
    bent["tanh"] = lambda given, result: result + np.float32([0.1, 0.2] * 16)
    picture = ElementTree.fromstring(svg(compare(network, "bent:0", "cpu:0").rows))
    space = "{http://www.w3.org/2000/svg}"
    dots = picture.findall(f"{space}circle")
    (line,) = picture.findall(f"{space}polyline")
    large = [dot for dot in dots if dot.get("r") == "5"]
    assert [dot.find(f"{space}title").text.split(",")[0] for dot in large] == ["Tanh squash: c"]
    assert len(line.get("points").split()) == 3
    heights = [float(dot.get("cy")) for dot in dots]
    assert min(heights) == float(large[0].get("cy"))


def test_a_plot_of_no_error_is_a_plot():
    assert ElementTree.fromstring(svg([])).tag.endswith("svg")


def test_infinity_on_one_side_is_at_the_top_of_the_plot_and_first_in_the_table(bent, network):
    bent["tanh"] = lambda given, result: np.where(result > 0, np.float32(np.inf), result)
    found = compare(network, "bent:0", "cpu:0")
    assert found.worst(1)[0].value == "c"
    assert cells(found.worst(1)[0])[2] == "inf"
    picture = ElementTree.fromstring(svg(found.rows))
    dots = picture.findall("{http://www.w3.org/2000/svg}circle")
    assert min(float(dot.get("cy")) for dot in dots) == 14


def test_an_error_far_below_the_others_does_not_flatten_the_plot(bent, network):
    bent["tanh"] = lambda given, result: result + np.float32(0.1)
    rows = compare(network, "bent:0", "cpu:0").rows
    rows[0].introduced = replace(rows[0].introduced, unequal=1, scaled=1e-30)
    exponents = [int(n) for n in re.findall(r"1e(-?\d+)</text>", svg(rows))]
    assert max(exponents) - min(exponents) <= 12
