"""``hal run`` and ``hal info``."""

import json

import numpy as np
import pytest

from hal.plugin import backends

pytest.importorskip("onnx", reason="the onnx package is not installed")

from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
net (float[n, 3] x, int64[k] i) => (float[m, 2] y)
<float[3, 2] w = {1, 2, 3, 4, 5, 6}> { h = MatMul(x, w) y = Gather(h, i) }"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(parser.parse_model(MODEL).SerializeToString())
    return str(path)


def test_run_prints_types_latency_memory_and_what_ran_where(hal_command, model):
    status, out, err = hal_command("run", model, "--device", "cpu:0", "--repeat", "2")
    assert status == 0
    for text in ("float32[1, 3]", "float32[1, 2]", "p50 ms", "memory in use", "native", "linear"):
        assert text in out
    assert "net.onnx on cpu:0, 2 runs" in err


def test_run_on_an_emulated_device_tells_its_times(hal_command, model):
    chip = next(iter(backends()["cpu"].chips()))
    arguments = (
        "run",
        model,
        "--device",
        f"cpu:0/{chip}",
        "--precision",
        "medium",
        "--repeat",
        "3",
    )
    status, out, _ = hal_command(*arguments)
    assert status == 0
    assert f"cpu:0/{chip} is emulated" in out
    seconds = json.loads(hal_command(*arguments, "--json")[1])["seconds"]
    assert seconds["min"] == pytest.approx(seconds["max"])


def test_run_takes_inputs_from_files_and_writes_json_and_a_trace(hal_command, model, tmp_path):
    np.save(tmp_path / "x.npy", np.ones((4, 3), np.float32))
    status, out, _ = hal_command(
        "run", model, "--input", f"x={tmp_path / 'x.npy'}", "--input", "i=random", "--size", "k=2",
        "--repeat", "3", "--compile", "--profile", str(tmp_path / "trace.json"), "--json",
    )  # fmt: skip
    found = json.loads(out)
    assert status == 0
    assert found["inputs"] == {"x": "float32[4, 3]", "i": "int64[2]"}
    assert found["outputs"] == {"y": "float32[2, 2]"}
    assert 0 < found["seconds"]["min"] <= found["seconds"]["p50"] <= found["seconds"]["max"]
    assert {r["device"] for r in found["report"]} <= {"cpu:0"}
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {e["name"] for e in events if e["ph"] == "X"} == {"linear", "take"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--input", "z=random"], "no input z; it has: x, i"),
        (["--input", "x"], "must be NAME=VALUE"),
        (["--input", "x=missing.npy"], "is no .npy file"),
        (["--size", "q=3"], "named axes are k, n"),
        (["--repeat", "0"], "must be 1 or more"),
    ],
)
def test_run_says_what_is_wrong(hal_command, model, arguments, text):
    status, out, err = hal_command("run", model, *arguments)
    assert (status, out) == (2, "")
    assert text in err


def test_a_file_that_is_no_model_is_an_error(hal_command, tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    for command in ("run", "info"):
        status, _, err = hal_command(command, str(tmp_path / "x.onnx"))
        assert status == 2
        assert "no ONNX model" in err


def test_info_describes_the_model(hal_command, model):
    status, out, _ = hal_command("info", model)
    assert status == 0
    for text in ("net.onnx", "ai.onnx 22", "float32 (6)", "24 B", "MatMul", "int64[k]"):
        assert text in out
    status, out, _ = hal_command("info", model, "--json")
    found = json.loads(out)
    assert found["operators"] == {"MatMul": 1, "Gather": 1}
    assert found["parameters"] == 6
