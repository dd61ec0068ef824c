"""Models to compare, and a device that is the CPU but for what a test bends."""

from __future__ import annotations

import types

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")

from onnx import parser

import hal
from hal.dispatch import plans
from hal.ops import operators
from hal.plugin import Backend, DeviceInfo, Devices, Kernel, hookimpl, register, unregister
from hal_cpu.runtime import CpuRuntime

HEAD = '<ir_version: 10, opset_import: ["" : 22]>'


class _BentRuntime(CpuRuntime):
    """The CPU's runtime, in which a test may bend the results of operators by name.

    ``bent[name]`` takes a kernel's inputs and result, as NumPy arrays, and returns another result.
    """

    def __init__(self):
        super().__init__()
        self.bent = {}

    def kernel(self, op, signature):
        kernel = super().kernel(op, signature)
        if kernel is None:
            return None

        def into(stream, outputs, inputs):
            given = [None if x is None else x.copy() for x in inputs]
            kernel.into(stream, outputs, inputs)
            if op.name in self.bent:
                outputs[0][...] = self.bent[op.name](given, outputs[0].copy())

        return Kernel(into)


class _BentBackend(Backend):
    name = "bent"

    def __init__(self):
        self.runtime = _BentRuntime()

    def devices(self):
        return Devices((DeviceInfo(0, "a bent CPU", "none", 1 << 30, hal.dtypes.ALL),))

    def open(self, index):
        return self.runtime


@pytest.fixture
def bent():
    """The operators that are bent on the device ``bent:0``, by name."""
    backend = _BentBackend()
    module = types.ModuleType("bent")
    module.hal_backend = hookimpl(lambda: backend)
    register(module)
    yield backend.runtime.bent
    unregister("bent")
    hal.reset_report()
    for op in operators.values():
        plans(op).clear()


@pytest.fixture
def model():
    """Return a model from the body of its graph in ONNX's text form."""

    def make(graph, functions="", imports=""):
        head = HEAD.replace("22", f"22{imports}")
        return parser.parse_model(f"{head}\n{graph}\n{functions}")

    return make


@pytest.fixture
def network():
    """A small network with named nodes: a product, an activation, a normalization, a product."""
    from onnx import helper, numpy_helper

    random = np.random.default_rng(3)

    def weight(name, *shape):
        return numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name)

    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], name="first"),
        helper.make_node("Add", ["a", "b1"], ["b"], name="bias"),
        helper.make_node("Tanh", ["b"], ["c"], name="squash"),
        helper.make_node("LayerNormalization", ["c", "g"], ["d"], name="norm"),
        helper.make_node("MatMul", ["d", "w2"], ["e"], name="second"),
        helper.make_node("Softmax", ["e"], ["y"], name="choose"),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", 1, ["n", 16])],
        [helper.make_tensor_value_info("y", 1, ["n", 8])],
        [weight("w1", 16, 32), weight("b1", 32), weight("g", 32), weight("w2", 32, 8)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
