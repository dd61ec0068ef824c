"""Attention where cuDNN does not take it: masked, of float32 and float64, of any layout."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature, broadcast_strides
from hal_cuda.geometry import Axis, join_axes, needs_wide_index
from hal_cuda.launch import Launch, axes_words
from hal_cuda.source import Source
from hal_cuda.types import ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["attention", "attention_source"]

_WIDEST = 256
_CHUNK = 32


def attention(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for ``attention``, else None.

    The scores of a tile of queries stay in shared memory and registers; the weights of all keys are
    never in memory at once. Values of more than 256 columns are left to the decomposition.
    """
    if op.name != "attention":
        return None
    query, key, value, mask = [*signature.inputs, None][:4]
    assert query is not None
    assert key is not None
    assert value is not None
    width = value.shape[-1]
    if width > _WIDEST or width == 0:
        return None
    length, keys = query.shape[-2], key.shape[-2]
    axes = _between(query, key, value, mask, signature.outputs[0])
    batch = prod(size for size, _ in axes)
    columns = max(_CHUNK, 1 << (width - 1).bit_length())
    seen = "bool" if mask is None else ctype(mask.dtype)
    wide = needs_wide_index(query, key, value, mask, *signature.outputs)
    source = attention_source(ctype(query.dtype), seen, columns, len(axes), wide)
    at = signature.attributes
    words: list[int | float] = [batch, length, keys, query.shape[-1], width, int(at["causal"])]
    words += [float(at["scale"]), *query.strides[-2:], *key.strides[-2:], *value.strides[-2:]]
    words += _last(mask, (length, keys))
    words += axes_words(axes, 5)
    tile = 32 if query.dtype.bits == 64 else 64
    tiles = batch * -(-length // tile)
    launch = Launch(driver, source, max(1, min(tiles, 2**31 - 1)), 5, words)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        given = [0 if i is None else i.pointer for i in (*inputs, None)]
        launch(stream, outputs[0].pointer, *given[:4])

    return Kernel(into)


def attention_source(dtype: str, mask: str, columns: int, axes: int, wide: bool) -> Source:
    """Return the source of attention for dtypes, and values of up to so many columns."""
    body = f"""
typedef AttentionArgs<{dtype}, {mask}, {axes}> Args;
extern "C" __global__ void attention(Args a) {{ attend<{columns}>(a); }}
"""
    return Source("attention", body, ("attention",), wide)


def _last(mask: Layout | None, shape: tuple[int, int]) -> tuple[int, ...]:
    """Return a mask's strides along queries and keys."""
    if mask is None:
        return (0, 0)
    count = min(mask.ndim, 2)
    start = mask.ndim - count
    return broadcast_strides(mask.shape[start:], mask.strides[start:], shape)


def _between(
    query: Layout, key: Layout, value: Layout, mask: Layout | None, out: Layout
) -> list[Axis]:
    """Return the axes before the last two, with the stride each array has along them.

    The axis of heads is two axes: key heads, and the query heads that share one.
    """
    lead = out.shape[:-2]
    heads = lead[-1:] and key.shape[-3:-2]
    shape = (*lead[:-1], *heads, *(lead[-1] // max(n, 1) for n in heads))
    own = [_split(x, lead, heads) for x in (out, query, mask)]
    shared = [(*_lead(x, (*lead[:-1], *heads)), *(0 for _ in heads)) for x in (key, value)]
    strides = (own[0], own[1], *shared, own[2])
    return join_axes([(n, tuple(s[axis] for s in strides)) for axis, n in enumerate(shape)])


def _lead(x: Layout, shape: tuple[int, ...]) -> tuple[int, ...]:
    return broadcast_strides(x.shape[:-2], x.strides[:-2], shape)


def _split(x: Layout | None, lead: tuple[int, ...], heads: tuple[int, ...]) -> tuple[int, ...]:
    """Return strides along the batch, the key heads, and the query heads that share one."""
    strides = (0,) * len(lead) if x is None or x.ndim < 3 else _lead(x, lead)
    if not heads:
        return strides
    return (*strides[:-1], strides[-1] * (lead[-1] // max(heads[0], 1)), strides[-1])
