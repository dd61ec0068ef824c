"""Places a graph's nodes in layers, so that edges run downward and cross little.

As Sugiyama, Tagawa and Toda describe it (https://doi.org/10.1109/TSMC.1981.4308636): layers by the
longest path, an edge over several layers through a stand-in on each, the order within a layer by
the mean position of the neighbours, then positions as near to the neighbours as widths allow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Placed", "place"]

_GAP = 24.0
_LAYER_GAP = 46.0
_STAND_IN = 10.0
_SWEEPS = 8


@dataclass(frozen=True)
class Placed:
    """Where everything is.

    Attributes
    ----------
    centres : list of (float, float)
        Of each node.
    paths : list of list of (float, float)
        Points of each edge: from the source's lower side over the stand-ins to the target's upper.
    width, height : float
        Of the whole.
    """

    centres: list[tuple[float, float]]
    paths: list[list[tuple[float, float]]]
    width: float
    height: float


def place(sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]]) -> Placed:
    """Return positions for nodes of given sizes.

    Parameters
    ----------
    sizes : sequence of (width, height)
    edges : sequence of (source, target)
        Every source comes before its target.
    """
    layers = _layers(len(sizes), edges)
    widths = [w for w, _ in sizes]
    # Stand-ins are numbered on from the nodes.
    chains: list[list[int]] = []
    links: list[tuple[int, int]] = []
    for source, target in edges:
        chain = [source]
        for layer in range(layers[source] + 1, layers[target]):
            layers.append(layer)
            widths.append(_STAND_IN)
            chain.append(len(layers) - 1)
        chain.append(target)
        chains.append(chain)
        links += list(pairwise(chain))
    rows: dict[int, list[int]] = defaultdict(list)
    for item, layer in enumerate(layers):
        rows[layer].append(item)
    ordered = [rows[n] for n in sorted(rows)]
    above, below = _neighbours(links)
    x = _positions(ordered, widths, above, below)
    heights = [max((sizes[i][1] for i in row if i < len(sizes)), default=0.0) for row in ordered]
    y: dict[int, float] = {}
    at = _GAP
    for row, height in zip(ordered, heights, strict=True):
        for item in row:
            y[item] = at + height / 2
        at += height + _LAYER_GAP
    paths = [_path(chain, sizes, x, y) for chain in chains]
    right = max((x[i] + widths[i] / 2 for i in range(len(widths))), default=0.0)
    centres = [(x[i], y[i]) for i in range(len(sizes))]
    return Placed(centres, paths, right + _GAP, at - _LAYER_GAP + _GAP)


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return each node's layer: as early as its sources allow; what has none, as late as it can."""
    layers = [0] * count
    targets: dict[int, list[int]] = defaultdict(list)
    into = set()
    for source, target in edges:
        targets[source].append(target)
        into.add(target)
    for node in range(count):
        for target in targets[node]:
            layers[target] = max(layers[target], layers[node] + 1)
    for node in range(count):
        if node not in into and targets[node]:
            layers[node] = max(0, min(layers[t] for t in targets[node]) - 1)
    return layers


def _neighbours(
    links: Sequence[tuple[int, int]],
) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    above: dict[int, list[int]] = defaultdict(list)
    below: dict[int, list[int]] = defaultdict(list)
    for source, target in links:
        above[target].append(source)
        below[source].append(target)
    return above, below


def _positions(
    ordered: list[list[int]],
    widths: Sequence[float],
    above: dict[int, list[int]],
    below: dict[int, list[int]],
) -> dict[int, float]:
    """Order each layer and return the horizontal centre of every item."""
    x: dict[int, float] = {}
    for row in ordered:
        _packed(row, widths, x, {})
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for row in ordered if down else reversed(ordered):
            wanted = {i: _mean(near[i], x, x[i]) for i in row}
            row.sort(key=lambda i: wanted[i])
            _packed(row, widths, x, wanted)
    left = min((x[i] - widths[i] / 2 for i in x), default=0.0)
    return {i: at - left + _GAP for i, at in x.items()}


def _mean(items: Sequence[int], x: dict[int, float], otherwise: float) -> float:
    return sum(x[i] for i in items) / len(items) if items else otherwise


def _packed(
    row: Sequence[int], widths: Sequence[float], x: dict[int, float], wanted: dict[int, float]
) -> None:
    """Place a row's items left to right near where they want to be, without overlap.

    Items that would overlap form a block around the mean of where they want to be.
    """
    blocks: list[tuple[float, float, list[int]]] = []  # left, width, items
    for item in row:
        width = widths[item] + _GAP
        left = wanted.get(item, 0.0) - width / 2
        block = (left, width, [item])
        while blocks and blocks[-1][0] + blocks[-1][1] > block[0]:
            before = blocks.pop()
            items = before[2] + block[2]
            total = before[1] + block[1]
            shift = len(before[2]) * before[0] + len(block[2]) * (block[0] - before[1])
            block = (shift / len(items), total, items)
        blocks.append(block)
    for left, _, items in blocks:
        at = left
        for item in items:
            width = widths[item] + _GAP
            x[item] = at + width / 2
            at += width


def _path(
    chain: Sequence[int],
    sizes: Sequence[tuple[float, float]],
    x: dict[int, float],
    y: dict[int, float],
) -> list[tuple[float, float]]:
    source, target = chain[0], chain[-1]
    return [
        (x[source], y[source] + sizes[source][1] / 2),
        *[(x[i], y[i]) for i in chain[1:-1]],
        (x[target], y[target] - sizes[target][1] / 2),
    ]
