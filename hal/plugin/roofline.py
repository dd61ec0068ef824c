"""Predicts what a matrix product takes: tiles dealt to cores in waves, each fed from the cache."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, inf
from typing import NamedTuple

__all__ = ["Product", "product_seconds"]

_TILES = (
    (256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 64), (64, 32), (32, 64),
    (128, 16), (16, 128), (64, 16), (16, 64),
)  # fmt: skip

# What a tile costs besides its steps, as so many more: filling the pipeline, writing the result.
_RAMP = 96

# Cutting the inner axis gives more cores something to do, down to pieces of this length.
_PIECES = (1, 2, 4, 8)
_PIECE = 256


class Product(NamedTuple):
    """Matrix products of one shape: ``batch`` times (rows, depth) by (depth, columns)."""

    rows: int
    columns: int
    depth: int
    batch: int = 1

    @property
    def operations(self) -> float:
        """A multiplication and an addition as two."""
        return 2.0 * self.rows * self.columns * self.depth * self.batch


@lru_cache(maxsize=4096)
def product_seconds(product: Product, rate: float, cores: int, feed: float, itemsize: int) -> float:
    """Return the time of a product on a chip of several cores.

    The result is cut into tiles, each the work of one core; the cores take them in waves, of which
    the last may leave some idle. A tile takes what its arithmetic takes, or what reading its rows
    and columns from the cache takes, if that is longer. A library has tiles of several sizes, and
    can cut the inner axis where there are too few; the best is what counts.

    Parameters
    ----------
    product : Product
    rate : float
        Operations per second of all cores together, as far as good kernels reach it.
    cores : int
    feed : float
        Bytes per second from the cache to all cores together; 0 where it never limits.
    itemsize : int
        Bytes of one element of the inputs.

    Examples
    --------
    >>> from hal.plugin.roofline import Product, product_seconds
    >>> whole = product_seconds(Product(4096, 4096, 4096), 1e12, 16, 0, 2)
    >>> 1.0 < whole * 1e12 / (2 * 4096**3) < 1.05
    True
    >>> one_row = product_seconds(Product(1, 4096, 4096), 1e12, 16, 0, 2)
    >>> one_row * 1e12 / (2 * 4096**2) > 16  # most of every tile is empty
    True
    """
    best = inf
    for rows, columns in _TILES:
        tiles = product.batch * ceil(product.rows / rows) * ceil(product.columns / columns)
        for pieces in _PIECES:
            if pieces > 1 and product.depth < pieces * _PIECE:
                break
            steps = ceil(product.depth / pieces) + _RAMP
            tile = 2.0 * rows * columns * steps * cores / rate
            joining = 0.0
            if feed:
                tile = max(tile, (rows + columns) * steps * itemsize * cores / feed)
                partial = 8.0 * product.rows * product.columns * product.batch * pieces
                joining = partial / feed if pieces > 1 else 0.0
            best = min(best, ceil(tiles * pieces / cores) * tile + joining)
    return best
