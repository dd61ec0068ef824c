"""Samples of matrices to factorise and to solve for, and of spectra."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hal.dtypes import DType
from hal.ops import Operator
from hal.testing.sample import Input, Sample, family_sampler, sampler
from hal.testing.values import ordinary

Shape = tuple[int, ...]
_SQUARES: tuple[Shape, ...] = ((1, 1), (2, 2), (5, 5), (3, 4, 4), (2, 1, 3, 3), (0, 2, 2))
_OTHERS: tuple[Shape, ...] = ((1, 3), (3, 1), (6, 4), (4, 6), (2, 3, 5))


def _invertible(rng: np.random.Generator, shape: Shape, dtype: DType) -> Any:
    """Return matrices far from singular: their diagonals outweigh the rest."""
    return ordinary(rng, shape, dtype) / shape[-1] + 2 * np.eye(shape[-1], dtype=dtype.numpy)


def _definite(rng: np.random.Generator, shape: Shape, dtype: DType) -> Any:
    """Return symmetric (Hermitian) matrices with positive eigenvalues."""
    root = _invertible(rng, shape, dtype)
    return root @ np.swapaxes(root.conj(), -1, -2)


def _each(values: Any, *attributes: dict[str, Any]) -> Iterator[Sample]:
    for chosen in attributes or ({},):
        for shape in _SQUARES:
            yield Sample((Input(shape, values),), chosen)
        yield Sample((Input((4, 4), values),), chosen, layouts=True, delicate=True)
        yield Sample((Input((32, 32), values),), chosen, large=True)


@family_sampler("linear algebra")
def square(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield invertible matrices."""
    yield from _each(_invertible)


@sampler("cholesky")
def cholesky(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield positive definite matrices, for either triangle."""
    yield from _each(_definite, {}, {"upper": True})


@sampler("eigh", "eigvalsh")
def symmetric(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield symmetric matrices."""
    yield from _each(_definite)


@sampler("qr", "svd", "svdvals")
def rectangular(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield matrices of every proportion, factorised in full and in part."""
    modes: dict[str, tuple[dict[str, Any], ...]] = {
        "qr": ({"mode": "reduced"}, {"mode": "complete"}),
        "svd": ({"full_matrices": True}, {"full_matrices": False}),
    }
    for attributes in modes.get(op.name, ({},)):
        for shape in (*_SQUARES, *_OTHERS, (0, 3), (3, 0)):
            yield Sample((Input(shape),), attributes)
        yield Sample((Input((5, 3)),), attributes, layouts=True)


@sampler("solve")
def solve(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield one right-hand side and several, stacks of systems, stacks that broadcast."""
    pairs: tuple[tuple[Shape, Shape], ...] = (
        ((1, 1), (1,)),
        ((3, 3), (3,)),
        ((3, 3), (3, 2)),
        ((2, 3, 3), (3,)),
        ((2, 3, 3), (2, 3, 1)),
        ((2, 1, 3, 3), (4, 3, 2)),
        ((3, 3), (3, 0)),
        ((0, 3, 3), (3, 1)),
    )
    for matrix, right in pairs:
        yield Sample((Input(matrix, _invertible), Input(right)))
    yield Sample((Input((4, 4), _invertible), Input((4, 3))), layouts=True, delicate=True)


@family_sampler("fourier")
def spectra(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield lengths that are powers of two, products and primes, along each axis."""
    directions: tuple[dict[str, Any], ...] = (
        ({"inverse": False}, {"inverse": True}) if op.name == "fft" else ({},)
    )
    for chosen in directions:
        for shape, axis in (
            ((1,), 0), ((2,), -1), ((8,), 0), ((7,), 0), ((12,), 0), ((3, 5), 0), ((3, 5), 1),
            ((2, 6, 3), 1), ((0, 4), 1),
        ):  # fmt: skip
            for norm in ("backward", "ortho", "forward"):
                yield _spectrum(op, shape, {**chosen, "axis": axis, "norm": norm})
        yield _spectrum(op, (4, 6), {**chosen, "axis": 0}, layouts=True)
        yield _spectrum(op, (3, 1009), {**chosen, "axis": 1}, large=True)


def _spectrum(op: Operator, shape: Shape, attributes: dict[str, Any], **options: Any) -> Sample:
    if op.name == "irfft":
        size = shape[attributes["axis"]]
        odd = 2 * size - 1 if size == 1 or size % 2 else 2 * size - 2
        attributes = {**attributes, "n": odd}
    return Sample((Input(shape),), attributes, **options)
