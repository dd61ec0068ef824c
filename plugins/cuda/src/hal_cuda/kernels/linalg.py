"""Linear algebra by cuSOLVER: systems of equations, determinants and Cholesky's factors.

The library counts down columns first: what hal keeps as a matrix is its transpose to the library,
so that one triangle is taken for the other, and equations are solved for the transpose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from hal import dtypes
from hal.dtypes import real_counterpart
from hal.ops import Operator
from hal.ops.linalg import failure
from hal.plugin import Kernel, Layout, Signature, broadcast_strides
from hal_cuda.batches import LARGEST
from hal_cuda.cusolver import LOWER, TRANSPOSED, UPPER, Cusolver
from hal_cuda.kernels.eigen import eig, eigh, eigvals, eigvalsh
from hal_cuda.kernels.elementwise import loop
from hal_cuda.kernels.factors import qr, svd, svdvals
from hal_cuda.kernels.stacks import copying, identity, stack
from hal_cuda.kernels.triangle import triangle
from hal_cuda.launch import Launch
from hal_cuda.scratch import Scratch
from hal_cuda.source import Source
from hal_cuda.statuses import Statuses
from hal_cuda.types import ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["determinant_source", "linalg"]


def linalg(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for an operator on packed matrices, else None."""
    make = _MAKERS.get(op.name)
    if make is None or any(x is None or not x.contiguous for x in signature.inputs):
        return None
    library = driver.solvers()
    return None if library is None else make(driver, library, signature)


class _Factors:
    """The factorisation of each matrix of a stack into triangles, with exchanged rows.

    Many small matrices are factorised and solved for at once.
    """

    def __init__(self, driver: Driver, library: Cusolver, a: Layout, apart: bool = False) -> None:
        self._library = library
        self._a = a
        self._size = a.shape[-1]
        self._count = prod(a.shape[:-2])
        self._copy = loop(driver, "r0 = v0;", [a], [a])
        self._step = self._size * self._size * a.dtype.itemsize
        self._together = self._count > 1 and 0 < self._size <= LARGEST and not apart
        self.pivot = dtypes.int32 if self._together else dtypes.int64
        self._row = self._size * self.pivot.itemsize

    def make(self, scratch: Scratch, given: int) -> tuple[int, int, Statuses]:
        """Enqueue it; return where the factors and the numbers of rows are, and the statuses."""
        a, pivots = scratch(self._a.nbytes), scratch(self._count * self._row)
        self._copy(scratch.stream, a, given)
        dtype, size, library = self._a.dtype, self._size, self._library
        if self._together:
            return a, pivots, library.batches.factorise(dtype, scratch, size, self._all(a), pivots)
        kind = library.kind(dtype)
        calls = [
            (size, size, kind, a + n * self._step, size, pivots + n * self._row)
            for n in range(self._count if size else 0)
        ]
        return a, pivots, library.each("xgetrf", dtype, scratch, calls, unsized=1)

    def solve(
        self, scratch: Scratch, made: int, pivots: int, which: Sequence[int], x: int, columns: int
    ) -> None:
        """Solve for right-hand sides at ``x``, column behind column, in place.

        ``which`` says which matrix each belongs to: its own in turn unless they were kept apart.
        """
        dtype, size, step = self._a.dtype, self._size, self._size * columns * self._a.dtype.itemsize
        if self._together:
            sides = range(x, x + len(which) * step, step)
            self._library.batches.solve(
                dtype, scratch, size, columns, self._all(made), pivots, sides
            )
            return
        kind = self._library.kind(dtype)
        calls = [
            (TRANSPOSED, size, columns, kind, made + matrix * self._step, size,
             pivots + matrix * self._row, kind, x + n * step, size)
            for n, matrix in enumerate(which)
        ]  # fmt: skip
        self._library.solve(scratch, calls).check()

    def _all(self, start: int) -> range:
        return range(start, start + self._count * self._step, self._step)


def _cholesky(driver: Driver, library: Cusolver, signature: Signature) -> Kernel:
    x, out = signature.inputs[0], signature.outputs[0]
    assert x is not None
    upper = signature.attributes["upper"]
    side, size, kind = LOWER if upper else UPPER, x.shape[-1], library.kind(x.dtype)
    copy = loop(driver, "r0 = v0;", [x], [out])
    cut = triangle(driver, out, out, upper)
    step = size * size * x.dtype.itemsize

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with Scratch(driver, stream) as scratch:
            a = scratch(x.nbytes)
            copy(stream, a, inputs[0].pointer)
            places = range(a, a + x.nbytes, step or 1)
            if len(places) > 1 and size <= LARGEST:
                statuses = library.roots(x.dtype, scratch, side, size, places)
            else:
                calls = [(side, size, kind, at, size) for at in places]
                statuses = library.each("xpotrf", x.dtype, scratch, calls)
            cut(stream, outputs[0].pointer, a)
            statuses.check(failure("cholesky", "Matrix is not positive definite"))

    return Kernel(into)


def _slogdet(driver: Driver, library: Cusolver, signature: Signature) -> Kernel:
    (x,) = signature.inputs
    assert x is not None
    count, size = prod(x.shape[:-2]), x.shape[-1]
    factors = _Factors(driver, library, x)
    names = [ctype(d) for d in (x.dtype, real_counterpart(x.dtype), factors.pivot)]
    source = determinant_source(*names)
    launch = Launch(driver, source, max(1, min(count, 2**31 - 1)), 4, [count, size])

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with Scratch(driver, stream) as scratch:
            made, pivots, statuses = factors.make(scratch, inputs[0].pointer)
            launch(stream, *[x.pointer for x in outputs], made, pivots)
            statuses.check()  # The determinant of a singular matrix is 0.

    return Kernel(into)


def determinant_source(dtype: str, real: str, pivot: str) -> Source:
    """Return the source of what makes sign and logarithm of a determinant from the factors."""
    body = f"""
typedef DeterminantArgs<{dtype}, {real}, {pivot}> Args;
extern "C" __global__ void determinant(Args a) {{ determinant_of(a); }}
"""
    return Source("determinant", body, ("linalg",))


def _solve(driver: Driver, library: Cusolver, signature: Signature) -> Kernel:
    a, b = signature.inputs
    assert a is not None
    assert b is not None
    out = signature.outputs[0]
    size = a.shape[-1]
    # As matrices of one column where they are vectors; the library wants column behind column.
    whole = out.shape if b.ndim > 1 else (*out.shape, 1)
    given = b if b.ndim > 1 else Layout(b.dtype, (*b.shape, 1))
    sides = Layout(out.dtype, (*whole[:-2], whole[-1], size))
    strides = broadcast_strides(given.shape, given.strides, whole)
    gather = loop(driver, "r0 = v0;", [_turned(b.dtype, whole, strides)], [sides])
    packed = Layout(out.dtype, whole)
    scatter = loop(driver, "r0 = v0;", [sides], [_turned(out.dtype, whole, packed.strides)])
    numbers = np.arange(prod(a.shape[:-2])).reshape(a.shape[:-2])
    which = np.broadcast_to(numbers, whole[:-2]).ravel().tolist()
    factors = _Factors(driver, library, a, apart=which != list(range(numbers.size)))

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with Scratch(driver, stream) as scratch:
            made, pivots, statuses = factors.make(scratch, inputs[0].pointer)
            if out.size:
                x = scratch(sides.nbytes)
                gather(stream, x, inputs[1].pointer)
                factors.solve(scratch, made, pivots, which, x, whole[-1])
                scatter(stream, outputs[0].pointer, x)
            statuses.check(failure("solve", "Singular matrix"))

    return Kernel(into)


def _inv(driver: Driver, library: Cusolver, signature: Signature) -> Kernel:
    (a,) = signature.inputs
    assert a is not None
    factors, matrices = _Factors(driver, library, a), stack(a)
    sides, scatter = identity(driver, matrices), copying(driver, matrices.turned, matrices.packed)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        if not a.size:
            return
        with Scratch(driver, stream) as scratch:
            made, pivots, statuses = factors.make(scratch, inputs[0].pointer)
            x = scratch(a.nbytes)
            for launch in sides:
                launch(stream, x)
            factors.solve(scratch, made, pivots, range(matrices.matrices), x, matrices.rows)
            scatter(stream, outputs[0].pointer, x)
            statuses.check(failure("inv", "Singular matrix"))

    return Kernel(into)


def _turned(dtype: Any, shape: Sequence[int], strides: Sequence[int]) -> Layout:
    """Return matrices with their rows as columns."""
    *batch, rows, columns = shape
    *steps, down, across = strides
    return Layout(dtype, (*batch, columns, rows), (*steps, across, down))


_MAKERS: dict[str, Callable[[Driver, Cusolver, Signature], Kernel]] = {
    "cholesky": _cholesky,
    "eig": eig,
    "eigh": eigh,
    "eigvals": eigvals,
    "eigvalsh": eigvalsh,
    "inv": _inv,
    "qr": qr,
    "slogdet": _slogdet,
    "solve": _solve,
    "svd": svd,
    "svdvals": svdvals,
}
