"""What a check predicts is what an emulated device's clock then shows."""

from __future__ import annotations

import numpy as np
import pytest

import hal
import hal.onnx
from hal.tools.check import check

NET = """net (float[n, 64] x) => (float[n, 64] y) <float[64] s = {%s}, float[64] b = {%s}>
    { h = Softplus(x) n = LayerNormalization(h, s, b) g = Relu(n) y = Add(g, x) }"""


@pytest.fixture
def emulated(toy):
    """A chip of the toy's maker, emulated on the CPU."""
    return hal.device("cpu:0", emulate=toy.chips()["toy-2"])


def test_the_clock_of_an_emulated_device_shows_what_was_predicted(emulated, model):
    numbers = ", ".join(["1"] * 64)
    net = model(NET % (numbers, numbers))
    (found,) = check(net, emulated, batch=1000).devices
    session = hal.onnx.load(net, emulated, compile=True)
    x = hal.asarray(np.ones((1000, 64), np.float32), device=emulated)
    session.run({"x": x})
    stream = emulated.default_stream
    start = stream.record_event()
    session.run({"x": x})
    end = stream.record_event()
    end.synchronize()
    assert start.elapsed_time(end) == pytest.approx(1e3 * found.prediction.seconds, rel=0.01)


def test_an_emulated_device_and_its_chip_are_judged_alike(emulated, toy, model):
    net = model("net (float[4] x) => (float[4] y) { h = Tanh(x) y = Sin(h) }")
    chip, device = check(net, ["toy-2", emulated]).devices
    assert [row.route for row in chip.nodes] == [row.route for row in device.nodes]
    assert chip.prediction.seconds == device.prediction.seconds
    assert device.emulated
