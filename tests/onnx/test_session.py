"""Sessions: inputs and outputs by name, where values live, errors at the call."""

import json

import numpy as np
import pytest

import hal
import hal.onnx

LINE = "line (float[n] x, float[n] w) => (float[n] y, float[n] z) { y = Mul(x, w) z = Add(y, w) }"
ONE, TWO = np.float32([1, 2]), np.float32([3, 4])


@pytest.fixture
def session(text_model):
    return hal.onnx.load(text_model(LINE), "cpu:0")


def test_inputs_and_outputs_have_names_dtypes_and_shapes(session):
    assert [(i.name, i.dtype, i.shape) for i in session.inputs] == [
        ("x", hal.float32, ("n",)),
        ("w", hal.float32, ("n",)),
    ]
    assert [str(o) for o in session.outputs] == ["float32[n]", "float32[n]"]


def test_a_session_is_called_with_names(session):
    found = session(x=ONE, w=TWO)
    assert {n: v.tolist() for n, v in found.items()} == {"y": [3, 8], "z": [6, 12]}


def test_a_compiled_session_makes_a_program_for_each_shape(text_model):
    session = hal.onnx.load(text_model(LINE), "cpu:0", compile=True)
    for size in (2, 3, 2):
        ones = np.ones(size, np.float32)
        assert session(x=ones, w=ones)["z"].tolist() == [2] * size
        assert list(session.run({"x": ones, "w": ones}, ["z"])) == ["z"]
    assert session.profile({"x": ONE, "w": TWO}).rows("name")


def run_nodes(session, *given):
    """Return how many nodes ran one by one, and what came of it."""
    with hal.profile() as profile:
        found = session(**dict(zip("xw", given, strict=True)))
    return len([e for e in profile.events if e.kind == "node"]), found


def test_a_model_runs_as_a_program_when_shapes_come_again(text_model):
    session = hal.onnx.load(text_model(LINE), "cpu:0")
    for given, nodes in ((ONE, 2), (ONE, 0), (np.ones(5, np.float32), 2), (ONE, 0)):
        ran, found = run_nodes(session, given, given)
        assert ran == nodes
        assert found["z"].tolist() == (given * given + given).tolist()
    assert session.eager == ""


def test_shapes_of_which_there_are_many_wait_longer_for_a_program(text_model):
    session = hal.onnx.load(text_model(LINE), "cpu:0")
    for turn in range(1, 4):
        for size in range(1, 8):
            ones = np.ones(size, np.float32)
            ran, found = run_nodes(session, ones, ones)
            assert ran == (0 if turn > (1 if size <= 4 else 2) else 2)
            assert found["z"].tolist() == [2] * size


def test_a_session_that_is_prepared_runs_as_a_program_at_once(text_model):
    session = hal.onnx.load(text_model(LINE), "cpu:0")
    session.prepare({"x": ONE, "w": ONE})
    assert run_nodes(session, ONE, ONE)[0] == 0


def test_a_model_inside_a_compiled_function_is_part_of_its_program(session):
    x = hal.asarray(ONE, device="cpu:0")
    for function in (lambda x: session(x=x, w=x)["z"], lambda x: session(x=x, w=x)["z"] + 0):
        assert hal.compile(function)(x).tolist() == (ONE * ONE + ONE).tolist()


def test_a_session_that_shall_not_compile_runs_node_by_node(text_model):
    session = hal.onnx.load(text_model(LINE), "cpu:0", compile=False)
    assert [run_nodes(session, ONE, ONE)[0] for _ in range(3)] == [2] * 3
    assert session.eager == "asked for"


def test_a_model_whose_shapes_depend_on_values_is_not_compiled(text_model):
    graph = "g (float[n] x) => (int64[1, m] y) { y = NonZero(x) }"
    session = hal.onnx.load(text_model(graph), "cpu:0")
    for zeros in range(3):
        given = np.float32([0] * zeros + [1] * (3 - zeros))
        assert session(x=given)["y"].shape == (1, 3 - zeros)
    assert "node NonZero" in session.eager
    with pytest.raises(hal.TraceError, match=r"node NonZero.*only when it runs"):
        hal.onnx.load(text_model(graph), "cpu:0", compile=True)(x=ONE)


def test_a_model_that_draws_random_numbers_is_not_compiled(text_model):
    model = text_model("g (float[n] x) => (float[n] y) { y = RandomNormalLike(x) }")
    session = hal.onnx.load(model, "cpu:0")
    drawn = {tuple(session(x=ONE)["y"].tolist()) for _ in range(4)}
    assert len(drawn) == 4
    assert "random" in session.eager
    with pytest.raises(hal.Unsupported, match="random numbers"):
        hal.onnx.load(model, "cpu:0", compile=True)


def test_only_the_outputs_asked_for_are_returned(session):
    assert list(session.run({"x": ONE, "w": TWO}, ["z"])) == ["z"]


def test_sizes_may_differ_from_call_to_call(session):
    for size in (1, 5, 2):
        ones = np.ones(size, np.float32)
        assert session(x=ones, w=ones)["z"].shape == (size,)


def test_lists_of_numbers_take_the_dtype_of_the_input(session):
    assert session(x=[1, 2], w=[3, 4])["y"].dtype is hal.float32


def test_tensors_on_the_device_are_not_copied(text_model):
    same = hal.onnx.load(text_model("g (float[n] x) => (float[n] y) { y = Identity(x) }"), "cpu:0")
    x = hal.asarray([1.0, 2.0], device="cpu:0")
    assert same(x=x)["y"] is x


def test_outputs_are_tensors_on_the_device(session):
    assert session(x=ONE, w=TWO)["y"].device is hal.device("cpu:0")


def test_initializers_that_are_inputs_may_be_replaced(text_model):
    model = text_model(
        "g (float[2] x, float[2] w) => (float[2] y) <float[2] w = {10.0, 20.0}> { y = Add(x, w) }"
    )
    session = hal.onnx.load(model, "cpu:0")
    assert [i.name for i in session.inputs] == ["x"]
    assert session(x=ONE)["y"].tolist() == [11, 22]
    assert session(x=ONE, w=TWO)["y"].tolist() == [4, 6]


@pytest.mark.parametrize(
    ("inputs", "error", "text"),
    [
        ({"x": ONE}, hal.ValueRangeError, "missing: w; the model takes: x: float32"),
        ({"x": ONE, "w": ONE, "v": ONE}, hal.ValueRangeError, "unknown: v"),
        ({"x": ONE, "w": np.float64([1, 2])}, hal.DTypeError, "'w' takes float32.*not float64"),
        ({"x": ONE, "w": np.float32([1])}, hal.ShapeError, r"\(1,\).*float32\[n\] with n=2"),
        ({"x": ONE, "w": np.float32(1)}, hal.ShapeError, r"has shape \(\)"),
        ({"x": ONE, "w": ["a", "b"]}, hal.DTypeError, "takes float32"),
        ({"x": ONE, "w": None}, hal.DTypeError, "takes float32"),
        ([ONE, ONE], hal.DTypeError, "inputs are a mapping"),
    ],
)
def test_wrong_inputs_are_refused_before_anything_runs(session, inputs, error, text):
    with pytest.raises(error, match=text):
        session.run(inputs)


def test_an_unknown_output_is_refused(session):
    with pytest.raises(hal.ValueRangeError, match="no output 'q'; it has: y, z"):
        session.run({"x": ONE, "w": TWO}, ["q"])


def test_streams_and_precision_hold_for_the_run(session):
    stream = hal.Stream("cpu:0")
    found = session.run({"x": ONE, "w": TWO}, stream=stream, precision="high")
    stream.synchronize()
    assert found["y"].tolist() == [3, 8]
    with pytest.raises(hal.ValueRangeError, match="precision"):
        session.run({"x": ONE, "w": TWO}, precision="low")


def test_an_error_in_a_run_names_the_node(run):
    with pytest.raises(hal.ModelError, match=r"node Reshape that makes y.*4 elements"):
        run("g (float[n] x, int64[1] s) => (float[m] y) { y = Reshape(x, s) }",
            x=np.ones(4, np.float32), s=np.int64([3]))  # fmt: skip


def test_a_profile_counts_each_node_and_writes_a_trace(text_model, tmp_path):
    session = hal.onnx.load(text_model(LINE), "cpu:0", compile=False)
    profile = session.profile({"x": ONE, "w": TWO}, repeat=3)
    assert {(r.operator, r.name, r.calls) for r in profile.rows("name")} == {
        ("Mul", "y", 3),
        ("Add", "z", 3),
    }
    assert "Mul" in profile.table("name")
    assert [e.name for e in profile.events if e.operator == "multiply"] == ["y"] * 3
    profile.save(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    nodes = [e for e in events if e.get("cat") == "node"]
    assert [(e["name"], e["args"]["operator"]) for e in nodes] == [("y", "Mul"), ("z", "Add")] * 3
    assert all(e["dur"] > 0 for e in nodes)


def test_a_profile_of_a_compiled_session_has_the_names_of_the_nodes(text_model):
    model = text_model("g (float[2, 2] x) => (float[2, 2] z) { y = MatMul(x, x) z = Softmax(y) }")
    session = hal.onnx.load(model, "cpu:0", compile=True)
    profile = session.profile({"x": np.ones((2, 2), np.float32)}, repeat=2)
    assert {(r.name, r.operator, r.calls) for r in profile.rows("name")} == {
        ("y", "matmul", 2),
        ("z", "softmax", 2),
    }


def test_nodes_of_constants_run_once(text_model):
    model = text_model(
        "g (float[2] x) => (float[2] y)"
        "{ a = Constant<value = float[2] {1.0, 2.0}>() b = Mul(a, a) y = Add(x, b) }"
    )
    profile = hal.onnx.load(model, "cpu:0", compile=False).profile({"x": ONE})
    assert [r.operator for r in profile.rows("name")] == ["Add"]


def test_shapes_are_calculated_without_the_device(text_model):
    model = text_model(
        """g (float[a, b] x) => (float[n] y) {
        s = Shape(x)
        n = ReduceProd<keepdims = 1>(s)
        y = Reshape(x, n)
        }"""
    )
    session = hal.onnx.load(model, "cpu:0")
    hal.reset_report()
    assert session(x=np.ones((2, 3), np.float32))["y"].shape == (6,)
    assert "prod" not in {r.operator for r in hal.report().rows if r.calls}


def test_strings_go_in_and_out(run):
    graph = "g (string[n] x, string[n] y) => (string[n] z) { z = StringConcat(x, y) }"
    found = run(graph, x=["a", "b"], y=np.array(["c", "d"]))
    assert found["z"].tolist() == ["ac", "bd"]


def test_sequences_are_lists(run):
    found = run(
        "g (seq(float[n]) s) => (seq(float[n]) t, int64 n)"
        "{ n = SequenceLength(s) t = SequenceErase(s) }",
        s=[ONE, TWO],
    )
    assert found["n"] == 2
    assert [t.tolist() for t in found["t"]] == [[1, 2]]


def test_an_observer_sees_every_node_with_its_results(text_model):
    model = text_model(
        "net (float[2] x) => (float[2] y) { h = own.twice(x) y = Neg(h) }",
        functions='<domain: "own", opset_import: ["" : 22]> twice (a) => (b) { b = Add(a, a) }',
        imports=', "own" : 1',
    )
    seen = []

    def observer(run, step, call):
        results = call()
        seen.append((step.operator, results[0].numpy().tolist()))
        return results

    session = hal.onnx.load(model, "cpu:0", observer=observer)
    session.run({"x": np.float32([1, 2])})
    assert seen == [("Add", [2, 4]), ("twice", [2, 4]), ("Neg", [-2, -4])]


def test_an_observer_may_give_other_results(text_model):
    model = text_model("net (float[2] x) => (float[2] y) { h = Abs(x) y = Neg(h) }")

    def observer(run, step, call):
        found = call()
        return [found[0] + 1] if step.operator == "Abs" else found

    session = hal.onnx.load(model, "cpu:0", observer=observer)
    assert session.run({"x": np.float32([1, 2])})["y"].numpy().tolist() == [-2, -3]


def test_a_compiled_model_has_no_observer(text_model):
    model = text_model("net (float[2] x) => (float[2] y) { y = Neg(x) }")
    with pytest.raises(hal.errors.ValueRangeError, match="no nodes that an observer"):
        hal.onnx.load(model, "cpu:0", compile=True, observer=lambda run, step, call: call())


def test_weights_of_a_file_are_not_kept_twice():
    from onnx import helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((64, 64), np.float32), "w")
    shape = helper.make_tensor_value_info("x", 1, [1, 64])
    result = helper.make_tensor_value_info("y", 1, [1, 64])
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "product", [shape], [result], [weight])
    opsets = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    read = hal.onnx.load(model.SerializeToString(), "cpu:0")
    assert read.model.ByteSize() < 1000
    assert read(x=np.ones((1, 64), np.float32))["y"].numpy().tolist() == [[64.0] * 64]
    assert hal.onnx.load(model, "cpu:0").model is model
