"""Convolution and its transpose: values by hand, PyTorch's where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hal
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops import evaluate_reference, operators
from hal.plugin.layout import Layout

# shape of the input, shape of the weight, attributes
CASES = [
    ((2, 3, 8), (4, 3, 3), {}),
    ((2, 3, 8), (4, 3, 3), {"stride": 2, "padding": 1}),
    ((1, 4, 9), (6, 2, 2), {"groups": 2, "dilation": 3}),
    ((1, 4, 5), (4, 1, 3), {"groups": 4, "padding": 2}),
    ((2, 3, 6, 7), (4, 3, 3, 2), {"stride": (2, 1), "padding": (1, 0)}),
    ((2, 4, 6, 7), (4, 2, 1, 1), {"groups": 2}),
    ((1, 2, 7, 7), (3, 2, 3, 3), {"dilation": (2, 1), "padding": (2, 1), "stride": (1, 3)}),
    ((1, 2, 3, 3), (3, 2, 5, 5), {"padding": 1}),
    ((1, 2, 4, 5, 3), (4, 1, 2, 3, 2), {"groups": 2, "padding": (0, 1, 1)}),
    ((0, 2, 4), (3, 2, 3), {}),
]
TRANSPOSED = [
    ((2, 3, 5), (3, 4, 3), {}),
    ((2, 3, 5), (3, 4, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    ((1, 4, 5), (4, 2, 2), {"groups": 2, "dilation": 3}),
    ((1, 4, 5), (4, 1, 3), {"groups": 4, "stride": 4}),
    ((2, 3, 4, 5), (3, 2, 3, 2), {"stride": (2, 1), "padding": (2, 1)}),
    ((1, 4, 3, 4), (4, 3, 3, 3), {"groups": 2, "stride": 3, "output_padding": (2, 1)}),
    ((1, 2, 4, 4), (2, 3, 1, 1), {"stride": 2, "padding": 1}),
    ((1, 2, 3, 2, 2), (2, 2, 2, 3, 2), {"stride": 2, "padding": (0, 1, 0), "dilation": (1, 1, 2)}),
    ((0, 2, 4), (2, 3, 3), {}),
]


def test_convolution_by_hand(reference: Any) -> None:
    x = np.array([[[1.0, 2.0, 3.0, 4.0]]])
    weight = np.array([[[1.0, 10.0]]])
    assert reference("convolution", x, weight).tolist() == [[[21.0, 32.0, 43.0]]]
    assert reference("convolution", x, weight, stride=2).tolist() == [[[21.0, 43.0]]]
    assert reference("convolution", x, weight, dilation=3).tolist() == [[[41.0]]]
    padded = reference("convolution", x, weight, np.array([0.5]), padding=((1, 0),))
    assert padded.tolist() == [[[10.5, 21.5, 32.5, 43.5]]]


def test_groups_keep_channels_apart(reference: Any) -> None:
    x = np.array([[[1.0], [2.0]]])
    weight = np.array([[[3.0]], [[5.0]]])
    assert reference("convolution", x, weight, groups=2).tolist() == [[[3.0], [10.0]]]


def test_transposed_convolution_by_hand(reference: Any) -> None:
    x = np.array([[[1.0, 2.0]]])
    weight = np.array([[[1.0, 10.0, 100.0]]])
    name = "convolution_transpose"
    assert reference(name, x, weight).tolist() == [[[1.0, 12.0, 120.0, 200.0]]]
    assert reference(name, x, weight, stride=2).tolist() == [[[1.0, 10.0, 102.0, 20.0, 200.0]]]
    assert reference(name, x, weight, padding=1).tolist() == [[[12.0, 120.0]]]
    found = reference(name, x, weight, np.array([0.5]), stride=2, padding=1, output_padding=1)
    assert found.tolist() == [[[10.5, 102.5, 20.5, 200.5]]]


def test_same_padding_keeps_the_size_with_the_odd_element_behind(reference: Any) -> None:
    x = np.array([[[1.0, 2.0, 3.0]]])
    weight = np.array([[[1.0, 10.0]]])
    assert reference("convolution", x, weight, padding="same").tolist() == [[[21.0, 32.0, 3.0]]]
    assert reference("convolution", x, weight, padding="valid").tolist() == [[[21.0, 32.0]]]


@pytest.mark.parametrize(("shape", "weight", "attributes"), CASES)
@pytest.mark.parametrize("biased", [True, False])
def test_convolution_equals_pytorch(
    check_torch: Any, rng: Any, shape: Any, weight: Any, attributes: Any, biased: bool
) -> None:
    count = len(shape) - 2
    bias = rng.normal(size=weight[0]) if biased else None

    def theirs(torch: Any, x: Any, w: Any, b: Any) -> Any:
        return getattr(torch.nn.functional, f"conv{count}d")(x, w, b, **attributes)

    arrays = rng.normal(size=shape), rng.normal(size=weight), bias
    check_torch(theirs, "convolution", *arrays, **attributes)


@pytest.mark.parametrize(("shape", "weight", "attributes"), TRANSPOSED)
@pytest.mark.parametrize("biased", [True, False])
def test_transposed_convolution_equals_pytorch(
    check_torch: Any, rng: Any, shape: Any, weight: Any, attributes: Any, biased: bool
) -> None:
    count = len(shape) - 2
    bias = rng.normal(size=weight[1] * attributes.get("groups", 1)) if biased else None

    def theirs(torch: Any, x: Any, w: Any, b: Any) -> Any:
        return getattr(torch.nn.functional, f"conv_transpose{count}d")(x, w, b, **attributes)

    arrays = rng.normal(size=shape), rng.normal(size=weight), bias
    check_torch(theirs, "convolution_transpose", *arrays, **attributes)


@pytest.mark.parametrize(("shape", "weight", "attributes"), CASES)
def test_the_decomposition_of_convolution_equals_the_reference(
    check_decomposition: Any, rng: Any, shape: Any, weight: Any, attributes: Any
) -> None:
    x, w, bias = rng.normal(size=shape), rng.normal(size=weight), rng.normal(size=weight[0])
    check_decomposition("convolution", x, w, bias, **attributes)
    uneven = {**attributes, "padding": ((2, 1),) * (len(shape) - 2)}
    check_decomposition("convolution", x, w, **uneven)


@pytest.mark.parametrize(("shape", "weight", "attributes"), TRANSPOSED)
def test_the_decomposition_of_transposed_convolution_equals_the_reference(
    check_decomposition: Any, rng: Any, shape: Any, weight: Any, attributes: Any
) -> None:
    x, w = rng.normal(size=shape), rng.normal(size=weight)
    bias = rng.normal(size=weight[1] * attributes.get("groups", 1))
    check_decomposition("convolution_transpose", x, w, bias, **attributes)
    uneven = {**attributes, "padding": ((0, 1),) * (len(shape) - 2)}
    check_decomposition("convolution_transpose", x, w, None, **uneven)


@given(
    size=st.integers(1, 9),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    before=st.integers(0, 4),
    after=st.integers(0, 4),
    groups=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_the_transpose_is_the_adjoint_of_convolution(
    size: int, kernel: int, stride: int, dilation: int, before: int, after: int, groups: int
) -> None:
    """<conv(x), y> = <x, conv_transpose(y)>, where output_padding gives back what stride drops."""
    rng = np.random.default_rng(0)
    room = size + before + after - ((kernel - 1) * dilation + 1)
    if room < 0:
        return
    attributes = {
        "stride": stride,
        "padding": ((before, after),),
        "dilation": dilation,
        "groups": groups,
    }
    x = rng.normal(size=(2, 2 * groups, size))
    weight = rng.normal(size=(3 * groups, 2, kernel))
    y = evaluate_reference(operators["convolution"], (x, weight), attributes)
    other = rng.normal(size=y.shape)
    extra = room % stride
    back = evaluate_reference(
        operators["convolution_transpose"],
        (other, weight),
        {**attributes, "output_padding": extra},
    )
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(y * other), np.sum(x * back), rtol=1e-9, atol=1e-9)


def test_attributes_become_one_entry_per_axis() -> None:
    layouts = [Layout(hal.float32, (1, 2, 8, 8)), Layout(hal.float32, (4, 1, 3, 3))]
    found = operators["convolution"].infer(layouts, {"padding": (1, (0, 2)), "groups": 2})
    assert found.attributes == {
        "stride": (1, 1),
        "padding": ((1, 1), (0, 2)),
        "dilation": (1, 1),
        "groups": 2,
        "precision": "highest",
    }
    again = operators["convolution"].infer(layouts, found.attributes)
    assert again == found


X, W = (2, 4, 8), (6, 4, 3)


@pytest.mark.parametrize(
    ("shapes", "attributes", "error", "text"),
    [
        ([X], {}, DTypeError, "2 tensors"),
        ([(4, 8), (6, 4)], {}, ShapeError, "3 to 5"),
        ([X, (6, 4, 3, 3)], {}, ShapeError, "4"),
        ([X, (6, 3, 3)], {}, ShapeError, "takes 3 channels.*has 4"),
        ([X, (6, 4, 0)], {}, ShapeError, "empty"),
        ([X, (6, 4, 9)], {}, ShapeError, "9 elements does not fit axis 2.*has 8"),
        ([X, W, (5,)], {}, ShapeError, r"bias.*\(6,\)"),
        ([X, W], {"stride": 0}, ValueRangeError, "stride holds 0; it must be 1 or more"),
        ([X, W], {"stride": (1, 1)}, ShapeError, "stride"),
        ([X, W], {"stride": 1.5}, DTypeError, "stride"),
        ([X, W], {"dilation": -1}, ValueRangeError, "dilation"),
        ([X, W], {"padding": -1}, ValueRangeError, "padding"),
        ([X, W], {"padding": ((1, 2, 3),)}, ShapeError, "before, after"),
        ([X, W], {"padding": (1, 2)}, ShapeError, "padding"),
        ([X, W], {"padding": "full"}, ValueRangeError, "'same'"),
        ([X, W], {"padding": "same", "stride": 2}, ValueRangeError, "stride 1"),
        ([X, W], {"groups": 3}, ShapeError, "4 input channels"),
        ([X, (5, 2, 3)], {"groups": 2}, ShapeError, "5 output channels"),
        ([X, W], {"groups": 0}, ValueRangeError, "groups"),
        ([X, W], {"precision": "low"}, ValueRangeError, "precision"),
    ],
)
def test_wrong_convolutions_say_what_is_wrong(
    shapes: Any, attributes: Any, error: Any, text: str
) -> None:
    with pytest.raises(error, match=f"^convolution.*{text}"):
        operators["convolution"].infer([Layout(hal.float32, s) for s in shapes], attributes)


@pytest.mark.parametrize(
    ("shapes", "attributes", "error", "text"),
    [
        ([(2, 4, 8), (3, 4, 3)], {}, ShapeError, "takes 3 channels.*has 4"),
        ([(2, 4, 8), (4, 2, 3), (2,)], {"groups": 2}, ShapeError, r"bias.*\(4,\)"),
        ([(2, 4, 8), (4, 2, 3)], {"groups": 3}, ShapeError, "groups"),
        ([(2, 4, 8), (4, 2, 3)], {"output_padding": 1}, ValueRangeError, "output_padding"),
        ([(2, 4, 1), (4, 2, 3)], {"padding": 2}, ShapeError, "less padding"),
        ([(2, 4, 0), (4, 2, 3)], {}, ShapeError, "larger input"),
        ([(2, 4, 8), (4, 2, 3)], {"padding": "same"}, DTypeError, "padding"),
    ],
)
def test_wrong_transposed_convolutions_say_what_is_wrong(
    shapes: Any, attributes: Any, error: Any, text: str
) -> None:
    layouts = [Layout(hal.float32, s) for s in shapes]
    with pytest.raises(error, match=f"^convolution_transpose.*{text}"):
        operators["convolution_transpose"].infer(layouts, attributes)


def test_integers_are_refused() -> None:
    layouts = [Layout(hal.int32, X), Layout(hal.int32, W)]
    with pytest.raises(DTypeError, match="convolution is not defined for int32"):
        operators["convolution"].infer(layouts, {})
