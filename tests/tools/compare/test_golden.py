"""Golden runs: saved by hal or by others, and compared with."""

import ml_dtypes
import numpy as np
import pytest

from hal.errors import HalError, ValueRangeError
from hal.tools.compare import GoldenReader, compare, save_golden
from hal.tools.compare.golden import GoldenWriter


def shifted(given, result):
    result.flat[::2] += np.asarray(0.01, result.dtype)
    return result


@pytest.fixture(params=["golden.npz", "golden"])
def path(request, tmp_path):
    return tmp_path / request.param


def test_a_run_agrees_with_its_own_golden_run(network, path):
    assert save_golden(network, "cpu:0", path, seed=5) == 7
    with GoldenReader(path) as golden:
        assert sorted(golden) == ["a", "b", "c", "d", "e", "x", "y"]
        found = compare(network, "cpu:0", golden)
    assert found.ok
    assert found.first_difference is None
    assert found.against == str(path)


def test_against_a_golden_run_the_node_with_a_planted_error_is_named(bent, network, path):
    save_golden(network, "cpu:0", path)
    for operator, node in (("tanh", "squash"), ("layer_norm", "norm")):
        bent.clear()
        bent[operator] = shifted
        with GoldenReader(path) as golden:
            found = compare(network, "bent:0", golden)
        assert [row.node for row in found.culprits] == [node]


def test_what_follows_an_error_is_run_with_the_golden_inputs(bent, network):
    saved = compared_values(network)
    bent["tanh"] = shifted
    rows = {row.value: row for row in compare(network, "bent:0", saved).rows}
    assert rows["e"].introduced.unequal == 0
    assert rows["e"].inherited.max_abs > 1e-4


def compared_values(network):
    from hal.onnx import load

    x = np.random.default_rng(0).standard_normal((2, 16)).astype(np.float32)
    found = {"x": x}

    def see(run, step, call):
        results = call()
        found[step.outputs[0]] = results[0].numpy()
        return results

    load(network, "cpu:0", observer=see).run({"x": x})
    return found


def test_outputs_that_another_runtime_made_are_enough(network, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    x = np.random.default_rng(0).standard_normal((2, 16)).astype(np.float32)
    session = runtime.InferenceSession(network.SerializeToString())
    names = [o.name for o in session.get_outputs()]
    values = dict(zip(names, session.run(names, {"x": x}), strict=True))
    np.savez(tmp_path / "peer.npz", x=x, **values)
    with GoldenReader(tmp_path / "peer.npz") as golden:
        found = compare(network, "cpu:0", golden)
    assert found.ok
    assert [row.value for row in found.rows] == ["y"]
    assert found.rows[0].introduced is None
    assert "does not hold the input 'e'" in found.rows[0].note
    assert len(found.uncompared) == 5


def test_a_golden_run_in_a_wider_dtype_is_judged_by_the_coarser_one(model):
    halves = model("net (float16[2] x) => (float16[2] y) { y = Exp(x) }")
    x = np.float16([0.1, 0.2])
    wide = {"x": x, "y": np.exp(x.astype(np.float64))}
    assert compare(halves, "cpu:0", wide).ok
    assert not compare(halves, "cpu:0", {**wide, "y": wide["y"] + 0.1}).ok


@pytest.mark.parametrize("shape", [[], [2], [3, 2]])
def test_dtypes_that_files_do_not_know_come_back(model, path, shape):
    kind = f"bfloat16{shape or ''}"
    small = model(f"net ({kind} x) => ({kind} y) {{ y = Add(x, x) }}")
    x = np.ones(shape, ml_dtypes.bfloat16)
    save_golden(small, "cpu:0", path, {"x": x})
    with GoldenReader(path) as golden:
        found = compare(small, "cpu:0", golden)
    assert found.ok
    assert found.rows[0].type == f"bfloat16{shape}"
    with pytest.raises(HalError, match="elements of"):
        compare(small, "cpu:0", {"x": x, "y": np.zeros(shape, "V3")})


def test_names_of_every_kind_sequences_and_strings_are_kept(model, path):
    kinds = model(
        'net (float[4] x, string[2] t) => (seq(float[2]) s, string[3] u) <string[1] e = {"end"}>'
        " { n = Constant<value = int64 {2}>() s = SplitToSequence(x, n)"
        " u = Concat<axis = 0>(t, e) }"
    )
    name = "/s/a b"
    for node in kinds.graph.node:
        node.output[:] = [name if output == "s" else output for output in node.output]
    kinds.graph.output[0].name = name
    given = {"x": np.float32([1, 2, 3, 4]), "t": np.array(["a", "bc"], object)}
    save_golden(kinds, "cpu:0", path, given)
    with GoldenReader(path) as golden:
        assert set(golden) == {"/s/a b[0]", "/s/a b[1]", "n", "t", "u", "x"}
        assert compare(kinds, "cpu:0", golden, {"t": given["t"]}).ok
        assert not compare(kinds, "cpu:0", {**golden, "u": np.array(["a", "b", "end"])}).ok


def test_what_was_drawn_by_chance_is_taken_from_the_golden_run(model, path):
    drawing = model(
        "net (float[64] x) => (float[64] y) { r = RandomNormalLike(x) s = Add(r, x) y = Exp(s) }"
    )
    save_golden(drawing, "cpu:0", path)
    with GoldenReader(path) as golden:
        assert compare(drawing, "cpu:0", golden).first_difference is None


def test_a_branch_is_run_as_a_whole_with_the_golden_inputs(bent, model):
    branching = model("""net (float[2] x, bool c) => (float[2] y) {
        e = Exp(x)
        y = If(c) <then_branch = up () => (float[2] p) { p = Tanh(e) },
                   else_branch = down () => (float[2] q) { q = Neg(e) }>
    }""")
    x, c = np.float32([0.5, 1]), np.array(True)
    e = np.exp(x)
    bent["exp"] = shifted
    found = compare(branching, "bent:0", {"x": x, "c": c, "e": e, "y": np.tanh(e)})
    assert [row.value for row in found.culprits] == ["e"]
    assert found.uncompared == {"p": "in a branch, a loop or a function"}


def test_a_golden_run_without_the_inputs_needs_them(network):
    with pytest.raises(ValueRangeError, match="does not hold the input 'x'"):
        compare(network, "cpu:0", {"y": np.zeros((1, 8), np.float32)})


def test_values_of_another_model_are_refused(network):
    x = np.zeros((1, 16), np.float32)
    with pytest.raises(ValueRangeError, match="no value of the model could be compared"):
        compare(network, "cpu:0", {"x": x, "z": x})


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"nothing"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueRangeError, match="is no golden run"):
        GoldenReader(tmp_path / "x.npz")


def test_an_array_of_python_objects_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", y=np.array([{}]))
    with GoldenReader(tmp_path / "x.npz") as golden, pytest.raises(ValueRangeError, match="'y'"):
        golden["y"]


def test_nothing_is_left_behind_when_a_run_fails(bent, network, path):
    def failing(given, result):
        raise RuntimeError("no")

    bent["tanh"] = failing
    with pytest.raises(HalError):
        save_golden(network, "bent:0", path)
    assert not list(path.parent.iterdir())


def test_a_folder_that_is_there_is_not_touched(network, tmp_path):
    with pytest.raises(ValueRangeError, match="is there already"):
        save_golden(network, "cpu:0", tmp_path)
    with pytest.raises(ValueRangeError, match="cannot be written"), GoldenWriter("/dev/null/x.npz"):
        pass
