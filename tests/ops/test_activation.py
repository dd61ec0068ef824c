"""Activation functions: values from their formulas, PyTorch's where it is installed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import hal
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops import operators
from hal.plugin.layout import Layout

E = math.e
WITHOUT_ATTRIBUTES = (
    "sigmoid",
    "relu",
    "silu",
    "gelu",
    "selu",
    "hard_sigmoid",
    "hard_swish",
    "mish",
    "softsign",
    "log_sigmoid",
)
WITH_ATTRIBUTES = (
    ("gelu", {"approximate": "tanh"}),
    ("softplus", {}),
    ("softplus", {"beta": 2.5, "threshold": 3.0}),
    ("elu", {}),
    ("elu", {"alpha": 0.3}),
    ("celu", {}),
    ("celu", {"alpha": 2.0}),
    ("leaky_relu", {}),
    ("leaky_relu", {"negative_slope": 0.2}),
)
EVERY = tuple((name, {}) for name in WITHOUT_ATTRIBUTES) + WITH_ATTRIBUTES
INTERESTING = np.array(
    [-1e4, -100.0, -20.5, -3.0, -1.0, -1e-3, 0.0, 1e-3, 0.5, 3.0, 6.5, 20.5, 1e4]
)


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("sigmoid", math.log(3), 0.75),
        ("sigmoid", -math.log(3), 0.25),
        ("sigmoid", -1000.0, 0.0),
        ("log_sigmoid", math.log(3), math.log(0.75)),
        ("log_sigmoid", -1000.0, -1000.0),
        ("relu", -2.0, 0.0),
        ("relu", 2.0, 2.0),
        ("silu", math.log(3), 0.75 * math.log(3)),
        ("gelu", 1.0, 0.5 * (1 + math.erf(math.sqrt(0.5)))),
        ("gelu", -1.0, -0.15865525393145707),
        ("selu", 2.0, 2 * 1.0507009873554805),
        ("selu", -1.0, 1.0507009873554805 * 1.6732632423543772 * (1 / E - 1)),
        ("softplus", 0.0, math.log(2)),
        ("softplus", 25.0, 25.0),
        ("elu", -1.0, 1 / E - 1),
        ("celu", -1.0, 1 / E - 1),
        ("leaky_relu", -2.0, -0.02),
        ("hard_sigmoid", 1.5, 0.75),
        ("hard_sigmoid", 4.0, 1.0),
        ("hard_swish", 1.5, 1.125),
        ("hard_swish", -3.5, 0.0),
        ("mish", 0.0, 0.0),
        ("mish", 1.0, math.tanh(math.log(1 + E))),
        ("softsign", -3.0, -0.75),
    ],
)
def test_a_value_is_that_of_the_formula(
    reference: Any, name: str, x: float, expected: float
) -> None:
    assert reference(name, np.float64(x)) == pytest.approx(expected, rel=1e-14, abs=1e-300)


@pytest.mark.parametrize(("name", "attributes"), EVERY)
def test_equals_pytorch(check_torch: Any, name: str, attributes: Any) -> None:
    theirs = {
        "hard_sigmoid": "hardsigmoid",
        "hard_swish": "hardswish",
        "log_sigmoid": "logsigmoid",
    }.get(name, name)
    check_torch(
        lambda torch, x: getattr(torch.nn.functional, theirs)(x, **attributes),
        name,
        INTERESTING,
        **attributes,
    )


@pytest.mark.parametrize(("name", "attributes"), EVERY)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4)], ids=str)
def test_the_decomposition_equals_the_reference(
    check_decomposition: Any, rng: Any, name: str, attributes: Any, shape: Any
) -> None:
    check_decomposition(name, np.asarray(rng.normal(size=shape) * 4), **attributes)


@pytest.mark.parametrize(("name", "attributes"), EVERY)
def test_the_decomposition_keeps_large_and_small_values(
    check_decomposition: Any, name: str, attributes: Any
) -> None:
    check_decomposition(name, INTERESTING, **attributes)


@pytest.mark.parametrize(("name", "attributes"), EVERY)
def test_nan_stays_nan(reference: Any, name: str, attributes: Any) -> None:
    assert np.isnan(reference(name, np.float32(math.nan), **attributes))


def test_relu_keeps_integers_and_the_others_make_them_float32(reference: Any) -> None:
    assert reference("relu", np.int8([-3, 4])).tolist() == [0, 4]
    assert reference("relu", np.int8([-3, 4])).dtype == np.int8
    assert reference("sigmoid", np.int8([0])).dtype == np.float32


def test_half_precision_is_rounded_once(reference: Any) -> None:
    x = np.linspace(-5, 5, 101).astype(np.float16)
    expected = reference("gelu", x.astype(np.float64)).astype(np.float16)
    np.testing.assert_allclose(reference("gelu", x), expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("shape", "weight"), [((2, 3, 4), (3,)), ((2, 3, 4), (1,)), ((2, 3), (3,)), ((4,), (1,))]
)
def test_prelu_has_a_slope_for_each_channel(
    check_torch: Any, rng: Any, shape: Any, weight: Any
) -> None:
    x, w = rng.normal(size=shape), rng.normal(size=weight)
    check_torch(lambda torch, x, w: torch.nn.functional.prelu(x, w), "prelu", x, w)


def test_prelu_by_hand(reference: Any, check_decomposition: Any) -> None:
    x = np.array([[[-1.0, 2.0], [-4.0, 4.0]]])
    assert reference("prelu", x, np.array([0.5, 0.25])).tolist() == [[[-0.5, 2.0], [-1.0, 4.0]]]
    check_decomposition("prelu", x, np.array([0.5, 0.1]))
    check_decomposition("prelu", x, np.asarray(0.25))


@pytest.mark.parametrize(
    ("name", "attributes", "error"),
    [
        ("gelu", {"approximate": "quick"}, ValueRangeError),
        ("gelu", {"approximate": None}, ValueRangeError),
        ("softplus", {"beta": 0}, ValueRangeError),
        ("softplus", {"threshold": math.nan}, ValueRangeError),
        ("softplus", {"beta": "2"}, DTypeError),
        ("celu", {"alpha": 0.0}, ValueRangeError),
        ("elu", {"alpha": True}, DTypeError),
        ("leaky_relu", {"slope": 0.1}, DTypeError),
        ("relu", {"alpha": 1.0}, DTypeError),
    ],
)
def test_a_wrong_attribute_is_named(reference: Any, name: str, attributes: Any, error: Any) -> None:
    with pytest.raises(error, match=name):
        reference(name, np.float32([1.0]), **attributes)


@pytest.mark.parametrize("name", [*WITHOUT_ATTRIBUTES, "softplus", "elu", "celu", "leaky_relu"])
def test_complex_numbers_and_missing_tensors_are_refused(reference: Any, name: str) -> None:
    with pytest.raises(DTypeError, match=name):
        reference(name, np.complex64([1]))
    with pytest.raises(DTypeError, match=name):
        operators[name].infer([None], {})


def test_prelu_refuses_slopes_that_fit_no_channel(reference: Any) -> None:
    with pytest.raises(ShapeError, match=r"prelu.*\(2,\).*3 channels"):
        reference("prelu", np.ones((2, 3)), np.ones(2))
    with pytest.raises(ShapeError, match="prelu"):
        reference("prelu", np.ones((2, 3)), np.ones((3, 1)))


def test_attributes_become_canonical() -> None:
    layout = Layout(hal.float32, (2,))
    assert operators["elu"].infer([layout], {"alpha": 2}).attributes == {"alpha": 2.0}
