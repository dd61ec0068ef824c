"""Pooling by compiled loops: the largest or the average of every window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hal.ops import Operator
from hal.plugin import Kernel, Signature
from hal_cpu.jit import NotVectorised, loop_kernel, pool_code

__all__ = ["find_pool"]

_WORTH_SHARING = 1 << 15


def find_pool(op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for ``max_pool`` or ``average_pool`` of float32, or None."""
    if op.name not in ("max_pool", "average_pool"):
        return None
    (x,) = signature.inputs
    counts = None
    if op.name == "average_pool":
        counts = _counts(op, signature)
    try:
        code, extent = pool_code(signature)
    except NotVectorised:
        return None
    assert x is not None
    kernel = loop_kernel(code, 2, extent, 0, x.size >= _WORTH_SHARING)
    if counts is None:
        return kernel

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        kernel.into(stream, outputs, inputs)
        np.divide(outputs[0], counts, out=outputs[0])

    return Kernel(into)


def _counts(op: Operator, signature: Signature) -> Any:
    """Return what each sum is divided by: the average of ones, turned round."""
    (x,) = signature.inputs
    attributes = dict(signature.attributes)
    if attributes["divisor"] is not None:
        return np.float32(attributes["divisor"])
    assert x is not None
    ones = np.ones((1, 1, *x.shape[2:]), np.float32)
    sums = op.reference(ones, **{**attributes, "divisor": 1.0})
    # Where only padding is met, both are 0, and any divisor will do.
    averages = op.reference(ones, **attributes)
    counts = np.divide(sums, averages, out=np.ones_like(sums), where=averages != 0)
    return counts.flat[0] if (counts == counts.flat[0]).all() else counts
