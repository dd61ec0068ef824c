"""Attention block by block: BLAS for the products, compiled rows between, no full score matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hal.dtypes import float32
from hal.plugin import Signature
from hal_cpu.jit import address, compile_loop, scores_code

__all__ = ["find_attention"]

_BLOCK = 1 << 16


def find_attention(signature: Signature) -> Callable[..., None] | None:
    """Return a function ``run(out, query, key, value, mask=None)``, or None for another dtype."""
    query, key = signature.inputs[:2]
    if query is None or key is None or query.dtype is not float32 or query.ndim < 3:
        return None
    heads, keys = query.shape[-3], key.shape[-2]
    group = heads // key.shape[-3]
    length = query.shape[-2]
    causal = bool(signature.attributes["causal"])
    scale = float(signature.attributes["scale"])
    rows = max(16, min(128, _BLOCK // keys))

    def run(out: Any, query: Any, key: Any, value: Any, mask: Any = None) -> None:
        code = compile_loop(scores_code(mask is not None, causal, scale), 1 + (mask is not None))
        scratch = np.empty((min(rows, length), keys), np.float32)
        whole = None if mask is None else _additive(mask, (*query.shape[:-1], keys))
        ready: tuple[Any, Any] = (None, None)
        for index in np.ndindex(query.shape[:-2]):
            shared = (*index[:-1], index[-1] // group)
            k, v = key[shared].T, value[shared]
            for start in range(0, length, rows):
                stop = min(start + rows, length)
                scores = scratch[: stop - start]
                np.matmul(query[index][start:stop], k, out=scores)
                # Rows are counted from the block's own first: their number decides what is causal.
                back = start * keys * 4
                pointers = [address(scores) - back]
                if whole is not None:
                    part = whole[index][start:stop]
                    where = address(part), part.strides
                    if ready[0] != where:
                        ready = where, np.ascontiguousarray(part)
                    pointers.append(address(ready[1]) - back)
                code(start, stop, keys, *pointers)
                np.matmul(scores, v, out=out[index][start:stop])

    return run


def _additive(mask: Any, shape: tuple[int, ...]) -> Any:
    """Return a mask as float32 numbers to add, seen in the shape of the scores."""
    if mask.dtype == np.bool_:
        mask = np.where(mask, np.float32(0), np.float32(-np.inf))
    return np.broadcast_to(mask, shape)
