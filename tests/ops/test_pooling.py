"""Pooling: values by hand, PyTorch's where it is installed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hal
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops import ReferenceEvaluator, operators
from hal.plugin.layout import Layout

LINE = np.array([[[1.0, 5.0, 2.0, 4.0, 3.0]]])

# shape of the input, attributes that PyTorch has too
CASES = [
    ((2, 3, 7), {"window": 2}),
    ((2, 3, 7), {"window": 3, "stride": 2, "padding": 1}),
    ((2, 3, 7), {"window": 2, "stride": 3, "ceil_mode": True}),
    ((2, 3, 8), {"window": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ((1, 2, 5, 6), {"window": (2, 3), "stride": (1, 2)}),
    ((1, 2, 5, 6), {"window": (4, 2), "stride": 3, "padding": (2, 1), "ceil_mode": True}),
    ((1, 2, 4, 5, 3), {"window": (2, 3, 2), "padding": 1}),
    ((0, 2, 4), {"window": 2}),
]
DILATED = [
    ((2, 3, 9), {"window": 3, "dilation": 2, "stride": 1, "padding": 1}),
    ((2, 3, 9, 7), {"window": 2, "dilation": (3, 2), "ceil_mode": True}),
]


def _pool(torch: Any, kind: str, x: Any, attributes: Any, **more: Any) -> Any:
    given = {k: v for k, v in attributes.items() if k != "window"}
    function = getattr(torch.nn.functional, f"{kind}{x.ndim - 2}d")
    return function(x, attributes["window"], **given, **more)


# Maximum and the p-norm


def test_max_pool_by_hand(reference: Any) -> None:
    assert reference("max_pool", LINE, window=2).tolist() == [[[5.0, 4.0]]]
    assert reference("max_pool", LINE, window=2, stride=1).tolist() == [[[5.0, 5.0, 4.0, 4.0]]]
    assert reference("max_pool", LINE, window=2, ceil_mode=True).tolist() == [[[5.0, 4.0, 3.0]]]
    assert reference("max_pool", LINE, window=2, padding=((1, 0),)).tolist() == [[[1.0, 5.0, 4.0]]]
    assert reference("max_pool", LINE, window=2, stride=1, dilation=3).tolist() == [[[4.0, 5.0]]]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
def test_padding_never_wins_the_maximum(reference: Any, decompose: Any, dtype: Any) -> None:
    low = np.iinfo(dtype).min
    x = np.full((1, 1, 3), low, dtype)
    for run in (reference, decompose):
        found = run("max_pool", x, window=3, stride=1, padding=1)
        assert found.dtype == dtype
        assert found.tolist() == [[[low] * 3]]
    negative = np.float32([[[-5.0, -7.0]]])
    assert reference("max_pool", negative, window=2, padding=1).tolist() == [[[-5.0, -7.0]]]


def test_nan_wins_the_maximum_as_in_pytorch(reference: Any, decompose: Any) -> None:
    x = np.array([[[1.0, math.nan, 2.0, 3.0]]])
    for run in (reference, decompose):
        np.testing.assert_array_equal(run("max_pool", x, window=2), [[[math.nan, 3.0]]])
        np.testing.assert_array_equal(
            run("adaptive_max_pool", x, output_size=2), [[[math.nan, 3.0]]]
        )


@pytest.mark.parametrize(("shape", "attributes"), CASES + DILATED)
def test_max_pool_equals_pytorch(check_torch: Any, rng: Any, shape: Any, attributes: Any) -> None:
    check_torch(
        lambda torch, x: _pool(torch, "max_pool", x, attributes),
        "max_pool", rng.normal(size=shape), **attributes,
    )  # fmt: skip


@pytest.mark.parametrize(("shape", "attributes"), CASES + DILATED)
def test_the_decompositions_of_max_and_lp_pool_equal_the_references(
    check_decomposition: Any, rng: Any, shape: Any, attributes: Any
) -> None:
    x = rng.normal(size=shape)
    check_decomposition("max_pool", x, **attributes)
    check_decomposition("lp_pool", x, **attributes)
    check_decomposition("lp_pool", x, p=3, **attributes)


def test_lp_pool_by_hand(reference: Any) -> None:
    x = np.array([[[3.0, -4.0, 6.0, 8.0]]])
    assert reference("lp_pool", x, window=2).tolist() == [[[5.0, 10.0]]]
    assert reference("lp_pool", x, window=2, p=1).tolist() == [[[7.0, 14.0]]]


def test_lp_pool_equals_pytorch_for_positive_elements(check_torch: Any, rng: Any) -> None:
    check_torch(
        lambda torch, x: torch.nn.functional.lp_pool2d(x, 3.0, 2, 1),
        "lp_pool", rng.uniform(0.1, 2, (2, 3, 5, 4)), p=3.0, window=2, stride=1,
    )  # fmt: skip


# Average


def test_average_pool_by_hand(reference: Any) -> None:
    assert reference("average_pool", LINE, window=2).tolist() == [[[3.0, 3.0]]]
    # What a window reaches behind the input does not count.
    assert reference("average_pool", LINE, window=2, ceil_mode=True).tolist() == [[[3.0, 3.0, 3.0]]]
    padded = reference("average_pool", LINE, window=2, padding=((1, 0),))
    assert padded.tolist() == [[[0.5, 3.5, 3.5]]]
    found = reference("average_pool", LINE, window=2, padding=((1, 0),), count_include_pad=False)
    assert found.tolist() == [[[1.0, 3.5, 3.5]]]
    assert reference("average_pool", LINE, window=2, divisor=4).tolist() == [[[1.5, 1.5]]]
    dilated = reference("average_pool", LINE, window=2, dilation=2, stride=1)
    assert dilated.tolist() == [[[1.5, 4.5, 2.5]]]


@pytest.mark.parametrize(("shape", "attributes"), CASES)
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_average_pool_equals_pytorch(
    check_torch: Any, rng: Any, shape: Any, attributes: Any, count_include_pad: bool
) -> None:
    check_torch(
        lambda torch, x: _pool(
            torch, "avg_pool", x, attributes, count_include_pad=count_include_pad
        ),
        "average_pool",
        rng.normal(size=shape),
        count_include_pad=count_include_pad,
        **attributes,
    )


@pytest.mark.parametrize(("shape", "attributes"), CASES + DILATED)
def test_the_decomposition_of_average_pool_equals_the_reference(
    check_decomposition: Any, rng: Any, shape: Any, attributes: Any
) -> None:
    x = rng.normal(size=shape)
    check_decomposition("average_pool", x, **attributes)
    check_decomposition("average_pool", x, count_include_pad=False, **attributes)
    check_decomposition("average_pool", x, divisor=3, **attributes)


@given(
    size=st.integers(1, 12),
    window=st.integers(1, 5),
    stride=st.integers(1, 6),
    before=st.integers(0, 3),
    after=st.integers(0, 3),
    dilation=st.integers(1, 3),
    ceil_mode=st.booleans(),
    include=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_the_average_of_ones_is_one_where_padding_does_not_count(
    size: int, window: int, stride: int, before: int, after: int, dilation: int,
    ceil_mode: bool, include: bool,
) -> None:  # fmt: skip
    """Windows that meet an element average to 1; the decomposition agrees with the reference."""
    span = (window - 1) * dilation + 1
    if max(before, after) >= span or size + before + after < span:
        return
    x = np.ones((1, 1, size))
    op = operators["average_pool"]
    inference = op.infer(
        [Layout(hal.float64, x.shape)],
        {"window": window, "stride": stride, "padding": ((before, after),), "dilation": dilation,
         "ceil_mode": ceil_mode, "count_include_pad": include},
    )  # fmt: skip
    found = op.reference(x, **inference.attributes)
    assert found.shape == inference.outputs[0][1]
    assert op.decompose is not None
    np.testing.assert_allclose(
        op.decompose(ReferenceEvaluator(), x, **inference.attributes), found, rtol=1e-14
    )
    if not include:
        assert set(np.unique(found)) <= {0.0, 1.0}
        assert dilation > 1 or np.all(found == 1)


# Adaptive


def test_adaptive_pools_by_hand(reference: Any) -> None:
    # Cells of 5 elements: 0 to 1, 1 to 3, 3 to 4.
    assert reference("adaptive_average_pool", LINE, output_size=3).tolist() == [
        [[3.0, 11 / 3, 3.5]]
    ]
    assert reference("adaptive_max_pool", LINE, output_size=3).tolist() == [[[5.0, 5.0, 4.0]]]


ADAPTIVE = [
    ((2, 3, 7), 3),
    ((2, 3, 6), 3),
    ((2, 3, 3), 7),
    ((1, 2, 5, 8), (3, 4)),
    ((1, 2, 5, 8), (None, 1)),
    ((1, 2, 4, 5, 3), (2, 3, 3)),
    ((0, 2, 5), 2),
]


@pytest.mark.parametrize(("shape", "size"), ADAPTIVE)
def test_adaptive_pools_equal_pytorch(check_torch: Any, rng: Any, shape: Any, size: Any) -> None:
    x = rng.normal(size=shape)
    for name, theirs in (("average", "avg"), ("max", "max")):
        check_torch(
            lambda torch, x, theirs=theirs: getattr(
                torch.nn.functional, f"adaptive_{theirs}_pool{x.ndim - 2}d"
            )(x, size),
            f"adaptive_{name}_pool", x, output_size=size,
        )  # fmt: skip


@pytest.mark.parametrize(("shape", "size"), ADAPTIVE)
def test_the_decompositions_of_adaptive_pools_equal_the_references(
    check_decomposition: Any, rng: Any, shape: Any, size: Any
) -> None:
    x = rng.normal(size=shape)
    check_decomposition("adaptive_average_pool", x, output_size=size)
    check_decomposition("adaptive_max_pool", x, output_size=size)


def test_cells_that_hold_infinity_do_not_spoil_their_neighbours(decompose: Any) -> None:
    x = np.array([[[np.inf, 1.0, 1.0, 2.0, 3.0]]])
    found = decompose("adaptive_average_pool", x, output_size=3)
    np.testing.assert_allclose(found, [[[np.inf, 4 / 3, 2.5]]])


# Rules


def test_ceil_mode_of_max_pool_becomes_padding() -> None:
    layout = Layout(hal.float32, (1, 1, 5))
    found = operators["max_pool"].infer([layout], {"window": 2, "ceil_mode": True})
    assert found.attributes == {
        "window": (2,), "stride": (2,), "padding": ((0, 1),), "dilation": (1,)
    }  # fmt: skip
    assert found.outputs == ((hal.float32, (1, 1, 3)),)
    assert operators["max_pool"].infer([layout], found.attributes) == found


@pytest.mark.parametrize("name", ["max_pool", "average_pool", "lp_pool"])
@pytest.mark.parametrize(
    ("shape", "attributes", "error", "text"),
    [
        ((1, 2, 5), {}, DTypeError, "window"),
        ((2, 5), {"window": 2}, ShapeError, "3 or more"),
        ((1, 2, 0), {"window": 1}, ShapeError, "empty"),
        ((1, 2, 5), {"window": 0}, ValueRangeError, "window"),
        ((1, 2, 5), {"window": (2, 2)}, ShapeError, "window"),
        ((1, 2, 5), {"window": 6}, ShapeError, "does not fit"),
        ((1, 2, 5), {"window": 2, "stride": 0}, ValueRangeError, "stride"),
        ((1, 2, 5), {"window": 2, "padding": 2}, ValueRangeError, "smaller than"),
        ((1, 2, 5), {"window": 2, "padding": -1}, ValueRangeError, "padding"),
        ((1, 2, 5), {"window": "2"}, DTypeError, "integers"),
    ],
)
def test_wrong_pools_say_what_is_wrong(
    name: str, shape: Any, attributes: Any, error: Any, text: str
) -> None:
    with pytest.raises(error, match=f"^{name}.*{text}"):
        operators[name].infer([Layout(hal.float32, shape)], attributes)


@pytest.mark.parametrize(
    ("name", "attributes", "error"),
    [
        ("lp_pool", {"window": 2, "p": 0}, ValueRangeError),
        ("lp_pool", {"window": 2, "p": "2"}, DTypeError),
        ("average_pool", {"window": 2, "divisor": 0}, ValueRangeError),
        ("adaptive_max_pool", {"output_size": 0}, ValueRangeError),
        ("adaptive_max_pool", {"output_size": (1, 1)}, ShapeError),
        ("adaptive_average_pool", {"output_size": 1.5}, DTypeError),
    ],
)
def test_wrong_attributes_are_refused(name: str, attributes: Any, error: Any) -> None:
    with pytest.raises(error, match=f"^{name}"):
        operators[name].infer([Layout(hal.float32, (1, 2, 5))], attributes)


def test_averages_of_integers_are_refused() -> None:
    with pytest.raises(DTypeError, match="average_pool is not defined for int32"):
        operators["average_pool"].infer([Layout(hal.int32, (1, 2, 5))], {"window": 2})
