"""Reads the bits of elements as another dtype of the same size."""

from __future__ import annotations

from hal.dtypes import ALL, as_dtype
from hal.errors import DTypeError
from hal.ops.operator import REQUIRED, Attributes, Inference, Inputs, define
from hal.ops.rules import check_dtype, present


def _bitcast_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    (x,) = present(name, inputs, 1)
    dtype = as_dtype(attributes["dtype"])
    check_dtype(name, x.dtype, ALL)
    if dtype.bits != x.dtype.bits or dtype.itemsize != x.dtype.itemsize:
        raise DTypeError(
            f"{name}: {x.dtype} has {x.dtype.bits} bits, {dtype} has {dtype.bits}; they must have "
            "equally many"
        )
    return Inference((x.dtype,), ((dtype, x.shape),), {"dtype": dtype})


define(
    "bitcast",
    "movement",
    lambda x, dtype: x.view(dtype.numpy),
    _bitcast_rule,
    view=lambda x, attributes: (x.strides, 0),
    dtype=REQUIRED,
)
