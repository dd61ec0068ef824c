"""Fourier transforms by cuFFT, with the factors and the order of axes that it leaves to others."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from typing import TYPE_CHECKING, Any

from hal.dtypes import DType, complex_counterpart, real_counterpart
from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature
from hal_cuda.cufft import Rows, Transform
from hal_cuda.kernels.elementwise import loop
from hal_cuda.launch import Launch
from hal_cuda.scratch import Scratch

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["fourier"]


def fourier(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for ``fft``, ``rfft`` or ``irfft`` of a packed array, else None."""
    if op.family != "fourier":
        return None
    x, out = signature.inputs[0], signature.outputs[0]
    library = driver.transforms()
    if library is None or x is None or not x.contiguous:
        return None
    if not out.size:
        return Kernel(lambda stream, outputs, inputs: None)
    inverse = op.name == "irfft" or signature.attributes.get("inverse", False)
    work = _Work(driver, signature, inverse)
    plan = library.plan(work.transform, driver.use)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with Scratch(driver, stream) as scratch:
            given = work.gathered(scratch, inputs[0].pointer)
            target = work.target(scratch, outputs[0].pointer)
            space = scratch(plan.workspace) if plan.workspace else 0
            plan.start(stream, space, target, given, work.inverse)
            work.finish(stream, outputs[0].pointer, target)

    return Kernel(into)


class _Work:
    """What is done before and behind the library's transform.

    The axis comes last if there are others on both sides of it: the library takes one distance
    from each transform to the next. It may overwrite the spectrum it makes real numbers of, and
    wants those numbers of it real that must be; hal's definition takes no notice of their imaginary
    parts.
    """

    def __init__(self, driver: Driver, signature: Signature, inverse: bool) -> None:
        x, out = signature.inputs[0], signature.outputs[0]
        assert x is not None
        self.inverse = inverse
        axis = signature.attributes["axis"]
        outer, inner = prod(x.shape[:axis]), prod(x.shape[axis + 1 :])
        self._moved = outer > 1 and inner > 1
        real = real_counterpart(out.dtype)
        self._element = complex_counterpart(real).itemsize
        size = out.shape[axis] if out.dtype is real else x.shape[axis]
        source, target = (_rows(a.shape[axis], inner, self._moved) for a in (x, out))
        self.transform = Transform(x.dtype, out.dtype, size, source, target, outer * inner)
        self._sizes = x.nbytes, out.nbytes
        self._spectrum = x.dtype is not real and out.dtype is real
        factor = _factor(signature.attributes["norm"], size, inverse)
        seen = [
            _seen(a, outer, inner, axis) if self._moved else Layout(a.dtype, (a.size,))
            for a in (x, out)
        ]
        copies = [Layout(a.dtype, a.shape) for a in seen]
        self._gather = loop(driver, "r0 = v0;", [seen[0]], [copies[0]])
        self._scatter = _scaling(driver, copies[1], seen[1], factor)
        self._scale = _scaling(driver, copies[1], copies[1], factor) if factor != 1 else None
        self._real = _clearing(driver, real, self.transform) if self._spectrum else []

    def gathered(self, scratch: Scratch, given: int) -> int:
        """Return where the library reads."""
        if not (self._moved or self._spectrum or given % self._element):
            return given
        copy = scratch(self._sizes[0])
        self._gather(scratch.stream, copy, given)
        for clear, offset in self._real:
            clear(scratch.stream, copy + offset)
        return copy

    def target(self, scratch: Scratch, out: int) -> int:
        """Return where the library writes."""
        return scratch(self._sizes[1]) if self._moved or out % self._element else out

    def finish(self, stream: Any, out: int, target: int) -> None:
        """Move the result to its place, times the factor."""
        if target != out:
            self._scatter(stream, out, target)
        elif self._scale is not None:
            self._scale(stream, out, out)


def _rows(size: int, inner: int, moved: bool) -> Rows:
    return Rows(size, 1, size) if moved or inner == 1 else Rows(size, inner, 1)


def _seen(x: Layout, outer: int, inner: int, axis: int) -> Layout:
    """Return an array with the axis that is transformed last."""
    size = x.shape[axis]
    return Layout(x.dtype, (outer, inner, size), (size * inner, 1, inner))


def _factor(norm: str, size: int, inverse: bool) -> float:
    if norm == "ortho":
        return 1 / sqrt(size)
    return 1 / size if (norm == "backward") == inverse else 1.0


def _scaling(driver: Driver, source: Layout, target: Layout, factor: float) -> Launch:
    """Return the launch that writes numbers times a factor; those of complex ones by parts."""
    parts = [_parts(x) for x in (source, target)]
    return loop(driver, "r0 = v0 * (decltype(v0))p0;", parts[:1], parts[1:], [factor])


def _parts(x: Layout) -> Layout:
    real = real_counterpart(x.dtype)
    if x.dtype is real:
        return x
    return Layout(real, (*x.shape, 2), (*[2 * s for s in x.strides], 1))


def _clearing(driver: Driver, real: DType, transform: Transform) -> list[tuple[Launch, int]]:
    """Return launches that clear the imaginary parts of the first number and of the middle one."""
    rows = transform.source
    parts = Layout(real, (transform.batch,), (2 * rows.distance,))
    places = [0] if transform.size % 2 else [0, transform.size // 2]
    clear = loop(driver, "r0 = 0;", [], [parts])
    return [(clear, (2 * place * rows.stride + 1) * real.itemsize) for place in places]
