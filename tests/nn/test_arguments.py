"""What hal.nn does with its arguments beyond what PyTorch checks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import hal
from hal import nn


def _ones(cpu: Any, *shape: int) -> Any:
    return hal.ones(shape, device=cpu)


def test_softmax_converts_first_when_asked(cpu: Any) -> None:
    x = hal.asarray(np.float16([0.0, 0.0]), device=cpu)
    assert nn.softmax(x).dtype is hal.float16
    assert nn.softmax(x, dtype="float64").dtype is hal.float64
    assert nn.log_softmax(x, dtype=hal.float32).numpy().tolist() == [-np.float32(math.log(2))] * 2


def test_integers_are_calculated_in_float32(cpu: Any) -> None:
    x = hal.asarray([-9, 0, 9], device=cpu)
    assert nn.relu6(x).tolist() == [0.0, 0.0, 6.0]
    assert nn.relu6(x).dtype is hal.float32
    assert nn.sigmoid(x).dtype is hal.float32
    assert nn.relu(x).dtype is hal.int64


def test_limits_must_be_numbers_in_order(cpu: Any) -> None:
    x = _ones(cpu, 2)
    with pytest.raises(hal.ValueRangeError, match=r"hardtanh: min_val=2.*max_val=1"):
        nn.hardtanh(x, 2.0, 1.0)
    with pytest.raises(hal.ValueRangeError, match="nan"):
        nn.hardtanh(x, math.nan)
    with pytest.raises(hal.DTypeError, match="hardtanh: a limit"):
        nn.hardtanh(x, "0")


@pytest.mark.parametrize("shape", [3, (2,), (4, 3), (), (1, 2, 3, 4)], ids=str)
def test_normalized_shape_must_end_the_inputs_shape(cpu: Any, shape: Any) -> None:
    for function in (nn.layer_norm, nn.rms_norm):
        with pytest.raises(hal.ShapeError, match=r"normalized_shape.*\(2, 3, 4\)"):
            function(_ones(cpu, 2, 3, 4), shape)
    with pytest.raises(hal.DTypeError, match="integers"):
        nn.layer_norm(_ones(cpu, 2, 3, 4), 4.0)


def test_grouped_heads_must_be_asked_for(cpu: Any) -> None:
    query, key = _ones(cpu, 1, 4, 3, 2), _ones(cpu, 1, 2, 3, 2)
    with pytest.raises(hal.ShapeError, match=r"4 query heads and 2 key heads.*enable_gqa"):
        nn.scaled_dot_product_attention(query, key, key)
    assert nn.scaled_dot_product_attention(query, key, key, enable_gqa=True).shape == (1, 4, 3, 2)
    one = _ones(cpu, 1, 1, 3, 2)
    assert nn.scaled_dot_product_attention(query, one, one).shape == (1, 4, 3, 2)


def test_a_mask_and_causal_order_hold_together(cpu: Any) -> None:
    same = _ones(cpu, 3, 2)
    value = hal.asarray([[1.0], [3.0], [8.0]], device=cpu)
    mask = hal.asarray([[False, True, True]], device=cpu)
    found = nn.scaled_dot_product_attention(same, same, value, mask, is_causal=True)
    assert found.tolist() == [[0.0], [3.0], [5.5]]


@pytest.mark.parametrize("name", ["conv1d", "conv_transpose1d", "max_pool1d", "avg_pool1d"])
def test_the_number_of_axes_is_checked(cpu: Any, name: str) -> None:
    rest = (_ones(cpu, 2, 2, 1),) if name.startswith("conv") else (1,)
    for shape in ((4,), (1, 2, 3, 4)):
        with pytest.raises(hal.ShapeError, match=rf"^{name}: .*1 spatial"):
            getattr(nn, name)(_ones(cpu, *shape), *rest)


def test_a_missing_batch_axis_stays_missing(cpu: Any) -> None:
    x, weight = _ones(cpu, 2, 5), _ones(cpu, 3, 2, 2)
    assert nn.conv1d(x, weight).shape == (3, 4)
    assert nn.max_pool1d(x, 2).shape == (2, 2)
    assert nn.adaptive_avg_pool1d(x, 1).shape == (2, 1)


def test_padding_may_differ_before_and_behind(cpu: Any) -> None:
    x = hal.asarray([[[1.0, 2.0]]], device=cpu)
    weight = hal.asarray([[[1.0, 10.0]]], device=cpu)
    assert nn.conv1d(x, weight, padding=[(1, 0)]).tolist() == [[[10.0, 21.0]]]


@pytest.mark.parametrize(
    ("keywords", "error", "text"),
    [
        ({}, hal.ValueRangeError, "exactly one"),
        ({"size": 3, "scale_factor": 2}, hal.ValueRangeError, "exactly one"),
        ({"size": 3, "mode": "area"}, hal.ValueRangeError, "area"),
        ({"size": 3, "mode": "bilinear"}, hal.ShapeError, "2 spatial axes"),
        ({"size": 3, "align_corners": False}, hal.ValueRangeError, "align_corners"),
        ({"scale_factor": (1, 2)}, hal.ShapeError, "scale"),
        (
            {"scale_factor": (1.0, 2.0), "recompute_scale_factor": True},
            hal.ShapeError,
            "scale",
        ),
        ({"scale_factor": "2", "recompute_scale_factor": True}, hal.DTypeError, "scale"),
        ({"scale_factor": math.inf, "recompute_scale_factor": True}, hal.ValueRangeError, "scale"),
    ],
)
def test_wrong_resampling_says_what_is_wrong(
    cpu: Any, keywords: Any, error: Any, text: str
) -> None:
    with pytest.raises(error, match=f"^interpolate: .*{text}"):
        nn.interpolate(_ones(cpu, 1, 1, 4), **keywords)


def test_the_products_follow_the_precision_in_force(cpu: Any, monkeypatch: Any) -> None:
    import hal.nn.attention
    import hal.nn.projection
    import hal.nn.run

    seen = []
    original = hal.nn.run.call

    def spy(op: Any, *inputs: Any, **attributes: Any) -> Any:
        seen.append(attributes.get("precision"))
        return original(op, *inputs, **attributes)

    monkeypatch.setattr(hal.nn.run, "call", spy)
    x = _ones(cpu, 1, 2, 2)
    with hal.precision("high"):
        nn.linear(x, x[0])
        nn.conv1d(x, x)
        nn.conv_transpose1d(_ones(cpu, 1, 1, 2), x)
        nn.scaled_dot_product_attention(x, x, x)
    assert seen == ["high"] * 4
    nn.linear(x, x[0])
    assert seen[-1] == "highest"


def test_views_are_inputs_like_others(cpu: Any) -> None:
    values = np.random.default_rng(0).normal(size=(2, 8, 6)).astype(np.float32)
    x = hal.asarray(values, device=cpu)
    found = nn.layer_norm(x.mT[:, ::2, 1::3], 3, eps=0.1)
    expected = nn.layer_norm(
        hal.asarray(values.swapaxes(1, 2)[:, ::2, 1::3].copy(), device=cpu), 3, eps=0.1
    )
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)


def test_the_inputs_are_left_as_they_are(cpu: Any) -> None:
    values = np.random.default_rng(0).normal(size=(1, 2, 5)).astype(np.float32)
    x = hal.asarray(values.copy(), device=cpu)
    weight = hal.ones((2, 2, 2), device=cpu)
    for result in (
        nn.relu(x),
        nn.softmax(x),
        nn.layer_norm(x, 5),
        nn.conv1d(x, weight),
        nn.interpolate(x, size=5),
        nn.adaptive_max_pool1d(x, 5),
        nn.scaled_dot_product_attention(x, x, x),
    ):
        result += 1
        np.testing.assert_array_equal(x.numpy(), values)
