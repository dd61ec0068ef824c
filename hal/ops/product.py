"""Matrix products.

``precision`` says in what the device may multiply float32: ``"highest"`` keeps float32,
``"high"`` allows TF32 or HF32 (10-bit mantissa), ``"medium"`` allows bfloat16 or float16 inputs
with float32 accumulation. Nothing but ``"highest"`` is used unless the user asked for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.dtypes import NUMERIC, as_dtype
from hal.errors import ShapeError, ValueRangeError
from hal.ops.operator import (
    REQUIRED,
    Attributes,
    Evaluator,
    Inference,
    Inputs,
    define,
    operators,
)
from hal.ops.rules import check_dtype, check_weight, compute_dtype, present, promoted
from hal.plugin.layout import Layout, Shape, broadcast_shapes

__all__ = ["PRECISIONS", "check_precision"]

FAMILY = "product"
PRECISIONS = ("highest", "high", "medium")


def check_precision(name: str, attributes: Attributes) -> Attributes:
    """Raise when the precision attribute is none that hal knows."""
    if attributes["precision"] not in PRECISIONS:
        raise ValueRangeError(
            f"{name}: precision is {attributes['precision']!r}; it must be one of {PRECISIONS}"
        )
    return attributes


def _matmul_shape(name: str, a: Shape, b: Shape) -> Shape:
    if not a or not b:
        raise ShapeError(f"{name}: shapes {a} and {b}: a tensor without axes has no product")
    left = a if len(a) > 1 else (1, *a)
    right = b if len(b) > 1 else (*b, 1)
    if left[-1] != right[-2]:
        raise ShapeError(
            f"{name}: shapes {a} and {b} do not multiply: {left[-1]} columns meet "
            f"{right[-2]} rows; they must be equal"
        )
    try:
        batch = broadcast_shapes(left[:-2], right[:-2])
    except ShapeError as error:
        raise ShapeError(f"{name}: the batch axes of {a} and {b}: {error}") from None
    rows = left[-2:-1] if len(a) > 1 else ()
    columns = right[-1:] if len(b) > 1 else ()
    return batch + rows + columns


def _matmul_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    a, b = present(name, inputs, 2)
    dtype = promoted(name, (a, b))
    check_dtype(name, dtype, NUMERIC)
    shape = _matmul_shape(name, a.shape, b.shape)
    return Inference((dtype, dtype), ((dtype, shape),), check_precision(name, attributes))


def _matmul(a: Any, b: Any, precision: str) -> Any:
    wide = compute_dtype(as_dtype(a.dtype))
    return np.matmul(a.astype(wide, copy=False), b.astype(wide, copy=False)).astype(
        a.dtype, copy=False
    )


define("matmul", FAMILY, _matmul, _matmul_rule, precision="highest")


def _linear_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    x, weight = present(name, inputs, 2)
    bias = inputs[2] if len(inputs) > 2 else None
    dtype = promoted(name, [i for i in inputs if i is not None])
    check_dtype(name, dtype, NUMERIC)
    check_weight(name, x, weight)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"{name}: the bias has shape {bias.shape}; it must be {weight.shape[:1]}")
    cast = tuple(None if i is None else dtype for i in inputs)
    shape = (*x.shape[:-1], weight.shape[0])
    return Inference(cast, ((dtype, shape),), check_precision(name, attributes))


def _linear(x: Any, weight: Any, bias: Any = None, *, precision: str) -> Any:
    wide = compute_dtype(as_dtype(x.dtype))
    result = np.matmul(x.astype(wide, copy=False), weight.astype(wide, copy=False).T)
    if bias is not None:
        result = result + bias.astype(wide, copy=False)
    return result.astype(x.dtype, copy=False)


def _decompose_linear(
    F: Evaluator, x: Any, weight: Any, bias: Any = None, *, precision: str
) -> Any:
    result = F.matmul(x, F.permute(weight, axes=(1, 0)), precision=precision)
    return result if bias is None else F.add(result, bias)


define("linear", FAMILY, _linear, _linear_rule, _decompose_linear, precision="highest")


# A product and the chain of elementwise operators behind it, as one: a program's fusion asks a
# device for it. The chain's first input is the product, its others follow the bias; see ``fused``.


def _linear_fused_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    product = operators["linear"].infer(inputs[:3], {"precision": attributes["precision"]})
    chain = {key: attributes[key] for key in ("steps", "results")}
    behind = operators["fused"].infer((Layout(*product.outputs[0]), *inputs[3:]), chain)
    if [shape for _, shape in behind.outputs] != [product.outputs[0][1]]:
        raise ShapeError(f"{name}: the chain must have one result, of the product's shape")
    return Inference(product.dtypes + behind.dtypes[1:], behind.outputs, attributes)


def _linear_fused(
    x: Any, weight: Any, bias: Any = None, *others: Any, precision: str, steps: Any, results: Any
) -> Any:
    product = _linear(x, weight, bias, precision=precision)
    return operators["fused"].reference(product, *others, steps=steps, results=results)


def _decompose_linear_fused(
    F: Evaluator, x: Any, weight: Any, bias: Any, *others: Any, precision: str, steps: Any,
    results: Any,
) -> Any:  # fmt: skip
    product = F.linear(x, weight, bias, precision=precision)
    return F.fused(product, *others, steps=steps, results=results)


define(
    "linear_fused",
    FAMILY,
    _linear_fused,
    _linear_fused_rule,
    _decompose_linear_fused,
    precision="highest",
    steps=REQUIRED,
    results=REQUIRED,
)
