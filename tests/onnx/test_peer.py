"""Operators that the published suite hardly tries, compared with ONNX Runtime."""

import ml_dtypes
import numpy as np
import pytest

import hal.onnx

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

R = np.random.default_rng(0)
MICROSOFT = "com.microsoft"


def normal(*shape):
    return R.standard_normal(shape).astype(np.float32)


def compare(model, inputs, rtol=1e-4, atol=1e-5):
    """Assert that hal and ONNX Runtime give the same for inputs named x0, x1, ..."""
    given = {f"x{n}": np.asarray(x) for n, x in enumerate(inputs) if x is not None}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    peer = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    expected = peer.run(None, given)
    # The outputs of node_model have no types: the runtimes find them out.
    found = hal.onnx.load(model, "cpu:0", check=False).run(given)
    assert len(found) == len(expected)
    for ours, theirs in zip(found.values(), expected, strict=True):
        ours = ours.numpy() if isinstance(ours, hal.Tensor) else ours
        if isinstance(theirs, list):
            for one, other in zip(ours, theirs, strict=True):
                assert one == pytest.approx(other, rel=rtol)
        elif theirs.dtype == object:
            assert ours.tolist() == theirs.tolist()
        else:
            assert ours.dtype == theirs.dtype
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


# com.microsoft

B, S, N, H = 2, 3, 2, 4
D = N * H
LEFT = np.int32([[1, 1, 1], [1, 1, 0]])


def rotary(rows=16, half=H // 2):
    angles = normal(rows, half)
    return np.cos(angles), np.sin(angles)


def packed(n, blocks, size, bits):
    return R.integers(0, 256, (n, blocks, size * bits // 8)).astype(np.uint8)


CONTRIB = {
    "BiasGelu": ("BiasGelu", [normal(2, 8), normal(8)], 1, {}),
    "FastGelu": ("FastGelu", [normal(2, 8), normal(8)], 1, {}),
    "Gelu": ("Gelu", [normal(2, 8)], 1, {}),
    "QuickGelu": ("QuickGelu", [normal(2, 8)], 1, {"alpha": 1.5}),
    "FusedMatMul": (
        "FusedMatMul", [normal(2, 4, 3), normal(2, 4, 5)], 1, {"alpha": 0.5, "transA": 1},
    ),
    "FusedGemm": (
        "FusedGemm", [normal(2, 3), normal(4, 3), normal(4)], 1,
        {"transB": 1, "activation": "Relu"},
    ),
    "FusedConv": (
        "FusedConv", [normal(1, 2, 5, 5), normal(3, 2, 3, 3), normal(3)], 1,
        {"activation": "LeakyRelu", "activation_params": [0.1], "pads": [1, 1, 1, 1]},
    ),
    "SkipLayerNormalization": (
        "SkipLayerNormalization", [normal(B, S, D), normal(B, S, D), *normal(3, D)], 1,
        {"epsilon": 1e-5},
    ),
    "SkipSimplifiedLayerNormalization": (
        "SkipSimplifiedLayerNormalization", [normal(B, S, D), normal(B, S, D), normal(D)], 1,
        {"epsilon": 1e-5},
    ),
    "EmbedLayerNormalization": (
        "EmbedLayerNormalization",
        [np.int32([[1, 2, 3], [3, 2, 1]]), np.int32([[0, 0, 1], [1, 0, 0]]), normal(5, D),
         normal(6, D), normal(2, D), normal(D), normal(D), LEFT], 2, {},
    ),
    "Attention": (
        "Attention", [normal(B, S, D), normal(D, 3 * D), normal(3 * D)], 1, {"num_heads": N},
    ),
    "Attention with a mask": (
        "Attention", [normal(B, S, D), normal(D, 3 * D), normal(3 * D), LEFT], 1, {"num_heads": N},
    ),
    "Attention with lengths": (
        "Attention", [normal(B, S, D), normal(D, 3 * D), normal(3 * D), np.int32([2, 3])], 1,
        {"num_heads": N},
    ),
    "Attention with a past": (
        "Attention",
        [normal(B, S, D), normal(D, 3 * D), normal(3 * D), None, normal(2, B, N, 5, H)], 2,
        {"num_heads": N, "unidirectional": 1},
    ),
    "MultiHeadAttention": (
        "MultiHeadAttention", [normal(B, S, D), normal(B, 5, D), normal(B, 5, D), normal(3 * D)], 1,
        {"num_heads": N},
    ),
    "MultiHeadAttention with a mask": (
        "MultiHeadAttention",
        [normal(B, S, D), normal(B, S, D), normal(B, S, D), None, LEFT, normal(1, N, S, S)], 1,
        {"num_heads": N, "scale": 0.3},
    ),
    "MultiHeadAttention with a past": (
        "MultiHeadAttention",
        [normal(B, 1, D), normal(B, 1, D), normal(B, 1, D), None, None, None, normal(B, N, 4, H),
         normal(B, N, 4, H)], 3, {"num_heads": N},
    ),
    "GroupQueryAttention of a prompt": (
        "GroupQueryAttention",
        [normal(B, S, 16 * N), normal(B, S, 16), normal(B, S, 16), normal(B, 1, 0, 16),
         normal(B, 1, 0, 16), np.int32([2, 2]), np.int32(3), *rotary(16, 8)],
        3, {"num_heads": N, "kv_num_heads": 1, "do_rotary": 1},
    ),
    "GroupQueryAttention of a token": (
        "GroupQueryAttention",
        [normal(B, 1, 16 * N), normal(B, 1, 16), normal(B, 1, 16), normal(B, 1, 5, 16),
         normal(B, 1, 5, 16), np.int32([5, 5]), np.int32(6), *rotary(16, 8)],
        3, {"num_heads": N, "kv_num_heads": 1, "do_rotary": 1, "local_window_size": 3},
    ),
    "RotaryEmbedding": (
        "RotaryEmbedding", [normal(B, N, S, H), np.int64([2]), *rotary()], 1, {},
    ),
    "RotaryEmbedding by position": (
        "RotaryEmbedding", [normal(B, S, D), np.int64([[0, 1, 2], [4, 5, 6]]), *rotary()], 1,
        {"interleaved": 1},
    ),
    "MatMulNBits": (
        "MatMulNBits", [normal(2, 32), packed(6, 2, 16, 4), normal(12)], 1,
        {"K": 32, "N": 6, "bits": 4, "block_size": 16},
    ),
    "MatMulNBits with zero points": (
        "MatMulNBits",
        [normal(2, 32), packed(6, 2, 16, 4), normal(12), R.integers(0, 256, 6).astype(np.uint8)], 1,
        {"K": 32, "N": 6, "bits": 4, "block_size": 16},
    ),
    "MatMulNBits of eight bits": (
        "MatMulNBits", [normal(2, 3, 32), packed(6, 2, 16, 8), normal(12)], 1,
        {"K": 32, "N": 6, "bits": 8, "block_size": 16},
    ),
    "MatMulNBits of blocks that are not full": (
        "MatMulNBits",
        [normal(2, 40), packed(6, 3, 16, 4), normal(18), R.integers(0, 256, 12).astype(np.uint8)],
        1, {"K": 40, "N": 6, "bits": 4, "block_size": 16},
    ),
    "GatherBlockQuantized": (
        "GatherBlockQuantized",
        [R.integers(0, 256, (5, 16)).astype(np.uint8), np.int64([[1, 4], [0, 0]]), normal(5, 2)], 1,
        {"bits": 4, "block_size": 16, "gather_axis": 0, "quantize_axis": 1},
    ),
    "QLinearAdd": (
        "QLinearAdd",
        [np.uint8([1, 200, 30]), np.float32(0.1), np.uint8(3), np.uint8([5, 6, 250]),
         np.float32(0.2), np.uint8(9), np.float32(0.3), np.uint8(7)], 1, {},
    ),
    "QLinearMul": (
        "QLinearMul",
        [np.int8([1, -100, 30]), np.float32(0.1), np.int8(3), np.int8([5, 6, 120]),
         np.float32(0.2), np.int8(9), np.float32(3.3), np.int8(7)], 1, {},
    ),
    "QLinearSigmoid": (
        "QLinearSigmoid",
        [np.uint8([1, 200, 30]), np.float32(0.1), np.uint8(128), np.float32(1 / 256), np.uint8(0)],
        1, {},
    ),
    "QLinearLeakyRelu": (
        "QLinearLeakyRelu",
        [np.uint8([1, 200, 30]), np.float32(0.1), np.uint8(128), np.float32(0.1), np.uint8(100)],
        1, {"alpha": 0.2},
    ),
    "QLinearConcat": (
        "QLinearConcat",
        [np.float32(0.2), np.uint8(5), np.uint8([[1, 2]]), np.float32(0.1), np.uint8(3),
         np.uint8([[9, 255]]), np.float32(0.4), np.uint8(0)], 1, {"axis": 1},
    ),
    "MatMulIntegerToFloat": (
        "MatMulIntegerToFloat",
        [R.integers(0, 256, (2, 4)).astype(np.uint8), R.integers(0, 256, (4, 3)).astype(np.uint8),
         np.float32(0.1), np.float32([0.1, 0.2, 0.3]), np.uint8(3), None, normal(3)], 1, {},
    ),
    "DynamicQuantizeMatMul": (
        "DynamicQuantizeMatMul",
        [normal(2, 4), R.integers(0, 256, (4, 3)).astype(np.uint8), np.float32([0.1]),
         np.uint8([9])], 1, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRIB)
def test_fused_operators(node_model, name):
    operator, inputs, outputs, attributes = CONTRIB[name]
    model = node_model(operator, inputs, outputs, domain=MICROSOFT, opset=1, **attributes)
    compare(model, inputs)


# ai.onnx.ml


def trees(targets, prefix):
    """Return attributes of three random trees of depth 3 over four features."""
    names = "treeids nodeids featureids values modes truenodeids falsenodeids"
    nodes = {k: [] for k in (*names.split(), "missing_value_tracks_true")}
    leaves = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(3):
        for node in range(15):
            leaf = node >= 7
            values = (
                tree, node, int(R.integers(4)), float(R.normal()),
                "LEAF" if leaf else ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT")[node % 3],
                0 if leaf else 2 * node + 1, 0 if leaf else 2 * node + 2, node % 2,
            )  # fmt: skip
            for key, value in zip(nodes, values, strict=True):
                nodes[key].append(value)
            if leaf:
                for target in range(targets):
                    row = (tree, node, target, float(R.uniform()))
                    for key, value in zip(leaves, row, strict=True):
                        leaves[key].append(value)
    found = {f"nodes_{k}": v for k, v in nodes.items()}
    return {**found, **{f"{prefix}_{k}": v for k, v in leaves.items()}}


FIRST = trees(1, "class")
SECOND = {**FIRST, "class_ids": [1] * len(FIRST["class_ids"])}
SIGNED = {**FIRST, "class_weights": [w - 0.5 for w in FIRST["class_weights"]]}
X = normal(6, 4)
X_MISSING = np.where(R.uniform(size=X.shape) < 0.2, np.nan, X).astype(np.float32)
SVM = {
    "kernel_type": "RBF", "kernel_params": [0.5, 0.0, 3.0],
    "support_vectors": normal(24).tolist(),
}  # fmt: skip

ML = {
    "Scaler": ("Scaler", [X], 1, {"offset": [1.0, 2.0, 3.0, 4.0], "scale": [0.5, 1.0, 2.0, 4.0]}),
    "Normalizer L1": ("Normalizer", [X], 1, {"norm": "L1"}),
    "Normalizer L2": ("Normalizer", [X], 1, {"norm": "L2"}),
    "Imputer": (
        "Imputer", [X_MISSING], 1,
        {"imputed_value_floats": [1.0, 2.0, 3.0, 4.0], "replaced_value_float": float("nan")},
    ),
    "FeatureVectorizer": (
        "FeatureVectorizer", [X, normal(6, 2)], 1, {"inputdimensions": [4, 2]},
    ),
    "OneHotEncoder": ("OneHotEncoder", [np.int64([1, 5, 2])], 1, {"cats_int64s": [1, 2, 3]}),
    "OneHotEncoder of strings": (
        "OneHotEncoder", [np.array(["b", "z"], object)], 1, {"cats_strings": ["a", "b"]},
    ),
    "CategoryMapper": (
        "CategoryMapper", [np.array(["b", "z"], object)], 1,
        {"cats_strings": ["a", "b"], "cats_int64s": [7, 8]},
    ),
    "LinearRegressor": (
        "LinearRegressor", [X], 1,
        {"coefficients": normal(8).tolist(), "intercepts": [1.0, 2.0], "targets": 2},
    ),
    "LinearClassifier": (
        "LinearClassifier", [X], 2,
        {"coefficients": normal(12).tolist(), "intercepts": [0.1, 0.2, 0.3],
         "classlabels_ints": [4, 5, 6], "post_transform": "SOFTMAX"},
    ),
    "LinearClassifier of two": (
        "LinearClassifier", [X], 2,
        {"coefficients": normal(8).tolist(), "intercepts": [0.1, -0.1],
         "classlabels_strings": ["no", "yes"], "post_transform": "LOGISTIC"},
    ),
    "SVMRegressor": (
        "SVMRegressor", [X], 1,
        {**SVM, "coefficients": normal(6).tolist(), "rho": [0.3], "n_supports": 6},
    ),
    "SVMClassifier": (
        "SVMClassifier", [X], 2,
        {**SVM, "coefficients": normal(12).tolist(), "rho": normal(3).tolist(),
         "vectors_per_class": [2, 2, 2], "classlabels_ints": [1, 2, 3]},
    ),
    "TreeEnsembleRegressor": (
        "TreeEnsembleRegressor", [X], 1,
        {**trees(2, "target"), "n_targets": 2, "base_values": [0.5, 1.0]},
    ),
    "TreeEnsembleRegressor AVERAGE": (
        "TreeEnsembleRegressor", [X_MISSING], 1,
        {**trees(1, "target"), "n_targets": 1, "aggregate_function": "AVERAGE"},
    ),
    "TreeEnsembleRegressor MAX": (
        "TreeEnsembleRegressor", [X], 1,
        {**trees(1, "target"), "n_targets": 1, "aggregate_function": "MAX"},
    ),
    "TreeEnsembleClassifier": (
        "TreeEnsembleClassifier", [X], 2,
        {**trees(3, "class"), "classlabels_int64s": [3, 4, 5], "post_transform": "SOFTMAX"},
    ),
    **{
        f"TreeEnsembleClassifier of two, {name} {transform}": (
            "TreeEnsembleClassifier", [X], 2,
            {**weights, "classlabels_strings": ["no", "yes"], "post_transform": transform},
        )
        for name, weights in (("first", FIRST), ("second", SECOND), ("signed", SIGNED))
        for transform in ("NONE", "LOGISTIC", "SOFTMAX")
    },
    "ZipMap": ("ZipMap", [X[:, :2].copy()], 1, {"classlabels_strings": ["a", "b"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", ML)
def test_classic_machine_learning(node_model, name):
    operator, inputs, outputs, attributes = ML[name]
    model = node_model(operator, inputs, outputs, domain="ai.onnx.ml", opset=3, **attributes)
    compare(model, inputs)


# Versions and attributes that the suite leaves out

PLAIN = {
    "Upsample": ("Upsample", 9, [normal(1, 1, 2, 3), np.float32([1, 1, 2, 3])], 1,
                 {"mode": "linear"}),
    "Resize 10": ("Resize", 10, [normal(1, 1, 4, 6), np.float32([1, 1, 0.5, 0.5])], 1, {}),
    "Softmax 11": ("Softmax", 11, [normal(2, 3, 4)], 1, {"axis": 1}),
    "Clip 6": ("Clip", 6, [normal(5)], 1, {"min": -0.5, "max": 0.5}),
    "Slice 9": ("Slice", 9, [normal(4, 5)], 1, {"starts": [1, -3], "ends": [3, 99]}),
    "Pad 10": ("Pad", 10, [normal(2, 3)], 1, {"pads": [1, 0, 0, 2], "mode": "edge"}),
    "TopK 9": ("TopK", 9, [normal(2, 5)], 2, {"k": 2}),
    "MaxRoiPool": ("MaxRoiPool", 21, [normal(1, 2, 6, 6), np.float32([[0, 0, 1, 4, 5]])], 1,
                   {"pooled_shape": [2, 2]}),
    "GlobalLpPool": ("GlobalLpPool", 21, [normal(1, 2, 3, 3)], 1, {"p": 3}),
    "GRU both ways": (
        "GRU", 22, [normal(4, 2, 3), normal(2, 6, 3), normal(2, 6, 2), normal(2, 12),
                    np.int32([4, 2])], 2,
        {"hidden_size": 2, "direction": "bidirectional", "linear_before_reset": 1},
    ),
    "LSTM backwards": (
        "LSTM", 22, [normal(4, 2, 3), normal(1, 8, 3), normal(1, 8, 2), normal(1, 16),
                     np.int32([3, 4]), normal(1, 2, 2), normal(1, 2, 2), normal(1, 6)], 3,
        {"hidden_size": 2, "direction": "reverse", "clip": 1.0},
    ),
    "ConvTranspose in groups": (
        "ConvTranspose", 22, [normal(1, 4, 3, 3), normal(4, 2, 3, 3), normal(4)], 1,
        {"group": 2, "strides": [2, 2], "pads": [1, 0, 0, 1], "output_padding": [1, 1]},
    ),
    "AveragePool with holes": (
        "AveragePool", 19, [normal(1, 2, 9, 9)], 1,
        {"kernel_shape": [3, 3], "dilations": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1,
         "strides": [2, 2]},
    ),
    "Mod of negative numbers": ("Mod", 13, [np.int32([-7, 7, -7]), np.int32([3, -3, -3])], 1, {}),
    "Div towards zero": ("Div", 14, [np.int32([-7, 7, -7]), np.int32([3, -3, -3])], 1, {}),
    "QLinearConv by channel": (
        "QLinearConv", 10,
        [R.integers(0, 256, (1, 2, 5, 5)).astype(np.uint8), np.float32(0.02), np.uint8(120),
         R.integers(-127, 128, (3, 2, 3, 3)).astype(np.int8), np.float32([0.01, 0.02, 0.03]),
         np.int8([0, 0, 0]), np.float32(0.3), np.uint8(100), np.int32([5, -6, 7])], 1,
        {"pads": [1, 1, 1, 1]},
    ),
    "Multinomial of one class": ("Multinomial", 7, [np.float32([[-1e9, 0, -1e9]])], 1,
                                 {"sample_size": 3}),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_older_versions_and_rarer_attributes(node_model, name):
    operator, opset, inputs, outputs, attributes = PLAIN[name]
    compare(node_model(operator, inputs, outputs, opset=opset, **attributes), inputs)


def test_bfloat16_and_float8_weights_are_read():
    from onnx import helper

    for dtype, number in ((ml_dtypes.bfloat16, 16), (ml_dtypes.float8_e4m3fn, 17)):
        weight = helper.make_tensor(
            "w", number, [3], np.array([1, 2, -3], dtype).tobytes(), raw=True
        )
        graph = helper.make_graph(
            [helper.make_node("Cast", ["w"], ["y"], to=1)], "g", [],
            [helper.make_tensor_value_info("y", 1, [3])], [weight],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
        assert hal.onnx.load(model, "cpu:0")()["y"].tolist() == [1, 2, -3]
