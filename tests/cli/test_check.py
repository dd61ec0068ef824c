"""``hal check``: what it prints, writes and returns."""

import json
import types

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")

from onnx import parser

import hal
from hal.plugin import Backend, Devices, hookimpl, register, unregister
from hal.plugin.chip import Chip, Offer

MODEL = """<ir_version: 10, opset_import: ["" : 22, "mine" : 1]>
net (float[n, 3] x) => (float[n, 3] y) {{ h = Relu(x) {} }}"""


class Paper(Backend):
    """A maker of one chip that exists on paper."""

    name = "paper"

    def devices(self):
        return Devices((), "none was made", "wait")

    def open(self, index):
        raise AssertionError

    def chips(self):
        rates = {hal.float32: 1e12}
        made = Chip(
            "paper-1", "Paper 1", "paper", "p1", 1 << 30, 1e11, rates, rates, (hal.float32,)
        )
        return {"paper-1": made}

    def offers(self, architecture, op, signature):
        return Offer(op.name != "sin", "it is on paper")


@pytest.fixture
def paper():
    module = types.ModuleType("paper")
    backend = Paper()
    module.hal_backend = hookimpl(lambda: backend)
    register(module)
    yield
    unregister("paper")


@pytest.fixture
def model(tmp_path):
    def write(rest):
        path = tmp_path / "net.onnx"
        path.write_bytes(parser.parse_model(MODEL.format(rest)).SerializeToString())
        return str(path)

    return write


def test_the_verdict_is_the_exit_status(hal_command, paper, model):
    status, out, _ = hal_command(
        "check", model("y = Neg(h)"), "--device", "paper-1", "--batch", "2"
    )
    assert status == 0
    for text in ("runs natively", "Paper 1 (not present)", "x: float32[2, 3]", "bound by: memory"):
        assert text in out
    status, out, _ = hal_command(
        "check", model("y = Sin(h)"), "--device", "paper-1", "--batch", "2"
    )
    assert status == 1
    assert "no kernel for sin: it is on paper" in out
    status, out, _ = hal_command(
        "check",
        model("d = Cast<to=11>(h) y = Cast<to=1>(d)"),
        "--device",
        "paper-1",
        "--batch",
        "2",
    )
    assert status == 3
    assert "Paper 1 has no float64" in out


def test_limits_make_the_status_1(hal_command, paper, model):
    given = ("check", model("y = Neg(h)"), "--device", "paper-1", "--size", "n=1000")
    assert hal_command(*given, "--max-ms", "1")[0] == 0
    assert hal_command(*given, "--max-ms", "1e-6")[0] == 1
    assert hal_command(*given, "--max-memory", "0.0001")[0] == 1


def test_several_devices_stand_side_by_side_and_the_worst_counts(hal_command, paper, model):
    status, out, _ = hal_command(
        "check", model("y = Sin(h)"), "--device", "paper-1", "--device", "cpu:0", "--shape", "x=4,3"
    )
    assert status == 1
    table = out.split("\n\n")[1]
    assert "paper-1" in table
    assert "cpu:0" in table


def test_it_writes_json_and_a_page(hal_command, paper, model, tmp_path):
    given = ("check", model("y = Neg(h)"), "--device", "paper-1", "--batch", "2")
    status, out, _ = hal_command(*given, "--json")
    assert status == 0
    printed = json.loads(out)
    _, _, err = hal_command(
        *given, "--json", str(tmp_path / "c.json"), "--html", str(tmp_path / "c.html")
    )
    assert json.loads((tmp_path / "c.json").read_text()) == printed
    assert (tmp_path / "c.html").read_text().startswith("<!DOCTYPE html>")
    assert err.count("wrote") == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "leaves open: axis 0 (n) of x"),
        (["--size", "n=two"], "a size is a whole number"),
        (["--shape", "x"], "must be NAME=VALUE"),
        (["--batch", "1", "--html", "missing/c.html"], "cannot be written"),
        (["--batch", "1", "--device", "paper-7"], "no chip or device is named 'paper-7'"),
    ],
)
def test_wrong_usage_is_status_2(hal_command, paper, model, arguments, text):
    status, _, err = hal_command("check", model("y = Neg(h)"), "--device", "paper-1", *arguments)
    assert status == 2
    assert text in err


def test_nodes_with_one_fate_share_a_line(hal_command, paper, model):
    rest = " ".join(f"v{n} = Sin({f'v{n - 1}' if n else 'h'})" for n in range(6))
    given = (model(f"{rest} y = Neg(v5)"), "--device", "paper-1", "--batch", "2")
    _, out, _ = hal_command("check", *given)
    (line,) = [line for line in out.splitlines() if line.startswith("host ")]
    assert "v0, v1, v2 and 3 more" in line


def test_what_waits_for_one_node_shares_a_line(hal_command, paper, model):
    path = model("r = mine.Odd(h) a = Relu(r) b = Neg(a) y = Add(a, b)")
    _, out, _ = hal_command("check", path, "--device", "paper-1", "--batch", "2")
    (line,) = [line for line in out.splitlines() if line.startswith("unchecked ")]
    assert "Relu and others" in line
    assert "a, b" in line


def test_the_values_of_an_input_come_from_a_file(hal_command, paper, model, tmp_path):
    np.save(tmp_path / "x.npy", np.ones((5, 3), np.float32))
    given = ("check", model("y = Neg(h)"), "--device", "paper-1", "--json")
    status, out, _ = hal_command(*given, "--input", f"x={tmp_path / 'x.npy'}")
    assert status == 0
    assert json.loads(out)["inputs"] == {"x": "float32[5, 3] given"}
    assert "no input z" in hal_command(*given, "--input", "z=z.npy")[2]


def test_the_chips_are_listed(hal_command, paper):
    status, out, _ = hal_command("check", "--chips")
    assert status == 0
    assert "hal-paper" in out
    assert "paper-1" in json.loads(hal_command("check", "--chips", "--json")[1])
    assert "needs a model and a device" in hal_command("check")[2]
