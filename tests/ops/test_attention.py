"""Attention and rotary embedding: values by hand, PyTorch's where it is installed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import hal
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops import operators
from hal.plugin.layout import Layout


def _inputs(rng: Any, query: Any, key: Any, features: int = 3) -> Any:
    """Return query, key and value; the value's last axis has ``features`` elements."""
    return rng.normal(size=query), rng.normal(size=key), rng.normal(size=(*key[:-1], features))


def test_attention_by_hand(reference: Any) -> None:
    # The scores are log 3 and 0, so the weights are 3/4 and 1/4.
    query = np.array([[1.0, 0.0]])
    key = np.array([[math.log(3), 5.0], [0.0, 7.0]])
    value = np.array([[4.0], [8.0]])
    np.testing.assert_allclose(reference("attention", query, key, value, scale=1.0), [[5.0]])


def test_the_scale_defaults_to_one_over_the_root_of_the_head_size() -> None:
    layouts = [Layout(hal.float32, (1, 2, 5, 16))] * 3
    assert operators["attention"].infer(layouts, {}).attributes["scale"] == 0.25


def test_a_causal_query_sees_no_later_key(reference: Any) -> None:
    value = np.array([[1.0], [3.0], [8.0]])
    same = np.zeros((3, 2))
    found = reference("attention", same, same, value, causal=True)
    np.testing.assert_allclose(found, [[1.0], [2.0], [4.0]])


def test_a_boolean_mask_says_which_keys_take_part(reference: Any) -> None:
    value = np.array([[1.0], [3.0], [8.0]])
    same = np.zeros((3, 2))
    mask = np.array([[True, False, True]])
    found = reference("attention", same, same, value, mask)
    np.testing.assert_allclose(found, [[4.5]] * 3)


def test_a_floating_point_mask_is_added_to_the_scores(reference: Any) -> None:
    value = np.array([[1.0], [3.0]])
    found = reference("attention", np.zeros((1, 2)), np.zeros((2, 2)), value, np.log([[1.0, 3.0]]))
    np.testing.assert_allclose(found, [[2.5]])


@pytest.mark.parametrize("causal", [False, True])
def test_a_query_that_sees_no_key_gets_zeros(
    reference: Any, check_decomposition: Any, rng: Any, causal: bool
) -> None:
    query, key, value = _inputs(rng, (2, 3, 4), (2, 5, 4))
    hidden = np.ones((3, 5), bool)
    hidden[1] = False
    for mask in (hidden, np.where(hidden, 0.0, -np.inf)):
        found = reference("attention", query, key, value, mask, causal=causal)
        assert np.all(found[:, 1] == 0)
        assert np.all(found[:, [0, 2]] != 0)
        check_decomposition("attention", query, key, value, mask, causal=causal)


def test_query_heads_share_key_heads_in_groups(reference: Any, rng: Any) -> None:
    query, key, value = _inputs(rng, (1, 6, 2, 4), (1, 2, 5, 4))
    found = reference("attention", query, key, value)
    for head in range(6):
        one = reference("attention", query[0, head], key[0, head // 3], value[0, head // 3])
        np.testing.assert_allclose(found[0, head], one)


SHAPES = [
    ((3, 4), (5, 4)),
    ((2, 3, 4), (2, 5, 4)),
    ((2, 2, 3, 4), (2, 2, 5, 4)),
    ((2, 4, 3, 8), (2, 2, 3, 8)),
    ((1, 6, 1, 2), (1, 1, 7, 2)),
]


@pytest.mark.parametrize(("query", "key"), SHAPES)
@pytest.mark.parametrize("how", ["plain", "causal", "bool", "float", "scale"])
def test_attention_equals_pytorch(
    check_torch: Any, rng: Any, query: Any, key: Any, how: str
) -> None:
    arrays = _inputs(rng, query, key)
    attributes: dict[str, Any] = {"causal": how == "causal"}
    mask = None
    if how == "bool":
        mask = rng.random((query[-2], key[-2])) > 0.4
    if how == "float":
        mask = rng.normal(size=(query[-2], key[-2]))
    if how == "scale":
        attributes["scale"] = 0.7

    def theirs(torch: Any, q: Any, k: Any, v: Any, m: Any) -> Any:
        return torch.nn.functional.scaled_dot_product_attention(
            q, k, v, m, is_causal=attributes["causal"], scale=attributes.get("scale"),
            enable_gqa=q.ndim > 2,
        )  # fmt: skip

    check_torch(theirs, "attention", *arrays, mask, **attributes)


@pytest.mark.parametrize(
    ("query", "key"),
    [*SHAPES, ((1, 4, 3, 4), (2, 2, 5, 4)), ((2, 0, 4), (2, 5, 4)), ((2, 3, 4), (2, 0, 4)),
     ((0, 2, 3, 4), (0, 2, 3, 4))],
)  # fmt: skip
@pytest.mark.parametrize("causal", [False, True])
def test_the_decomposition_of_attention_equals_the_reference(
    check_decomposition: Any, rng: Any, query: Any, key: Any, causal: bool
) -> None:
    arrays = _inputs(rng, query, key)
    scores = (query[-2], key[-2])
    check_decomposition("attention", *arrays, causal=causal)
    check_decomposition("attention", *arrays, rng.random(scores) > 0.4, causal=causal, scale=0.3)
    check_decomposition("attention", *arrays, rng.normal(size=scores[1:]), causal=causal)


@pytest.mark.parametrize("lead", [(2, 4), (1, 4), (4,), (2, 1), (1, 1)], ids=str)
def test_a_mask_broadcasts_over_batch_and_heads(
    check_decomposition: Any, reference: Any, rng: Any, lead: Any
) -> None:
    query, key, value = _inputs(rng, (2, 4, 3, 2), (2, 2, 5, 2))
    mask = rng.normal(size=(*lead, 3, 5))
    check_decomposition("attention", query, key, value, mask)
    whole = np.broadcast_to(mask, (2, 4, 3, 5))
    np.testing.assert_array_equal(
        reference("attention", query, key, value, mask),
        reference("attention", query, key, value, whole),
    )


def test_a_wide_mask_is_not_narrowed_to_half_precision() -> None:
    half = [Layout(hal.float16, (2, 3, 4))] * 3
    for given, kept in ((hal.float32, hal.float32), (hal.float16, hal.float16),
                        (hal.float64, hal.float32), (hal.bool, hal.bool)):  # fmt: skip
        found = operators["attention"].infer([*half, Layout(given, (3, 3))], {})
        assert found.dtypes == (hal.float16, hal.float16, hal.float16, kept)


@pytest.mark.parametrize(
    ("shapes", "attributes", "error", "text"),
    [
        ([(3, 4), (5, 4)], {}, DTypeError, "3 tensors"),
        ([(4,), (5, 4), (5, 4)], {}, ShapeError, "query"),
        ([(2, 3, 4), (5, 4), (5, 4)], {}, ShapeError, "equally many axes"),
        ([(3, 4), (5, 3), (5, 4)], {}, ShapeError, "last axis"),
        ([(3, 4), (5, 4), (6, 4)], {}, ShapeError, "length"),
        ([(3, 3, 4), (2, 5, 4), (2, 5, 4)], {}, ShapeError, "multiple"),
        ([(4, 3, 4), (2, 5, 4), (4, 5, 4)], {}, ShapeError, "agree in heads"),
        ([(3, 1, 2, 4), (2, 1, 2, 4), (2, 1, 2, 4)], {}, ShapeError, "batch"),
        ([(3, 4), (5, 4), (5, 4), (2, 5)], {}, ShapeError, r"mask.*\(2, 5\).*\(3, 5\)"),
        ([(3, 4), (5, 4), (5, 4), (1, 3, 5)], {}, ShapeError, "mask"),
        ([(3, 4), (5, 4), (5, 4)], {"scale": "x"}, DTypeError, "scale"),
        ([(3, 4), (5, 4), (5, 4)], {"scale": math.inf}, ValueRangeError, "finite"),
        ([(3, 4), (5, 4), (5, 4)], {"precision": "low"}, ValueRangeError, "precision"),
    ],
)
def test_wrong_attention_says_what_is_wrong(
    shapes: Any, attributes: Any, error: Any, text: str
) -> None:
    layouts = [Layout(hal.float32, s) for s in shapes]
    with pytest.raises(error, match=f"^attention.*{text}"):
        operators["attention"].infer(layouts, attributes)


def test_an_integer_mask_is_refused() -> None:
    layouts = [Layout(hal.float32, (3, 4))] * 3
    with pytest.raises(DTypeError, match=r"mask has dtype int64.*bool"):
        operators["attention"].infer([*layouts, Layout(hal.int64, (3, 3))], {})


# Rotary embedding


def _angles(rng: Any, shape: Any) -> Any:
    angle = rng.uniform(0, 6, shape)
    return np.cos(angle), np.sin(angle)


def test_a_quarter_turn_by_hand(reference: Any) -> None:
    x = np.array([[1.0, 2.0, 3.0, 4.0]])
    cos, sin = np.zeros((1, 2)), np.ones((1, 2))
    assert reference("rotary_embedding", x, cos, sin).tolist() == [[-3.0, -4.0, 1.0, 2.0]]
    found = reference("rotary_embedding", x, cos, sin, interleaved=True)
    assert found.tolist() == [[-2.0, 1.0, -4.0, 3.0]]


@pytest.mark.parametrize("interleaved", [False, True])
def test_turning_is_multiplying_complex_numbers(
    reference: Any, rng: Any, interleaved: bool
) -> None:
    x = rng.normal(size=(2, 3, 8))
    cos, sin = _angles(rng, (3, 4))
    found = reference("rotary_embedding", x, cos, sin, interleaved=interleaved)
    if interleaved:
        ours, theirs = found[..., ::2] + 1j * found[..., 1::2], x[..., ::2] + 1j * x[..., 1::2]
    else:
        ours, theirs = found[..., :4] + 1j * found[..., 4:], x[..., :4] + 1j * x[..., 4:]
    np.testing.assert_allclose(ours, theirs * (cos + 1j * sin))


def test_features_beyond_the_angles_stay(reference: Any, rng: Any) -> None:
    x = rng.normal(size=(3, 7))
    found = reference("rotary_embedding", x, *_angles(rng, (3, 2)))
    np.testing.assert_array_equal(found[:, 4:], x[:, 4:])
    assert not np.any(found[:, :4] == x[:, :4])


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize(
    ("shape", "angles"),
    [((3, 4), (3, 2)), ((2, 5, 3, 8), (3, 4)), ((2, 5, 3, 8), (2, 1, 3, 4)), ((2, 3, 7), (3, 2)),
     ((2, 3, 7), (2, 3, 1)), ((2, 3, 4), (2,)), ((3, 4), (3, 0)), ((0, 3, 4), (3, 2))],
)  # fmt: skip
def test_the_decomposition_of_rotary_embedding_equals_the_reference(
    check_decomposition: Any, rng: Any, shape: Any, angles: Any, interleaved: bool
) -> None:
    x = rng.normal(size=shape)
    check_decomposition("rotary_embedding", x, *_angles(rng, angles), interleaved=interleaved)


def test_float32_angles_turn_half_precision_without_loss() -> None:
    layouts = [Layout(hal.bfloat16, (3, 4)), *[Layout(hal.float32, (3, 2))] * 2]
    found = operators["rotary_embedding"].infer(layouts, {})
    assert found.dtypes == (hal.bfloat16, hal.float32, hal.float32)
    assert found.outputs == ((hal.bfloat16, (3, 4)),)


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        ([(3, 4), (3, 2), (3, 1)], "equal"),
        ([(3, 4), (3, 3), (3, 3)], "at most 2"),
        ([(3, 4), (2, 2), (2, 2)], "broadcast"),
        ([(3, 4), (1, 3, 2), (1, 3, 2)], "broadcast"),
        ([(4,), (2,), (2,)], "2 or more"),
        ([(3, 4), (), ()], "last axis"),
    ],
)
def test_wrong_angles_say_what_is_wrong(shapes: Any, text: str) -> None:
    with pytest.raises(ShapeError, match=f"^rotary_embedding.*{text}"):
        operators["rotary_embedding"].infer([Layout(hal.float32, s) for s in shapes], {})
