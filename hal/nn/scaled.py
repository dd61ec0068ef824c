"""Linear layers of float8 with scales, and how tensors become float8.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_mm.html,
https://docs.pytorch.org/ao/stable/
"""

from __future__ import annotations

from typing import Any

import ml_dtypes

from hal import dtypes
from hal.dtypes import DType, as_dtype
from hal.nn.run import check_tensor, run
from hal.ops.rules import check_dtype
from hal.ops.scaled import FLOAT8
from hal.tensor import Tensor

__all__ = ["quantize_float8", "scaled_linear"]

_TINY = 2.0**-126


def scaled_linear(
    input: Tensor,
    weight: Tensor,
    input_scale: Tensor,
    weight_scale: Tensor,
    bias: Tensor | None = None,
    *,
    dtype: DType = dtypes.float32,
) -> Tensor:
    """Return ``(input * input_scale) @ (weight * weight_scale).T + bias`` of float8 tensors.

    What :func:`torch._scaled_mm` calculates with tensor-wise or row-wise scales. It is summed in
    float32 and rounded once.

    Parameters
    ----------
    input : Tensor of float8_e4m3fn or float8_e5m2, shape (..., in_features)
    weight : Tensor of float8_e4m3fn or float8_e5m2, shape (out_features, in_features)
    input_scale : Tensor of float32
        What the numbers are multiplied by: one number, or one for each row, of shape (..., 1) or
        (...,), as :func:`quantize_float8` gives them.
    weight_scale : Tensor of float32
        One number, or one for each row, of shape (out_features, 1) or (out_features,).
    bias : Tensor, shape (out_features,), optional
        Of a dtype that the result's holds.
    dtype : DType
        Of the result: float32, float16 or bfloat16.

    Returns
    -------
    Tensor, shape (..., out_features)

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    DTypeError
        When something is no tensor, or not of these dtypes.

    Examples
    --------
    >>> import hal
    >>> numbers = [[1.0, 2.0], [-3.0, 0.5]], [[1.0, 4.0]]
    >>> x, weight = (hal.asarray(n, device="cpu:0").astype(hal.float8_e4m3fn) for n in numbers)
    >>> one, quarter = (hal.asarray(s, device="cpu:0") for s in (1.0, 0.25))
    >>> hal.nn.scaled_linear(x, weight, one, quarter, dtype=hal.bfloat16)
    Tensor([[ 2.25],
            [-0.25]], dtype=bfloat16, device='cpu:0')
    """
    for given in (input, weight, input_scale, weight_scale):
        check_tensor("scaled_linear", given)
    return run(
        "scaled_linear",
        input,
        weight,
        _scale(input_scale, input.shape[:-1]),
        _scale(weight_scale, weight.shape[:1]),
        bias,
        dtype=dtype,
    )


def _scale(scale: Tensor, rows: tuple[int, ...]) -> Tensor:
    """Return the scale of all rows without axes, those of single rows with one more."""
    if scale.size == 1 and scale.shape != (*rows, 1):
        return run("reshape", scale, shape=())
    return run("reshape", scale, shape=(*rows, 1)) if scale.ndim and scale.shape == rows else scale


def quantize_float8(
    input: Tensor, dtype: DType = dtypes.float8_e4m3fn, *, axis: int | tuple[int, ...] | None = None
) -> tuple[Tensor, Tensor]:
    """Return a tensor as float8 and the scale it is multiplied by to be itself again.

    The largest number of those that share a scale becomes float8's largest.

    Parameters
    ----------
    input : Tensor of floating-point numbers
    dtype : DType
        float8_e4m3fn, with 3 bits behind the point, or float8_e5m2, with 2 and a wider range.
    axis : int or tuple of int, optional
        Along which a scale is shared: -1 gives each row its own. All share one if left out.

    Returns
    -------
    values : Tensor of ``dtype``, shaped as the input
    scale : Tensor of float32
        Of shape () for one, else with size 1 along ``axis``.

    Raises
    ------
    DTypeError
        When something is no tensor, or not of these dtypes.

    Examples
    --------
    >>> import hal
    >>> values, scale = hal.nn.quantize_float8(hal.asarray([0.5, -1.0, 7.0], device="cpu:0"))
    >>> values.astype(hal.float32), scale
    (Tensor([ 32., -64., 448.], dtype=float32, device='cpu:0'),
     Tensor(0.015625, dtype=float32, device='cpu:0'))
    """
    check_tensor("quantize_float8", input)
    dtype = as_dtype(dtype)
    check_dtype("quantize_float8: the result", dtype, FLOAT8)
    check_dtype("quantize_float8", input.dtype, dtypes.FLOATING)
    wide = run("cast", input, dtype=dtypes.float32)
    info: Any = ml_dtypes.finfo(dtype.numpy)  # type: ignore[no-untyped-call]
    largest = run("max", run("abs", wide), axis=axis, keepdims=axis is not None)
    scale = largest / float(info.max)
    # What is zero, or so near that no normal number is its scale, becomes zero. NaN stays NaN.
    scale = run("where", scale >= _TINY, scale, scale * 0 + 1)
    return run("cast", wide / scale, dtype=dtype), scale
