"""What the tests of ONNX models share."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")

import onnx
from onnx import helper, parser

import hal.onnx


@pytest.fixture
def text_model():
    """Return a model from the body of its graph in ONNX's text form."""

    def make(graph, opset=22, functions="", imports=""):
        head = f'<ir_version: 10, opset_import: ["" : {opset}{imports}]>'
        return parser.parse_model(f"{head}\n{graph}\n{functions}")

    return make


@pytest.fixture
def run(text_model):
    """Run a graph given in text form on the CPU and return its outputs as NumPy arrays."""

    def call(graph, opset=22, functions="", imports="", **inputs):
        session = hal.onnx.load(text_model(graph, opset, functions, imports), "cpu:0")
        return {name: plain(value) for name, value in session.run(inputs).items()}

    return call


def plain(value):
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value.numpy() if isinstance(value, hal.Tensor) else value


@pytest.fixture
def node_model():
    """Return a model of one node, with inputs of the dtypes of arrays."""

    def make(operator, inputs, outputs, *, domain="", opset=22, **attributes):
        names = [f"x{n}" if x is not None else "" for n, x in enumerate(inputs)]
        results = [f"y{n}" for n in range(outputs)]
        node = helper.make_node(operator, names, results, domain=domain, **attributes)
        given = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(np.asarray(x).dtype), np.asarray(x).shape
            )
            for name, x in zip(names, inputs, strict=True)
            if x is not None
        ]
        made = [onnx.ValueInfoProto(name=r) for r in results]
        graph = helper.make_graph([node], "one", given, made)
        opsets = [
            helper.make_opsetid("", 22),
            *([helper.make_opsetid(domain, opset)] * bool(domain)),
        ]
        if not domain:
            opsets = [helper.make_opsetid("", opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    return make


@pytest.fixture
def published_case():
    """Return one of ONNX's published tests of nodes by its name."""

    def find(name):
        from onnx.backend.test.loader import load_model_tests

        with warnings.catch_warnings():
            # The suite's own calculation of what it expects overflows here and there.
            warnings.simplefilter("ignore")
            (case,) = [c for c in load_model_tests(kind="node") if c.name == name]
        return case

    return find
