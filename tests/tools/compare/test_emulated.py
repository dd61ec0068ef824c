"""Emulated chips round as chips do, and a comparison shows where."""

import numpy as np

from hal.tools.compare import compare

CHIP = "cpu:0/ascend-910b"


def test_a_chip_that_multiplies_float32_agrees(network):
    found = compare(network, CHIP, "cpu:0", {"x": inputs()})
    assert found.ok
    assert "emulated" in found.device
    assert all(row.introduced.scaled < 1e-6 for row in found.rows)


def test_what_products_of_rounded_inputs_introduce_is_seen_and_allowed(network):
    found = compare(network, CHIP, "cpu:0", {"x": inputs()}, precision="high")
    assert found.ok
    assert [row.operator for row in found.rows if row.introduced.scaled > 1e-5] == ["MatMul"] * 2
    assert found.outputs[0].inherited.unequal


def test_a_strict_tolerance_blames_the_products_alone(network):
    strict = {"float32": 1e-6}
    found = compare(network, CHIP, "cpu:0", {"x": inputs()}, precision="high", tolerances=strict)
    assert [row.node for row in found.culprits] == ["first", "second"]


def inputs():
    return np.random.default_rng(1).standard_normal((4, 16)).astype(np.float32)
