"""``hal.tools.check``: each verdict, each reason, on chips that are only figures."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest

import hal
from hal.tools.check import SCHEMA, check, page

NET = "net (float[n, 4] x) => (float[n, 4] y) { h = Relu(x) y = Mul(h, x) }"


def rows(report, number=0):
    return {row.name: row for row in report.devices[number].nodes}


def only(report):
    (device,) = report.devices
    return device


# Verdicts


def test_a_model_with_a_kernel_for_every_node_runs_natively(toy, model):
    found = only(check(model(NET), "toy-1", batch=8))
    assert (found.status, found.verdict, found.problems) == (0, "runs natively", ())
    assert found.counts["native"] == len(found.nodes) == 2
    assert found.emulated == "not present"


def test_what_is_decomposed_still_runs_natively_and_says_why(toy, model):
    norm = """net (float[n, 4] x) => (float[n, 4] y) <float[4] s = {1, 1, 1, 1}>
        { y = LayerNormalization(x, s) }"""
    report = check(model(norm), "toy-1", batch=2)
    row = rows(report)["y"]
    assert (report.status, row.route) == (0, "decomposed")
    assert row.reason == "no kernel for layer_norm: the unit has no layer_norm"
    assert row.kernels > 1
    assert f"{row.kernels} kernels" in row.advice


def test_a_primitive_without_a_kernel_runs_on_the_host(toy, model):
    report = check(model("net (float[4] x) => (float[4] y) { y = Sin(x) }"), "toy-1")
    row = rows(report)["y"]
    assert (report.status, row.route) == (1, "host")
    assert row.reason == "no kernel for sin: the unit has no sin"
    assert "add a kernel for sin" in row.advice
    assert only(report).prediction.bounds["host"] > 0


def test_the_advice_names_the_dtype_in_which_a_kernel_exists(toy, model):
    report = check(model("net (float[4] x) => (float[4] y) { y = Tanh(x) }"), "toy-1")
    row = rows(report)["y"]
    assert (row.route, row.advice) == ("host", "use float16 here, in which it is native")


def test_an_operator_that_hal_lacks_is_impossible_and_the_rest_is_still_checked(toy, model):
    net = """net (float[4] x) => (float[4] y, float[4] z, float[4] b, float[4] c)
        { a = Relu(x) b = mine.Odd(a) c = mine.Other(a) y = Add(b, c) z = Neg(a) }"""
    report = check(model(net, ', "mine" : 1'), "toy-1")
    found = rows(report)
    assert report.status == 3
    assert [found[n].route for n in "abcyz"] == [
        "native", "impossible", "impossible", "native", "native",
    ]  # fmt: skip
    assert "hal has no operator Odd of mine" in found["b"].reason
    assert "give the model a function for it" in found["b"].advice


def test_a_node_that_does_not_fit_the_sizes_is_impossible(toy, model):
    net = """net (float[n] x) => (float[7] y) <int64[1] s = {7}> { y = Reshape(x, s) }"""
    assert check(model(net), "toy-1", batch=7).status == 0
    row = rows(check(model(net), "toy-1", batch=6))["y"]
    assert row.route == "impossible"
    assert row.advice == "correct the model, or check the sizes it was made for"


def test_what_follows_an_unknown_value_is_not_checked(toy, model):
    net = """net (float[4] x) => (float[m] y)
        { b = mine.Odd(x) c = Neg(b) y = Relu(c) }"""
    found = rows(check(model(net, ', "mine" : 1'), "toy-1"))
    assert [found[n].route for n in "bcy"] == ["impossible", "unchecked", "unchecked"]
    assert found["y"].reason == "Odd 'b' gives no result"


def test_what_a_chip_refuses_is_impossible_and_the_way_out_is_told(toy, model):
    net = """net (float[2, 3] x) => (float[2, 2] y) <float[2, 3] w = {1, 2, 3, 4, 5, 6}>
        { h = Gemm<transB = 1>(x, w) y = Relu(h) }"""
    report = check(model(net), "toy-1")
    found = rows(report)
    assert (report.status, found["h"].route, found["y"].route) == (3, "impossible", "native")
    assert found["h"].reason == "no float32 in products"
    assert found["h"].advice == "use float16 here, in which it is native, or --precision medium"
    assert only(report).prediction is None
    assert check(model(net), "toy-1", precision="medium").status == 0


def test_a_dtype_that_the_chip_lacks_is_impossible_and_has_an_alternative(toy, model):
    net = "net (double[4] x) => (double[4] y) { y = Neg(x) }"
    report = check(model(net), "toy-1")
    routes = [(row.operator, row.route) for row in only(report).nodes]
    assert report.status == 3
    assert routes == [("(input)", "impossible"), ("Neg", "impossible")]
    row = rows(report)["y"]
    assert row.reason == "Toy toy-1 has no float64"
    assert row.advice.startswith("float64 → float32: export the model in float32")
    assert row.dtypes == ("float64",)


def test_the_dtypes_of_a_model_are_listed_and_those_that_are_missing(toy, model):
    net = """net (double[4] x) => (float[4] y) { y = Cast<to=1>(x) }"""
    found = only(check(model(net), "toy-1"))
    assert found.dtypes == ("float32", "float64")
    assert list(found.missing) == ["float64"]
    assert found.missing["float64"].startswith("float64 → float32")


def test_a_function_is_told_by_the_nodes_it_is_made_of(toy, model):
    functions = """<domain: "mine", opset_import: ["" : 22]>
        twice (a) => (b) { c = Neg(a) b = Neg(c) }"""
    net = "net (float[4] x) => (float[4] y) { h = mine.twice(x) y = mine.twice(h) }"
    report = check(model(f"{net}\n{functions}", ', "mine" : 1'), "toy-1")
    assert [row.operator for row in only(report).nodes] == ["Neg"] * 4


def test_a_dtype_between_two_casts_is_seen_at_both(toy, model):
    net = """net (float[4] x) => (float[4] y) { h = Cast<to=11>(x) y = Cast<to=1>(h) }"""
    found = rows(check(model(net), "toy-1"))
    assert found["h"].route == found["y"].route == "impossible"


def test_weights_of_a_missing_dtype_are_told_even_where_loading_converts_them(toy):
    from onnx import helper, numpy_helper

    weight = numpy_helper.from_array(np.ones(2000), "w")
    nodes = [helper.make_node("Cast", ["w"], ["c"], to=1), helper.make_node("Add", "xc", "y")]
    info = [helper.make_tensor_value_info(name, 1, [2000]) for name in "xy"]
    graph = helper.make_graph(nodes, "net", info[:1], info[1:], [weight])
    opset = helper.make_opsetid("", 22)
    report = check(helper.make_model(graph, opset_imports=[opset], ir_version=10), "toy-1")
    assert only(report).folded == 1
    assert [(r.operator, r.route) for r in only(report).nodes] == [
        ("(weights)", "impossible"),
        ("Add", "native"),
    ]


def test_more_memory_than_there_is_cannot_run(toy, model):
    report = check(model(NET), ["toy-1", "toy-2"], batch=1 << 20)
    small, large = report.devices
    assert (small.status, large.status, report.status) == (3, 0, 3)
    assert small.memory.peak == large.memory.peak > small.memory.capacity
    assert "times the memory that is there" in small.problems[0]


def test_a_share_of_the_memory_may_be_the_limit(toy, model):
    assert check(model(NET), "toy-1", batch=1 << 18, max_memory=1.0).status == 0
    report = check(model(NET), "toy-1", batch=1 << 18, max_memory=0.5)
    assert report.status == 1
    assert only(report).problems == ("it takes 75% of the memory; at most 50% may",)


def test_a_latency_may_be_the_limit(toy, model):
    report = check(model(NET), "toy-1", batch=1 << 18)
    seconds = only(report).prediction.seconds
    assert check(model(NET), "toy-1", batch=1 << 18, max_seconds=2 * seconds).status == 0
    slow = check(model(NET), "toy-1", batch=1 << 18, max_seconds=seconds / 2)
    assert slow.status == 1
    assert "ms predicted, over" in only(slow).problems[0]


# What is counted


def test_memory_is_weights_inputs_outputs_and_the_planned_rest(toy, model):
    net = """net (float[n, 4] x) => (float[n, 2] y) <float[4, 2] w = {1, 2, 3, 4, 5, 6, 7, 8}>
        { h = Relu(x) y = MatMul(h, w) }"""
    memory = only(check(model(net), "toy-1", batch=100)).memory
    assert (memory.weights, memory.inputs, memory.outputs) == (32, 1600, 800)
    assert memory.intermediate == 1600
    assert memory.peak == 32 + 1600 + 800 + 1600


def test_the_prediction_names_what_bounds_it_and_which_nodes_take_the_time(toy):
    from onnx import helper, numpy_helper

    weight = numpy_helper.from_array(np.zeros((4096, 4096), np.float32), "w")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="large"),
        helper.make_node("Softmax", ["h"], ["y"], name="small"),
    ]
    info = [helper.make_tensor_value_info(name, 1, [512, 4096]) for name in "xy"]
    graph = helper.make_graph(nodes, "net", info[:1], info[1:], [weight])
    net = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    device = only(check(net, "toy-2"))
    top = device.prediction.contributors[0]
    assert (top.calls, top.bound, device.nodes_of(top.labels)) == (1, "matrix", ["large"])
    assert top.seconds >= 2 * 512 * 4096 * 4096 / 1e13
    assert sum(device.prediction.bounds.values()) == pytest.approx(device.prediction.seconds)


def test_what_another_dtype_would_save_is_told(toy):
    from onnx import helper, numpy_helper

    def net(dtype):
        weight = numpy_helper.from_array(np.zeros((1024, 1024), dtype), "w")
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        info = [helper.make_tensor_value_info(name, kind, [1024, 1024]) for name in "xy"]
        nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
        graph = helper.make_graph(nodes, "net", info[:1], info[1:], [weight])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)

    single = only(check(net(np.float32), "toy-1")).prediction
    half = only(check(net(np.float16), "toy-1")).prediction
    assert single.otherwise == {"float16": pytest.approx(half.seconds)}
    assert half.otherwise == {}


def test_a_quicker_chip_is_predicted_to_be_quicker(toy, model):
    first, second = check(model(NET), ["toy-1", "toy-2"], batch=1 << 18).devices
    assert first.prediction.seconds == pytest.approx(10 * second.prediction.seconds)


def test_a_device_that_is_there_is_asked_itself(model):
    found = only(check(model(NET), "cpu:0", batch=2))
    assert (found.status, found.emulated) == (0, "")
    assert only(check(model(NET), hal.device("cpu:0"), batch=2)).name == "cpu:0"


# What depends on values


def test_both_branches_are_checked_where_values_choose(toy, model):
    net = """net (bool c, float[4] x) => (float[4] y) { y = If(c) <
        then_branch = t () => (float[4] a) { a = Sin(x) },
        else_branch = e () => (float[4] b) { b = Neg(x) }> }"""
    report = check(model(net), "toy-1")
    found = rows(report)
    assert (found["a"].route, found["b"].route) == ("host", "native")
    assert "both were checked" in found["y"].note


def test_one_turn_is_checked_of_a_loop_whose_length_values_decide(toy, model):
    net = """net (int64 n, bool c, float[4] x) => (float[4] y) { y = Loop(n, c, x) <
        body = b (int64 i, bool go, float[4] s) => (bool more, float[4] t)
        { more = Identity(go) t = Neg(s) }> }"""
    report = check(model(net), "toy-1")
    found = rows(report)
    assert found["t"].times == 1
    assert "one turn was checked" in found["y"].note
    assert report.status == 0


def test_a_loop_of_known_length_is_counted_turn_by_turn(toy, model):
    net = """net (float[4] x) => (float[4] y) <int64 n = {5}, bool c = {1}>
        { y = Loop(n, c, x) < body = b (int64 i, bool go, float[4] s) => (bool go, float[4] t)
        { t = Neg(s) }> }"""
    row = rows(check(model(net), "toy-1"))["t"]
    assert (row.times, row.kernels) == (5, 5)


def test_a_shape_that_values_decide_is_read_on_the_host(toy, model):
    net = "net (float[4] x) => (int64[1, m] y) { h = NonZero(x) y = Neg(h) }"
    report = check(model(net), "toy-1")
    found = rows(report)
    assert (found["h"].route, found["y"].route, report.status) == ("host", "native", 1)
    assert "depends on values" in found["h"].reason


def test_a_value_that_is_given_decides_the_shape(toy, model):
    net = "net (float[4] x, int64[2] s) => (float[a, b] y) { y = Reshape(x, s) }"
    assert rows(check(model(net), "toy-1"))["y"].route == "host"
    report = check(model(net), "toy-1", values={"s": np.array([2, 2])})
    assert rows(report)["y"].route == "free"
    assert report.status == 0


# What is asked for wrongly


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, r"leaves open: axis 0 \(n\) of x: float32\[n, 4\]"),
        ({"shapes": {"x": (2, 5)}}, "with 4 as the size of axis 1"),
        ({"shapes": {"x": (2,)}}, r"the shape \(2,\) does not fit"),
        ({"shapes": {"z": (2,)}}, "no input 'z'; it has: x"),
        ({"sizes": {"k": 2}}, "no axis of the model is named 'k'; there are: n"),
        ({"batch": -1}, "a size is -1"),
        ({"batch": 1, "max_memory": 2}, "share of memory is 2"),
        ({"batch": 1, "max_seconds": 0}, "must be above zero"),
    ],
)
def test_wrong_sizes_and_options_are_errors(toy, model, options, text):
    with pytest.raises(hal.HalError, match=text):
        check(model(NET), "toy-1", **options)


def test_a_batch_does_not_change_an_axis_that_the_model_fixes(toy, model):
    net = "net (float[2, 4] x) => (float[2, 4] y) { y = Neg(x) }"
    assert check(model(net), "toy-1", batch=2).status == 0
    with pytest.raises(hal.ShapeError, match="fixes its first axis"):
        check(model(net), "toy-1", batch=3)


@pytest.mark.parametrize(
    ("device", "error", "text"),
    [
        ("toy-9", hal.errors.ValueRangeError, "no chip or device is named 'toy-9'; chips: .*toy-1"),
        ("toy:0", hal.errors.DeviceError, "no card answers"),
        ("missing.toml", hal.errors.ValueRangeError, "is no file"),
        ([], hal.errors.ValueRangeError, "no device to check for"),
    ],
)
def test_a_device_that_is_none_is_an_error(toy, model, device, error, text):
    with pytest.raises(error, match=text):
        check(model(NET), device, batch=1)


FIGURES = """
name = "own"
description = "Own chip"
backend = "{backend}"
architecture = "{architecture}"
memory = 1000000
bandwidth = 1e9
dtypes = ["float32"]
matrix.float32 = 1e9
vector.float32 = 1e9
"""


def test_a_chip_may_come_from_a_file(toy, model, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(FIGURES.format(backend="toy", architecture="t1"))
    assert only(check(model(NET), str(path), batch=1)).description == "Own chip"


@pytest.mark.parametrize(
    ("backend", "architecture", "text"),
    [
        ("nobody", "t1", "pip install hal-nobody"),
        ("toy", "t7", "does not say what runs on 't7'"),
    ],
)
def test_a_chip_of_which_no_plugin_knows_the_kernels_is_an_error(
    toy, model, tmp_path, backend, architecture, text
):
    path = tmp_path / "own.toml"
    path.write_text(FIGURES.format(backend=backend, architecture=architecture))
    with pytest.raises(hal.HalError, match=text):
        check(model(NET), str(path), batch=1)


# What is written


def test_the_json_has_a_version_and_stable_keys(toy, model):
    found = json.loads(json.dumps(check(model(NET), ["toy-1", "cpu:0"], batch=2).to_json()))
    assert found["schema"] == SCHEMA == 1
    assert list(found) == ["schema", "model", "inputs", "batch", "devices"]
    assert found["inputs"] == {"x": "float32[2, 4]"}
    first, second = found["devices"]
    assert list(first) == [
        "name", "description", "architecture", "emulated", "verdict", "status", "problems",
        "dtypes", "counts", "nodes", "memory", "prediction",
    ]  # fmt: skip
    assert list(first["nodes"][0]) == [
        "name", "operator", "domain", "route", "kernels", "dtypes", "reason", "advice", "times",
        "note",
    ]  # fmt: skip
    assert list(first["memory"]) == [
        "weights", "inputs", "outputs", "intermediate", "capacity", "peak",
    ]  # fmt: skip
    assert {"seconds", "items_per_second", "bounds", "contributors"} <= set(first["prediction"])
    assert list(first["prediction"]["contributors"][0]) == [
        "operator", "shapes", "calls", "seconds", "share", "bound", "nodes",
    ]  # fmt: skip
    assert second["name"] == "cpu:0"


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere(toy, model):
    net = "net (double[4] x) => (double[4] y) { h = Sin(x) y = Relu(h) }"
    text = page(check(model(net), ["toy-1", "toy-2"]))
    root = ElementTree.fromstring(text.partition("\n")[2])
    assert {e.tag for e in root.iter()} >= {"svg", "table", "rect", "details"}
    assert not [
        e for e in root.iter() if {"src", "href"} & set(e.attrib) or e.tag in ("script", "link")
    ]
    assert "toy-1" in text
    assert "float64 → float32" in text


def test_names_with_markup_stay_text_on_the_page(toy, model):
    net = model(NET)
    net.graph.node[0].name = "<script>alert(1)</script>"
    text = page(check(net, "toy-1", batch=1))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
