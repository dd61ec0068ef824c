"""Pooling to a given size over one, two and three spatial axes.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#pooling-functions
"""

from __future__ import annotations

from collections.abc import Sequence

from hal.nn.run import batched
from hal.tensor import Tensor

__all__ = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
           "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"]  # fmt: skip

Size = int | Sequence[int | None]


def adaptive_avg_pool1d(input: Tensor, output_size: Size) -> Tensor:
    """Return the average of each of ``output_size`` cells over one spatial axis.

    Cell i of m covers elements ``floor(i * size / m)`` to ``ceil((i + 1) * size / m)``.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, length)
        Floating-point; the batch axis may be missing.
    output_size : int or sequence of int or None
        Number of cells, per axis; None keeps the input's size.

    Returns
    -------
    Tensor, shape (batch, channels, *output_size)
        The dtype of the input.

    Raises
    ------
    ShapeError
        When the input has other axes, or one of them is empty.
    DTypeError
        When the input is no tensor or not floating-point, or a size is no integer.
    ValueRangeError
        When a size is less than 1.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[1.0, 5.0, 2.0, 4.0, 3.0]]], device="cpu:0")
    >>> hal.nn.adaptive_avg_pool1d(x, 1).tolist()
    [[[3.0]]]
    """
    return batched(
        "adaptive_avg_pool1d", "adaptive_average_pool", 1, input, output_size=output_size
    )


def adaptive_avg_pool2d(input: Tensor, output_size: Size) -> Tensor:
    """Return the average of each of ``output_size`` cells over two spatial axes.

    Cell i of m covers elements ``floor(i * size / m)`` to ``ceil((i + 1) * size / m)``.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, height, width)
        Floating-point; the batch axis may be missing.
    output_size : int or sequence of int or None
        Number of cells, per axis; None keeps the input's size.

    Returns
    -------
    Tensor, shape (batch, channels, *output_size)
        The dtype of the input.

    Raises
    ------
    ShapeError
        When the input has other axes, or one of them is empty.
    DTypeError
        When the input is no tensor or not floating-point, or a size is no integer.
    ValueRangeError
        When a size is less than 1.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]]]], device="cpu:0")
    >>> hal.nn.adaptive_avg_pool2d(x, 1).tolist()
    [[[[4.0]]]]
    """
    return batched(
        "adaptive_avg_pool2d", "adaptive_average_pool", 2, input, output_size=output_size
    )


def adaptive_avg_pool3d(input: Tensor, output_size: Size) -> Tensor:
    """Return the average of each of ``output_size`` cells over three spatial axes.

    Cell i of m covers elements ``floor(i * size / m)`` to ``ceil((i + 1) * size / m)``.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, depth, height, width)
        Floating-point; the batch axis may be missing.
    output_size : int or sequence of int or None
        Number of cells, per axis; None keeps the input's size.

    Returns
    -------
    Tensor, shape (batch, channels, *output_size)
        The dtype of the input.

    Raises
    ------
    ShapeError
        When the input has other axes, or one of them is empty.
    DTypeError
        When the input is no tensor or not floating-point, or a size is no integer.
    ValueRangeError
        When a size is less than 1.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[[[1.0, 2.0], [3.0, 6.0]]]]], device="cpu:0")
    >>> hal.nn.adaptive_avg_pool3d(x, (1, 1, None)).tolist()
    [[[[[2.0, 4.0]]]]]
    """
    return batched(
        "adaptive_avg_pool3d", "adaptive_average_pool", 3, input, output_size=output_size
    )


def adaptive_max_pool1d(input: Tensor, output_size: Size) -> Tensor:
    """Return the maximum of each of ``output_size`` cells over one spatial axis.

    Cell i of m covers elements ``floor(i * size / m)`` to ``ceil((i + 1) * size / m)``.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, length)
        Integer or floating-point; the batch axis may be missing.
    output_size : int or sequence of int or None
        Number of cells, per axis; None keeps the input's size.

    Returns
    -------
    Tensor, shape (batch, channels, *output_size)
        The dtype of the input.

    Raises
    ------
    ShapeError
        When the input has other axes, or one of them is empty.
    DTypeError
        When the input is no tensor or bool or complex, or a size is no integer.
    ValueRangeError
        When a size is less than 1.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[1.0, 5.0, 2.0, 4.0, 3.0]]], device="cpu:0")
    >>> hal.nn.adaptive_max_pool1d(x, 3).tolist()
    [[[5.0, 5.0, 4.0]]]
    """
    return batched("adaptive_max_pool1d", "adaptive_max_pool", 1, input, output_size=output_size)


def adaptive_max_pool2d(input: Tensor, output_size: Size) -> Tensor:
    """Return the maximum of each of ``output_size`` cells over two spatial axes.

    Cell i of m covers elements ``floor(i * size / m)`` to ``ceil((i + 1) * size / m)``.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, height, width)
        Integer or floating-point; the batch axis may be missing.
    output_size : int or sequence of int or None
        Number of cells, per axis; None keeps the input's size.

    Returns
    -------
    Tensor, shape (batch, channels, *output_size)
        The dtype of the input.

    Raises
    ------
    ShapeError
        When the input has other axes, or one of them is empty.
    DTypeError
        When the input is no tensor or bool or complex, or a size is no integer.
    ValueRangeError
        When a size is less than 1.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]]]], device="cpu:0")
    >>> hal.nn.adaptive_max_pool2d(x, 1).tolist()
    [[[[9.0]]]]
    """
    return batched("adaptive_max_pool2d", "adaptive_max_pool", 2, input, output_size=output_size)


def adaptive_max_pool3d(input: Tensor, output_size: Size) -> Tensor:
    """Return the maximum of each of ``output_size`` cells over three spatial axes.

    Cell i of m covers elements ``floor(i * size / m)`` to ``ceil((i + 1) * size / m)``.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, depth, height, width)
        Integer or floating-point; the batch axis may be missing.
    output_size : int or sequence of int or None
        Number of cells, per axis; None keeps the input's size.

    Returns
    -------
    Tensor, shape (batch, channels, *output_size)
        The dtype of the input.

    Raises
    ------
    ShapeError
        When the input has other axes, or one of them is empty.
    DTypeError
        When the input is no tensor or bool or complex, or a size is no integer.
    ValueRangeError
        When a size is less than 1.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[[[1.0, 2.0], [3.0, 6.0]]]]], device="cpu:0")
    >>> hal.nn.adaptive_max_pool3d(x, (1, 1, None)).tolist()
    [[[[[3.0, 6.0]]]]]
    """
    return batched("adaptive_max_pool3d", "adaptive_max_pool", 3, input, output_size=output_size)
