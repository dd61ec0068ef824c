"""Reductions over any axes, with as many threads for each result as its layout rewards.

Where the reduced elements lie closest together, neighbouring threads share a result; where the
results do, neighbouring threads have neighbouring results. Few results of many elements are reduced
in segments first, which a second launch then puts together.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from hal.dtypes import DType
from hal.ops import Operator
from hal.plugin import Kernel, Signature
from hal_cuda.geometry import Axis, join_axes, needs_wide_index
from hal_cuda.launch import Launch, axes_words
from hal_cuda.source import BLOCK, Source
from hal_cuda.types import ctype, wide_ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["Plan", "plan", "reduction"]

_CLASSES = {
    "sum": "Sum",
    "prod": "Product",
    "mean": "Mean",
    "max": "Max",
    "min": "Min",
    "any": "Any",
    "all": "All",
    "argmax": "ArgMax",
    "argmin": "ArgMin",
    "count_nonzero": "Count",
    "var": "Variance",
    "std": "Deviation",
    "logsumexp": "LogSumExp",
}
_LARGEST_PARTIAL = 32  # Bytes of what is accumulated: a variance of doubles needs 24.


class Plan(NamedTuple):
    """How a reduction is shared out.

    Attributes
    ----------
    threads : int
        Threads for each result, a power of two up to the block's.
    apart : int
        The distance of those threads in the block: 1, or the results beside each other.
    segments : int
        Parts into which each result's elements are cut.
    """

    threads: int
    apart: int
    segments: int


def plan(kept: Sequence[Axis], reduced: Sequence[Axis], multiprocessors: int) -> Plan:
    """Return how to share out a reduction.

    Examples
    --------
    >>> plan([(4096, (1024,))], [(1024, (1,))], 132)
    Plan(threads=256, apart=1, segments=1)
    >>> plan([(2**16, (1,))], [(1024, (2**16,))], 132)
    Plan(threads=8, apart=32, segments=1)
    >>> plan([], [(2**24, (1,))], 132).segments
    528
    """
    outputs, count = (prod(size for size, _ in axes) for axes in (kept, reduced))
    near = min((abs(s[0]) for _, s in reduced), default=0)
    beside = min((abs(s[0]) for _, s in kept), default=near + 1)
    if near <= beside:
        threads, apart = min(BLOCK, 1 << max(count - 1, 0).bit_length()), 1
    else:
        # 32 results beside each other fill a memory transaction; what is left shares each.
        threads = min(BLOCK // 32, 1 << max(count - 1, 0).bit_length())
        apart = BLOCK // threads
    groups = -(-outputs // (BLOCK // threads))
    room = -(-4 * multiprocessors // max(groups, 1))
    segments = min(room, count // (threads * 16)) if groups < multiprocessors else 1
    return Plan(threads, apart, max(1, segments))


def reduction(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for a reducing operator, else None."""
    if op.name not in _CLASSES:
        return None
    x, out = signature.inputs[0], signature.outputs[0]
    assert x is not None
    axes = signature.attributes["axis"]
    if op.name in ("argmax", "argmin") and len(axes) != 1:
        axes = tuple(range(x.ndim))
    kept = join_axes([(n, (x.strides[a],)) for a, n in enumerate(x.shape) if a not in axes])
    reduced = join_axes([(x.shape[a], (x.strides[a],)) for a in axes])
    chosen = plan(kept, reduced, driver.multiprocessors)
    number = float(signature.attributes.get("correction", 0.0))
    kind = f"{_CLASSES[op.name]}<{_accumulated(op.name, x.dtype, out.dtype)}>"
    count = prod(size for size, _ in reduced)
    last = chosen.segments == 1
    wide = needs_wide_index(x)

    def launch(
        chosen: Plan, kept: Sequence[Axis], reduced: Sequence[Axis], first: bool, last: bool
    ) -> Launch:
        in_type = ctype(x.dtype) if first else "Kind::A"
        out_type = ctype(out.dtype) if last else "Kind::A"
        source = reduce_source(
            kind, in_type, out_type, chosen, len(kept), len(reduced), first, last, wide
        )
        size = prod(n for n, _ in reduced)
        words = [out.size, size, count, chosen.segments, number]
        words += [*axes_words(kept, 1), *axes_words(reduced, 1)]
        tasks = out.size * chosen.segments
        grid = max(1, min(-(-tasks * chosen.threads // BLOCK), 16 * driver.multiprocessors))
        return Launch(driver, source, grid, 2, words)

    start = launch(chosen, kept, reduced, True, last)
    if last:

        def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
            start(stream, outputs[0].pointer, inputs[0].pointer)

        return Kernel(into)

    segments = chosen.segments
    rest = plan([(out.size, (segments,))], [(segments, (1,))], 1)._replace(segments=1)
    end = launch(
        rest, join_axes([(out.size, (segments,))]), [(segments, (1,))], first=False, last=True
    )

    def into_twice(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        scratch = driver.allocate(out.size * segments * _LARGEST_PARTIAL, stream)
        start(stream, scratch.pointer, inputs[0].pointer)
        end(stream, outputs[0].pointer, scratch.pointer)
        driver.free(scratch, stream)

    return Kernel(into_twice)


def _accumulated(name: str, dtype: DType, out: DType) -> str:
    """Return the type an operator accumulates in."""
    return wide_ctype(out if name in ("sum", "prod") else dtype)


def reduce_source(
    kind: str,
    in_type: str,
    out_type: str,
    chosen: Plan,
    kept: int,
    reduced: int,
    first: bool,
    last: bool,
    wide: bool,
) -> Source:
    """Return the source of one launch of a reduction."""
    flags = f"{str(first).lower()}, {str(last).lower()}"
    body = f"""
typedef {kind} Kind;
typedef ReduceArgs<{in_type}, {out_type}, {kept}, {reduced}> Args;
extern "C" __global__ void reduce(Args a) {{
  reduce_outputs<Kind, {chosen.threads}, {chosen.apart}, {flags}>(a);
}}
"""
    return Source("reduce", body, ("reduce",), wide)
