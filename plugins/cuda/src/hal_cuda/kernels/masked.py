"""Masked attention of half precision by cuDNN, with hal's zeros for queries that see no key.

cuDNN adds a bias to the scores. A kernel makes it from the mask: minus infinity hides a key. A
query that sees no key at all would get NaN, so its bias hides none, and zeros replace its result.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from hal import dtypes
from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature, broadcast_strides
from hal_cuda.cudnn import Bias, attention_fits, attention_graph
from hal_cuda.geometry import blocks, join_axes, needs_wide_index
from hal_cuda.launch import Launch, axes_words
from hal_cuda.source import Source
from hal_cuda.types import ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["bias_of", "bias_source", "blind_source", "masked"]

_LARGEST = 1 << 30
"""Bytes of a bias; a larger one would cost more than the tensor cores gain."""
_EVEN = 16  # Rows of the bias begin at multiples of so many elements.


def masked(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for ``attention`` with a mask, or None to have another one do it."""
    query, _, _, mask = [*signature.inputs, None, None, None, None][:4]
    if op.name != "attention" or query is None or mask is None or not attention_fits(signature):
        return None
    bias = bias_of(signature)
    rows = prod(bias.shape[:3])
    size = rows * bias.strides[2] * bias.dtype.itemsize
    library = driver.networks()
    if library is None or size > _LARGEST:
        return None
    graph = library.build(query.dtype, attention_graph(signature, bias), exact=False)
    if graph is None:
        return None
    fill = _fill(driver, signature, mask, bias)
    clear = _clear(driver, signature.outputs[0], bias)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        driver.use()
        scratch = driver.allocate(size + rows, stream)
        blind = scratch.pointer + size
        fill(stream, scratch.pointer, blind, inputs[3].pointer)
        workspace = driver.workspace(stream, graph.workspace) if graph.workspace else 0
        given = [*(x.pointer for x in inputs[:3]), scratch.pointer]
        graph.start(stream, workspace, outputs[0].pointer, given)
        clear(stream, outputs[0].pointer, blind)
        driver.free(scratch, stream)

    return Kernel(into)


def bias_of(signature: Signature) -> Bias:
    """Return the bias for a mask: as many batches and heads as the mask has, rows of even length.

    Examples
    --------
    >>> import hal
    >>> from hal.ops import operators
    >>> x = Layout(hal.float16, (2, 8, 6, 64))
    >>> mask = Layout(hal.bool, (2, 1, 1, 6))
    >>> bias_of(Signature((x, x, x, mask), (x,), {}))
    Bias(dtype=hal.float16, shape=(2, 1, 6, 6), strides=(96, 96, 16, 1))
    """
    query, key, _, mask = signature.inputs
    assert query is not None
    assert key is not None
    assert mask is not None
    batch, heads, *_ = (*(1,) * (4 - mask.ndim), *mask.shape)
    queries, keys = query.shape[-2], key.shape[-2]
    pitch = -(-keys // _EVEN) * _EVEN
    dtype = query.dtype if mask.dtype is dtypes.bool else mask.dtype
    shape = (batch, heads, queries, keys)
    return Bias(dtype, shape, (heads * queries * pitch, queries * pitch, pitch, 1))


def _fill(driver: Driver, signature: Signature, mask: Layout, bias: Bias) -> Launch:
    rows, queries = prod(bias.shape[:3]), bias.shape[2]
    strides = broadcast_strides(mask.shape, mask.strides, bias.shape)
    axes = join_axes([(n, (s,)) for n, s in zip(bias.shape[:3], strides, strict=False)])
    wide = needs_wide_index(mask, Layout(bias.dtype, bias.shape))
    source = bias_source(ctype(mask.dtype), ctype(bias.dtype), len(axes), wide)
    causal = int(signature.attributes["causal"])
    keys = bias.shape[3]
    words = [rows, queries, keys, bias.strides[2], causal, strides[3]]
    return Launch(driver, source, min(rows, 2**31 - 1), 3, [*words, *axes_words(axes, 1)])


def _clear(driver: Driver, out: Layout, bias: Bias) -> Launch:
    batch, heads, queries, _ = bias.shape
    steps = (heads * queries if batch > 1 else 0, queries if heads > 1 else 0, 1)
    axes = join_axes([(n, (s,)) for n, s in zip(out.shape[:3], steps, strict=True)])
    rows = prod(out.shape[:3])
    source = blind_source(ctype(out.dtype), len(axes), needs_wide_index(out))
    words = [rows, out.shape[3], *axes_words(axes, 1)]
    return Launch(driver, source, blocks(rows, driver.multiprocessors), 2, words)


def bias_source(mask: str, dtype: str, axes: int, wide: bool) -> Source:
    """Return the source that makes a bias of a mask."""
    body = f"""
typedef BiasArgs<{mask}, {dtype}, {axes}> Args;
extern "C" __global__ void bias(Args a) {{ make_bias(a); }}
"""
    return Source("bias", body, ("mask",), wide)


def blind_source(dtype: str, axes: int, wide: bool) -> Source:
    """Return the source that sets the results of queries without a key to zero."""
    body = f"""
typedef BlindArgs<{dtype}, {axes}> Args;
extern "C" __global__ void blind(Args a) {{ clear_blind(a); }}
"""
    return Source("blind", body, ("mask",), wide)
