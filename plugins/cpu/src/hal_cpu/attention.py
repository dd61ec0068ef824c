"""Attention block by block, without the whole matrix of scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from hal.dtypes import float32
from hal.plugin import Kernel, Layout, Signature, broadcast_strides
from hal_cpu.jit import Geometry, Loop, address, attention_code, compile_loop, scores_code
from hal_cpu.scratch import scratch
from hal_cpu.team import symbols
from hal_cpu.threads import thread_count

__all__ = ["find_attention"]

_BLOCK = 1 << 16
_WORTH_A_TEAM = 1 << 18
_MUCH_TO_READ = 1 << 15


def find_attention(signature: Signature) -> Kernel | None:
    """Return a kernel for ``attention``, or None for another dtype or no numbers at all."""
    query, key = signature.inputs[:2]
    if query is None or key is None or query.dtype is not float32 or query.ndim < 3:
        return None
    if not all(x is None or x.size for x in (*signature.inputs, *signature.outputs)):
        return None
    rows = max(16, min(128, _BLOCK // key.shape[-2]))
    return _whole(signature, rows) or _by_block(signature, rows)


def _whole(signature: Signature, rows: int) -> Kernel | None:
    """Return attention as one compiled loop, or None where there is no product to call in it."""
    out = signature.outputs[0]
    query, key, value = signature.inputs[:3]
    mask = signature.inputs[3] if len(signature.inputs) > 3 else None
    assert query is not None
    assert key is not None
    assert value is not None
    walked = all(1 in x.strides[-2:] and min(x.strides) >= 0 for x in (query, key, value))
    if symbols() is None or not walked or out.strides[-1] != 1:
        return None
    shape = (*query.shape[:-1], key.shape[-2])
    seen = None
    if mask is not None:
        packed = Layout(float32, mask.shape)
        seen = Layout(float32, shape, broadcast_strides(mask.shape, packed.strides, shape))
        if seen.strides[-1] != 1 and shape[-1] > 1:
            return None
    causal, scale = bool(signature.attributes["causal"]), float(signature.attributes["scale"])
    geometry = Geometry(out, query, key, value, seen, rows, causal, scale)
    blocks = math.prod(query.shape[:-2]) * geometry.blocks
    large = math.prod(shape) * query.shape[-1] >= _WORTH_A_TEAM or key.size >= _MUCH_TO_READ

    size = thread_count() * rows * shape[-1]
    compiled: list[Loop] = []

    def code(masks: int) -> Loop:
        # Compiled when first used: many kernels are asked for and never run.
        if not compiled:
            compiled.append(compile_loop(attention_code(geometry), 5 + masks))
        return compiled[0]

    def run(arrays: Sequence[int], masks: Sequence[int]) -> None:
        with scratch(size) as place:
            code(len(masks)).on(blocks, 0, [*arrays, place, *masks], large)()

    def into(stream: Any, outs: Sequence[Any], ins: Sequence[Any]) -> None:
        # An array that is made here lives until the work is done.
        masks = [np.ascontiguousarray(_additive(x)) for x in ins[3:] if x is not None]
        run([address(x) for x in (*outs, *ins[:3])], [address(x) for x in masks])

    def place(outs: Sequence[Any], ins: Sequence[Any]) -> Callable[..., None] | None:
        masks = [x for x in ins[3:] if x is not None]
        if any(x.dtype == np.bool_ or not x.flags.c_contiguous for x in masks):
            return None  # made into numbers at every run
        before, behind = ([address(x) for x in xs] for xs in ((*outs, *ins[:3]), masks))
        memory = _common(size)
        given = [*before, address(memory), *behind]
        return code(len(masks)).placed(blocks, 0, given, large, held=memory, alone=True)

    return Kernel(into, place=place)


@cache
def _common(size: int) -> Any:
    """Return scratch memory for so many float32 numbers that one piece of work at a time uses."""
    return np.empty(size, np.float32)


def _by_block(signature: Signature, rows: int) -> Kernel:
    query, key = signature.inputs[:2]
    assert query is not None
    assert key is not None
    heads, keys = query.shape[-3], key.shape[-2]
    group = heads // key.shape[-3]
    length = query.shape[-2]
    causal = bool(signature.attributes["causal"])
    scale = float(signature.attributes["scale"])

    def run(out: Any, query: Any, key: Any, value: Any, mask: Any = None) -> None:
        code = compile_loop(scores_code(mask is not None, causal, scale), 1 + (mask is not None))
        scratch = np.empty((min(rows, length), keys), np.float32)
        shape = (*query.shape[:-1], keys)
        whole = None if mask is None else np.broadcast_to(_additive(mask), shape)
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
                code.run(start, stop, keys, *pointers)
                np.matmul(scores, v, out=out[index][start:stop])

    def into(stream: Any, outs: Sequence[Any], ins: Sequence[Any]) -> None:
        with np.errstate(all="ignore"):
            run(*outs, *ins)

    return Kernel(into)


def _additive(mask: Any) -> Any:
    """Return a mask as float32 numbers to add."""
    if mask.dtype == np.bool_:
        return np.where(mask, np.float32(0), np.float32(-np.inf))
    return mask
