"""Attention with masks, caches and modifiers, and rotary position embedding."""

from __future__ import annotations

import math
from typing import Any

from hal import dtypes
from hal.dtypes import DType
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import cast, cut, narrow, positions, transpose, unsqueeze, widen
from hal.onnx.registry import operator
from hal.onnx.tensors import element_dtype
from hal.onnx.values import dtype_of
from hal.precision import current_precision

__all__ = ["masked_softmax", "merged", "repeated", "rotated", "split_heads"]


def split_heads(F: Any, x: Any, heads: int | None) -> Any:
    """Return (batch, length, heads * size) as (batch, heads, length, size)."""
    if not heads or heads < 1 or x.shape[2] % heads:
        raise ShapeError(f"{heads} heads do not fit {tuple(x.shape)}")
    parts = F.reshape(x, shape=(*x.shape[:2], heads, x.shape[2] // heads))
    return transpose(F, parts, (0, 2, 1, 3))


def merged(F: Any, x: Any) -> Any:
    """Return (batch, heads, length, size) as (batch, length, heads * size)."""
    batch, heads, length, size = x.shape
    return F.reshape(transpose(F, x, (0, 2, 1, 3)), shape=(batch, length, heads * size))


def repeated(F: Any, x: Any, heads: int) -> Any:
    """Return the heads of keys or values, each as often as queries share it."""
    batch, own, length, size = x.shape
    if own == heads:
        return x
    if own == 0 or heads % own:
        raise ShapeError(f"{heads} query heads are no multiple of {own} key heads")
    shape = (batch, own, heads // own, length, size)
    whole = F.copy(F.broadcast_to(unsqueeze(F, x, (2,)), shape=shape))
    return F.reshape(whole, shape=(batch, heads, length, size))


def masked_softmax(F: Any, scores: Any) -> Any:
    """Return the softmax over the last axis; a row of -inf alone becomes zeros."""
    axis = len(scores.shape) - 1
    if 0 in scores.shape:
        return scores
    blind = F.equal(F.max(scores, axis=axis, keepdims=True), -math.inf)
    safe = F.where(blind, F.like(0, scores), scores)
    return F.where(blind, F.like(0, scores), F.softmax(safe, axis=axis))


def _blocked(F: Any, allowed: Any, like: Any) -> Any:
    return F.where(allowed, F.like(0, like), F.like(-math.inf, like))


def _bias(
    F: Any, query: Any, length: int, mask: Any, valid: Any, offset: Any, causal: bool,
    left: int, right: int,
) -> Any:  # fmt: skip
    """Return what is added to the scores; None when nothing is."""
    parts = []
    if mask is not None:
        if dtype_of(mask) is dtypes.bool:
            mask = _blocked(F, mask, query)
        mask = cast(F, mask, dtype_of(query))
        missing = length - mask.shape[-1]
        if missing > 0:
            after = (*(0,) * (len(mask.shape) - 1), missing)
            mask = F.pad(mask, F.like(-math.inf, mask), before=(0,) * len(after), after=after)
        parts.append(mask)
    if causal or left >= 0 or right >= 0:
        rows = F.add(positions(F, query.shape[2], 2, 0), offset)
        away = F.subtract(rows, positions(F, length, 2, 1))
        parts += [
            _blocked(F, F.less_equal(distance, bound), query)
            for distance, bound in (
                (F.negative(away), 0 if causal else -1),
                (away, left),
                (F.negative(away), right),
            )
            if bound >= 0
        ]
    if valid is not None:
        seen = F.less(positions(F, length, 4, 3), valid)
        parts.append(_blocked(F, seen, query))
    total = None
    for part in parts:
        total = part if total is None else F.add(total, part)
    return total


def _same_heads(F: Any, q: Any, k: Any, v: Any, q_heads: Any, kv_heads: Any) -> Any:
    if len(q.shape) == 3:
        return split_heads(F, q, q_heads), split_heads(F, k, kv_heads), split_heads(F, v, kv_heads)
    return q, k, v


@operator("Attention")
def _attention(
    F: Any, q: Any, k: Any, v: Any, mask: Any = None, past_key: Any = None,
    past_value: Any = None, nonpad: Any = None, *, is_causal: int = 0,
    kv_num_heads: int | None = None, q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0, scale: float | None = None, softcap: float = 0.0,
    softmax_precision: int = 0, left_window_size: int = -1, right_window_size: int = -1,
) -> Any:  # fmt: skip
    flat, like = len(q.shape) == 3, q
    q, k, v = _same_heads(F, q, k, v, q_num_heads, kv_num_heads)
    if (past_key is None) != (past_value is None):
        raise ValueRangeError("past_key and past_value belong together; give both or none")
    offset, valid = F.like(0, positions(F, 1)), None
    if past_key is not None:
        offset = F.like(past_key.shape[2], offset)
        k, v = F.concat(past_key, k, axis=2), F.concat(past_value, v, axis=2)
    elif nonpad is not None:
        valid = F.reshape(cast(F, nonpad, dtypes.int64), shape=(-1, 1, 1, 1))
        offset = F.subtract(valid, q.shape[2])
    bias = _bias(
        F, q, k.shape[2], mask, valid, offset, bool(is_causal), left_window_size,
        right_window_size,
    )  # fmt: skip
    y, shown = scored(
        F, q, k, v, bias, scale, softcap, softmax_precision,
        qk_matmul_output_mode if F.wants(3) else -1,
    )  # fmt: skip
    y = merged(F, y) if flat else y
    return narrow(F, y, like), k, v, shown


def scored(
    F: Any, q: Any, k: Any, v: Any, bias: Any, scale: float | None, softcap: float,
    softmax_precision: int, shown_mode: int,
) -> Any:  # fmt: skip
    """Return attention of (batch, heads, length, size) tensors, and the scores of one stage."""
    heads, size = q.shape[1], q.shape[3]
    factor = math.sqrt(1 / math.sqrt(max(size, 1)) if scale is None else max(scale, 0.0))
    left = F.multiply(widen(F, q), factor)
    right = F.multiply(widen(F, repeated(F, k, heads)), factor)
    if scale is not None and scale < 0:
        left = F.negative(F.multiply(widen(F, q), math.sqrt(-scale)))
        right = F.multiply(widen(F, repeated(F, k, heads)), math.sqrt(-scale))
    scores = F.matmul(left, transpose(F, right, (0, 1, 3, 2)), precision=current_precision())
    stages = [scores]
    if softcap:
        scores = F.multiply(F.tanh(F.divide(scores, softcap)), softcap)
    stages.append(scores)
    if bias is not None:
        scores = F.add(scores, widen(F, bias))
    stages.append(scores)
    if softmax_precision:
        scores = widen(F, cast(F, scores, element_dtype(softmax_precision)))
    weights = masked_softmax(F, scores)
    stages.append(weights)
    shown = None if shown_mode < 0 else narrow(F, stages[shown_mode], q)
    values = cast(F, repeated(F, v, heads), dtype_of(weights))
    return F.matmul(weights, values, precision=current_precision()), shown


@operator("FlexAttention", domain="ai.onnx.preview")
def _flex_attention(
    F: Any, q: Any, k: Any, v: Any, *, scale: float | None = None, score_mod: Any = None,
    prob_mod: Any = None, softmax_precision: int = 0,
) -> Any:  # fmt: skip
    heads, size = q.shape[1], q.shape[3]
    factor = 1 / math.sqrt(max(size, 1)) if scale is None else scale
    kind: DType = element_dtype(softmax_precision) if softmax_precision else dtype_of(widen(F, q))
    right = transpose(F, widen(F, repeated(F, k, heads)), (0, 1, 3, 2))
    scores = F.matmul(F.multiply(widen(F, q), factor), right, precision=current_precision())
    scores = cast(F, scores, kind)
    if score_mod is not None:
        scores = F.call(score_mod, [scores])[0]
    weights = narrow(F, masked_softmax(F, widen(F, scores)), scores)
    if prob_mod is not None:
        weights = F.call(prob_mod, [weights])[0]
    values = cast(F, repeated(F, v, heads), dtype_of(weights))
    return narrow(F, F.matmul(weights, values, precision=current_precision()), v)


def rotated(F: Any, x: Any, cosine: Any, sine: Any, interleaved: bool) -> Any:
    """Return (batch, heads, length, size) rotated by angles (batch, length, rotated / 2)."""
    half = cosine.shape[-1]
    if 2 * half > x.shape[-1]:
        raise ShapeError(f"{half} angles rotate {2 * half} elements; the heads have {x.shape[-1]}")
    cosine, sine = (unsqueeze(F, widen(F, a), (1,)) for a in (cosine, sine))
    part = widen(F, cut(F, x, {3: (0, 2 * half)}))
    if interleaved:
        pairs = F.reshape(part, shape=(*part.shape[:3], half, 2))
        first, second = (
            F.reshape(cut(F, pairs, {4: (i, i + 1)}), shape=(*part.shape[:3], half))
            for i in range(2)
        )
    else:
        first, second = cut(F, part, {3: (0, half)}), cut(F, part, {3: (half, 2 * half)})
    real = F.subtract(F.multiply(cosine, first), F.multiply(sine, second))
    imaginary = F.add(F.multiply(sine, first), F.multiply(cosine, second))
    if interleaved:
        both = F.concat(unsqueeze(F, real, (4,)), unsqueeze(F, imaginary, (4,)), axis=4)
        found = F.reshape(both, shape=tuple(part.shape))
    else:
        found = F.concat(real, imaginary, axis=3)
    found = narrow(F, found, x)
    if 2 * half == x.shape[-1]:
        return found
    return F.concat(found, cut(F, x, {3: (2 * half, x.shape[-1])}), axis=3)


@operator("RotaryEmbedding")
def _rotary_embedding(
    F: Any, x: Any, cosine: Any, sine: Any, position_ids: Any = None, *, interleaved: int = 0,
    num_heads: int = 0, rotary_embedding_dim: int = 0,
) -> Any:  # fmt: skip
    flat = len(x.shape) == 3
    heads = split_heads(F, x, num_heads) if flat else x
    if position_ids is not None:
        cosine, sine = (F.take(a, position_ids, axis=0) for a in (cosine, sine))
    wanted = (rotary_embedding_dim or heads.shape[-1]) // 2
    if cosine.shape[-1] != wanted or tuple(cosine.shape) != tuple(sine.shape):
        raise ShapeError(f"the caches have {cosine.shape[-1]} angles; {wanted} are needed")
    found = rotated(F, heads, cosine, sine, bool(interleaved))
    return merged(F, found) if flat else found
