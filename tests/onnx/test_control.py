"""Control flow, functions, and what only they can get wrong."""

import numpy as np
import pytest

import hal
import hal.onnx

LOOP = """g (int64 m) => (int64 total, int64[k] squares) {
  go = Constant<value = bool {1}>()
  zero = Constant<value = int64 {0}>()
  total, squares = Loop(m, go, zero) <body = turn (int64 i, bool c, int64 t)
    => (bool d, int64 u, int64 q) {
    d = Identity(c)
    u = Add(t, i)
    q = Mul(i, i)
  }>
}"""
FUNCTION = '<domain: "own", opset_import: ["" : 22]>\n'


def test_a_loop_carries_state_and_collects_what_each_turn_makes(run):
    found = run(LOOP, m=np.int64(4))
    assert found["total"] == 6
    assert found["squares"].tolist() == [0, 1, 4, 9]


def test_a_loop_without_turns_collects_nothing(run):
    found = run(LOOP, m=np.int64(0))
    assert found["total"] == 0
    assert found["squares"].shape == (0,)
    assert found["squares"].dtype == np.int64


def test_endless_loops_end_at_the_limit(text_model):
    model = text_model(LOOP.replace("int64 m)", "int64 m, bool unused)"))
    session = hal.onnx.load(model, "cpu:0", limits=hal.onnx.Limits(iterations=10))
    with pytest.raises(hal.ModelError, match=r"turns of loops.*node Loop.* 11, the limit is 10"):
        session.run({"m": np.int64(2**62), "unused": True})


def test_a_branch_sees_the_values_around_it(run):
    graph = """g (float[2] x, bool c) => (float[2] y) {
      h = Add(x, x)
      y = If (c) <then_branch = a () => (float[2] p) { p = Add(h, x) },
                  else_branch = b () => (float[2] q) { q = Neg(h) }>
    }"""
    x = np.float32([1, 2])
    assert run(graph, x=x, c=True)["y"].tolist() == [3, 6]
    assert run(graph, x=x, c=False)["y"].tolist() == [-2, -4]


def test_a_value_that_only_a_branch_needs_is_kept_for_it(run):
    graph = """g (float[1] x, bool c) => (float[1] y) {
      a = Neg(x)
      b = Abs(a)
      z = Add(b, b)
      y = If (c) <then_branch = t () => (float[1] p) {
          p = If (c) <then_branch = u () => (float[1] q) { q = Add(a, z) },
                      else_branch = v () => (float[1] r) { r = Identity(a) }>
        }, else_branch = e () => (float[1] s) { s = Identity(z) }>
    }"""
    assert run(graph, x=np.float32([3]), c=True)["y"].tolist() == [3]


def test_a_function_of_the_model_takes_its_attributes_from_the_call(run):
    found = run(
        "g (float[2] x) => (float[2] y, float[2] z)"
        "{ y = own.scale<by = 3.0>(x) z = own.scale<by = -1.0>(x) }",
        functions=FUNCTION + """scale <by> (x) => (y) {
          c = Constant<value_float: float = @by>()
          y = Mul(x, c)
        }""",
        imports=', "own" : 1',
        x=np.float32([1, 2]),
    )  # fmt: skip
    assert found["y"].tolist() == [3, 6]
    assert found["z"].tolist() == [-1, -2]


def test_a_function_does_not_see_the_values_around_its_call(text_model):
    model = text_model(
        "g (float[2] x, float[2] w) => (float[2] y) { y = own.f(x) }",
        functions=FUNCTION + "f (x) => (y) { y = Mul(x, w) }",
        imports=', "own" : 1',
    )
    with pytest.raises(hal.ModelError, match="needs 'w'"):
        hal.onnx.load(model, "cpu:0")


def test_a_function_may_not_call_itself(text_model):
    model = text_model(
        "g (float[2] x) => (float[2] y) { y = own.f(x) }",
        functions='<domain: "own", opset_import: ["own" : 1]>\nf (x) => (y) { y = own.f(x) }',
        imports=', "own" : 1',
    )
    with pytest.raises(hal.ModelError, match="calls itself"):
        hal.onnx.load(model, "cpu:0", check=False)


def test_a_scan_walks_axes_in_both_directions(run):
    graph = """g (float[2] s, float[2, 3] x) => (float[2] t, float[3, 2] y) {
      t, y = Scan (s, x) <num_scan_inputs = 1, scan_input_axes = [1], scan_input_directions = [1],
        body = turn (float[2] a, float[2] b) => (float[2] c, float[2] d) {
          c = Add(a, b)
          d = Identity(c)
        }>
    }"""
    x = np.float32([[1, 2, 3], [10, 20, 30]])
    found = run(graph, s=np.float32([0, 0]), x=x)
    assert found["t"].tolist() == [6, 60]
    assert found["y"].tolist() == [[3, 30], [5, 50], [6, 60]]


def test_the_case_that_the_suite_cannot_compare(published_case):
    from hal.onnx.backend import prepare

    case = published_case("test_loop16_seq_none")
    (inputs, (expected,)) = case.data_sets[0]
    (found,) = prepare(case.model).run(inputs)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
