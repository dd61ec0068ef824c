"""Model files that nobody should trust: each gives an error that says what is wrong."""

import os

import numpy as np
import pytest
from onnx import TensorProto, helper

import hal
import hal.onnx

DOUBLE = "g (float[2] x) => (float[2] y) { y = Add(x, x) }"


def load(model, **limits):
    return hal.onnx.load(model, "cpu:0", limits=hal.onnx.Limits(**limits))


def with_weight(**fields):
    """Return a model that adds a weight, whose proto has the given fields."""
    weight = TensorProto(name="w", data_type=1, dims=[2])
    for key, value in fields.items():
        if isinstance(value, list):
            getattr(weight, key)[:] = value
        else:
            setattr(weight, key, value)
    node = helper.make_node("Add", ["x", "w"], ["y"])
    one = helper.make_tensor_value_info("x", 1, [2])
    two = helper.make_tensor_value_info("y", 1, [2])
    graph = helper.make_graph([node], "g", [one], [two], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def external(location, **more):
    model = with_weight()
    weight = model.graph.initializer[0]
    weight.data_location = 1
    for key, value in {"location": location, **more}.items():
        weight.external_data.add(key=key, value=str(value))
    return model


@pytest.fixture
def folder(tmp_path):
    """A folder with a model's weights beside it, and a secret outside."""
    inside = tmp_path / "model"
    inside.mkdir()
    (inside / "weights.bin").write_bytes(np.float32([9, 9, 1, 2]).tobytes())
    (tmp_path / "secret.bin").write_bytes(np.float32([7, 7]).tobytes())
    return inside


def saved(model, folder):
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_external_data_is_read_from_the_folder(folder):
    session = load(saved(external("weights.bin", offset=8, length=8), folder))
    assert session(x=np.float32([1, 1]))["y"].tolist() == [2, 3]


@pytest.mark.parametrize(
    "location",
    ["../secret.bin", "a/../../secret.bin", "/etc/hostname", "", "C:\\x", "..\\secret.bin", "a\0b"],
)
def test_external_data_outside_of_the_folder_is_not_read(folder, location):
    with pytest.raises(hal.ModelError, match="inside the model's folder"):
        load(saved(external(location), folder))


def test_links_out_of_the_folder_are_not_followed(folder):
    os.symlink(folder.parent / "secret.bin", folder / "link.bin")
    os.symlink(folder.parent, folder / "up")
    for location in ("link.bin", "up/secret.bin"):
        with pytest.raises(hal.ModelError, match="without links"):
            load(saved(external(location), folder))


def test_what_is_no_regular_file_is_not_read(folder):
    (folder / "sub").mkdir()
    with pytest.raises(hal.ModelError, match="sub"):
        load(saved(external("sub"), folder))
    with pytest.raises(hal.ModelError, match="No such file"):
        load(saved(external("missing.bin"), folder))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"offset": 12}, "has 16 bytes; tensor w needs 8 from 12 on"),
        ({"length": 4}, "needs 8 bytes, its external data says length 4"),
        ({"offset": -8}, "offset '-8'; it must be a number"),
        ({"offset": "1e9"}, "it must be a number"),
        ({"offset": 10**30}, "it must be a number"),
    ],
)
def test_external_data_must_fit_the_tensor(folder, more, text):
    with pytest.raises(hal.ModelError, match=text):
        load(saved(external("weights.bin", **more), folder))


def test_external_data_of_bytes_has_no_folder():
    with pytest.raises(hal.ModelError, match="give the model's path"):
        load(external("weights.bin").SerializeToString())


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"raw_data": b"1234"}, "need 8 bytes; the file holds 4"),
        ({"float_data": [1.0]}, "need 2 entries; the file holds 1"),
        ({"int32_data": [1, 2]}, "keeps its data in int32_data; it must be float_data"),
        ({"dims": [2**62, 2**62]}, "the limit is"),
        ({"dims": [-2]}, "none may be negative"),
        ({"data_type": 99, "raw_data": b"12"}, "element type 99"),
        ({"data_type": 8, "dims": [3]}, "but 0 strings"),
        ({"dims": [1] * 65, "raw_data": b"1234"}, "65 dims"),
    ],
)
def test_weights_must_be_what_they_say(fields, text):
    with pytest.raises(hal.ModelError, match=text):
        load(with_weight(**fields))


def test_a_file_that_is_no_model_says_so(tmp_path, text_model):
    whole = text_model(DOUBLE).SerializeToString()
    for contents in (b"", b"hello", whole[:-5], b"\xff" * 64):
        path = tmp_path / "broken.onnx"
        path.write_bytes(contents)
        with pytest.raises(hal.ModelError, match=r"no ONNX model|no graph|truncated"):
            load(path)
    with pytest.raises(hal.ModelError, match="is no file"):
        load(tmp_path / "missing.onnx")
    with pytest.raises(hal.DTypeError, match="not int"):
        load(3)


def test_the_file_may_not_be_above_its_limit(text_model):
    with pytest.raises(hal.ModelError, match=r"raise it with hal.onnx.Limits\(model_bytes"):
        load(text_model(DOUBLE).SerializeToString(), model_bytes=10)


def graph_of(nodes, inputs=("x",), outputs=("y",)):
    graph = helper.make_graph(
        [helper.make_node(op, i, o) for op, i, o in nodes],
        "g",
        [helper.make_tensor_value_info(i, 1, [2]) for i in inputs],
        [helper.make_tensor_value_info(o, 1, [2]) for o in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (graph_of([("Add", ["x", "b"], ["a"]), ("Neg", ["a"], ["b"])], outputs=("b",)), "a cycle"),
        (graph_of([("Neg", ["y"], ["y"])]), "a cycle"),
        (graph_of([("Neg", ["q"], ["y"])]), "needs 'q', which is no input"),
        (graph_of([("Neg", ["x"], ["z"])]), "nothing makes the output 'y'"),
        (graph_of([("Neg", ["x"], ["y"]), ("Abs", ["x"], ["y"])]), "exists already"),
        (graph_of([("Neg", ["x"], ["x"])], outputs=("x",)), "exists already"),
        (graph_of([("Neg", ["x"], ["y"])], inputs=("x", "x")), "two inputs named 'x'"),
        (graph_of([("Nonsense", ["x"], ["y"])]), "no operator Nonsense"),
        (graph_of([("Neg", ["x", "x"], ["y"])]), "the onnx checker refuses"),
    ],
)
def test_graphs_that_contradict_themselves_are_refused(model, text):
    with pytest.raises(hal.ModelError, match=text):
        load(model)


def test_two_weights_of_one_name_are_refused():
    model = with_weight(float_data=[1, 2])
    model.graph.initializer.append(model.graph.initializer[0])
    with pytest.raises(hal.ModelError, match="two initializers named 'w'"):
        load(model)


def test_versions_and_domains_must_be_known(text_model):
    with pytest.raises(hal.Unsupported, match=r"uses opset 999.*upgrade"):
        load(text_model(DOUBLE, opset=999))
    with pytest.raises(hal.ModelError, match="opset version"):
        load(text_model(DOUBLE, opset=0))
    model = graph_of([("Neg", ["x"], ["y"])])
    model.graph.node[0].domain = "else.where"
    with pytest.raises(hal.ModelError, match=r"'else.where', which the model does not import"):
        load(model)


def nested(depth):
    """Return a model whose branches lie in each other."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y0"])],
        "g",
        [],
        [helper.make_tensor_value_info("y0", 1, [2])],
    )
    for n in range(1, depth + 1):
        node = helper.make_node("If", ["c"], [f"y{n}"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([node], "g", [], [helper.make_tensor_value_info(f"y{n}", 1, [2])])
    graph.input.append(helper.make_tensor_value_info("x", 1, [2]))
    graph.input.append(helper.make_tensor_value_info("c", 9, []))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def test_deep_nesting_is_refused():
    assert load(nested(3)).run({"x": np.ones(2, np.float32), "c": True})
    with pytest.raises(hal.ModelError, match="depth of nested subgraphs"):
        load(nested(6), depth=5)


def test_the_number_of_nodes_is_limited_where_subgraphs_multiply_them():
    with pytest.raises(hal.ModelError, match="number of nodes"):
        load(nested(10), nodes=1000)


@pytest.mark.parametrize(
    "graph",
    [
        "g (int64[k] s) => (float[n] y) { y = ConstantOfShape(s) }",
        "g (int64[k] s) => (float[n] y) { a = Constant<value_float = 1.0>() y = Expand(a, s) }",
        "g (int64[k] s) => (float[n] y) { a = Constant<value_floats = [1.0]>() y = Tile(a, s) }",
        "g (int64[k] s) => (float[n] y)"
        "{ a = Constant<value_float = 1.0>() b = Expand(a, s) y = Neg(b) }",
    ],
)
def test_results_are_measured_before_memory_is_taken(text_model, graph):
    session = load(text_model(graph), value_bytes=2**20)
    with pytest.raises(hal.ModelError, match=r"size of a result of .* the limit is 1048576"):
        session(s=np.int64([2**40]))


def test_attributes_cannot_ask_for_work_without_end(text_model):
    model = text_model(
        f"g (float[4] x) => (float[2] y, float[2] z) {{ y, z = Split<num_outputs = {2**31}>(x) }}"
    )
    with pytest.raises(hal.ModelError, match="num_outputs is 2147483648; the node names 2"):
        hal.onnx.load(model, "cpu:0", check=False)(x=np.ones(4, np.float32))


def test_weights_together_have_a_limit():
    with pytest.raises(hal.ModelError, match="all weights"):
        load(with_weight(float_data=[1, 2]), total_bytes=4)


@pytest.mark.parametrize("value", [-1, 1.5, True, "1"])
def test_limits_are_whole_numbers(value):
    with pytest.raises(hal.ValueRangeError, match="limit depth"):
        hal.onnx.Limits(depth=value)
