"""``hal compare``."""

import json

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")

from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
net (float[n, 3] x, int64[k] i) => (float[m, 2] y)
<float[3, 2] w = {1, 2, 3, 4, 5, 6}> { h = MatMul(x, w) t = Tanh(h) y = Gather(t, i) }"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(parser.parse_model(MODEL).SerializeToString())
    return str(path)


def test_devices_that_agree_give_status_0(hal_command, model):
    status, out, err = hal_command(
        "compare", model, "--device", "cpu:0", "--against", "cpu:0", "--layers", "--size", "n=4"
    )
    assert status == 0
    assert "agrees: cpu:0" in out
    for text in ("MatMul", "equal; output"):
        assert text in out
    assert "net.onnx on cpu:0" in err


def test_a_golden_run_is_saved_and_compared_with(hal_command, model, tmp_path):
    golden = str(tmp_path / "golden.npz")
    status, out, _ = hal_command(
        "compare", model, "--device", "cpu:0", "--save-golden", golden, "--size", "n=4"
    )
    assert status == 0
    assert "saved 5 arrays" in out
    assert hal_command("compare", model, "--device", "cpu:0", "--against", golden)[0] == 0


def test_values_that_differ_give_status_1_a_table_and_reports(hal_command, model, tmp_path):
    golden, saved, page = (tmp_path / name for name in ("golden.npz", "found.json", "found.html"))
    hal_command("compare", model, "--device", "cpu:0", "--save-golden", str(golden))
    with np.load(golden) as archive:
        values = dict(archive)
    values["t"] = values["t"] + np.float32(0.01)
    np.savez(golden, **values)
    status, out, err = hal_command(
        "compare", model, "--device", "cpu:0", "--against", str(golden), "--json", str(saved),
        "--html", str(page),
    )  # fmt: skip
    assert status == 1
    assert "introduced by the node Tanh that makes 't'" in out
    assert "MatMul" not in out
    assert json.loads(saved.read_text())["verdict"] == "differs"
    assert "<svg" in page.read_text()
    assert f"wrote {page}" in err
    loose = ("--tolerance", "float32=0.5")
    assert hal_command("compare", model, "--against", str(golden), *loose)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "one of the arguments --against --save-golden is required"),
        (["--against", "cpu:0", "--save-golden", "x.npz"], "not allowed with"),
        (["--against", "missing.npz"], "is no golden run"),
        (["--against", "toaster:0"], "no installed plugin provides 'toaster'"),
        (["--against", "cpu:0", "--input", "z=random"], "no input z; it has: x, i"),
        (["--against", "cpu:0", "--tolerance", "float32"], "must be NAME=VALUE"),
        (["--against", "cpu:0", "--tolerance", "float32=-1"], "a number above 0"),
        (["--against", "cpu:0", "--tolerance", "floaty=1"], "is not a dtype"),
        (["--against", "cpu:0", "--json", "/dev/null/x.json"], "cannot be written"),
    ],
)
def test_what_is_wrong_is_said_with_status_2(hal_command, model, arguments, text):
    status, _, err = hal_command("compare", model, *arguments)
    assert status == 2
    assert text in err
