"""Factors of matrices by cuSOLVER: orthogonal and triangular, singular values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hal.ops.linalg import failure
from hal.plugin import Kernel, Layout, Signature
from hal_cuda.cusolver import Cusolver
from hal_cuda.kernels.stacks import copying, identity, stack
from hal_cuda.kernels.triangle import triangle
from hal_cuda.scratch import Scratch

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["qr", "svd", "svdvals"]

_NONE, _SOME, _ALL = (ord(letter) for letter in "NSA")


def _of_nothing(driver: Driver, outputs: Sequence[Layout]) -> Kernel:
    """Return the kernel for matrices without elements: what has elements is an identity."""
    made = [(n, identity(driver, stack(out))) for n, out in enumerate(outputs) if out.size]

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        for number, launches in made:
            for launch in launches:
                launch(stream, outputs[number].pointer)

    return Kernel(into)


def qr(driver: Driver, library: Cusolver, signature: Signature) -> Kernel:
    """Return the kernel of ``qr``: Householder's reflections, then the columns they make."""
    x, (q, r) = signature.inputs[0], signature.outputs
    assert x is not None
    if not x.size:
        return _of_nothing(driver, signature.outputs)
    given = stack(x)
    kind, rows, inner = library.kind(x.dtype), given.rows, min(given.rows, given.columns)
    wanted = q.shape[-1]
    work = given._replace(columns=max(given.columns, wanted))
    gather = copying(driver, given.packed, work.part(rows, given.columns))
    cut = triangle(driver, work.part(*r.shape[-2:]), r, upper=True)
    scatter = copying(driver, work.part(rows, wanted), stack(q).packed)
    step = inner * x.dtype.itemsize

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with Scratch(driver, stream) as scratch:
            a, tau = scratch(work.nbytes), scratch(given.matrices * step)
            gather(stream, a, inputs[0].pointer)
            each = [(a + n * work.step, tau + n * step) for n in range(given.matrices)]
            calls = [(rows, given.columns, kind, at, rows, kind, t) for at, t in each]
            reflected = library.each("xgeqrf", x.dtype, scratch, calls)
            cut(stream, outputs[1].pointer, a)
            columns = [(rows, wanted, inner, at, rows, t) for at, t in each]
            made = library.columns(x.dtype, scratch, columns)
            scatter(stream, outputs[0].pointer, a)
            reflected.check()
            made.check()

    return Kernel(into)


def svd(driver: Driver, library: Cusolver, signature: Signature) -> Kernel:
    """Return the kernel of ``svd``.

    The library wants at least as many rows as columns. A matrix with fewer is its transpose to the
    library already, and the two factors come out exchanged, as hal keeps them; others are turned.
    """
    x, (u, s, vh) = signature.inputs[0], signature.outputs
    assert x is not None
    if not x.size:
        return _of_nothing(driver, [u, Layout(s.dtype, (0,)), vh])
    given, left, right = (stack(a) for a in (x, u, vh))
    high = given.rows > given.columns
    rows, columns = max(x.shape[-2:]), min(x.shape[-2:])
    kinds = library.kind(x.dtype), library.kind(s.dtype)
    gather = copying(driver, given.packed, given.turned if high else given.packed)
    scatters = [copying(driver, a.turned, a.packed) for a in (left, right)]
    first, second = (left, right) if high else (right, left)
    job = _ALL if signature.attributes["full_matrices"] else _SOME
    step = columns * s.dtype.itemsize

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with Scratch(driver, stream) as scratch:
            a = scratch(x.nbytes)
            gather(stream, a, inputs[0].pointer)
            there = [o.pointer for o in (outputs[0], outputs[2])]
            made = [scratch(stack.nbytes) for stack in (left, right)] if high else there[::-1]
            calls = [
                (job, job, rows, columns, kinds[0], a + n * given.step, rows,
                 kinds[1], outputs[1].pointer + n * step,
                 kinds[0], made[0] + n * first.step, rows,
                 kinds[0], made[1] + n * second.step, columns)
                for n in range(given.matrices)
            ]  # fmt: skip
            statuses = library.each("xgesvd", x.dtype, scratch, calls)
            if high:
                for scatter, out, at in zip(scatters, there, made, strict=True):
                    scatter(stream, out, at)
            statuses.check(failure("svd", "SVD did not converge"))

    return Kernel(into)


def svdvals(driver: Driver, library: Cusolver, signature: Signature) -> Kernel:
    """Return the kernel of ``svdvals``: a matrix and its transpose have the same."""
    x, out = signature.inputs[0], signature.outputs[0]
    assert x is not None
    if not x.size:
        return Kernel(lambda stream, outputs, inputs: None)
    given = stack(x)
    high = given.rows > given.columns
    rows, columns = max(x.shape[-2:]), min(x.shape[-2:])
    kinds = library.kind(x.dtype), library.kind(out.dtype)
    gather = copying(driver, given.packed, given.turned if high else given.packed)
    step = columns * out.dtype.itemsize

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with Scratch(driver, stream) as scratch:
            a = scratch(x.nbytes)
            gather(stream, a, inputs[0].pointer)
            calls = [
                (_NONE, _NONE, rows, columns, kinds[0], a + n * given.step, rows,
                 kinds[1], outputs[0].pointer + n * step,
                 kinds[0], 0, rows, kinds[0], 0, columns)
                for n in range(given.matrices)
            ]  # fmt: skip
            statuses = library.each("xgesvd", x.dtype, scratch, calls)
            statuses.check(failure("svdvals", "SVD did not converge"))

    return Kernel(into)
