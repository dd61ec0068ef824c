"""Linear attention: a state that is read and written token by token."""

from __future__ import annotations

import math
from typing import Any

from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.attention import merged, split_heads
from hal.onnx.operators.common import cut, narrow, transpose, unsqueeze, widen
from hal.onnx.registry import operator

_RULES = {"linear": (0, 0), "gated": (1, 0), "delta": (0, 1), "gated_delta": (1, 1)}


def _token(F: Any, x: Any, i: int) -> Any:
    """Return one token of (batch, heads, length, size), as (batch, heads, size)."""
    return F.reshape(cut(F, x, {2: (i, i + 1)}), shape=(*x.shape[:2], x.shape[3]))


@operator("LinearAttention")
def _linear_attention(
    F: Any, query: Any, key: Any, value: Any, past: Any = None, decay: Any = None,
    beta: Any = None, *, q_num_heads: int, kv_num_heads: int, scale: float = 0.0,
    update_rule: str = "gated_delta", chunk_size: int = 64,
) -> Any:  # fmt: skip
    if update_rule not in _RULES:
        raise ValueRangeError(f"update_rule is {update_rule!r}; it may be {', '.join(_RULES)}")
    gated, corrected = _RULES[update_rule]
    if bool(gated) != (decay is not None) or bool(corrected) != (beta is not None):
        raise ValueRangeError(f"decay and beta do not fit the update rule {update_rule!r}")
    if kv_num_heads < 1 or q_num_heads % kv_num_heads:
        raise ShapeError(f"{q_num_heads} query heads are no multiple of {kv_num_heads}")
    q, k, v = (
        split_heads(F, widen(F, x), heads)
        for x, heads in ((query, q_num_heads), (key, kv_num_heads), (value, kv_num_heads))
    )
    batch, heads, length, size = k.shape
    group, width = q_num_heads // heads, v.shape[3]
    state = F.full(F.like(0, k), shape=(batch, heads, size, width))
    if past is not None:
        state = widen(F, past)
    gates = None if decay is None else F.exp(split_heads(F, widen(F, decay), heads))
    rates = None if beta is None else transpose(F, unsqueeze(F, widen(F, beta), (3,)), (0, 2, 1, 3))
    found = []
    for i in range(length):
        key_now, value_now = _token(F, k, i), _token(F, v, i)
        if gates is not None:
            state = F.multiply(state, unsqueeze(F, _token(F, gates, i), (3,)))
        if rates is not None:
            row = F.matmul(unsqueeze(F, key_now, (2,)), state)
            known = F.reshape(row, shape=(batch, heads, width))
            value_now = F.multiply(_token(F, rates, i), F.subtract(value_now, known))
        state = F.add(state, F.multiply(unsqueeze(F, key_now, (3,)), unsqueeze(F, value_now, (2,))))
        asked = F.reshape(_token(F, q, i), shape=(batch, heads, group, size))
        read = F.reshape(F.matmul(asked, state), shape=(batch, q_num_heads, 1, width))
        found.append(F.multiply(read, scale or 1 / math.sqrt(max(size, 1))))
    if found:
        y = merged(F, F.concat(*found, axis=2))
    else:
        y = F.full(F.like(0, k), shape=(batch, 0, q_num_heads * width))
    return narrow(F, y, query), narrow(F, state, query if past is None else past)
