"""What each chip's operators take: what CANN's first phase would refuse."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.dtypes import as_dtype, bfloat16, float16, float32, int4, int8
from hal_ascend.prototypes import OperatorPrototype
from hal_ascend_standin.arguments import Refusal

__all__ = ["check"]

_HALF_ONLY = ("Ascend310", "Ascend910A", "Ascend910PremiumA")
"""Chips without bfloat16, whose cube unit multiplies float16 alone."""
_LARGEST = 65535


def check(operator: OperatorPrototype, arguments: list[Any], soc: str) -> None:
    """Raise for arguments that the chip's operator does not take.

    Raises
    ------
    Refusal
    """
    half_only = soc.startswith(_HALF_ONLY)
    tensors = [a for a in arguments if isinstance(a, np.ndarray)]
    main = next(
        (a for a, (code, _) in zip(arguments, operator.arguments, strict=True)
         if code in "TR" and isinstance(a, np.ndarray)),
        tensors[-1] if tensors else None,
    )  # fmt: skip
    taken = operator.dtypes_on("310P" if half_only else "")
    if not taken:
        raise Refusal(f"{operator.name} is not supported on {soc}")
    for given in tensors:
        if half_only and as_dtype(given.dtype) is bfloat16:
            raise Refusal(f"{soc} has no bfloat16")
    if operator.name == "SWhere":
        main = arguments[1]
    if main is not None and as_dtype(main.dtype).name not in taken:
        raise Refusal(f"{operator.name} does not take {as_dtype(main.dtype)}")
    if operator.name == "WeightQuantBatchMatmulV2":
        _check_quantized(arguments, half_only)
    for value, (_, name) in zip(arguments, operator.arguments, strict=True):
        if name == "cubeMathType":
            if value not in (-1, 0, 1, 2, 3):
                raise Refusal(f"cubeMathType {value} is unknown")
            pooling = operator.name.startswith("AvgPool")
            wide = main is not None and as_dtype(main.dtype) is float32
            if half_only and wide and value == 0 and not pooling:
                raise Refusal(f"the cube unit of {soc} has no float32: cubeMathType 0")


def _check_quantized(arguments: list[Any], half_only: bool) -> None:
    """Raise for what the product with quantised weights does not take."""
    x, weight, scale, offset, _, _, bias, group, out = arguments
    if x.ndim != 2 or weight.ndim != 2 or x.shape[1] != weight.shape[0]:
        raise Refusal(f"x has shape {x.shape}, the weight {weight.shape}")
    features, rows = weight.shape
    if not (1 <= features <= _LARGEST and 1 <= rows <= _LARGEST and len(x)):
        raise Refusal(f"sizes {x.shape} and {weight.shape}: from 1 to {_LARGEST}")
    if out.shape != (len(x), rows):
        raise Refusal(f"the result has shape {out.shape}")
    codes = as_dtype(weight.dtype)
    if codes not in (int8, int4) or (half_only and codes is int4):
        raise Refusal(f"a weight of {codes}")
    if codes is int4 and features % 2 and rows % 2:
        raise Refusal("the inner axis of a weight of int4 has an odd size")
    if group and (group % 32 or not 32 <= group < features):
        raise Refusal(f"antiquantGroupSize is {group}")
    wanted = (-(-features // group), rows) if group else (rows,)
    for name, given in (("antiquantScale", scale), ("antiquantOffset", offset)):
        if given is not None and given.shape != wanted:
            raise Refusal(f"{name} has shape {given.shape}, not {wanted}")
    beside = float32 if as_dtype(x.dtype) is bfloat16 else float16
    if bias is not None and (bias.shape != (rows,) or as_dtype(bias.dtype) is not beside):
        raise Refusal(f"a bias of {as_dtype(bias.dtype)} and shape {bias.shape}")
