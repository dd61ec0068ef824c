"""A program's buffers as values: calls write into memory, nodes of a model make new tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.errors import Unsupported
from hal.onnx.writing.evaluator import Exporter, places_of
from hal.onnx.writing.writer import Value
from hal.plugin import Array, Layout, Program, Released

__all__ = ["Buffers"]


class Buffers:
    """What lies in each buffer of a program, while its calls are written one after another.

    A value that fills its buffer is known by its place. What is read in another way, through
    strides or in part, is gathered from it; what is written in part is scattered into it.
    """

    def __init__(self, program: Program, exporter: Exporter) -> None:
        self._program = program
        self._f = exporter
        # Values by their place, and one that fills the buffer, as a vector.
        self._known: dict[int, dict[Array, Value]] = {}
        self._whole: dict[int, Value] = {}

    def argument(self, array: Array, value: Value) -> None:
        """Note that an argument of the program is a value."""
        self._known[array.buffer] = {array: value}
        if not self._fills(array):
            # Its elements may lie apart; those between are never read.
            size = self._program.sizes[array.buffer] // array.layout.dtype.itemsize
            empty = self._f.writer.constant(np.zeros(size, array.layout.dtype.numpy))
            self._whole[array.buffer] = self._scattered(empty, array, value)
        else:
            self._whole[array.buffer] = self._f.reshaped(value, (value.size,))

    def read(self, array: Array) -> Value:
        """Return the value at a place."""
        known = self._known.setdefault(array.buffer, {})
        found = known.get(array)
        if found is None:
            found = known[array] = self._derived(array)
        return found

    def write(self, array: Array, value: Value) -> None:
        """Note that a call wrote a value to a place."""
        if self._fills(array):
            self._whole[array.buffer] = self._f.reshaped(value, (value.size,))
        else:
            before = self._whole.get(array.buffer)
            if before is None:
                size = self._program.sizes[array.buffer] // array.layout.dtype.itemsize
                before = self._f.writer.constant(np.zeros(size, array.layout.dtype.numpy))
            self._whole[array.buffer] = self._scattered(before, array, value)
        self._known[array.buffer] = {array: value}

    def look(self, made: Array, value: Value) -> None:
        """Note what a call that only looks at memory in another way made of it."""
        self._known.setdefault(made.buffer, {})[made] = value

    def _fills(self, array: Array) -> bool:
        layout = array.layout
        return (
            layout.contiguous
            and array.offset == 0
            and layout.nbytes == self._program.sizes[array.buffer]
        )

    def _scattered(self, whole: Value, array: Array, value: Value) -> Value:
        layout = array.layout
        if whole.dtype is not layout.dtype:
            raise _reinterpreted(whole, layout)
        places = places_of(layout.shape, layout.strides, array.offset).reshape(-1)
        flat = self._f.reshaped(value, (value.size,))
        return self._f.node(
            "ScatterElements", [whole, self._f.writer.constant(places), flat],
            whole.dtype, whole.shape, axis=0,
        )  # fmt: skip

    def _derived(self, array: Array) -> Value:
        layout = array.layout
        if array.buffer not in self._whole:
            self._whole[array.buffer] = self._constant(array)
        whole = self._whole[array.buffer]
        if whole.dtype is not layout.dtype:
            raise _reinterpreted(whole, layout)
        if self._fills(array):
            return self._f.reshaped(whole, layout.shape)
        return self._f.strided(whole, layout.shape, layout.strides, array.offset)

    def _constant(self, array: Array) -> Value:
        """Return a constant's buffer as a vector of the dtype it is read in."""
        if array.buffer not in self._program.constants:
            raise Unsupported("the program reads memory that nothing wrote")
        given: Any = self._program.constants[array.buffer]
        if isinstance(given, Released):
            raise Unsupported(
                "the program gave the values of its constants back once its kernels had packed "
                "them; export the function, or what its program(...) returns"
            )
        dtype = array.layout.dtype
        if not isinstance(given, np.ndarray):
            device, size = given.device, given.nbytes // dtype.itemsize
            view = device.runtime.view(given.buffer, dtype, (size,), (1,), 0)
            host = np.empty(size, dtype.numpy)
            device.runtime.download(view, host, given.stream.handle)
            given = host
        return self._f.writer.constant(given.reshape(-1).view(dtype.numpy))


def _reinterpreted(whole: Value, layout: Layout) -> Unsupported:
    return Unsupported(
        f"the program reads the bytes of {whole.dtype} as {layout.dtype}, which ONNX cannot say"
    )
