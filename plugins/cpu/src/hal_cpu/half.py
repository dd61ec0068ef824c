"""Layers of half precision: calculated in float32 and rounded once, as their references say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import numpy as np

from hal.dtypes import DType, bfloat16, float16, float32
from hal.errors import DeviceError
from hal.ops import Operator, operators
from hal.plugin import Kernel, Layout, Signature
from hal_cpu.dnn import describe, library, matmul
from hal_cpu.jit import HALVES, find_loop
from hal_cpu.pool import host_pool

__all__ = ["find_half", "is_native"]

_WIDENED = (
    "matmul", "linear", "linear_fused", "convolution", "convolution_fused",
    "convolution_transpose", "convolution_transpose_fused", "attention", "softmax", "log_softmax",
    "layer_norm", "rms_norm",
)  # fmt: skip
"""Operators whose references calculate half precision in float32; a chain behind does so too."""
_FUSED = operators["fused"]

Find = Callable[[Operator, Signature], Kernel | None]


@cache
def is_native(dtype: DType) -> bool:
    """Return whether oneDNN multiplies a dtype of half precision as it is, quickly."""
    if dtype not in (float16, bfloat16) or library() is None:
        return False
    square = describe(dtype, (64, 64), (64, 1))
    try:
        name = matmul(square, square, square).name
    except DeviceError:
        return False
    return any(kind in name for kind in ("bf16", "fp16", "amx"))


def find_half(op: Operator, signature: Signature, find: Find) -> Kernel | None:
    """Return a kernel that converts half precision to float32 and the result back, or None.

    Parameters
    ----------
    op : Operator
    signature : Signature
    find : callable
        ``find(op, signature)`` returns the kernel for float32.
    """
    layouts = (*signature.inputs, *signature.outputs)
    if op.name not in _WIDENED or not any(x is not None and x.dtype in HALVES for x in layouts):
        return None
    steps = signature.attributes.get("steps", ())
    if not all(x is None or x.size for x in layouts) or any(s[0] == "cast" for s in steps):
        return None
    inputs = tuple(map(_wide, signature.inputs))
    outputs = (Layout(float32, signature.outputs[0].shape),)
    kernel = find(op, Signature(inputs, outputs, signature.attributes))
    grow = [_converter(x) for x in signature.inputs]
    shrink = _cast(outputs[0], signature.outputs[0])
    if kernel is None or shrink is None or None in grow:
        return None
    return _Half(kernel, inputs, outputs[0], grow, shrink).kernel()


class _Half:
    """A kernel for float32 between conversions.

    Parameters
    ----------
    kernel : Kernel
    inputs, out : Layout
        The arrays in float32.
    grow : sequence of Kernel or True
        What converts each input; True where there is nothing to convert.
    shrink : Kernel
        What converts the result back.
    known : mapping of int to array
        Inputs that never change, converted.
    """

    def __init__(
        self,
        kernel: Kernel,
        inputs: Sequence[Layout | None],
        out: Layout | None,
        grow: Sequence[Kernel | bool | None],
        shrink: Kernel,
        known: dict[int, Any] | None = None,
    ) -> None:
        self._kernel, self._grow, self._shrink = kernel, grow, shrink
        self._inputs, self._out, self._known = inputs, out, known or {}

    def kernel(self) -> Kernel:
        """Return the whole as a kernel."""
        return Kernel(self._into, prepare=self._prepare, released=tuple(self._known))

    def _into(self, stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with ExitStack() as rooms:
            given = []
            for place, (x, grow) in enumerate(zip(inputs, self._grow, strict=True)):
                if place in self._known:
                    given.append(self._known[place])
                elif isinstance(grow, Kernel):
                    given.append(rooms.enter_context(_room(self._inputs[place])))
                    grow.into(stream, given[-1:], [x])
                else:
                    given.append(x)
            result = rooms.enter_context(_room(self._out))
            self._kernel.into(stream, [result], given)
            self._shrink.into(stream, outputs, [result])

    def _prepare(self, known: Sequence[Any]) -> Kernel | None:
        wide = dict[int, Any]()
        for place, (x, grow) in enumerate(zip(known, self._grow, strict=True)):
            if x is not None and isinstance(grow, Kernel):
                layout = self._inputs[place]
                assert layout is not None
                wide[place] = np.empty(layout.shape, np.float32)
                grow.into(None, [wide[place]], [x])
        if not wide:
            return None
        kernel = self._kernel
        if kernel.prepare is not None:
            found = kernel.prepare([wide.get(n, x) for n, x in enumerate(known)])
            kernel = found or kernel
        for place in kernel.released:
            if place in wide:
                wide[place] = None
        return _Half(kernel, self._inputs, self._out, self._grow, self._shrink, wide).kernel()


def _wide(layout: Layout | None) -> Layout | None:
    """Return the layout of an array once it is converted: packed."""
    if layout is None or layout.dtype not in HALVES:
        return layout
    return Layout(float32, layout.shape)


def _converter(layout: Layout | None) -> Kernel | bool | None:
    """Return what converts an array to float32; True where nothing has to be done."""
    if layout is None or layout.dtype not in HALVES:
        return True
    return _cast(layout, Layout(float32, layout.shape))


def _cast(given: Layout | None, wanted: Layout) -> Kernel | None:
    """Return a loop that converts an array to another dtype."""
    steps = (("cast", (0,), (("dtype", wanted.dtype),)),)
    return find_loop(_FUSED, Signature((given,), (wanted,), {"steps": steps, "results": (1,)}))


@contextmanager
def _room(layout: Layout | None) -> Iterator[Any]:
    """Lend an array of float32."""
    assert layout is not None
    pool = host_pool()
    block = pool.allocate(layout.nbytes)
    try:
        yield np.ndarray(layout.shape, np.float32, block)
    finally:
        pool.free(block)
