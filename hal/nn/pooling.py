"""Pooling over one, two and three spatial axes.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#pooling-functions
"""

from __future__ import annotations

from collections.abc import Sequence

from hal.nn.run import batched
from hal.tensor import Tensor

__all__ = ["avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d"]

Size = int | Sequence[int]
Padding = Size | Sequence[tuple[int, int]]


def max_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the maximum of each window over one spatial axis.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, length)
        Integer or floating-point; the batch axis may be missing.
    kernel_size : int or sequence of int
        Size of the window, per axis.
    stride : int or sequence of int, optional
        How far the window moves; its size when left out.
    padding : int, sequence of int or sequence of (before, after)
        How many elements, smaller than all others, surround the input, less than the window spans.
    dilation : int or sequence of int
        Distance between the elements of a window.
    ceil_mode : bool
        Whether elements that are left over get a window too, if it starts before the padding
        behind does.

    Returns
    -------
    Tensor, shape (batch, channels, length)
        The dtype of the input. Each size is
        ``(size + padding - dilation * (kernel_size - 1) - 1) // stride + 1``, where the padding
        is that of both sides. NaN is larger than all.

    Raises
    ------
    ShapeError
        When the input has other axes, or not one window fits.
    DTypeError
        When the input is no tensor or bool or complex, or an attribute is no integer.
    ValueRangeError
        When an attribute is out of range.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[1.0, 5.0, 2.0, 4.0, 3.0]]], device="cpu:0")
    >>> hal.nn.max_pool1d(x, 2).tolist()
    [[[5.0, 4.0]]]
    """
    return batched(
        "max_pool1d",
        "max_pool",
        1,
        input,
        window=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )


def max_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the maximum of each window over two spatial axes.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, height, width)
        Integer or floating-point; the batch axis may be missing.
    kernel_size : int or sequence of int
        Size of the window, per axis.
    stride : int or sequence of int, optional
        How far the window moves; its size when left out.
    padding : int, sequence of int or sequence of (before, after)
        How many elements, smaller than all others, surround the input, less than the window spans.
    dilation : int or sequence of int
        Distance between the elements of a window.
    ceil_mode : bool
        Whether elements that are left over get a window too, if it starts before the padding
        behind does.

    Returns
    -------
    Tensor, shape (batch, channels, height, width)
        The dtype of the input. Each size is
        ``(size + padding - dilation * (kernel_size - 1) - 1) // stride + 1``, where the padding
        is that of both sides. NaN is larger than all.

    Raises
    ------
    ShapeError
        When the input has other axes, or not one window fits.
    DTypeError
        When the input is no tensor or bool or complex, or an attribute is no integer.
    ValueRangeError
        When an attribute is out of range.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]]]], device="cpu:0")
    >>> hal.nn.max_pool2d(x, 2, stride=1).tolist()
    [[[[5.0, 9.0]]]]
    """
    return batched(
        "max_pool2d",
        "max_pool",
        2,
        input,
        window=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )


def max_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the maximum of each window over three spatial axes.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, depth, height, width)
        Integer or floating-point; the batch axis may be missing.
    kernel_size : int or sequence of int
        Size of the window, per axis.
    stride : int or sequence of int, optional
        How far the window moves; its size when left out.
    padding : int, sequence of int or sequence of (before, after)
        How many elements, smaller than all others, surround the input, less than the window spans.
    dilation : int or sequence of int
        Distance between the elements of a window.
    ceil_mode : bool
        Whether elements that are left over get a window too, if it starts before the padding
        behind does.

    Returns
    -------
    Tensor, shape (batch, channels, depth, height, width)
        The dtype of the input. Each size is
        ``(size + padding - dilation * (kernel_size - 1) - 1) // stride + 1``, where the padding
        is that of both sides. NaN is larger than all.

    Raises
    ------
    ShapeError
        When the input has other axes, or not one window fits.
    DTypeError
        When the input is no tensor or bool or complex, or an attribute is no integer.
    ValueRangeError
        When an attribute is out of range.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[[[1.0, 2.0], [3.0, 6.0]]]]], device="cpu:0")
    >>> hal.nn.max_pool3d(x, (1, 2, 2)).tolist()
    [[[[[6.0]]]]]
    """
    return batched(
        "max_pool3d",
        "max_pool",
        3,
        input,
        window=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )


def avg_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the average of each window over one spatial axis.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, length)
        Floating-point; the batch axis may be missing.
    kernel_size : int or sequence of int
        Size of the window, per axis.
    stride : int or sequence of int, optional
        How far the window moves; its size when left out.
    padding : int, sequence of int or sequence of (before, after)
        How many zeros surround the input, less than the window spans.
    ceil_mode : bool
        Whether elements that are left over get a window too, if it starts before the padding
        behind does.
    count_include_pad : bool
        Whether the padding counts as elements of a window.

    Returns
    -------
    Tensor, shape (batch, channels, length)
        The dtype of the input. Each size is ``(size + padding - kernel_size) // stride + 1``,
        where the padding is that of both sides.

    Raises
    ------
    ShapeError
        When the input has other axes, or not one window fits.
    DTypeError
        When the input is no tensor or not floating-point, or an attribute is no integer.
    ValueRangeError
        When an attribute is out of range.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[1.0, 5.0, 2.0, 4.0, 3.0]]], device="cpu:0")
    >>> hal.nn.avg_pool1d(x, 2).tolist()
    [[[3.0, 3.0]]]
    """
    return batched(
        "avg_pool1d",
        "average_pool",
        1,
        input,
        window=kernel_size,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
    )


def avg_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
) -> Tensor:
    """Return the average of each window over two spatial axes.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, height, width)
        Floating-point; the batch axis may be missing.
    kernel_size : int or sequence of int
        Size of the window, per axis.
    stride : int or sequence of int, optional
        How far the window moves; its size when left out.
    padding : int, sequence of int or sequence of (before, after)
        How many zeros surround the input, less than the window spans.
    ceil_mode : bool
        Whether elements that are left over get a window too, if it starts before the padding
        behind does.
    count_include_pad : bool
        Whether the padding counts as elements of a window.
    divisor_override : float, optional
        What sums are divided by, instead of the number of elements.

    Returns
    -------
    Tensor, shape (batch, channels, height, width)
        The dtype of the input. Each size is ``(size + padding - kernel_size) // stride + 1``,
        where the padding is that of both sides.

    Raises
    ------
    ShapeError
        When the input has other axes, or not one window fits.
    DTypeError
        When the input is no tensor or not floating-point, or an attribute is no integer.
    ValueRangeError
        When an attribute is out of range.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]]]], device="cpu:0")
    >>> hal.nn.avg_pool2d(x, 2, stride=1).tolist()
    [[[[3.0, 4.75]]]]
    """
    return batched(
        "avg_pool2d",
        "average_pool",
        2,
        input,
        window=kernel_size,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor=divisor_override,
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
) -> Tensor:
    """Return the average of each window over three spatial axes.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, depth, height, width)
        Floating-point; the batch axis may be missing.
    kernel_size : int or sequence of int
        Size of the window, per axis.
    stride : int or sequence of int, optional
        How far the window moves; its size when left out.
    padding : int, sequence of int or sequence of (before, after)
        How many zeros surround the input, less than the window spans.
    ceil_mode : bool
        Whether elements that are left over get a window too, if it starts before the padding
        behind does.
    count_include_pad : bool
        Whether the padding counts as elements of a window.
    divisor_override : float, optional
        What sums are divided by, instead of the number of elements.

    Returns
    -------
    Tensor, shape (batch, channels, depth, height, width)
        The dtype of the input. Each size is ``(size + padding - kernel_size) // stride + 1``,
        where the padding is that of both sides.

    Raises
    ------
    ShapeError
        When the input has other axes, or not one window fits.
    DTypeError
        When the input is no tensor or not floating-point, or an attribute is no integer.
    ValueRangeError
        When an attribute is out of range.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[[[1.0, 2.0], [3.0, 6.0]]]]], device="cpu:0")
    >>> hal.nn.avg_pool3d(x, (1, 2, 2)).tolist()
    [[[[[3.0]]]]]
    """
    return batched(
        "avg_pool3d",
        "average_pool",
        3,
        input,
        window=kernel_size,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor=divisor_override,
    )
