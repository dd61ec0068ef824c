"""Operators whose result NumPy can write straight into the memory it belongs in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import numpy as np

from hal.ops import Operator
from hal.plugin import Signature

__all__ = ["find_writer"]

Write = Callable[..., None]
"""``write(out, *inputs)`` writes the result into ``out``."""

Make = Callable[[Operator, Signature], Write | None]


def find_writer(op: Operator, signature: Signature) -> Write | None:
    """Return a function that writes the operator's result, or None."""
    make = _WRITERS.get(op.name)
    layouts = [x for x in (*signature.inputs, *signature.outputs) if x is not None]
    if make is None or any(x.size == 0 or x.dtype.numpy.isbuiltin != 1 for x in layouts):
        return None
    if op.name != "cast" and any(x.dtype.kind == "float" and x.dtype.bits < 32 for x in layouts):
        return None  # calculated in float32 and rounded once
    return make(op, signature)


def _cast(op: Operator, signature: Signature) -> Write:
    return partial(np.copyto, casting="unsafe")


def _clip(op: Operator, signature: Signature) -> Write:
    def write(out: Any, x: Any, low: Any = None, high: Any = None) -> None:
        if low is not None and high is not None:
            np.clip(x, low, high, out=out)
        elif low is not None:
            np.maximum(x, low, out=out)
        elif high is not None:
            np.minimum(x, high, out=out)
        else:
            np.copyto(out, x)

    return write


def _power(op: Operator, signature: Signature) -> Write | None:
    out, exponent = signature.outputs[0], signature.inputs[1]
    if out.dtype.kind not in ("float", "complex") or exponent is None or exponent.size != 1:
        return None

    def write(out: Any, x: Any, y: Any) -> None:
        number = y.reshape(())[()]
        if number == 2:
            np.square(x, out=out)
        elif number == 0.5:  # NumPy's own way has other special values than the operator.
            np.copyto(out, op.reference(x, y))
        else:
            np.power(x, y, out=out)

    return write


def _reduction(function: Any) -> Make:
    def make(op: Operator, signature: Signature) -> Write:
        wanted = dict(signature.attributes)
        if "dtype" in wanted:
            wanted["dtype"] = wanted["dtype"].numpy
        return lambda out, x: function(x, out=out, **wanted)

    return make


def _mean(op: Operator, signature: Signature) -> Write:
    (x,) = signature.inputs
    assert x is not None
    wanted = signature.attributes
    count = float(prod(x.shape[a] for a in wanted["axis"]))

    def write(out: Any, x: Any) -> None:
        np.sum(x, out=out, **wanted)
        np.divide(out, count, out=out)

    return write


def _spread(function: Any) -> Make:
    def make(op: Operator, signature: Signature) -> Write | None:
        (x,) = signature.inputs
        assert x is not None
        wanted = dict(signature.attributes)
        correction = wanted.pop("correction")
        # NumPy takes a negative number of degrees of freedom for none.
        if prod(x.shape[a] for a in wanted["axis"]) <= correction:
            return None
        return lambda out, x: function(x, out=out, ddof=correction, **wanted)

    return make


def _concat(op: Operator, signature: Signature) -> Write:
    axis = signature.attributes["axis"]
    return lambda out, *parts: np.concatenate(parts, axis, out=out)


def _take(op: Operator, signature: Signature) -> Write | None:
    indices = signature.inputs[1]
    axis = signature.attributes["axis"]
    if indices is None or indices.dtype.kind != "int":
        return None

    def write(out: Any, x: Any, indices: Any) -> None:
        try:
            np.take(x, indices, axis, out=out, mode="raise")
        except IndexError:
            op.reference(x, indices, axis=axis)  # says which
            raise

    return write


_WRITERS: dict[str, Make] = {
    "cast": _cast,
    "concat": _concat,
    "clip": _clip,
    "take": _take,
    "power": _power,
    "sum": _reduction(np.sum),
    "prod": _reduction(np.prod),
    "mean": _mean,
    "max": _reduction(np.max),
    "min": _reduction(np.min),
    "any": _reduction(np.any),
    "all": _reduction(np.all),
    "var": _spread(np.var),
    "std": _spread(np.std),
    "cumulative_sum": _reduction(np.cumsum),
    "cumulative_prod": _reduction(np.cumprod),
}
