"""Calls hal's operators by writing nodes: by ONNX's own operators, else by decomposition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, reduce
from typing import Any

import numpy as np

from hal.dtypes import DType, as_dtype, promote, promote_scalar
from hal.errors import Unsupported
from hal.onnx.writing.writer import Value, Writer
from hal.ops import Operator, evaluate_reference, operators
from hal.plugin import Layout, extent

__all__ = ["CONVERTERS", "Converter", "Exporter", "converter"]

Outputs = tuple[tuple[DType, tuple[int, ...]], ...]
Converter = Callable[["Exporter", list[Any], Outputs, Mapping[str, Any]], Any]

CONVERTERS: dict[str, Converter] = {}
"""By hal's operator: writes nodes and returns the results; None where it cannot, for this call."""

_FOLDED = 1 << 26


def converter(*names: str) -> Callable[[Converter], Converter]:
    """Register how operators of hal are written in ONNX's."""

    def keep(function: Converter) -> Converter:
        for name in names:
            CONVERTERS[name] = function
        return function

    return keep


class Exporter:
    """An evaluator whose values are those of a model being written.

    Decompositions run on it as they do on a device. What depends on known values alone is
    calculated by the references instead.
    """

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.node = writer.node

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in operators:
            raise AttributeError(f"hal has no operator named {name!r}")
        return partial(self.call, operators[name])

    def call(self, op: Operator, *inputs: Any, **attributes: Any) -> Any:
        """Write an operator's call and return its value or values.

        Raises
        ------
        Unsupported
            When ONNX has neither a counterpart nor one of what it decomposes into.
        """
        met = [x.dtype for x in inputs if isinstance(x, Value)]
        numbers = any(isinstance(x, bool | int | float | complex) for x in inputs)
        like = reduce(promote, met) if met and numbers else None
        values = [x if x is None else self.value(x, like) for x in inputs]
        layouts = [None if x is None else Layout(x.dtype, x.shape) for x in values]
        inference = op.infer(layouts, attributes)
        values = [
            x if x is None or d is None or x.dtype is d else self.cast(x, dtype=d)
            for x, d in zip(values, inference.dtypes, strict=True)
        ]
        outputs = inference.outputs
        found = self._found(op, values, outputs, inference.attributes)
        made = found if isinstance(found, tuple) else (found,)
        for value, (dtype, shape) in zip(made, outputs, strict=True):
            assert (value.dtype, value.shape) == (dtype, shape), (op, value.shape, shape)
        return found

    def value(self, given: Any, like: DType | None = None) -> Value:
        """Return a number or a host array as a known value."""
        if isinstance(given, Value):
            return given
        dtype = None
        if isinstance(given, bool | int | float | complex) and not isinstance(given, np.generic):
            dtype = promote_scalar(like, given) if like else as_dtype(type(given))
        return self.writer.constant(np.asarray(given, dtype and dtype.numpy))

    def ints(self, *numbers: int) -> Value:
        """Return a vector of int64, as shapes and axes are."""
        return self.writer.constant(np.array(numbers, np.int64))

    def _found(
        self, op: Operator, values: list[Any], outputs: Outputs, attributes: Mapping[str, Any]
    ) -> Any:
        small = sum(np.prod(s) for _, s in outputs) <= _FOLDED
        if small and all(x is None or x.host is not None for x in values):
            arrays = [None if x is None else x.host for x in values]
            result = evaluate_reference(op, arrays, attributes)
            results = result if isinstance(result, tuple) else (result,)
            made = tuple(
                self.writer.constant(r.astype(d.numpy, copy=False).reshape(s))
                for r, (d, s) in zip(results, outputs, strict=True)
            )
            return made if len(made) > 1 else made[0]
        if not any(np.prod(s) for _, s in outputs):
            made = tuple(self.writer.constant(np.zeros(s, d.numpy)) for d, s in outputs)
            return made if len(made) > 1 else made[0]
        return self._written(op, values, outputs, attributes)

    def _written(
        self, op: Operator, values: list[Any], outputs: Outputs, attributes: Mapping[str, Any]
    ) -> Any:
        convert = CONVERTERS.get(op.name)
        reason = "it has no counterpart"
        if convert is not None:
            try:
                found = convert(self, values, outputs, attributes)
            # ONNX's operator may lack the dtype; the decomposition may do without it.
            except Unsupported as error:
                reason, found = str(error), None
            if found is not None:
                return found
        if op.decompose is not None:
            return op.decompose(self, *values, **attributes)
        if op.view is not None and values[0].dtype is outputs[0][0]:
            placed = op.view(Layout(values[0].dtype, values[0].shape), dict(attributes))
            if placed is not None:
                return self.strided(values[0], outputs[0][1], *placed)
        raise Unsupported(
            f"{op.name} of {', '.join(str(x.dtype) for x in values if x is not None)} cannot be "
            f"written in ONNX: {reason}; leave it outside of what is exported"
        )

    # Shapes and places

    def reshaped(self, x: Value, shape: tuple[int, ...]) -> Value:
        """Return a value in another shape of as many elements."""
        if x.shape == tuple(shape):
            return x
        if x.host is not None:
            return self.writer.constant(x.host.reshape(shape))
        return self.node("Reshape", [x, self.ints(*shape)], x.dtype, shape)

    def strided(
        self, x: Value, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Value:
        """Return what lies at strides of a packed value, by gathering it from its elements."""
        flat = self.reshaped(x, (x.size,))
        places = places_of(shape, strides, offset)
        if x.host is not None:
            return self.writer.constant(flat.host[places])
        return self.node("Gather", [flat, self.writer.constant(places)], x.dtype, shape, axis=0)


def places_of(shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Any:
    """Return where in a buffer each element of a layout lies."""
    low, high = extent(Layout(as_dtype("int64"), shape, strides)) if shape else (0, 1)
    base = np.arange(low, high, dtype=np.int64)
    view = np.lib.stride_tricks.as_strided(base[-low:], shape, tuple(8 * s for s in strides))
    return np.ascontiguousarray(view) + offset
