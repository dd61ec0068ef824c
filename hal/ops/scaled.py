"""Products of float8: numbers of 8 bits, and the scales that make them the size they stand for.

A tensor stands for its float8 numbers times its scale: one scale for all of it, or one for each of
its rows. The product is summed in float32, takes the scales there, and is rounded once.
"""

from __future__ import annotations

from typing import Any

from hal import dtypes
from hal.dtypes import DType, as_dtype, promote
from hal.errors import DTypeError, ShapeError
from hal.ops.operator import Attributes, Evaluator, Inference, Inputs, define
from hal.ops.rules import check_dtype, check_weight, present
from hal.ops.widening import narrow
from hal.plugin.layout import Layout, Shape

__all__ = ["FLOAT8", "RESULTS"]

FLOAT8 = (dtypes.float8_e4m3fn, dtypes.float8_e5m2)
RESULTS = (dtypes.float32, dtypes.float16, dtypes.bfloat16)


def _rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, weight, x_scale, weight_scale = present(name, inputs, 4)
    bias = inputs[4] if len(inputs) > 4 else None
    dtype = as_dtype(attributes["dtype"])
    check_dtype(f"{name}: the result", dtype, RESULTS)
    for what, given in (("the input", x), ("the weight", weight)):
        check_dtype(f"{name}: {what}", given.dtype, FLOAT8)
    for what, given in (("the input's scale", x_scale), ("the weight's scale", weight_scale)):
        check_dtype(f"{name}: {what}", given.dtype, RESULTS)
    check_weight(name, x, weight)
    _check_scale(name, "the input's scale", x_scale.shape, (*x.shape[:-1], 1))
    _check_scale(name, "the weight's scale", weight_scale.shape, (weight.shape[0], 1))
    if bias is not None:
        _check_bias(name, bias, dtype, weight.shape[:1])
    cast = (x.dtype, weight.dtype, dtypes.float32, dtypes.float32)
    if len(inputs) > 4:
        cast = (*cast, None if bias is None else dtype)  # type: ignore[assignment]
    shape = (*x.shape[:-1], weight.shape[0])
    return Inference(cast, ((dtype, shape),), {**attributes, "dtype": dtype})


def _check_scale(name: str, what: str, given: Shape, rows: Shape) -> None:
    if given not in ((), rows):
        raise ShapeError(
            f"{name}: {what} has shape {given}; it must be () for one scale, or {rows} for one of "
            "each row"
        )


def _check_bias(name: str, bias: Layout, dtype: DType, shape: Shape) -> None:
    check_dtype(f"{name}: the bias", bias.dtype, RESULTS)
    if promote(bias.dtype, dtype) is not dtype:
        raise DTypeError(
            f"{name}: a bias of {bias.dtype} would be rounded to the result's {dtype}; ask for "
            f"dtype=hal.{promote(bias.dtype, dtype)}, or convert it with astype(hal.{dtype})"
        )
    if bias.shape != shape:
        raise ShapeError(f"{name}: the bias has shape {bias.shape}; it must be {shape}")


def _reference(
    x: Any, weight: Any, x_scale: Any, weight_scale: Any, bias: Any = None, *, dtype: DType
) -> Any:
    wide = dtypes.float32.numpy
    result = x.astype(wide) @ weight.astype(wide).T
    result = result * x_scale * weight_scale.reshape(-1)
    if bias is not None:
        result = result + bias.astype(wide)
    return result.astype(dtype.numpy)


def _decompose(
    F: Evaluator, x: Any, weight: Any, x_scale: Any, weight_scale: Any, bias: Any = None, *,
    dtype: DType,
) -> Any:  # fmt: skip
    numbers = [F.cast(given, dtype=dtypes.float32) for given in (x, weight)]
    # Every number of float8 is one of bfloat16, and of float16: nothing is lost by "medium".
    result = F.linear(*numbers, None, precision="medium")
    row = F.reshape(weight_scale, shape=(-1,)) if weight_scale.shape else weight_scale
    result = F.multiply(F.multiply(result, x_scale), row)
    if bias is not None:
        result = F.add(result, narrow(F, bias, dtypes.float32))
    return narrow(F, result, dtype)


define("scaled_linear", "product", _reference, _rule, _decompose, dtype=dtypes.float32)
