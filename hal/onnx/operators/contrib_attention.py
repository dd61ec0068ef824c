"""Attention of the domain com.microsoft: fused projections, grouped queries, caches, rotation."""

from __future__ import annotations

import math
from typing import Any

from hal import dtypes
from hal.errors import ShapeError, Unsupported, ValueRangeError
from hal.onnx.operators.attention import merged, rotated, scored, split_heads
from hal.onnx.operators.common import cast, cut, narrow, positions, reshape, unsqueeze
from hal.onnx.operators.contrib import MICROSOFT
from hal.onnx.registry import operator
from hal.onnx.values import dtype_of
from hal.precision import current_precision


def _filled(F: Any, allowed: Any, value: float, like: Any) -> Any:
    return F.where(allowed, F.like(0, like), F.like(value, like))


def _added(F: Any, first: Any, second: Any) -> Any:
    return second if first is None else first if second is None else F.add(first, second)


def _mask_bias(F: Any, mask: Any, query: Any, total: int, value: float) -> Any:
    """Return what a mask adds to the scores (batch, heads, length, total)."""
    if mask is None:
        return None
    batch, _, length, _ = query.shape
    shape = tuple(mask.shape)
    line = cast(F, positions(F, total, 4, 3), dtype_of(mask))
    if shape == (batch,):
        allowed = F.less(line, F.reshape(mask, shape=(batch, 1, 1, 1)))
    elif shape == (2 * batch,):
        end, start = (
            F.reshape(cut(F, mask, {0: (n * batch, (n + 1) * batch)}), shape=(batch, 1, 1, 1))
            for n in range(2)
        )
        allowed = F.logical_and(F.less(line, end), F.greater_equal(line, start))
    elif shape == (batch, total):
        allowed = F.not_equal(F.reshape(mask, shape=(batch, 1, 1, total)), F.like(0, mask))
    elif shape == (batch, length, total):
        allowed = F.not_equal(F.reshape(mask, shape=(batch, 1, length, total)), F.like(0, mask))
    else:
        raise ShapeError(f"a mask {shape} does not fit {batch} times {length} by {total} scores")
    return _filled(F, allowed, value, query)


def _causal_bias(F: Any, query: Any, total: int, value: float) -> Any:
    rows = F.add(positions(F, query.shape[2], 2, 0), total - query.shape[2])
    return _filled(F, F.less_equal(positions(F, total, 2, 1), rows), value, query)


@operator("Attention", domain=MICROSOFT)
def _attention(
    F: Any,
    x: Any,
    weights: Any,
    bias: Any = None,
    mask: Any = None,
    past: Any = None,
    attention_bias: Any = None,
    past_length: Any = None,
    *,
    num_heads: int,
    unidirectional: int = 0,
    qkv_hidden_sizes: Any = None,
    mask_filter_value: float = -10000.0,
    scale: float = 0.0,
    do_rotary: int = 0,
    past_present_share_buffer: int = 0,
) -> Any:
    if do_rotary or past_present_share_buffer:
        raise Unsupported("do_rotary and past_present_share_buffer of Attention are for GPUs alone")
    sizes = qkv_hidden_sizes or (weights.shape[1] // 3,) * 3
    projected = F.matmul(x, weights, precision=current_precision())
    projected = projected if bias is None else F.add(projected, bias)
    parts, start = [], 0
    for size in sizes:
        parts.append(split_heads(F, cut(F, projected, {2: (start, start + size)}), num_heads))
        start += size
    q, k, v = parts
    present = None
    if past is not None:
        old = [F.reshape(cut(F, past, {0: (n, n + 1)}), shape=tuple(past.shape[1:]))
               for n in range(2)]  # fmt: skip
        k, v = F.concat(old[0], k, axis=2), F.concat(old[1], v, axis=2)
    if F.wants(1):
        present = F.concat(unsqueeze(F, k, (0,)), unsqueeze(F, v, (0,)), axis=0)
    total = k.shape[2]
    bias_sum = _mask_bias(F, mask, q, total, mask_filter_value)
    if unidirectional:
        bias_sum = _added(F, bias_sum, _causal_bias(F, q, total, mask_filter_value))
    bias_sum = _added(F, bias_sum, attention_bias)
    y, _ = scored(F, q, k, v, bias_sum, scale or None, 0.0, 0, -1)
    return narrow(F, merged(F, y), x), present


@operator("MultiHeadAttention", domain=MICROSOFT)
def _multi_head_attention(
    F: Any,
    query: Any,
    key: Any = None,
    value: Any = None,
    bias: Any = None,
    mask: Any = None,
    attention_bias: Any = None,
    past_key: Any = None,
    past_value: Any = None,
    past_length: Any = None,
    cache_indirection: Any = None,
    *,
    num_heads: int,
    mask_filter_value: float = -10000.0,
    scale: float = 0.0,
    unidirectional: int = 0,
) -> Any:
    if past_length is not None or cache_indirection is not None:
        raise Unsupported("beam search inside of MultiHeadAttention is for GPUs alone")
    if len(query.shape) == 5:
        batch, length, heads, _, size = query.shape
        q, k, v = (
            F.reshape(cut(F, query, {3: (n, n + 1)}), shape=(batch, length, heads * size))
            for n in range(3)
        )
    elif value is None and key is not None:
        batch, length, heads, _, size = key.shape
        q = query
        k, v = (
            F.reshape(cut(F, key, {3: (n, n + 1)}), shape=(batch, length, heads * size))
            for n in range(2)
        )
    else:
        q, k, v = query, key, value
    if bias is not None:
        width = q.shape[-1]
        q = F.add(q, cut(F, bias, {0: (0, width)}))
        if len(k.shape) == 3:
            k = F.add(k, cut(F, bias, {0: (width, 2 * width)}))
            v = F.add(v, cut(F, bias, {0: (2 * width, bias.shape[0])}))
    q = split_heads(F, q, num_heads)
    k, v = (x if len(x.shape) == 4 else split_heads(F, x, num_heads) for x in (k, v))
    if past_key is not None:
        k, v = F.concat(past_key, k, axis=2), F.concat(past_value, v, axis=2)
    total = k.shape[2]
    bias_sum = _mask_bias(F, mask, q, total, mask_filter_value)
    if unidirectional:
        bias_sum = _added(F, bias_sum, _causal_bias(F, q, total, -math.inf))
    bias_sum = _added(F, bias_sum, attention_bias)
    y, shown = scored(F, q, k, v, bias_sum, scale or None, 0.0, 0, 0 if F.wants(3) else -1)
    return narrow(F, merged(F, y), query), k, v, shown


def _cached(F: Any, past: Any, new: Any, first: Any, size: int) -> Any:
    """Return a cache of that length with new rows written, for each sample from ``first`` on."""
    batch, heads, length, width = new.shape
    whole = F.full(F.like(0, new), shape=(batch, heads, size, width))
    if past is not None:
        missing = size - past.shape[2]
        whole = past if not missing else F.pad(
            past, F.like(0, past), before=(0,) * 4, after=(0, 0, missing, 0)
        )  # fmt: skip
    index = F.add(positions(F, length, 4, 2), F.reshape(first, shape=(batch, 1, 1, 1)))
    index = F.copy(F.broadcast_to(index, shape=tuple(new.shape)))
    return F.put_along_axis(whole, index, new, axis=2)


@operator("GroupQueryAttention", domain=MICROSOFT, host=(6,))
def _group_query_attention(
    F: Any,
    query: Any,
    key: Any = None,
    value: Any = None,
    past_key: Any = None,
    past_value: Any = None,
    lengths: Any = None,
    total_length: Any = None,
    cosine: Any = None,
    sine: Any = None,
    position_ids: Any = None,
    attention_bias: Any = None,
    *,
    num_heads: int,
    kv_num_heads: int,
    do_rotary: int = 0,
    local_window_size: int = -1,
    rotary_interleaved: int = 0,
    scale: float = 0.0,
    smooth_softmax: int = 0,
    softcap: float = 0.0,
) -> Any:
    if smooth_softmax == 1:
        raise Unsupported("smooth_softmax of GroupQueryAttention is not in use in exported models")
    batch, length = query.shape[:2]
    if key is None:
        size = query.shape[2] // (num_heads + 2 * kv_num_heads)
        ends = (num_heads * size, (num_heads + kv_num_heads) * size, query.shape[2])
        parts = [cut(F, query, {2: r}) for r in ((0, ends[0]), ends[:2], ends[1:])]
    else:
        parts = [query, key, value]
    counts = (num_heads, kv_num_heads, kv_num_heads)
    q, k, v = (split_heads(F, x, n) for x, n in zip(parts, counts, strict=True))
    whole = int(total_length.reshape(-1)[0])
    valid = F.add(F.reshape(cast(F, lengths, dtypes.int64), shape=(batch,)), 1)
    prompt = length == whole
    first = F.full(F.like(0, valid), shape=(batch,)) if prompt else F.subtract(valid, length)
    if do_rotary:
        if position_ids is None:
            place = F.add(positions(F, length, 2, 1), F.reshape(first, shape=(batch, 1)))
        else:
            place = cast(F, position_ids, dtypes.int64)
        cosine, sine = (F.take(a, place, axis=0) for a in (cosine, sine))
        q, k = (rotated(F, x, cosine, sine, bool(rotary_interleaved)) for x in (q, k))
    size = whole if past_key is None else max(whole, past_key.shape[2])
    k, v = _cached(F, past_key, k, first, size), _cached(F, past_value, v, first, size)
    rows = F.add(positions(F, length, 4, 2), F.reshape(first, shape=(batch, 1, 1, 1)))
    away = F.subtract(rows, positions(F, size, 4, 3))
    allowed = F.greater_equal(away, 0)
    if local_window_size > 0:
        allowed = F.logical_and(allowed, F.less(away, local_window_size))
    bias = _filled(F, allowed, -math.inf, q)
    if attention_bias is not None:
        missing = size - attention_bias.shape[3]
        after = (0, 0, 0, max(missing, 0))
        more = F.pad(attention_bias, F.like(0, bias), before=(0,) * 4, after=after)
        bias = F.add(bias, more)
    y, _ = scored(F, q, k, v, bias, scale or None, softcap, 0, -1)
    return narrow(F, merged(F, y), query), k, v


@operator("RotaryEmbedding", domain=MICROSOFT)
def _rotary_embedding(
    F: Any,
    x: Any,
    position_ids: Any,
    cosine: Any,
    sine: Any,
    *,
    interleaved: int = 0,
    is_packed_batching: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
    scale: float = 1.0,
) -> Any:
    if is_packed_batching or scale != 1.0:
        raise ValueRangeError("is_packed_batching and scale are not in use in exported models")
    flat = len(x.shape) == 3
    size = 2 * cosine.shape[1] if not rotary_embedding_dim or not num_heads else None
    heads = split_heads(F, x, num_heads or x.shape[2] // (size or 1)) if flat else x
    length = heads.shape[2]
    place = cast(F, position_ids, dtypes.int64)
    if tuple(place.shape) == (1,):
        place = F.add(positions(F, length, 2, 1), reshape(F, place, 1, 1))
    cosine, sine = (F.take(a, place, axis=0) for a in (cosine, sine))
    if rotary_embedding_dim and 2 * cosine.shape[-1] != rotary_embedding_dim:
        raise ShapeError(
            f"the caches have {cosine.shape[-1]} angles; {rotary_embedding_dim // 2} are needed"
        )
    found = rotated(F, heads, cosine, sine, bool(interleaved))
    return merged(F, found) if flat else found
