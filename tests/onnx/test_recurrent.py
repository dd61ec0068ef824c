"""Recurrent layers of models: as one operator a direction, or step by step, and written again."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import hal

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STEPS, BATCH, FEATURES, HIDDEN = 5, 3, 4, 7


def model(kind, directions=1, states=False, **attributes):
    """Return a model of one layer with constant weights, and what it is fed."""
    source = np.random.default_rng(6)
    rows = GATES[kind] * HIDDEN
    outputs = ["y", "h", *(["c"] if kind == "LSTM" else [])]
    weights = {
        "w": (directions, rows, FEATURES),
        "r": (directions, rows, HIDDEN),
        "b": (directions, 2 * rows),
    }
    if states:
        weights |= {f"{n}0": (directions, BATCH, HIDDEN) for n in outputs[1:]}
    arrays = {k: source.uniform(-0.5, 0.5, s).astype(np.float32) for k, s in weights.items()}
    inputs = ["x", "w", "r", "b", *(["", *[f"{n}0" for n in outputs[1:]]] if states else [])]
    node = helper.make_node(kind, inputs, outputs, hidden_size=HIDDEN, **attributes)
    x = source.normal(size=(STEPS, BATCH, FEATURES)).astype(np.float32)
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, [None] * (4 if n == "y" else 3))
            for n in outputs
        ],
        [numpy_helper.from_array(a, k) for k, a in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), {
        "x": x
    }


def theirs(given, feeds):
    session = onnxruntime.InferenceSession(
        given.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, feeds)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("RNN", {}),
        ("RNN", {"activations": ["Relu"]}),
        ("GRU", {}),
        ("GRU", {"linear_before_reset": 1}),
        ("LSTM", {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("states", [False, True], ids=["", "states"])
def test_a_layer_gives_what_onnx_runtime_gives(kind, attributes, direction, states):
    directions = 2 if direction == "bidirectional" else 1
    if "activations" in attributes:
        attributes = {"activations": attributes["activations"] * directions}
    given, feeds = model(kind, directions, states, direction=direction, **attributes)
    wanted = theirs(given, feeds)
    session = hal.onnx.load(given, "cpu:0")
    for _ in range(3):  # node by node, then as a program
        for found, value in zip(session(**feeds).values(), wanted, strict=True):
            np.testing.assert_allclose(found.numpy(), value, atol=2e-6)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("LSTM", {"clip": 0.3}),
        ("LSTM", {"input_forget": 1}),
        ("GRU", {"activations": ["Softsign", "Tanh"]}),
    ],
    ids=str,
)
def test_what_the_operators_lack_is_done_step_by_step(kind, attributes):
    given, feeds = model(kind, **attributes)
    for found, value in zip(
        hal.onnx.load(given, "cpu:0")(**feeds).values(), theirs(given, feeds), strict=True
    ):
        np.testing.assert_allclose(found.numpy(), value, atol=2e-6)


@pytest.mark.parametrize("kind", sorted(GATES))
def test_a_layer_is_written_as_one_node(kind):
    given, feeds = model(kind, states=True)
    session = hal.onnx.load(given, "cpu:0")
    written = hal.onnx.export(lambda x: session(x=x), [hal.asarray(feeds["x"], device="cpu:0")])
    assert [n.op_type for n in written.graph.node].count(kind) == 1
    assert len(written.graph.node) < 20
    again = theirs(written, {"input_0": feeds["x"]})
    for found, value in zip(again, theirs(given, feeds), strict=True):
        np.testing.assert_allclose(found, value, atol=2e-6)
