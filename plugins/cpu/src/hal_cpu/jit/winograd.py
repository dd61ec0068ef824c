"""What comes before and behind the products of Winograd's convolution, as LLVM code.

A convolution of 3 by 3 makes 2 by 2 results of 4 by 4 elements. Transformed to 16 sums of elements
and 16 of weights it takes 16 multiplications instead of 36, and these are matrix products over the
channels. Source: A. Lavin and S. Gray, https://arxiv.org/abs/1509.09308.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from llvmlite import ir

from hal.dtypes import float32
from hal.plugin import Layout, broadcast_strides
from hal_cpu.jit.loops import I64, at, function, loop
from hal_cpu.jit.scalar import NotVectorised, Scalar, emit

__all__ = ["Tiles", "gather_code", "scatter_code"]

_PLANES = range(4)


class Tiles(NamedTuple):
    """How a convolution's result is cut into tiles of 2 by 2, the last of which may overlap.

    Attributes
    ----------
    x, out : Layout
        Of (batch, channels, height, width), the channels last in memory.
    before : (int, int)
        Rows and columns of padding in front.
    at_once : int
        How many tiles are worked on at a time.
    """

    x: Layout
    out: Layout
    before: tuple[int, int]
    at_once: int

    @property
    def grid(self) -> tuple[int, int, int]:
        """Return how many tiles there are: images, and tiles along height and width."""
        batch, _, height, width = self.out.shape
        return batch, -(-height // 2), -(-width // 2)


@cache
def gather_code(tiles: Tiles) -> str:
    """Return code of ``loop(begin, end, size, sums, x, zeros)`` for a range of tiles.

    Tile ``size`` is the first that is worked on; ``begin`` and ``end`` are counted from it. The
    sums are 16 matrices with a row for each tile; the zeros stand for a pixel of padding.
    """
    module = ir.Module("gather")
    made, b = function(module, [tiles.x, tiles.x, tiles.x])
    begin, end, first, sums, x, zeros = made.args
    channels = tiles.x.shape[1]
    with loop(b, begin, end) as tile:
        image, top, left = _corner(b, tiles, b.add(first, tile))
        pixels = [
            [_pixel(b, tiles, x, zeros, (image, top, left), (i, j)) for j in _PLANES]
            for i in _PLANES
        ]
        row = at(b, sums, [tile], [channels])
        with loop(b, _whole(0), _whole(channels)) as c:
            given = [[b.load(b.gep(pixel, [c])) for pixel in line] for line in pixels]
            # Along columns first, then along rows; each line is a column of the result.
            turned = [_spread(b, [line[j] for line in given]) for j in _PLANES]
            for i in _PLANES:
                for j, value in enumerate(_spread(b, [column[i] for column in turned])):
                    plane = _whole((4 * i + j) * tiles.at_once * channels)
                    b.store(value, b.gep(row, [b.add(plane, c)]))
    b.ret_void()
    return str(module)


def scatter_code(
    tiles: Tiles, bias: Layout | None, operands: Sequence[Layout], steps: Sequence[Any], result: int
) -> str:
    """Return code of ``loop(begin, end, size, out, sums, bias, operands...)``, the way back.

    Bias and steps are done to each element before it is stored.

    Raises
    ------
    NotVectorised
        When a step has no code, or its result is no float32.
    """
    return _scatter(tiles, bias, tuple(operands), tuple(steps), result)


@cache
def _scatter(
    tiles: Tiles,
    bias: Layout | None,
    operands: tuple[Layout, ...],
    steps: tuple[Any, ...],
    result: int,
) -> str:
    module = ir.Module("scatter")
    others = [*([] if bias is None else [bias]), *operands]
    made, b = function(module, [tiles.out, tiles.out, *others])
    begin, end, first, out, sums, *rest = made.args
    shape, channels = tiles.out.shape, tiles.out.shape[1]
    strides = [broadcast_strides(x.shape, x.strides, shape) for x in operands]
    with loop(b, begin, end) as tile:
        image, top, left = _corner(b, tiles, b.add(first, tile))
        row = at(b, sums, [tile], [channels])
        with loop(b, _whole(0), _whole(channels)) as c:
            planes = [
                [
                    b.load(b.gep(row, [b.add(_whole((4 * i + j) * tiles.at_once * channels), c)]))
                    for j in _PLANES
                ]
                for i in _PLANES
            ]
            turned = [_joined(b, [line[j] for line in planes]) for j in _PLANES]
            added = None if bias is None else b.load(b.gep(rest[0], [c]))
            for i in range(2):
                for j, value in enumerate(_joined(b, [column[i] for column in turned])):
                    place = [image, c, b.add(top, _whole(i)), b.add(left, _whole(j))]
                    if added is not None:
                        value = b.fadd(value, added)
                    values = [Scalar(value, float32)]
                    for pointer, step in zip(rest[bias is not None :], strides, strict=True):
                        values.append(Scalar(b.load(at(b, pointer, place, step)), float32))
                    for name, numbers, options in steps:
                        chosen = tuple([None if n is None else values[n] for n in numbers])
                        values.append(emit(b, name, chosen, dict(options)))
                    if values[result].dtype is not float32:
                        raise NotVectorised(f"{values[result].dtype}")
                    b.store(values[result].value, at(b, out, place, tiles.out.strides))
    b.ret_void()
    return str(module)


def _corner(b: ir.IRBuilder, tiles: Tiles, tile: Any) -> tuple[Any, Any, Any]:
    """Return the image of a tile, and where in it the tile's results start."""
    _, down, across = tiles.grid
    line = b.sdiv(tile, _whole(across))
    place = b.srem(line, _whole(down)), b.srem(tile, _whole(across))
    top, left = (
        _least(b, b.mul(n, _whole(2)), _whole(size - 2))
        for n, size in zip(place, tiles.out.shape[2:], strict=True)
    )
    return b.sdiv(line, _whole(down)), top, left


def _pixel(
    b: ir.IRBuilder, tiles: Tiles, x: Any, zeros: Any, corner: tuple[Any, Any, Any], step: Any
) -> Any:
    """Return where the channels of one of a tile's elements start."""
    image, *start = corner
    place, inside = [], None
    for n, by, before, size in zip(start, step, tiles.before, tiles.x.shape[2:], strict=True):
        index = b.add(n, _whole(by - before))
        place.append(index)
        # An index below zero is a large number without a sign.
        within = b.icmp_unsigned("<", index, _whole(size))
        inside = within if inside is None else b.and_(inside, within)
    return b.select(inside, at(b, x, [image, _whole(0), *place], tiles.x.strides), zeros)


def _spread(b: ir.IRBuilder, d: Sequence[Any]) -> list[Any]:
    """Return the four sums of four elements in a line that are multiplied by weights."""
    return [b.fsub(d[0], d[2]), b.fadd(d[1], d[2]), b.fsub(d[2], d[1]), b.fsub(d[1], d[3])]


def _joined(b: ir.IRBuilder, m: Sequence[Any]) -> list[Any]:
    """Return two results in a line of four products."""
    inner, outer = b.fadd(m[1], m[2]), b.fsub(m[1], m[2])
    return [b.fadd(m[0], inner), b.fsub(outer, m[3])]


def _whole(value: int) -> Any:
    return ir.Constant(I64, value)


def _least(b: ir.IRBuilder, x: Any, y: Any) -> Any:
    return b.select(b.icmp_signed("<", x, y), x, y)
