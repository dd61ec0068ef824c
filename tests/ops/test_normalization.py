"""Softmax and the normalization layers: values from their formulas, PyTorch's where installed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hal
from hal.errors import DTypeError, HalIndexError, ShapeError, ValueRangeError
from hal.ops import operators
from hal.plugin.layout import Layout

# Softmax


def test_softmax_by_hand(reference: Any) -> None:
    x = np.log([[1.0, 2.0, 5.0]])
    np.testing.assert_allclose(reference("softmax", x), [[0.125, 0.25, 0.625]], rtol=1e-15)
    np.testing.assert_allclose(
        reference("log_softmax", x), np.log([[0.125, 0.25, 0.625]]), rtol=1e-14
    )


def test_softmax_does_not_overflow(reference: Any) -> None:
    x = np.float32([1e4, 1e4, -1e4])
    assert reference("softmax", x).tolist() == [0.5, 0.5, 0.0]
    assert reference("log_softmax", x)[2] == pytest.approx(-2e4 - math.log(2))


def test_softmax_of_minus_infinity_alone_is_nan_as_in_pytorch(reference: Any) -> None:
    assert np.isnan(reference("softmax", np.float32([-np.inf, -np.inf]))).all()


@given(
    shape=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    axis=st.integers(-4, 3),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_softmax_sums_to_one_along_any_axis(shape: list[int], axis: int, seed: int) -> None:
    op = operators["softmax"]
    axis = axis % len(shape)
    x = np.random.default_rng(seed).normal(size=shape) * 5
    with np.errstate(all="ignore"):
        result = op.reference(x, axis=axis)
    assert result.shape == x.shape
    if x.size:
        np.testing.assert_allclose(result.sum(axis), 1)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_equals_pytorch(check_torch: Any, rng: Any, name: str, axis: int) -> None:
    x = rng.normal(size=(2, 5, 3)) * 10
    check_torch(lambda torch, x: getattr(torch, name)(x, axis), name, x, axis=axis)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(("shape", "axis"), [((7,), 0), ((2, 3, 4), 1), ((2, 0), 1), ((0, 2), 1)])
def test_the_decomposition_of_softmax_equals_the_reference(
    check_decomposition: Any, rng: Any, name: str, shape: Any, axis: int
) -> None:
    check_decomposition(name, rng.normal(size=shape) * 4, axis=axis)


def test_softmax_refuses_what_has_no_such_axis(reference: Any) -> None:
    with pytest.raises(HalIndexError, match=r"softmax.*axis 2"):
        reference("softmax", np.ones((2, 3)), axis=2)
    with pytest.raises(HalIndexError, match="no axes"):
        reference("log_softmax", np.float32(1))
    with pytest.raises(DTypeError, match="softmax"):
        reference("softmax", np.ones(3), axis=(0,))
    with pytest.raises(DTypeError, match="softmax"):
        reference("softmax", np.ones(3, np.complex64))


# Layer and RMS normalization


def test_layer_norm_by_hand(reference: Any) -> None:
    x = np.array([[1.0, 3.0], [5.0, 9.0]])
    expected = [[-1.0, 1.0], [-1.0, 1.0]]
    np.testing.assert_allclose(reference("layer_norm", x, epsilon=0.0), expected)
    found = reference("layer_norm", x, np.array([2.0, 3.0]), np.array([10.0, 20.0]), epsilon=0)
    np.testing.assert_allclose(found, [[8.0, 23.0], [8.0, 23.0]])


def test_rms_norm_by_hand(reference: Any) -> None:
    x = np.array([1.0, 7.0])  # the mean square is 25
    np.testing.assert_allclose(reference("rms_norm", x, epsilon=0.0), [0.2, 1.4])
    found = reference("rms_norm", x, np.array([10.0, 5.0]), epsilon=11.0)
    np.testing.assert_allclose(found, [10 / 6, 35 / 6])


def test_rms_norm_without_epsilon_takes_that_of_the_dtype() -> None:
    infer = operators["rms_norm"].infer
    for dtype in (hal.float32, hal.float16, hal.bfloat16):
        attributes = infer([Layout(dtype, (4,))], {}).attributes
        assert attributes["epsilon"] == np.finfo(np.float32).eps
    attributes = infer([Layout(hal.float64, (4,))], {}).attributes
    assert attributes["epsilon"] == np.finfo(np.float64).eps


@pytest.mark.parametrize(
    ("shape", "count"), [((2, 5), 1), ((2, 3, 4), 2), ((3, 4), 2), ((1, 1), 1)]
)
@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm_and_rms_norm_equal_pytorch(
    check_torch: Any, rng: Any, shape: Any, count: int, affine: bool
) -> None:
    x = rng.normal(size=shape) * 3 + 1
    axes = tuple(range(-count, 0))
    weight, bias = rng.normal(size=(2, *shape[-count:])) if affine else (None, None)
    check_torch(
        lambda torch, x, w, b: torch.nn.functional.layer_norm(x, shape[-count:], w, b, 1e-3),
        "layer_norm", x, weight, bias, axes=axes, epsilon=1e-3,
    )  # fmt: skip
    check_torch(
        lambda torch, x, w: torch.nn.functional.rms_norm(x, shape[-count:], w),
        "rms_norm", x, weight, axes=axes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((6,), (0,)), ((2, 3, 4), (-1,)), ((2, 3, 4), (0, 2)), ((2, 3), (1, 0)), ((0, 3), (1,)),
     ((3, 0), (1,))],
)  # fmt: skip
def test_the_decompositions_over_axes_equal_the_references(
    check_decomposition: Any, rng: Any, shape: Any, axes: Any
) -> None:
    x = rng.normal(size=shape) + 1
    weight = rng.normal(size=[shape[a] for a in sorted(a % len(shape) for a in axes)])
    check_decomposition("layer_norm", x, axes=axes)
    check_decomposition("layer_norm", x, weight, weight, axes=axes, epsilon=1e-3)
    check_decomposition("layer_norm", x, None, weight, axes=axes)
    check_decomposition("rms_norm", x, axes=axes, epsilon=1e-3)
    check_decomposition("rms_norm", x, weight, axes=axes)


# Group, instance and batch normalization


def test_group_norm_by_hand(reference: Any) -> None:
    x = np.array([[1.0, 3.0, 10.0, 30.0]])
    np.testing.assert_allclose(reference("group_norm", x, groups=2, epsilon=0), [[-1, 1, -1, 1]])


def test_instance_norm_by_hand(reference: Any) -> None:
    x = np.array([[[1.0, 3.0], [10.0, 30.0]]])
    np.testing.assert_allclose(reference("instance_norm", x, epsilon=0), [[[-1, 1], [-1, 1]]])


def test_batch_norm_by_hand(reference: Any) -> None:
    x = np.array([[1.0, 10.0]])
    mean, variance = np.array([3.0, 4.0]), np.array([4.0, 9.0])
    assert reference("batch_norm", x, mean, variance, epsilon=0).tolist() == [[-1.0, 2.0]]
    weight, bias = np.array([2.0, 3.0]), np.array([0.5, 1.0])
    found = reference("batch_norm", x, mean, variance, weight, bias, epsilon=0)
    assert found.tolist() == [[-1.5, 7.0]]


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 5), (3, 6, 2, 3)])
@pytest.mark.parametrize("affine", [True, False])
def test_group_and_batch_norm_equal_pytorch(
    check_torch: Any, rng: Any, shape: Any, affine: bool
) -> None:
    x = rng.normal(size=shape) * 2 + 3
    channels = shape[1]
    weight, bias = rng.normal(size=(2, channels)) if affine else (None, None)
    mean, variance = rng.normal(size=channels), rng.uniform(0.5, 2, channels)
    check_torch(
        lambda torch, x, w, b: torch.nn.functional.group_norm(x, 2, w, b, 1e-3),
        "group_norm", x, weight, bias, groups=2, epsilon=1e-3,
    )  # fmt: skip
    check_torch(
        lambda torch, x, m, v, w, b: torch.nn.functional.batch_norm(x, m, v, w, b, eps=1e-3),
        "batch_norm", x, mean, variance, weight, bias, epsilon=1e-3,
    )  # fmt: skip
    if len(shape) > 2:
        check_torch(
            lambda torch, x, w, b: torch.nn.functional.instance_norm(
                x, weight=w, bias=b, eps=1e-3
            ),
            "instance_norm", x, weight, bias, epsilon=1e-3,
        )  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 4), (1, 6, 5), (2, 4, 3, 2), (0, 4, 3), (2, 4, 0)])
def test_the_decompositions_over_channels_equal_the_references(
    check_decomposition: Any, rng: Any, shape: Any
) -> None:
    x = rng.normal(size=shape) + 1
    channels = shape[1]
    weight, bias, mean = rng.normal(size=(3, channels))
    variance = rng.uniform(0.5, 2, channels)
    check_decomposition("group_norm", x, weight, bias, groups=2)
    check_decomposition("group_norm", x, None, bias, groups=1, epsilon=0.1)
    check_decomposition("batch_norm", x, mean, variance, weight, bias)
    check_decomposition("batch_norm", x, mean, variance)
    if len(shape) > 2:
        check_decomposition("instance_norm", x, weight, bias)


# Errors


@pytest.mark.parametrize(
    ("name", "shapes", "attributes", "error", "text"),
    [
        ("layer_norm", [(2, 3), (2,)], {}, ShapeError, r"weight.*\(2,\).*\(3,\)"),
        ("layer_norm", [(2, 3), (3,), (1, 3)], {}, ShapeError, r"bias.*\(1, 3\)"),
        ("layer_norm", [(2, 3)], {"axes": ()}, ShapeError, "no axis"),
        ("layer_norm", [(2, 3)], {"axes": (2,)}, HalIndexError, "no axis 2"),
        ("layer_norm", [(2, 3)], {"axes": (1, -1)}, ShapeError, "twice"),
        ("layer_norm", [(2, 3)], {"epsilon": -1e-5}, ValueRangeError, "0 or more"),
        ("layer_norm", [(2, 3)], {"epsilon": "1"}, DTypeError, "number"),
        ("rms_norm", [(2, 3)], {"epsilon": math.nan}, ValueRangeError, "nan"),
        ("rms_norm", [(2, 3), (3,), (3,)], {}, DTypeError, "at most 2"),
        ("group_norm", [(2, 4, 3)], {}, DTypeError, "groups"),
        ("group_norm", [(2, 4, 3)], {"groups": 3}, ShapeError, "4 channels"),
        ("group_norm", [(2, 4, 3)], {"groups": 0}, ShapeError, "divide"),
        ("group_norm", [(2, 4, 3)], {"groups": 2.0}, DTypeError, "integer"),
        ("group_norm", [(2, 4, 3), (3,)], {"groups": 2}, ShapeError, r"\(4,\)"),
        ("group_norm", [(4,)], {"groups": 2}, ShapeError, "2 or more"),
        ("instance_norm", [(2, 3)], {}, ShapeError, "3 or more"),
        ("batch_norm", [(2, 3)], {}, DTypeError, "3 tensors"),
        ("batch_norm", [(2, 3), (3,), (2,)], {}, ShapeError, "variance"),
        ("batch_norm", [(2, 3), (3,), (3,), (3,), (1,)], {}, ShapeError, "bias"),
    ],
)
def test_wrong_calls_say_what_is_wrong(
    name: str, shapes: Any, attributes: Any, error: Any, text: str
) -> None:
    layouts = [Layout(hal.float32, s) for s in shapes]
    with pytest.raises(error, match=f"(?s)^{name}.*{text}"):
        operators[name].infer(layouts, attributes)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_integers_are_refused(name: str) -> None:
    with pytest.raises(DTypeError, match=f"{name} is not defined for int32"):
        operators[name].infer([Layout(hal.int32, (3,))], {})
