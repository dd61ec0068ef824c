"""Convolutions of 3 by 3 with fewer multiplications: by Winograd's algorithm, in three passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from hal.dtypes import float32
from hal.plugin import Kernel, Layout, Signature
from hal_cpu.dnn import describe, matmul, packed
from hal_cpu.jit import (
    NotVectorised,
    Tiles,
    address,
    compile_loop,
    gather_code,
    scatter_code,
)
from hal_cpu.scratch import scratch

__all__ = ["find_winograd"]

_TILES = 48
"""Fewer tiles do not make up for the larger weights."""
_CHANNELS = 32
_AT_A_TIME = 1 << 19
"""Numbers that the sums of tiles may have, so that caches hold them."""
_BESIDE = {"stride": (1, 1), "dilation": (1, 1), "groups": 1}


def find_winograd(signature: Signature) -> Callable[[Any], Kernel | None] | None:
    """Return what makes a kernel for weights that never change, None where there is none.

    There is one for float32 whose channels lie last, enough of them and enough results.
    """
    x, weight = signature.inputs[:2]
    out, attributes = signature.outputs[0], signature.attributes
    assert x is not None
    assert weight is not None
    if weight.shape[2:] != (3, 3) or any(attributes[name] != n for name, n in _BESIDE.items()):
        return None
    if x.strides[1] != 1 or out.strides[1] != 1 or min(out.shape[2:]) < 2:
        return None
    tiles = prod((out.shape[0], *[-(-n // 2) for n in out.shape[2:]]))
    if min(weight.shape[:2]) < _CHANNELS or tiles < _TILES:
        return None
    # Each part has as many tiles; the last may begin before the one in front of it ends.
    parts = -(-16 * tiles * max(weight.shape[:2]) // _AT_A_TIME)
    count = -(-tiles // parts)
    starts = [min(n * count, tiles - count) for n in range(parts)]
    top, left = (before for before, _ in attributes["padding"])
    cut = Tiles(x, out, (top, left), count)

    def make(weights: Any) -> Kernel | None:
        bias = signature.inputs[2] if len(signature.inputs) > 2 else None
        operands = [layout for layout in signature.inputs[3:] if layout is not None]
        steps, (result,) = attributes.get("steps", ()), attributes.get("results", (0,))
        try:
            scatter = scatter_code(cut, bias, operands, steps, result)
        except NotVectorised:
            return None
        return _kernel(cut, scatter, starts, weights)

    return make


def _kernel(tiles: Tiles, scatter_text: str, starts: Sequence[int], weights: Any) -> Kernel:
    results, channels = weights.shape[:2]
    sums, products = (Layout(float32, (16, tiles.at_once, n)) for n in (channels, results))
    factors = Layout(float32, (16, channels, results), (channels * results, 1, channels))
    source, result = (describe(float32, a.shape, a.strides) for a in (sums, products))
    primitive = matmul(source, describe(float32, factors.shape, None), result)
    spread = _spread(weights)
    kept = packed(primitive, describe(float32, factors.shape, factors.strides), address(spread))
    zeros = np.zeros(channels, np.float32)

    def passes(place: int, outputs: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        gather = compile_loop(gather_code(tiles), 3)
        others = [address(given) for given in inputs[2:] if given is not None]
        scatter = compile_loop(scatter_text, 2 + len(others))
        behind = place + sums.nbytes
        before = [place, address(inputs[0]), address(zeros)]
        after = [address(outputs[0]), behind, *others]
        multiply = primitive.placed(place, kept.address, behind)
        found: list[Any] = []
        for first in starts:
            found.append(gather.on(tiles.at_once, first, before, shared=True))
            found.append(multiply)
            found.append(scatter.on(tiles.at_once, first, after, shared=True))
        return found

    size = sums.size + products.size

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with scratch(size) as place:
            for run in passes(place, outputs, inputs):
                run()

    def place(outputs: Sequence[Any], inputs: Sequence[Any]) -> Callable[..., None]:
        ready: dict[int, list[Any]] = {}

        def placed(stream: Any, outs: Sequence[Any], ins: Sequence[Any]) -> None:
            # The memory that is lent is nearly always the same.
            with scratch(size) as start:
                if start not in ready:
                    ready[start] = passes(start, outputs, inputs)
                for run in ready[start]:
                    run()

        return placed

    return Kernel(into, place=place, released=(1,))


def _spread(weights: Any) -> Any:
    """Return weights of 3 by 3 as 16 matrices, from channels out to channels in."""
    lines = np.ascontiguousarray(weights.reshape(-1, 9).T).reshape(3, 3, -1)
    return _four(_four(lines.swapaxes(0, 1)).swapaxes(0, 1)).reshape(16, -1)


def _four(lines: Any) -> Any:
    """Return the four sums of three lines that take the place of the lines."""
    first, middle, last = lines
    outer, inner = 0.5 * (first + last), 0.5 * middle
    return np.stack((first, outer + inner, outer - inner, last))
