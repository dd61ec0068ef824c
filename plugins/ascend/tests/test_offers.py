"""Which kernels a chip has, asked without the chip and without CANN."""

from __future__ import annotations

import pytest

import hal
from hal.ops import operators
from hal.plugin import Layout, Offer, Signature
from hal_ascend.backend import AscendBackend


def offer(architecture, name, *inputs, **attributes):
    op = operators[name]
    layouts = [None if x is None else Layout(*x) for x in inputs]
    inference = op.infer(layouts, attributes)
    outputs = tuple(Layout(*o) for o in inference.outputs)
    signature = Signature(tuple(layouts), outputs, inference.attributes)
    return AscendBackend().offers(architecture, op, signature)


@pytest.fixture(autouse=True)
def without_cann(monkeypatch):
    """Nothing may be loaded to answer."""

    def refuse():
        raise AssertionError("CANN was looked for")

    monkeypatch.setattr("hal_ascend.backend.locate", refuse)


def test_an_offer_names_canns_operators():
    found = offer("910B3", "softmax", (hal.float32, (2, 3)), axis=1)
    assert found == Offer(True, "aclnnSoftmax")
    assert offer("910_9392", "copysign", *[(hal.float16, (4,))] * 2).detail.startswith("aclnnAbs")


def test_what_there_is_none_of_has_a_reason():
    assert offer("910B3", "svd", (hal.float32, (3, 3))) == Offer(
        False, "CANN has no operator for svd"
    )
    assert offer("910B3", "divide", *[(hal.uint32, (3,))] * 2) is not None
    found = offer(
        "310P3", "rotary_embedding", (hal.float16, (1, 2, 3, 8)), *[(hal.float16, (2, 1, 4))] * 2
    )
    assert found == Offer(False, "Atlas inference (310P) has no aclnnRotaryPositionEmbedding")


def test_a_chip_without_float32_products_says_what_to_allow():
    found = offer("310P3", "matmul", *[(hal.float32, (3, 3))] * 2)
    assert not found.native
    assert found.refused
    assert "hal.precision('medium')" in found.detail
    assert offer("310P3", "matmul", *[(hal.float32, (3, 3))] * 2, precision="medium").native
    assert offer("310P3", "matmul", *[(hal.float16, (3, 3))] * 2).native


def test_what_canns_documentation_does_not_promise_is_said():
    found = offer("310P3", "add", *[(hal.float16, (3,))] * 2)
    assert found.native
    assert "not among what CANN documents" in found.detail
    assert "not among" not in offer("910B3", "add", *[(hal.float16, (3,))] * 2).detail


def test_the_310p_has_no_bfloat16():
    assert not offer("310P3", "multiply", *[(hal.bfloat16, (3,))] * 2).native
    assert offer("910B3", "multiply", *[(hal.bfloat16, (3,))] * 2).native


def test_a_chip_nobody_knows_gets_no_answer():
    assert offer("9999", "add", *[(hal.float16, (3,))] * 2) is None


def test_the_device_keeps_what_was_offered(ascend):
    """The same question, asked of the stand-in's runtime."""
    for name, dtype, attributes in (
        ("exp", hal.float32, {}), ("exp", hal.float64, {}), ("asinh", hal.bfloat16, {}),
        ("erf", hal.int8, {}), ("sort", hal.uint32, {"axis": 0}), ("svd", hal.float32, {}),
    ):  # fmt: skip
        shape = (3, 3)
        layout = Layout(dtype, shape)
        inference = operators[name].infer([layout], attributes)
        if inference.dtypes[0] is not dtype:
            continue
        signature = Signature(
            (layout,), tuple(Layout(*o) for o in inference.outputs), inference.attributes
        )
        offered = AscendBackend().offers("910B3", operators[name], signature)
        kernel = ascend.runtime.kernel(operators[name], signature)
        assert offered.native is (kernel is not None), name
