"""``hal bench`` prints latency, work and limits, and the same as JSON."""

import json

import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")

from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
net (float[n, 3] x) => (float[n, 2] y)
<float[3, 2] w = {1, 2, 3, 4, 5, 6}> { h = MatMul(x, w) y = Relu(h) }"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(parser.parse_model(MODEL).SerializeToString())
    return str(path)


def test_the_table_has_latency_operators_and_limits(hal_command, model):
    status, out, err = hal_command(
        "bench", model, "--device", "cpu:0", "--batch", "4", "--iterations", "3"
    )
    assert status == 0
    for text in ("median", "p99", "compiled", "of limit", "GFLOP/s", "measured limits", "float32"):
        assert text in out
    assert "net.onnx on cpu:0, 3 runs" in err


def test_json_and_a_trace_have_the_same_for_programs(hal_command, model, tmp_path):
    trace = tmp_path / "trace.json"
    status, out, _ = hal_command(
        "bench", model, "--shape", "x=4,3", "--iterations", "2", "--eager", "--json",
        "--profile", str(trace),
    )  # fmt: skip
    found = json.loads(out)
    assert status == 0
    assert (found["mode"], found["iterations"]) == ("eager: asked for", 2)
    assert found["inputs"] == {"x": "float32[4, 3]"}
    assert sum(row["flop"] for row in found["operators"]) >= 2 * 4 * 3 * 2
    assert json.loads(trace.read_text())["traceEvents"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "axis 0 (n) of x"),
        (["--shape", "x=4,a"], "a size is a whole number"),
        (["--batch", "2", "--iterations", "0"], "at least 1 is measured"),
        (["--shape", "z=1"], "no input 'z'"),
    ],
)
def test_bench_says_what_is_wrong(hal_command, model, arguments, text):
    status, out, err = hal_command("bench", model, *arguments)
    assert (status, out) == (2, "")
    assert text in err
