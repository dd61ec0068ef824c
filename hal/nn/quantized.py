"""Linear layers whose weights have 8 or 4 bits.

Sources: https://docs.pytorch.org/ao/stable/,
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from hal.nn.run import check_tensor, run
from hal.precision import current_precision
from hal.tensor import Tensor

__all__ = ["quantized_linear"]


def quantized_linear(
    input: Tensor,
    weight: Tensor,
    scales: Tensor,
    zero_points: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    bits: int = 8,
    group_size: int | None = None,
) -> Tensor:
    """Return ``input @ ((codes - zero_points) * scales).T + bias``.

    Parameters
    ----------
    input : Tensor, shape (..., in_features)
    weight : Tensor of int8 or uint8
        The codes: shape (out_features, in_features) for 8 bits. Codes of 4 bits lie two in a byte,
        the first one in the low half: shape (out_features, ceil(in_features / 2)). In int8 they
        have a sign, in uint8 they have none.
    scales : Tensor, shape (out_features, groups) or (out_features,)
        One for each group of neighbouring columns of a row; the last group may be shorter.
    zero_points : Tensor, shaped as the scales, optional
        The codes that stand for zero, as integers or not; 0 where left out if codes have a sign,
        the middle of their range (128 or 8) if they have none.
    bias : Tensor, shape (out_features,), optional
    bits : {8, 4}
    group_size : int, optional
        How many columns share a scale; a whole row where left out.

    Returns
    -------
    Tensor, shape (..., out_features)
        The dtype that the input, the scales and the bias promote to. A device may round the weights
        to it before it multiplies. :func:`hal.precision` says how float32 is multiplied.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    ValueRangeError
        When ``bits`` is neither 8 nor 4, or ``group_size`` is below 1.
    DTypeError
        When something is no tensor, or not of these dtypes.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[1.0, 2.0, 3.0, 4.0]], device="cpu:0")
    >>> codes = hal.asarray([[0x98, 0xF7]], dtype=hal.uint8, device="cpu:0")  # 8, 9, 7, 15
    >>> scales = hal.asarray([[0.5]], device="cpu:0")
    >>> hal.nn.quantized_linear(x, codes, scales, bits=4)
    Tensor([[13.5]], dtype=float32, device='cpu:0')
    """
    return run(
        "quantized_linear",
        input,
        weight,
        _column(scales),
        None if zero_points is None else _column(zero_points),
        bias,
        bits=bits,
        group_size=group_size,
        precision=current_precision(),
    )


def _column(values: Tensor) -> Tensor:
    """Return one value for each row as a matrix of one column."""
    check_tensor("quantized_linear", values)
    return run("reshape", values, shape=(values.shape[0], 1)) if values.ndim == 1 else values
