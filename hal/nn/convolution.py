"""Convolutions over one, two and three spatial axes.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#convolution-functions
"""

from __future__ import annotations

from collections.abc import Sequence

from hal.nn.run import batched
from hal.precision import current_precision
from hal.tensor import Tensor

__all__ = ["conv1d", "conv2d", "conv3d"]

Size = int | Sequence[int]


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str | Sequence[tuple[int, int]] = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Slide a kernel over one spatial axis and sum the products with the channels it meets.

    Parameters
    ----------
    input : Tensor, shape (batch, in_channels, length)
        Floating-point; the batch axis may be missing.
    weight : Tensor, shape (out_channels, in_channels / groups, kernel)
    bias : Tensor, shape (out_channels,), optional
    stride : int or sequence of int
        How far the kernel moves, per axis.
    padding : int, sequence of int, sequence of (before, after), "same" or "valid"
        How many zeros surround the input. "same" keeps the size and needs stride 1; of an odd
        number of zeros, the last is behind.
    dilation : int or sequence of int
        Distance between the elements that the kernel meets.
    groups : int
        The channels are split into so many parts that see only each other.

    Returns
    -------
    Tensor, shape (batch, out_channels, length)
        The dtype that the tensors promote to. Each size is
        ``(size + padding - dilation * (kernel - 1) - 1) // stride + 1``, where the padding is
        that of both sides.

    Raises
    ------
    ShapeError
        When shapes, groups or attributes do not fit, or the kernel is larger than the input.
    DTypeError
        When something is no tensor, or not floating-point, or an attribute no integer.
    ValueRangeError
        When an attribute is out of range.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[1.0, 2.0, 3.0]]], device="cpu:0")
    >>> hal.nn.conv1d(x, hal.asarray([[[1.0, 10.0]]], device="cpu:0")).tolist()
    [[[21.0, 32.0]]]
    """
    return batched(
        "conv1d",
        "convolution",
        1,
        input,
        weight,
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        precision=current_precision(),
    )


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str | Sequence[tuple[int, int]] = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Slide a kernel over two spatial axes and sum the products with the channels it meets.

    Parameters
    ----------
    input : Tensor, shape (batch, in_channels, height, width)
        Floating-point; the batch axis may be missing.
    weight : Tensor, shape (out_channels, in_channels / groups, kernel_height, kernel_width)
    bias : Tensor, shape (out_channels,), optional
    stride : int or sequence of int
        How far the kernel moves, per axis.
    padding : int, sequence of int, sequence of (before, after), "same" or "valid"
        How many zeros surround the input. "same" keeps the size and needs stride 1; of an odd
        number of zeros, the last is behind.
    dilation : int or sequence of int
        Distance between the elements that the kernel meets.
    groups : int
        The channels are split into so many parts that see only each other.

    Returns
    -------
    Tensor, shape (batch, out_channels, height, width)
        The dtype that the tensors promote to. Each size is
        ``(size + padding - dilation * (kernel - 1) - 1) // stride + 1``, where the padding is
        that of both sides.

    Raises
    ------
    ShapeError
        When shapes, groups or attributes do not fit, or the kernel is larger than the input.
    DTypeError
        When something is no tensor, or not floating-point, or an attribute no integer.
    ValueRangeError
        When an attribute is out of range.

    Examples
    --------
    >>> import hal
    >>> x = hal.ones((1, 1, 3, 3), device="cpu:0")
    >>> hal.nn.conv2d(x, hal.ones((1, 1, 2, 2), device="cpu:0")).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    return batched(
        "conv2d",
        "convolution",
        2,
        input,
        weight,
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        precision=current_precision(),
    )


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str | Sequence[tuple[int, int]] = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Slide a kernel over three spatial axes and sum the products with the channels it meets.

    Parameters
    ----------
    input : Tensor, shape (batch, in_channels, depth, height, width)
        Floating-point; the batch axis may be missing.
    weight : Tensor, shape ``(out_channels, in_channels / groups, *kernel_size)``
    bias : Tensor, shape (out_channels,), optional
    stride : int or sequence of int
        How far the kernel moves, per axis.
    padding : int, sequence of int, sequence of (before, after), "same" or "valid"
        How many zeros surround the input. "same" keeps the size and needs stride 1; of an odd
        number of zeros, the last is behind.
    dilation : int or sequence of int
        Distance between the elements that the kernel meets.
    groups : int
        The channels are split into so many parts that see only each other.

    Returns
    -------
    Tensor, shape (batch, out_channels, depth, height, width)
        The dtype that the tensors promote to. Each size is
        ``(size + padding - dilation * (kernel - 1) - 1) // stride + 1``, where the padding is
        that of both sides.

    Raises
    ------
    ShapeError
        When shapes, groups or attributes do not fit, or the kernel is larger than the input.
    DTypeError
        When something is no tensor, or not floating-point, or an attribute no integer.
    ValueRangeError
        When an attribute is out of range.

    Examples
    --------
    >>> import hal
    >>> x = hal.ones((1, 1, 2, 2, 2), device="cpu:0")
    >>> hal.nn.conv3d(x, hal.ones((1, 1, 2, 2, 2), device="cpu:0")).tolist()
    [[[[[8.0]]]]]
    """
    return batched(
        "conv3d",
        "convolution",
        3,
        input,
        weight,
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        precision=current_precision(),
    )
