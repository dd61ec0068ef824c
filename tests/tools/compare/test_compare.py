"""Two devices side by side: what differs, who introduced it, and what is only inherited."""

import numpy as np
import pytest

from hal.errors import HalError, ModelError, ValueRangeError
from hal.tools.compare import compare


def shifted(given, result):
    """Bend every second element, so that no normalization takes it off again."""
    result.flat[::2] += np.asarray(0.01, result.dtype)
    return result


def rows(found):
    return {row.value: row for row in found.rows}


def test_a_device_agrees_with_itself(network):
    found = compare(network, "cpu:0", "cpu:0")
    assert found.ok
    assert [row.verdict for row in found.rows] == ["equal"] * 6
    assert [row.value for row in found.outputs] == ["y"]
    assert found.first_difference is None


@pytest.mark.parametrize(
    ("operator", "node"),
    [("tanh", "squash"), ("layer_norm", "norm"), ("add", "bias"), ("softmax", "choose")],
)
def test_the_node_with_a_planted_error_is_named_and_no_other(bent, network, operator, node):
    bent[operator] = shifted
    found = compare(network, "bent:0", "cpu:0")
    assert not found.ok
    assert [row.node for row in found.culprits] == [node]
    assert found.first_difference.node == node


def test_an_error_in_one_element_of_one_product_is_found(bent, network):
    def wrong(given, result):
        result.flat[3] += 1
        return result if given[1].shape == (32, 8) else given[0] @ given[1]

    bent["matmul"] = wrong
    found = compare(network, "bent:0", "cpu:0")
    assert [row.node for row in found.culprits] == ["second"]
    assert found.culprits[0].introduced.wrong == 1
    assert rows(found)["a"].verdict in ("equal", "within")


def test_what_follows_inherits_the_error_and_introduces_none(bent, network):
    bent["tanh"] = shifted
    found = rows(compare(network, "bent:0", "cpu:0"))
    assert found["c"].introduced.max_abs == pytest.approx(0.01, rel=1e-3)
    assert found["c"].inherited.unequal == 0
    for name in ("d", "e", "y"):
        assert found[name].introduced.max_abs < 1e-5
        assert found[name].inherited.max_abs > 1e-4


def test_rounding_is_within_tolerance(bent, network):
    bent["tanh"] = lambda given, result: np.nextafter(result, np.float32(2))
    found = compare(network, "bent:0", "cpu:0")
    assert found.ok
    assert rows(found)["c"].verdict == "within"
    assert rows(found)["c"].total.ulp == 1


def test_a_sum_that_cancels_may_be_off_by_its_terms_rounding(bent, model):
    cancelling = model(
        "net (float[1, 4] x) => (float[1, 1] y) "
        "<float[4, 1] w = {1, -1, 1, -1}> { y = MatMul(x, w) }"
    )
    x = np.float32([[1e4, 1e4, 3e3, 3e3 + 0.001]])
    bent["matmul"] = lambda given, result: result + np.float32(2e-3)
    assert compare(cancelling, "bent:0", "cpu:0", {"x": x}).ok
    bent["matmul"] = lambda given, result: result + np.float32(2)
    assert not compare(cancelling, "bent:0", "cpu:0", {"x": x + 1}).ok


def test_a_tolerance_of_the_users_own_replaces_the_rule(bent, network):
    bent["tanh"] = shifted
    assert compare(network, "bent:0", "cpu:0", tolerances={"float32": 0.1}).ok
    with pytest.raises(ValueRangeError, match="above 0"):
        compare(network, "bent:0", "cpu:0", tolerances={"int8": 0.1})


def test_nan_and_infinity_are_counted_and_traced_to_where_they_begin(bent, network):
    def spoiled(given, result):
        result.flat[:2] = np.nan, np.inf
        return result

    bent["tanh"] = spoiled
    found = compare(network, "bent:0", "cpu:0")
    assert rows(found)["c"].nans == (1, 0)
    assert rows(found)["c"].infinities == (1, 0)
    assert rows(found)["c"].origins == ("NaN on bent:0", "infinity on bent:0")
    assert [row.value for row in found.rows if row.origins] == ["c"]
    assert any("NaN on bent:0 begins at the node Tanh 'squash'" in t for t in found.verdict())


def test_infinity_among_the_constants_begins_nowhere(model):
    masked = model(
        "net (float[3] x) => (float[3] y) <float m = {-inf}, bool[3] k = {0, 1, 0}>"
        " { z = Where(k, m, x) y = Softmax(z) }"
    )
    found = compare(masked, "cpu:0", "cpu:0")
    assert rows(found)["z"].infinities == (1, 1)
    assert not any(row.origins for row in found.rows)


BRANCHES = """net (float[2] x, float[2] w) => (float[2] y) {
    s = ReduceSum(x) zero = Constant<value = float {0}>() c = Greater(s, zero)
    e = Exp(w)
    t = If(c) <then_branch = up () => (float[2] p) { p = Tanh(e) },
               else_branch = down () => (float[2] q) { q = Neg(e) }>
    y = Add(t, x)
}"""


def test_nodes_in_a_branch_are_compared_by_themselves(bent, model):
    bent["tanh"] = shifted
    given = {"x": np.float32([1, 2]), "w": np.float32([0, 1])}
    found = compare(model(BRANCHES), "bent:0", "cpu:0", given)
    assert [row.value for row in found.culprits] == ["p"]
    assert rows(found)["t"].introduced is None
    assert rows(found)["p"].introduced.max_abs == pytest.approx(0.01, rel=1e-3)


def test_a_branch_that_only_one_device_takes_is_said_to_be_uncompared(bent, model):
    bent["sum"] = lambda given, result: -result
    given = {"x": np.float32([1, 2]), "w": np.float32([0, 1])}
    found = compare(model(BRANCHES), "bent:0", "cpu:0", given)
    assert [row.value for row in found.culprits] == ["s"]
    assert "took another branch" in found.uncompared["q"]
    assert rows(found)["t"].total.unequal == 2
    assert any("not compared: 1 (cpu:0 took another branch" in line for line in found.verdict())


LOOP = """net (int64 n, float[2] x) => (float[2] y) {
    go = Constant<value = bool {1}>()
    y = Loop(n, go, x) <body = turn (int64 i, bool c, float[2] s) => (bool d, float[2] r) {
        d = Identity(c) u = Sin(s) r = Add(u, x)
    }>
}"""


def test_of_the_turns_of_a_loop_the_worst_counts(bent, model):
    bent["sin"] = shifted
    given = {"n": np.int64(5), "x": np.float32([1, 2])}
    found = compare(model(LOOP), "bent:0", "cpu:0", given)
    assert [row.value for row in found.culprits] == ["u"]
    assert found.culprits[0].times == 5
    assert len(found.rows) == 4


def test_a_loop_that_turns_more_often_on_one_device_is_compared_as_far_as_both_go(bent, model):
    counted = """net (float[1] x) => (float[1] y) {
        n = Constant<value = int64 {9}>() go = Constant<value = bool {1}>()
        y = Loop(n, go, x) <body = turn (int64 i, bool c, float[1] s) => (bool d, float[1] r) {
            two = Constant<value = float {2}>() r = Mul(s, two)
            top = Constant<value = float {100}>() less = Less(r, top) d = Squeeze(less)
        }>
    }"""
    bent["multiply"] = lambda given, result: result * np.float32(1.5)
    for device, against in (("bent:0", "cpu:0"), ("cpu:0", "bent:0")):
        found = compare(model(counted), device, against, {"x": np.float32([1])})
        assert [row.value for row in found.culprits] == ["r"]
        assert not rows(found)["y"].total.agrees


def test_a_function_of_the_model_is_compared_inside_and_as_a_whole(bent, model):
    functions = """<domain: "own", opset_import: ["" : 22]>
        both (p, q) => (r) { t = Tanh(p) r = Add(t, q) }"""
    used = model(
        "net (float[2] x) => (float[2] y) { a = own.both(x, x) y = own.both(a, x) }",
        functions,
        ', "own" : 1',
    )
    bent["tanh"] = shifted
    found = compare(used, "bent:0", "cpu:0")
    assert [row.value for row in found.culprits] == ["t", "t"]
    assert rows(found)["a"].introduced is None


def test_what_is_calculated_once_when_the_model_is_loaded_is_compared_too(bent, model):
    folded = model(
        "net (float[2000] x) => (float[2000] y) { s = Constant<value_ints = [2000]>() "
        "o = ConstantOfShape<value = float[1] {0.5}>(s) t = Tanh(o) y = Add(x, t) }"
    )
    bent["tanh"] = shifted
    found = compare(folded, "bent:0", "cpu:0")
    assert [row.value for row in found.culprits] == ["t"]
    assert rows(found)["y"].introduced.unequal == 0


def test_random_numbers_are_drawn_once_for_both(model):
    drawing = model(
        "net (float[64] x) => (float[64] y) "
        "{ r = RandomNormal<shape = [64]>() d = RandomNormalLike(x) s = Add(r, d) y = Exp(s) }"
    )
    found = compare(drawing, "cpu:0", "cpu:0")
    assert found.ok
    assert found.first_difference is None
    assert "drawn by chance" in rows(found)["r"].note


def test_sequences_strings_and_maps_are_compared(model):
    split = model(
        'net (float[4] x, string[2] t) => (seq(float[2]) s, string[3] u) <string[1] e = {"end"}>'
        " { n = Constant<value = int64 {2}>() s = SplitToSequence(x, n)"
        " u = Concat<axis = 0>(t, e) }"
    )
    given = {"x": np.float32([1, 2, 3, 4]), "t": np.array(["a", "b"], object)}
    found = compare(split, "cpu:0", "cpu:0", given)
    assert [row.value for row in found.outputs] == ["s[0]", "s[1]", "u"]
    assert rows(found)["u"].type == "string[3]"


def test_whole_numbers_must_be_equal(bent, model):
    counted = model("net (int64[3] x) => (int64[3] y) { y = Mul(x, x) }")
    bent["multiply"] = lambda given, result: result + (given[0] == 1)
    found = compare(counted, "bent:0", "cpu:0", {"x": np.array([1, 2, 3])})
    assert rows(found)["y"].introduced.wrong == 1


def test_precision_allows_products_what_it_allows_the_device(bent, network):
    bent["matmul"] = lambda given, result: result * np.float32(1 + 2**-11)
    assert not compare(network, "bent:0", "cpu:0").ok
    assert compare(network, "bent:0", "cpu:0", precision="high").ok


def test_a_device_that_cannot_run_the_model_is_named(bent, network, model):
    def failing(given, result):
        raise RuntimeError("no")

    bent["tanh"] = failing
    for device, against in (("bent:0", "cpu:0"), ("cpu:0", "bent:0")):
        with pytest.raises(HalError, match=r"bent:0"):
            compare(network, device, against)
    divided = model("net (int64[1] x) => (int64[1] y) { z = Expand(x, x) y = Identity(z) }")
    with pytest.raises(ModelError, match=r"cpu:0: the node Expand"):
        compare(divided, "cpu:0", "cpu:0", {"x": np.array([-1])})


def test_inputs_that_do_not_fit_are_refused(network):
    with pytest.raises(HalError, match="no input z; it has: x"):
        compare(network, "cpu:0", "cpu:0", {"z": np.ones(3)})
