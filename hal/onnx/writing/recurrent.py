"""Recurrent layers in ONNX's: https://onnx.ai/onnx/operators/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hal import dtypes
from hal.onnx.writing.evaluator import CONVERTERS, Converter, Exporter, Outputs

# ONNX's gates, by their places among those of hal's operators.
_GATES = {"rnn": (0,), "gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}


def _layer(name: str) -> Converter:
    gates = _GATES[name]

    def convert(f: Exporter, x: list[Any], out: Outputs, a: Mapping[str, Any]) -> Any:
        dtype, (steps, batch, size) = out[0]
        if dtype is not dtypes.float32 or not all(v is None or v.size for v in x):
            return None  # Runtimes have the layers in float32 alone.
        given, weight, recurrence, bias, back, *states = (*x, *[None] * 4)[: 4 + len(out)]
        weights = [_ordered(f, w, gates, size) for w in (weight, recurrence)]
        both = None
        if bias is not None or back is not None:
            empty = f.writer.constant(np.zeros(len(gates) * size, np.float32))
            biases = [empty if b is None else b for b in (bias, back)]
            both = f.concat(*[_ordered(f, b, gates, size) for b in biases], axis=0)
        operands = [None if v is None else _one(f, v) for v in (*weights, both)]
        starts = [None if s is None else _one(f, s) for s in states]
        direction = "reverse" if a["reverse"] else "forward"
        made = f.writer.nodes(
            name.upper(), [given, *operands, None, *starts],
            [(dtype, (steps, 1, batch, size)), *[(dtype, (1, batch, size))] * (len(out) - 1)],
            hidden_size=size, direction=direction, **_options(a),
        )  # fmt: skip
        shaped = zip(made, out, strict=True)
        return tuple([f.reshape(value, shape=shape) for value, (_, shape) in shaped])

    return convert


def _options(a: Mapping[str, Any]) -> dict[str, Any]:
    if "nonlinearity" in a:
        return {"activations": [a["nonlinearity"].capitalize()]}
    if "linear_before_reset" in a:
        return {"linear_before_reset": int(a["linear_before_reset"])}
    return {}


def _ordered(f: Exporter, x: Any, gates: Sequence[int], size: int) -> Any:
    """Return a weight or a bias with its gates in ONNX's order."""
    if len(gates) == 1:
        return x
    rest = x.shape[1:]
    parts = [
        f.slice(
            x, start=(n * size, *(0,) * len(rest)), stop=((n + 1) * size, *rest),
            step=(1,) * x.ndim,
        )
        for n in gates
    ]  # fmt: skip
    return f.concat(*parts, axis=0)


def _one(f: Exporter, x: Any) -> Any:
    """Return what belongs to the only direction."""
    return f.reshape(x, shape=(1, *x.shape))


CONVERTERS.update({name: _layer(name) for name in _GATES})
