"""A maker of chips that nobody has: figures and a table of kernels, without a driver."""

from __future__ import annotations

import types

import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")

from onnx import parser

import hal
from hal.plugin import Backend, Devices, hookimpl, register, unregister
from hal.plugin.chip import Chip, Offer

HELD = (hal.float16, hal.float32, hal.int64, hal.int32, hal.bool)


def chip(name, memory, scale):
    return Chip(
        name,
        f"Toy {name}",
        "toy",
        "t1",
        memory,
        1e11 * scale,
        {hal.float16: 1e13 * scale, hal.float32: 1e12 * scale},
        {hal.float32: 1e11 * scale},
        HELD,
        launch=2e-6,
    )


class Toy(Backend):
    """Has no card and no driver; its table lacks some operators, one of them in one dtype."""

    name = "toy"

    def devices(self):
        return Devices((), "no card answers", "plug one in")

    def open(self, index):
        raise AssertionError("nothing may open a device that is not there")

    def chips(self):
        return {"toy-1": chip("toy-1", 1 << 24, 1), "toy-2": chip("toy-2", 1 << 34, 10)}

    def offers(self, architecture, op, signature):
        if architecture != "t1":
            return None
        if op.name in ("sin", "layer_norm", "attention", "fused"):
            return Offer(False, f"the unit has no {op.name}")
        precision = signature.attributes.get("precision")
        if op.name == "linear" and signature.inputs[0].dtype is hal.float32:
            return Offer(precision == "medium", "no float32 in products", precision != "medium")
        if op.name == "tanh" and signature.inputs[0].dtype is hal.float32:
            return Offer(False, "half precision only")
        return Offer(True, f"toy_{op.name}")


@pytest.fixture
def toy():
    module = types.ModuleType("toy")
    backend = Toy()
    module.hal_backend = hookimpl(lambda: backend)
    register(module)
    yield backend
    unregister("toy")


@pytest.fixture
def model():
    """Return a model from the body of its graph in ONNX's text form."""

    def make(graph, imports=""):
        return parser.parse_model(f'<ir_version: 10, opset_import: ["" : 22{imports}]>\n{graph}')

    return make
