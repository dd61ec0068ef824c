"""Whole functions written as ONNX models: what ONNX Runtime and hal itself make of them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import onnx
import onnxruntime

import hal
from hal import nn
from hal.demo.encoder import Encoder
from hal.onnx.writing.writer import OPSET

LAYERS, FEATURES, LENGTH = 2, 32, 7


def run_both(model, *arrays):
    feeds = {i.name: np.asarray(x) for i, x in zip(model.graph.input, arrays, strict=True)}
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    theirs = session.run(None, feeds)
    return theirs, [x.numpy() for x in hal.onnx.load(model, "cpu:0")(**feeds).values()]


def agree(function, *arrays, rtol=1e-5):
    """Hold an exported function against what it returns itself."""
    tensors = [hal.asarray(x, device="cpu:0", copy=True) for x in arrays]
    model = hal.onnx.export(function, [hal.asarray(x, copy=True) for x in arrays])
    expected = function(*tensors)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for found in run_both(model, *arrays):
        for value, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(value, wanted.numpy(), rtol=rtol, atol=1e-5)
    return model


def numbers(*shape):
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


def encoder():
    source = np.random.default_rng(11)

    def weight(*shape):
        return hal.asarray(source.standard_normal(shape).astype(np.float32) / 4, device="cpu:0")

    weights = {
        "embeddings.word_embeddings.weight": weight(50, FEATURES),
        "embeddings.position_embeddings.weight": weight(16, FEATURES),
        "embeddings.token_type_embeddings.weight": weight(2, FEATURES),
    }
    norms = ["embeddings"]
    for n in range(LAYERS):
        layer = f"encoder.layer.{n}."
        sizes = {
            **{f"attention.self.{x}": (FEATURES, FEATURES) for x in ("query", "key", "value")},
            "attention.output.dense": (FEATURES, FEATURES),
            "intermediate.dense": (64, FEATURES),
            "output.dense": (FEATURES, 64),
        }
        for name, shape in sizes.items():
            weights[f"{layer}{name}.weight"] = weight(*shape)
            weights[f"{layer}{name}.bias"] = weight(shape[0])
        norms += [layer + "attention.output", layer + "output"]
    for name in norms:
        weights[f"{name}.LayerNorm.weight"] = weight(FEATURES)
        weights[f"{name}.LayerNorm.bias"] = weight(FEATURES)
    config = {"num_hidden_layers": LAYERS, "num_attention_heads": 4, "layer_norm_eps": 1e-12}
    return Encoder(weights, config, lambda texts: [])


def test_the_encoder_of_the_demo_gives_the_same_vectors():
    ids = np.random.default_rng(2).integers(0, 50, (3, LENGTH)).astype(np.int32)
    real = np.arange(LENGTH) < np.array([[7], [4], [1]])
    model = agree(encoder().forward, ids, real)
    kinds = {node.op_type for node in model.graph.node}
    assert {"LayerNormalization", "Gather", "Softmax", "MatMul"} <= kinds


def test_a_small_convolutional_net_gives_the_same_classes():
    first, second = numbers(8, 3, 3, 3), numbers(8, 1, 3, 3)
    scale, shift, mean, variance = (np.abs(numbers(4, 8)) + 0.5).astype(np.float32)
    head = numbers(8, 5)
    w1, w2, s, b, m, v, h = (
        hal.asarray(x, device="cpu:0") for x in (first, second, scale, shift, mean, variance, head)
    )

    def net(x):
        x = nn.conv2d(x, w1, stride=2, padding=1)
        x = nn.relu(nn.batch_norm(x, m, v, s, b))
        x = nn.max_pool2d(x, 3, stride=2, padding=1)
        x = x + nn.conv2d(x, w2, padding=1, groups=8)
        x = nn.avg_pool2d(x, 2)
        return nn.softmax(hal.mean(x, axis=(2, 3)) @ h)

    model = agree(net, numbers(2, 3, 32, 32))
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == 2
    assert "MaxPool" in kinds


def test_what_is_written_in_place_becomes_new_tensors():
    def cache(x, y):
        x[1] = y
        x[:, ::2] = x[:, ::2] * 2
        return x + 1, x.mT

    agree(cache, numbers(3, 4), numbers(4))


def test_views_broadcasts_and_slices_are_read_as_they_lie():
    def views(x):
        part = x[::-1, 1:5:2]
        return part + hal.broadcast_to(x[0, :2], (3, 2)), hal.roll(x, 2, axis=1), hal.sort(x)

    agree(views, numbers(3, 6))


def test_a_result_that_is_an_argument_or_a_constant_is_written_too():
    kept = hal.asarray(numbers(3), device="cpu:0")
    agree(lambda x: (x, kept, x[1:]), numbers(4))


def test_an_argument_that_lies_apart_in_memory_is_one_of_its_shape():
    given = hal.asarray(numbers(4, 6), device="cpu:0")
    model = hal.onnx.export(lambda x: hal.exp(x), [given[::2, ::3]])
    sizes = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == [2, 2]
    x = numbers(2, 2)
    for (found,) in run_both(model, x):
        np.testing.assert_allclose(found, np.exp(x), rtol=1e-6)


def test_a_program_writes_itself_and_a_model_names_what_it_was_told(tmp_path):
    program = hal.compile(lambda x: hal.tanh(x) * 2).program(hal.ones(3))
    program.to_onnx(tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    assert model.opset_import[0].version == OPSET
    assert [i.name for i in model.graph.input] == ["input_0"]
    named = hal.onnx.export(
        lambda x: hal.tanh(x), [hal.ones(3)], input_names=["tanh_1"], output_names=["y"]
    )
    assert [i.name for i in named.graph.input] == ["tanh_1"]
    assert [o.name for o in named.graph.output] == ["y"]
    onnx.checker.check_model(named, full_check=True)


def test_scopes_name_the_nodes():
    def layer(x):
        with hal.profile.scope("layer 3"):
            return hal.exp(x)

    model = hal.onnx.export(layer, [hal.ones(3)])
    assert model.graph.node[0].name.startswith("layer 3/Exp")


def test_a_model_of_onnx_goes_there_and_back():
    first = hal.onnx.export(lambda x: nn.gelu(x @ x.mT), [hal.asarray(numbers(4, 4))])
    session = hal.onnx.load(first, "cpu:0")
    again = hal.onnx.export(lambda x: session(input_0=x)["output_0"], [hal.asarray(numbers(4, 4))])
    x = numbers(4, 4)
    for ours, theirs in zip(run_both(first, x), run_both(again, x), strict=True):
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_names": ["a", "b"]}, "2 names .* are given for 1 inputs"),
        ({"input_names": ["y"], "output_names": ["y"]}, "name an input and an output"),
        ({"path": "no/such/folder/net.onnx"}, "cannot be written"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(hal.ValueRangeError, match=message):
        hal.onnx.export(lambda x: x + 1, [hal.ones(2)], **options)


def test_the_error_names_the_operator_and_the_scope():
    def solve(x):
        with hal.profile.scope("head"):
            return hal.linalg.solve(x, x)

    with pytest.raises(hal.Unsupported, match=r"solve: solve \(head\): solve of float32"):
        hal.onnx.export(solve, [hal.asarray(numbers(3, 3))])
    with pytest.raises(hal.DTypeError, match="takes a function or a program, not int"):
        hal.onnx.export(3)


@pytest.mark.parametrize("mask", [None, "bool", "float32"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("key_heads", [2, 4])
def test_attention_is_one_call_again_in_a_model_that_is_read_back(mask, causal, key_heads):
    query, key, value = (
        numbers(1, 4, 5, 8),
        numbers(1, key_heads, 6, 8),
        numbers(1, key_heads, 6, 8),
    )
    seen = numbers(5, 6).astype(mask) if mask == "float32" else numbers(5, 6) > 0
    arrays = [query, key, value, *([seen] if mask else [])]

    def function(*given):
        return nn.scaled_dot_product_attention(*given, is_causal=causal, enable_gqa=True)

    model = agree(function, *arrays)
    session = hal.onnx.load(model, "cpu:0")
    given = {t.name: hal.asarray(x) for t, x in zip(session.inputs, arrays, strict=True)}
    calls = hal.compile(session.run).program(given).calls
    (call,) = [c for c in calls if not c.view]
    assert call.op.name == "attention"
    assert (call.attributes["causal"], len(call.inputs)) == (causal, 4 if mask else 3)
