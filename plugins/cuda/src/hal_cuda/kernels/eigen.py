"""Eigenvalues and eigenvectors by cuSOLVER."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hal.dtypes import real_counterpart
from hal.ops.linalg import failure
from hal.plugin import Kernel, Layout, Signature
from hal_cuda.batches import LARGEST
from hal_cuda.cusolver import UPPER, Cusolver
from hal_cuda.geometry import blocks
from hal_cuda.kernels.stacks import Stack, copying, stack
from hal_cuda.launch import Launch
from hal_cuda.scratch import Scratch
from hal_cuda.source import Source
from hal_cuda.types import ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["eig", "eigh", "eigvals", "eigvalsh", "pairs_source"]

_VALUES, _VECTORS = 0, 1


def eigh(driver: Driver, library: Cusolver, signature: Signature) -> Kernel:
    """Return the kernel of ``eigh``."""
    vectors = stack(signature.outputs[1])
    # To the library the matrix is its conjugate, and so are its vectors, which come as columns.
    value = "v0" if vectors.dtype.kind == "float" else "m_conj(v0)"
    return _symmetric(
        driver, library, signature, copying(driver, vectors.turned, vectors.packed, value)
    )


def eigvalsh(driver: Driver, library: Cusolver, signature: Signature) -> Kernel:
    """Return the kernel of ``eigvalsh``."""
    return _symmetric(driver, library, signature, None)


def _symmetric(
    driver: Driver, library: Cusolver, signature: Signature, scatter: Launch | None
) -> Kernel:
    x = signature.inputs[0]
    assert x is not None
    if not x.size:
        return Kernel(lambda stream, outputs, inputs: None)
    given, real = stack(x), real_counterpart(x.dtype)
    size, kinds = given.rows, (library.kind(x.dtype), library.kind(real))
    copy = copying(driver, given.packed, given.packed)
    job = _VALUES if scatter is None else _VECTORS
    step = size * real.itemsize
    name = "eigvalsh" if scatter is None else "eigh"
    together = given.matrices > 1 and size <= LARGEST

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with Scratch(driver, stream) as scratch:
            a = scratch(x.nbytes)
            copy(stream, a, inputs[0].pointer)
            # hal reads the lower triangle, which is the upper one of the transpose.
            calls = [
                (job, UPPER, size, kinds[0], a + n * given.step, size,
                 kinds[1], outputs[0].pointer + n * step)
                for n in range(1 if together else given.matrices)
            ]  # fmt: skip
            if together:
                call, count = calls[0], given.matrices
                statuses = library.together("xsyev_batched", x.dtype, scratch, call, count)
            else:
                statuses = library.each("xsyevd", x.dtype, scratch, calls)
            if scatter is not None:
                scatter(stream, outputs[1].pointer, a)
            statuses.check(failure(name, "Eigenvalues did not converge"))

    return Kernel(into)


def eig(driver: Driver, library: Cusolver, signature: Signature) -> Kernel:
    """Return the kernel of ``eig``."""
    return _general(driver, library, signature)


def eigvals(driver: Driver, library: Cusolver, signature: Signature) -> Kernel:
    """Return the kernel of ``eigvals``."""
    return _general(driver, library, signature)


def _general(driver: Driver, library: Cusolver, signature: Signature) -> Kernel:
    """Return the kernel for any matrix; a real one is factorised in real numbers."""
    x, values = signature.inputs[0], signature.outputs[0]
    assert x is not None
    if not x.size:
        return Kernel(lambda stream, outputs, inputs: None)
    given, wanted = stack(x), len(signature.outputs) > 1
    size, kinds = given.rows, (library.kind(x.dtype), library.kind(values.dtype))
    gather = copying(driver, given.packed, given.turned)
    scatter = _vectors(driver, given, values)
    job = _VECTORS if wanted else _VALUES
    step = size * values.dtype.itemsize
    name = "eig" if wanted else "eigvals"

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with Scratch(driver, stream) as scratch:
            a, vectors = scratch(x.nbytes), scratch(x.nbytes) if wanted else 0
            gather(stream, a, inputs[0].pointer)
            found = outputs[0].pointer
            calls = [
                (_VALUES, job, size, kinds[0], a + n * given.step, size, kinds[1], found + n * step,
                 kinds[0], 0, size, kinds[0], vectors and vectors + n * given.step, size)
                for n in range(given.matrices)
            ]  # fmt: skip
            statuses = library.each("xgeev", x.dtype, scratch, calls)
            if wanted:
                scatter(stream, outputs[1].pointer, vectors, found)
            statuses.check(failure(name, "Eigenvalues did not converge"))

    return Kernel(into)


def _vectors(driver: Driver, given: Stack, values: Layout) -> Any:
    """Return what writes eigenvectors; of a real matrix they come in pairs of real ones."""
    if given.dtype.kind == "complex":
        turned = copying(driver, given.turned, given.packed)
        return lambda stream, out, vectors, values: turned(stream, out, vectors)
    source = pairs_source(ctype(given.dtype), ctype(values.dtype))
    total = given.packed.size
    grid = blocks(total, driver.multiprocessors)
    return Launch(driver, source, grid, 3, [total, given.rows])


def pairs_source(real: str, dtype: str) -> Source:
    """Return the source of what makes complex eigenvectors of pairs of real ones."""
    body = f"""
typedef PairsArgs<{dtype}, {real}> Args;
extern "C" __global__ void pairs(Args a) {{ vectors_of_pairs(a); }}
"""
    return Source("pairs", body, ("linalg",))
