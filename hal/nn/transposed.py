"""Transposed convolutions over one, two and three spatial axes.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#convolution-functions
"""

from __future__ import annotations

from collections.abc import Sequence

from hal.nn.run import batched
from hal.precision import current_precision
from hal.tensor import Tensor

__all__ = ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]

Size = int | Sequence[int]


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | Sequence[tuple[int, int]] = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Spread each element over one spatial axis as a kernel.

    The transpose of :func:`~hal.nn.conv1d`.

    Parameters
    ----------
    input : Tensor, shape (batch, in_channels, length)
        Floating-point; the batch axis may be missing.
    weight : Tensor, shape (in_channels, out_channels / groups, kernel)
    bias : Tensor, shape (out_channels,), optional
    stride : int or sequence of int
        Distance in the output between neighbours of the input, per axis.
    padding : int, sequence of int or sequence of (before, after)
        How much is cut off on each side: what the convolution padded.
    output_padding : int or sequence of int
        How much is added behind; smaller than the stride or the dilation.
    groups : int
        The channels are split into so many parts that see only each other.
    dilation : int or sequence of int
        Distance between the elements of the kernel.

    Returns
    -------
    Tensor, shape (batch, out_channels, length)
        The dtype that the tensors promote to. Each size is ``(size - 1) * stride - padding +
        dilation * (kernel - 1) + output_padding + 1``, where the padding is that of both sides.

    Raises
    ------
    ShapeError
        When shapes, groups or attributes do not fit, or nothing is left.
    DTypeError
        When something is no tensor, or not floating-point, or an attribute no integer.
    ValueRangeError
        When an attribute is out of range.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[1.0, 2.0, 3.0]]], device="cpu:0")
    >>> hal.nn.conv_transpose1d(x, hal.asarray([[[1.0, 10.0]]], device="cpu:0")).tolist()
    [[[1.0, 12.0, 23.0, 30.0]]]
    """
    return batched(
        "conv_transpose1d",
        "convolution_transpose",
        1,
        input,
        weight,
        bias,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
        groups=groups,
        precision=current_precision(),
    )


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | Sequence[tuple[int, int]] = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Spread each element over two spatial axes as a kernel.

    The transpose of :func:`~hal.nn.conv2d`.

    Parameters
    ----------
    input : Tensor, shape (batch, in_channels, height, width)
        Floating-point; the batch axis may be missing.
    weight : Tensor, shape (in_channels, out_channels / groups, kernel_height, kernel_width)
    bias : Tensor, shape (out_channels,), optional
    stride : int or sequence of int
        Distance in the output between neighbours of the input, per axis.
    padding : int, sequence of int or sequence of (before, after)
        How much is cut off on each side: what the convolution padded.
    output_padding : int or sequence of int
        How much is added behind; smaller than the stride or the dilation.
    groups : int
        The channels are split into so many parts that see only each other.
    dilation : int or sequence of int
        Distance between the elements of the kernel.

    Returns
    -------
    Tensor, shape (batch, out_channels, height, width)
        The dtype that the tensors promote to. Each size is ``(size - 1) * stride - padding +
        dilation * (kernel - 1) + output_padding + 1``, where the padding is that of both sides.

    Raises
    ------
    ShapeError
        When shapes, groups or attributes do not fit, or nothing is left.
    DTypeError
        When something is no tensor, or not floating-point, or an attribute no integer.
    ValueRangeError
        When an attribute is out of range.

    Examples
    --------
    >>> import hal
    >>> x = hal.ones((1, 1, 3, 3), device="cpu:0")
    >>> hal.nn.conv_transpose2d(x, hal.ones((1, 1, 2, 2), device="cpu:0")).tolist()
    [[[[1.0, 2.0, 2.0, 1.0], [2.0, 4.0, 4.0, 2.0], [2.0, 4.0, 4.0, 2.0], [1.0, 2.0, 2.0, 1.0]]]]
    """
    return batched(
        "conv_transpose2d",
        "convolution_transpose",
        2,
        input,
        weight,
        bias,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
        groups=groups,
        precision=current_precision(),
    )


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | Sequence[tuple[int, int]] = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Spread each element over three spatial axes as a kernel.

    The transpose of :func:`~hal.nn.conv3d`.

    Parameters
    ----------
    input : Tensor, shape (batch, in_channels, depth, height, width)
        Floating-point; the batch axis may be missing.
    weight : Tensor, shape ``(in_channels, out_channels / groups, *kernel_size)``
    bias : Tensor, shape (out_channels,), optional
    stride : int or sequence of int
        Distance in the output between neighbours of the input, per axis.
    padding : int, sequence of int or sequence of (before, after)
        How much is cut off on each side: what the convolution padded.
    output_padding : int or sequence of int
        How much is added behind; smaller than the stride or the dilation.
    groups : int
        The channels are split into so many parts that see only each other.
    dilation : int or sequence of int
        Distance between the elements of the kernel.

    Returns
    -------
    Tensor, shape (batch, out_channels, depth, height, width)
        The dtype that the tensors promote to. Each size is ``(size - 1) * stride - padding +
        dilation * (kernel - 1) + output_padding + 1``, where the padding is that of both sides.

    Raises
    ------
    ShapeError
        When shapes, groups or attributes do not fit, or nothing is left.
    DTypeError
        When something is no tensor, or not floating-point, or an attribute no integer.
    ValueRangeError
        When an attribute is out of range.

    Examples
    --------
    >>> import hal
    >>> x = hal.ones((1, 1, 1, 1, 1), device="cpu:0")
    >>> hal.nn.conv_transpose3d(x, hal.ones((1, 1, 2, 2, 2), device="cpu:0")).tolist()
    [[[[[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]]]]
    """
    return batched(
        "conv_transpose3d",
        "convolution_transpose",
        3,
        input,
        weight,
        bias,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
        groups=groups,
        precision=current_precision(),
    )
