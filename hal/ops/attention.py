"""Scaled dot product attention and rotary position embedding.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
and RoFormer (Su et al., 2021), https://arxiv.org/abs/2104.09864.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import FLOATING, DType, as_dtype
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops.operator import Attributes, Evaluator, Inference, Inputs, define
from hal.ops.product import check_precision
from hal.ops.rules import check_dtype, check_ndim, present, promoted
from hal.ops.widening import narrow, wide, wide_dtype, widen
from hal.plugin.layout import Layout, Shape, broadcast_shapes

FAMILY = "attention"

# Attention. A query that the mask lets see no key gets zeros, as in PyTorch since 2.5.


def _side_dtype(given: DType, dtype: DType) -> DType:
    """Return what a mask or an angle is converted to: its own dtype, or the one for calculation."""
    return given if given in (dtype, wide_dtype(dtype)) else wide_dtype(dtype)


def _scores_shape(name: str, query: Layout, key: Layout, value: Layout) -> tuple[Shape, Shape]:
    """Return the shapes of the scores and of the result."""
    shapes = f"query {query.shape}, key {key.shape}, value {value.shape}"
    if not query.ndim == key.ndim == value.ndim:
        raise ShapeError(f"{name}: {shapes} must have equally many axes")
    if query.shape[-1] != key.shape[-1]:
        raise ShapeError(f"{name}: {shapes}: query and key must agree in the size of the last axis")
    if key.shape[-2] != value.shape[-2]:
        raise ShapeError(f"{name}: {shapes}: key and value must agree in length (axis -2)")
    heads: Shape = ()
    if query.ndim > 2:
        asked, given = query.shape[-3], key.shape[-3]
        if given != value.shape[-3]:
            raise ShapeError(f"{name}: {shapes}: key and value must agree in heads (axis -3)")
        if asked != given and (given == 0 or asked % given):
            raise ShapeError(
                f"{name}: {shapes}: the {asked} query heads (axis -3) must be a multiple of the "
                f"{given} key heads"
            )
        heads = (asked,)
    try:
        batch = broadcast_shapes(query.shape[:-3], key.shape[:-3], value.shape[:-3])
    except ShapeError as error:
        raise ShapeError(f"{name}: the batch axes of {shapes}: {error}") from None
    lead = (*batch, *heads, query.shape[-2])
    return (*lead, key.shape[-2]), (*lead, value.shape[-1])


def _scale(name: str, given: Any, size: int) -> float:
    if given is None:
        return 1 / math.sqrt(max(size, 1))
    if isinstance(given, bool) or not isinstance(given, int | float | np.number):
        raise DTypeError(f"{name}: scale must be a real number or None, not {given!r}")
    if not math.isfinite(given):
        raise ValueRangeError(f"{name}: scale is {given}; it must be finite")
    return float(given)


def _attention_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    query, key, value = present(name, inputs, 3)
    for what, given in (("the query", query), ("the key", key), ("the value", value)):
        check_ndim(name, what, given, 2)
    dtype = promoted(name, (query, key, value))
    check_dtype(name, dtype, FLOATING)
    scores, result = _scores_shape(name, query, key, value)
    cast: tuple[DType | None, ...] = (dtype,) * 3
    if len(inputs) > 3:
        mask = inputs[3]
        cast = (*cast, None if mask is None else _mask_dtype(name, mask, dtype, scores))
    canonical = {
        "causal": bool(attributes["causal"]),
        "scale": _scale(name, attributes["scale"], query.shape[-1]),
        "precision": check_precision(name, attributes)["precision"],
    }
    return Inference(cast, ((dtype, result),), canonical)


def _mask_dtype(name: str, mask: Layout, dtype: DType, scores: Shape) -> DType:
    lead = len(scores) - mask.ndim
    if lead < 0 or any(
        n not in (1, s) for n, s in zip(mask.shape, scores[max(lead, 0) :], strict=False)
    ):
        raise ShapeError(
            f"{name}: a mask of shape {mask.shape} does not broadcast to the scores' shape {scores}"
        )
    if mask.dtype is dtypes.bool:
        return mask.dtype
    if mask.dtype not in FLOATING:
        raise DTypeError(
            f"{name}: the mask has dtype {mask.dtype}; it must be bool (True takes part) or "
            "floating-point (added to the scores)"
        )
    return _side_dtype(mask.dtype, dtype)


def _attention(
    query: Any,
    key: Any,
    value: Any,
    mask: Any = None,
    *,
    causal: bool,
    scale: float,
    precision: str,
) -> Any:
    wide_key, wide_value = wide(key), wide(value)
    if query.ndim > 2 and query.shape[-3] != key.shape[-3]:
        group = query.shape[-3] // key.shape[-3]
        wide_key = np.repeat(wide_key, group, axis=-3)
        wide_value = np.repeat(wide_value, group, axis=-3)
    scores = np.matmul(wide(query), np.swapaxes(wide_key, -1, -2)) * scale
    if mask is not None:
        hidden = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + wide(mask)
        scores = hidden.astype(scores.dtype, copy=False)
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -np.inf)
    top = np.max(scores, axis=-1, keepdims=True, initial=-np.inf)
    weights = np.exp(scores - np.where(np.isneginf(top), 0, top))
    total = np.sum(weights, axis=-1, keepdims=True)
    weights = (weights / np.where(total == 0, 1, total)).astype(wide_value.dtype, copy=False)
    return np.matmul(weights, wide_value).astype(query.dtype, copy=False)


def _decompose_attention(
    F: Evaluator,
    query: Any,
    key: Any,
    value: Any,
    mask: Any = None,
    *,
    causal: bool,
    scale: float,
    precision: str,
) -> Any:
    ndim, length, keys = len(query.shape), query.shape[-2], key.shape[-2]
    # The query heads that share a key head lie under one another, as rows of one product.
    heads = query.shape[-3:-2]
    folded: Shape = (length,)
    if ndim > 2:
        folded = (key.shape[-3], heads[0] // max(key.shape[-3], 1) * length)
    rows = (*query.shape[:-3], *folded)
    asked = F.reshape(F.multiply(widen(F, query), scale), shape=(*rows, query.shape[-1]))
    swapped = (*range(ndim - 2), ndim - 1, ndim - 2)
    scores = F.matmul(asked, F.permute(widen(F, key), axes=swapped), precision=precision)
    batch = scores.shape[:-3]
    scores = F.reshape(scores, shape=(*batch, *heads, length, keys))

    may_hide_all = mask is not None and keys > 0
    if mask is not None and as_dtype(mask.dtype) is dtypes.bool:
        scores = F.where(mask, scores, -math.inf)
    elif mask is not None:
        scores = F.add(scores, widen(F, mask))
    if causal:
        scores = F.where(_not_after(F, length, keys), scores, -math.inf)
    weights = F.softmax(scores, axis=-1)
    if may_hide_all:
        hidden = F.equal(F.max(scores, axis=(-1,), keepdims=True), -math.inf)
        weights = F.where(hidden, 0.0, weights)

    weights = F.reshape(weights, shape=(*weights.shape[:-3], *folded, keys))
    result = F.matmul(weights, widen(F, value), precision=precision)
    shape = (*result.shape[:-3], *heads, length, value.shape[-1])
    return narrow(F, F.reshape(result, shape=shape), query.dtype)


def _not_after(F: Evaluator, length: int, keys: int) -> Any:
    """Return which keys lie at or before each query, both counted from the first."""
    row = F.arange(start=0, stop=length, step=1, dtype=dtypes.int64)
    column = F.arange(start=0, stop=keys, step=1, dtype=dtypes.int64)
    return F.less_equal(column, F.reshape(row, shape=(length, 1)))


define(
    "attention",
    FAMILY,
    _attention,
    _attention_rule,
    _decompose_attention,
    causal=False,
    scale=None,
    precision="highest",
)

# Rotary position embedding: pairs of features turn by the angles whose cosine and sine are given.


def _rotary_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, cos, sin = present(name, inputs, 3)
    check_dtype(name, x.dtype, FLOATING)
    angles = promoted(name, (cos, sin))
    check_dtype(f"{name}: cos and sin", angles, FLOATING)
    check_ndim(name, "the tensor", x, 2)
    if cos.shape != sin.shape:
        raise ShapeError(f"{name}: cos has shape {cos.shape}, sin {sin.shape}; they must be equal")
    if cos.ndim < 1 or 2 * cos.shape[-1] > x.shape[-1]:
        raise ShapeError(
            f"{name}: cos and sin have shape {cos.shape}; their last axis holds an angle for each "
            f"pair of features, at most {x.shape[-1] // 2} for a tensor of shape {x.shape}"
        )
    lead = x.ndim - cos.ndim
    if lead < 0 or any(
        n not in (1, s) for n, s in zip(cos.shape[:-1], x.shape[max(lead, 0) : -1], strict=False)
    ):
        raise ShapeError(
            f"{name}: cos and sin of shape {cos.shape} do not broadcast to "
            f"{(*x.shape[:-1], cos.shape[-1])}"
        )
    angles = _side_dtype(angles, x.dtype)
    canonical = {"interleaved": bool(attributes["interleaved"])}
    return Inference((x.dtype, angles, angles), ((x.dtype, x.shape),), canonical)


def _rotary_embedding(x: Any, cos: Any, sin: Any, interleaved: bool) -> Any:
    half = cos.shape[-1]
    first, second = slice(0, half), slice(half, 2 * half)
    if interleaved:
        first, second = slice(0, 2 * half, 2), slice(1, 2 * half, 2)
    values, cos, sin = wide(x), wide(cos), wide(sin)
    result = values.copy()
    result[..., first] = values[..., first] * cos - values[..., second] * sin
    result[..., second] = values[..., second] * cos + values[..., first] * sin
    return result.astype(x.dtype, copy=False)


def _decompose_rotary(F: Evaluator, x: Any, cos: Any, sin: Any, interleaved: bool) -> Any:
    half, shape = cos.shape[-1], x.shape
    if half == 0:
        return F.copy(x)
    values, cos, sin = widen(F, x), widen(F, cos), widen(F, sin)

    def features(start: int, stop: int, step: int = 1) -> Any:
        lead = len(shape) - 1
        return F.slice(
            values,
            start=(*(0,) * lead, start),
            stop=(*shape[:-1], stop),
            step=(*(1,) * lead, step),
        )

    if interleaved:
        first, second = features(0, 2 * half, 2), features(1, 2 * half, 2)
    else:
        first, second = features(0, half), features(half, 2 * half)
    turned = [
        F.subtract(F.multiply(first, cos), F.multiply(second, sin)),
        F.add(F.multiply(second, cos), F.multiply(first, sin)),
    ]
    if interleaved:
        pairs = [F.reshape(t, shape=(*shape[:-1], half, 1)) for t in turned]
        turned = [F.reshape(F.concat(*pairs, axis=-1), shape=(*shape[:-1], 2 * half))]
    if 2 * half < shape[-1]:
        turned.append(features(2 * half, shape[-1]))
    result = turned[0] if len(turned) == 1 else F.concat(*turned, axis=-1)
    return narrow(F, result, x.dtype)


define(
    "rotary_embedding",
    FAMILY,
    _rotary_embedding,
    _rotary_rule,
    _decompose_rotary,
    interleaved=False,
)
