"""What each chip's operators take: what CANN's first phase would refuse."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.dtypes import as_dtype, bfloat16, float32
from hal_ascend.prototypes import OperatorPrototype
from hal_ascend_standin.arguments import Refusal

__all__ = ["check"]

_HALF_ONLY = ("Ascend310", "Ascend910A", "Ascend910PremiumA")
"""Chips without bfloat16, whose cube unit multiplies float16 alone."""
_A2_ON = ("FlashAttentionScore", "FusedInferAttentionScoreV2", "RotaryPositionEmbedding")


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
    if half_only and operator.name in _A2_ON:
        raise Refusal(f"{operator.name} is not supported on {soc}")
    for given in tensors:
        if half_only and as_dtype(given.dtype) is bfloat16:
            raise Refusal(f"{soc} has no bfloat16")
    if operator.name == "SWhere":
        main = arguments[1]
    if main is not None and as_dtype(main.dtype).name not in operator.dtypes:
        raise Refusal(f"{operator.name} does not take {as_dtype(main.dtype)}")
    for value, (_, name) in zip(arguments, operator.arguments, strict=True):
        if name == "cubeMathType":
            if value not in (-1, 0, 1, 2, 3):
                raise Refusal(f"cubeMathType {value} is unknown")
            pooling = operator.name.startswith("AvgPool")
            wide = main is not None and as_dtype(main.dtype) is float32
            if half_only and wide and value == 0 and not pooling:
                raise Refusal(f"the cube unit of {soc} has no float32: cubeMathType 0")
