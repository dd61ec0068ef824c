"""Whole models with seeded weights and the structure of the named ones, against ONNX Runtime."""

import math

import numpy as np
import pytest
from onnx import helper, numpy_helper

import hal.onnx

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

FLOAT, INT64 = 1, 7


class Net:
    """Builds a graph: calling it adds a node and returns the name of its result."""

    def __init__(self, seed=0):
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights, self.inputs, self.outputs = [], [], [], []

    def __call__(self, operator, *inputs, outputs=1, domain="", **attributes):
        names = [f"v{len(self.nodes)}_{n}" for n in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weight(self, *shape, scale=None):
        scale = 1 / math.sqrt(np.prod(shape[1:]) or 1) if scale is None else scale
        return self.constant((self.random.standard_normal(shape) * scale).astype(np.float32))

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def number(self, value):
        return self.constant(np.float32(value))

    def input(self, name, shape, dtype=FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, value, name, dtype=FLOAT):
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, dtype, None))

    def model(self, opset=17):
        graph = helper.make_graph(self.nodes, "net", self.inputs, self.outputs, self.weights)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    # Layers

    def linear(self, x, features, out):
        product = self("MatMul", x, self.weight(features, out, scale=features**-0.5))
        return self("Add", product, self.weight(out, scale=0.1))

    def norm(self, x, features):
        ones = self.constant(np.ones(features, np.float32))
        return self("LayerNormalization", x, ones, self.weight(features, scale=0.1), epsilon=1e-6)

    def heads(self, x, count, size):
        split = self("Reshape", x, self.ints(0, 0, count, size))
        return self("Transpose", split, perm=[0, 2, 1, 3])

    def attention(self, x, features, heads, mask=None):
        size = features // heads
        q, k, v = (self.heads(self.linear(x, features, features), heads, size) for _ in range(3))
        scores = self("MatMul", q, self("Transpose", k, perm=[0, 1, 3, 2]))
        scores = self("Div", scores, self.number(math.sqrt(size)))
        scores = scores if mask is None else self("Add", scores, mask)
        mixed = self("MatMul", self("Softmax", scores, axis=-1), v)
        joined = self(
            "Reshape", self("Transpose", mixed, perm=[0, 2, 1, 3]), self.ints(0, 0, features)
        )
        return self.linear(joined, features, features)

    def gelu(self, x):
        erf = self("Erf", self("Div", x, self.number(math.sqrt(2))))
        return self("Mul", self("Mul", x, self("Add", erf, self.number(1))), self.number(0.5))

    def block(self, x, features, heads, mask=None):
        x = self("Add", x, self.attention(self.norm(x, features), features, heads, mask))
        inner = self.gelu(self.linear(self.norm(x, features), features, 4 * features))
        return self("Add", x, self.linear(inner, 4 * features, features))

    def conv(self, x, inputs, outputs, size=3, stride=1, group=1):
        pad = size // 2
        weight = self.weight(outputs, inputs // group, size, size)
        return self("Conv", x, weight, kernel_shape=[size] * 2, strides=[stride] * 2, group=group,
                    pads=[pad] * 4)  # fmt: skip

    def batch_norm(self, x, channels):
        scale = self.constant(self.random.uniform(0.5, 1.5, channels).astype(np.float32))
        variance = self.constant(self.random.uniform(0.5, 1.5, channels).astype(np.float32))
        shift = [self.weight(channels, scale=0.1) for _ in range(2)]
        return self("BatchNormalization", x, scale, shift[0], shift[1], variance)

    def conv_norm(self, x, inputs, outputs, size=3, stride=1, group=1, act="Relu"):
        x = self.batch_norm(self.conv(x, inputs, outputs, size, stride, group), outputs)
        if act == "Clip":
            return self("Clip", x, self.number(0), self.number(6))
        return self(act, x) if act else x


def encoder():
    net, width, heads = Net(1), 48, 4
    ids = net.input("ids", ["batch", "length"], INT64)
    seen = net.input("mask", ["batch", "length"], INT64)
    x = net("Gather", net.weight(100, width, scale=1), ids)
    length = net("Gather", net("Shape", ids), net.constant(np.int64(1)))
    line = net("Range", net.constant(np.int64(0)), length, net.constant(np.int64(1)))
    x = net.norm(net("Add", x, net("Gather", net.weight(64, width, scale=1), line)), width)
    open_ = net("Cast", net("Unsqueeze", seen, net.ints(1, 2)), to=FLOAT)
    mask = net("Mul", net("Sub", net.number(1), open_), net.number(-10000))
    for _ in range(3):
        x = net.block(x, width, heads, mask)
    weights = net("Cast", net("Unsqueeze", seen, net.ints(2)), to=FLOAT)
    total = net("ReduceSum", net("Mul", x, weights), net.ints(1), keepdims=0)
    mean = net("Div", total, net("ReduceSum", weights, net.ints(1), keepdims=0))
    norm = net("ReduceL2", mean, axes=[1], keepdims=1)
    net.output(net("Div", mean, norm), "embedding")
    mask = np.int64([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0]])
    return net.model(), {"ids": net.random.integers(0, 100, (2, 7)), "mask": mask}


def decoder():
    """One step of a decoder with rotary embedding, grouped keys and a cache."""
    net, width, heads, shared, size, past = Net(2), 32, 4, 2, 8, 5
    ids = net.input("ids", ["batch", 1], INT64)
    where = net.input("position", ["batch", 1], INT64)
    caches = [net.input(f"past_{n}", ["batch", shared, "past", size]) for n in ("key", "value")]
    x = net("Gather", net.weight(50, width, scale=1), ids)

    def rms(x):
        power = net("ReduceMean", net("Pow", x, net.number(2)), axes=[-1])
        root = net("Sqrt", net("Add", power, net.number(1e-6)))
        return net("Mul", net("Div", x, root), net.weight(width, scale=1))

    def rotate(x, cosine, sine):
        first, second = net("Split", x, net.ints(size // 2, size // 2), axis=-1, outputs=2)
        turned = net("Concat", net("Neg", second), first, axis=-1)
        return net("Add", net("Mul", x, cosine), net("Mul", turned, sine))

    angles = np.outer(np.arange(32), 10000.0 ** (-np.arange(0, size, 2) / size))
    angles = np.concatenate([angles, angles], 1).astype(np.float32)
    cosine, sine = (
        net("Unsqueeze", net("Gather", net.constant(a), where), net.ints(1))
        for a in (np.cos(angles), np.sin(angles))
    )
    h = rms(x)
    q = net.heads(net("MatMul", h, net.weight(width, width)), heads, size)
    k, v = (net.heads(net("MatMul", h, net.weight(width, shared * size)), shared, size)
            for _ in range(2))  # fmt: skip
    q, k = rotate(q, cosine, sine), rotate(k, cosine, sine)
    k, v = (net("Concat", old, new, axis=2) for old, new in zip(caches, (k, v), strict=True))
    wide = [
        net("Reshape", net("Expand", net("Unsqueeze", t, net.ints(2)),
                           net.ints(1, 1, heads // shared, 1, 1)),
            net.ints(0, heads, -1, size))
        for t in (k, v)
    ]  # fmt: skip
    scores = net("MatMul", q, net("Transpose", wide[0], perm=[0, 1, 3, 2]))
    scores = net("Mul", scores, net.number(size**-0.5))
    mixed = net("MatMul", net("Softmax", scores, axis=-1), wide[1])
    joined = net("Reshape", net("Transpose", mixed, perm=[0, 2, 1, 3]), net.ints(0, 0, width))
    x = net("Add", x, net("MatMul", joined, net.weight(width, width)))
    h = rms(x)
    gate = net("MatMul", h, net.weight(width, 64))
    gate = net("Mul", gate, net("Sigmoid", gate))
    inner = net("Mul", gate, net("MatMul", h, net.weight(width, 64)))
    x = net("Add", x, net("MatMul", inner, net.weight(64, width)))
    net.output(net("MatMul", rms(x), net.weight(width, 50)), "logits")
    net.output(k, "key")
    net.output(v, "value")
    cache = net.random.standard_normal((2, 2, shared, past, size)).astype(np.float32)
    return net.model(), {
        "ids": np.int64([[3], [4]]), "position": np.int64([[past], [past]]),
        "past_key": cache[0], "past_value": cache[1],
    }  # fmt: skip


def image(net, *shape):
    return {"image": net.random.standard_normal(shape).astype(np.float32)}


def resnet50():
    net, width = Net(3), 8
    x = net.input("image", ["batch", 3, 64, 64])
    x = net.conv_norm(x, 3, width, 7, 2)
    x = net("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = width
    for stage, blocks in enumerate((3, 4, 6, 3)):
        inner = width << stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            y = net.conv_norm(x, channels, inner, 1)
            y = net.conv_norm(y, inner, inner, 3, stride)
            y = net.conv_norm(y, inner, 4 * inner, 1, act="")
            if not block:
                x = net.conv_norm(x, channels, 4 * inner, 1, stride, act="")
            x, channels = net("Relu", net("Add", x, y)), 4 * inner
    x = net("Flatten", net("GlobalAveragePool", x))
    net.output(net("Gemm", x, net.weight(10, channels), net.weight(10), transB=1), "classes")
    return net.model(), image(net, 2, 3, 64, 64)


def mobilenet_v2():
    net = Net(4)
    x = net.input("image", ["batch", 3, 64, 64])
    x, channels = net.conv_norm(x, 3, 8, 3, 2, act="Clip"), 8
    stages = ((1, 4, 1, 1), (6, 8, 2, 2), (6, 8, 3, 2), (6, 16, 4, 2), (6, 24, 3, 1), (6, 40, 3, 2))
    for expand, outputs, count, first in (*stages, (6, 80, 1, 1)):
        for n in range(count):
            stride, inner = first if not n else 1, channels * expand
            y = net.conv_norm(x, channels, inner, 1, act="Clip") if expand > 1 else x
            y = net.conv_norm(y, inner, inner, 3, stride, inner, act="Clip")
            y = net.conv_norm(y, inner, outputs, 1, act="")
            x = net("Add", x, y) if stride == 1 and channels == outputs else y
            channels = outputs
    x = net.conv_norm(x, channels, 128, 1, act="Clip")
    x = net("ReduceMean", x, axes=[2, 3], keepdims=0)
    net.output(net("Gemm", x, net.weight(10, 128), net.weight(10), transB=1), "classes")
    return net.model(), image(net, 1, 3, 64, 64)


def vit():
    net, width, patch = Net(5), 48, 8
    x = net.input("image", ["batch", 3, 32, 32])
    x = net("Conv", x, net.weight(width, 3, patch, patch), net.weight(width), strides=[patch] * 2)
    x = net("Transpose", net("Reshape", x, net.ints(0, width, -1)), perm=[0, 2, 1])
    batch = net("Slice", net("Shape", x), net.ints(0), net.ints(1))
    shape = net("Concat", batch, net.ints(1, width), axis=0)
    x = net("Concat", net("Expand", net.weight(1, 1, width), shape), x, axis=1)
    x = net("Add", x, net.weight(1, (32 // patch) ** 2 + 1, width))
    for _ in range(4):
        x = net.block(x, width, 4)
    first = net("Gather", net.norm(x, width), net.constant(np.int64(0)), axis=1)
    net.output(net.linear(first, width, 10), "classes")
    return net.model(), image(net, 2, 3, 32, 32)


def unet():
    net, skips, channels = Net(6), [], 3
    x = net.input("image", ["batch", 3, "height", "width"])
    for width in (8, 16, 32):
        for _ in range(2):
            x, channels = net.conv_norm(x, channels, width), width
        skips.append((x, channels))
        x = net("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.conv_norm(x, channels, 64)
    channels = 64
    for n, (skip, width) in enumerate(reversed(skips)):
        if n % 2:
            scales = net.constant(np.float32([1, 1, 2, 2]))
            x = net("Resize", x, "", scales, mode="linear")
            x = net.conv_norm(x, channels, width)
        else:
            up = net.weight(channels, width, 2, 2)
            x = net("ConvTranspose", x, up, net.weight(width, scale=0.1), strides=[2, 2])
        x = net("Concat", x, skip, axis=1)
        x, channels = net.conv_norm(x, 2 * width, width), width
    net.output(net("Sigmoid", net.conv(x, channels, 2, 1)), "mask")
    return net.model(), image(net, 1, 3, 32, 48)


def lstm():
    net, size = Net(7), 12
    ids = net.input("ids", ["length", "batch"], INT64)
    lengths = net.input("lengths", ["batch"], 6)
    x = net("Gather", net.weight(40, 10, scale=1), ids)
    for features in (10, 2 * size):
        weights = [net.weight(2, 4 * size, n) for n in (features, size)]
        y, h, _ = net(
            "LSTM", x, *weights, net.weight(2, 8 * size), lengths, hidden_size=size,
            direction="bidirectional", outputs=3,
        )  # fmt: skip
        x = net("Reshape", net("Transpose", y, perm=[0, 2, 1, 3]), net.ints(0, 0, 2 * size))
    last = net("Reshape", net("Transpose", h, perm=[1, 0, 2]), net.ints(0, -1))
    net.output(net("LogSoftmax", net.linear(last, 2 * size, 5), axis=-1), "classes")
    net.output(x, "states")
    return net.model(), {
        "ids": net.random.integers(0, 40, (9, 3)), "lengths": np.int32([9, 4, 7]),
    }  # fmt: skip


def forest():
    """A pipeline as scikit-learn exports it: scaling, a random forest, a dictionary of scores."""
    net, features, count, depth = Net(8), 5, 20, 5
    x = net.input("x", ["rows", features])
    draw = net.random
    x = net("Scaler", x, domain="ai.onnx.ml", offset=draw.normal(size=features).tolist(),
            scale=draw.uniform(0.5, 2, features).tolist())  # fmt: skip
    rows, votes = [], []
    for tree in range(count):
        for node in range(2 ** (depth + 1) - 1):
            leaf = node >= 2**depth - 1
            ways = (0, 0) if leaf else (2 * node + 1, 2 * node + 2)
            mode = "LEAF" if leaf else "BRANCH_LEQ"
            split = 0.0 if leaf else float(draw.normal())
            rows.append((tree, node, int(draw.integers(features)), split, mode, *ways))
            if leaf:
                share = draw.dirichlet(np.ones(3)) / count
                votes += [(tree, node, c, float(p)) for c, p in enumerate(share)]
    keys = ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
    named = zip(keys, zip(*rows, strict=True), strict=True)
    scores = zip(("treeids", "nodeids", "ids", "weights"), zip(*votes, strict=True), strict=True)
    attributes = {f"nodes_{k}": list(v) for k, v in named}
    attributes |= {f"class_{k}": list(v) for k, v in scores}
    label, probability = net(
        "TreeEnsembleClassifier", x, domain="ai.onnx.ml", outputs=2, **attributes,
        classlabels_strings=["a", "b", "c"],
    )  # fmt: skip
    net.output(label, "label", 8)
    net.output(probability, "probability")
    return net.model(), {"x": draw.standard_normal((50, features)).astype(np.float32)}


def quantised():
    """A convolutional net whose weights and activations are 8-bit, as quantisation tools write."""
    net = Net(9)
    x = net.input("image", ["batch", 3, 16, 16])

    def both(x, scale, zero):
        scale, zero = net.number(scale), net.constant(zero)
        return net("DequantizeLinear", net("QuantizeLinear", x, scale, zero), scale, zero)

    x = both(x, 0.03, np.uint8(128))
    for inputs, outputs in ((3, 8), (8, 16)):
        weight = net.constant(
            net.random.integers(-127, 128, (outputs, inputs, 3, 3)).astype(np.int8)
        )
        scale = net.constant(net.random.uniform(0.001, 0.003, outputs).astype(np.float32))
        zero = net.constant(np.zeros(outputs, np.int8))
        weight = net("DequantizeLinear", weight, scale, zero, axis=0)
        x = net("Conv", x, weight, net.weight(outputs, scale=0.1), pads=[1, 1, 1, 1])
        x = both(net("Relu", x), 0.02, np.uint8(0))
    x = net("Flatten", net("GlobalAveragePool", x))
    net.output(net.linear(x, 16, 4), "classes")
    return net.model(), image(net, 2, 3, 16, 16)


MODELS = (encoder, decoder, resnet50, mobilenet_v2, vit, unet, lstm, forest, quantised)


@pytest.mark.parametrize("make", MODELS, ids=lambda f: f.__name__)
def test_whole_models_equal_onnx_runtime(make):
    model, inputs = make()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Without its optimizer, which would change the quantised model's rounding.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    peer = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    expected = peer.run(None, inputs)
    found = hal.onnx.load(model, "cpu:0", check=False).run(inputs)
    for ours, theirs in zip(found.values(), expected, strict=True):
        if theirs.dtype == object:
            assert ours.tolist() == theirs.tolist()
        else:
            np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [m for m in MODELS if m is not forest], ids=lambda f: f.__name__)
def test_compiled_models_equal_themselves(make):
    model, inputs = make()
    eager = hal.onnx.load(model, "cpu:0", check=False).run(inputs)
    session = hal.onnx.load(model, "cpu:0", check=False, compile=True)
    for _ in range(2):
        for name, value in session.run(inputs).items():
            np.testing.assert_allclose(value.numpy(), eager[name].numpy(), rtol=1e-5, atol=1e-5)


def test_a_model_runs_at_any_batch_size_and_length():
    model, inputs = encoder()
    session = hal.onnx.load(model, "cpu:0", check=False)
    whole = session.run(inputs)["embedding"].numpy()
    for row in range(2):
        one = session.run({k: v[row : row + 1] for k, v in inputs.items()})["embedding"].numpy()
        np.testing.assert_allclose(one[0], whole[row], rtol=1e-4, atol=1e-5)
