"""Softmax and normalization layers.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#normalization-functions
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hal.dtypes import as_dtype
from hal.errors import DTypeError, ShapeError
from hal.nn.run import check_tensor, run
from hal.tensor import Tensor

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "log_softmax", "rms_norm",
           "softmax"]  # fmt: skip


def softmax(input: Tensor, dim: int = -1, *, dtype: Any = None) -> Tensor:
    """Return ``exp(x) / sum(exp(x))`` along an axis, without overflow.

    Parameters
    ----------
    input : Tensor
        Any shape with that axis; floating-point. Integers are calculated in float32.
    dim : int
        The axis along which the results sum to 1.
    dtype : DType or str, optional
        What the input is converted to first.

    Returns
    -------
    Tensor
        Shape of the input. Elements that are all minus infinity give NaN.

    Raises
    ------
    HalIndexError
        When there is no such axis.
    DTypeError
        When the input is no tensor, or its dtype is complex.

    Examples
    --------
    >>> import hal
    >>> hal.nn.softmax(hal.asarray([0.0, 0.0, -1000.0], device="cpu:0"))
    Tensor([0.5, 0.5, 0. ], dtype=float32, device='cpu:0')
    """
    return run("softmax", _converted("softmax", input, dtype), axis=dim)


def log_softmax(input: Tensor, dim: int = -1, *, dtype: Any = None) -> Tensor:
    """Return the logarithm of :func:`softmax`, without underflow.

    Parameters
    ----------
    input : Tensor
        Any shape with that axis; floating-point. Integers are calculated in float32.
    dim : int
        The axis along which the exponentials of the results sum to 1.
    dtype : DType or str, optional
        What the input is converted to first.

    Returns
    -------
    Tensor
        Shape of the input.

    Raises
    ------
    HalIndexError
        When there is no such axis.
    DTypeError
        When the input is no tensor, or its dtype is complex.

    Examples
    --------
    >>> import hal
    >>> hal.nn.log_softmax(hal.asarray([0.0, -1000.0], device="cpu:0"))
    Tensor([    0., -1000.], dtype=float32, device='cpu:0')
    """
    return run("log_softmax", _converted("log_softmax", input, dtype), axis=dim)


def _converted(name: str, x: Tensor, dtype: Any) -> Tensor:
    check_tensor(name, x)
    return x if dtype is None else run("cast", x, dtype=as_dtype(dtype))


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return ``(x - mean) / sqrt(variance + eps) * weight + bias`` over the last axes.

    From Ba et al., https://arxiv.org/abs/1607.06450. The variance is that of the population.

    Parameters
    ----------
    input : Tensor, shape ``(..., *normalized_shape)``
        Floating-point.
    normalized_shape : int or sequence of int
        The sizes of the last axes, over which mean and variance are taken.
    weight, bias : Tensor, shape normalized_shape, optional
        Factor and summand of each element.
    eps : float
        Added to the variance; 0 or more.

    Returns
    -------
    Tensor
        Shape of the input; the dtype that the tensors promote to.

    Raises
    ------
    ShapeError
        When ``normalized_shape`` is not how the input's shape ends, or a parameter's shape differs.
    DTypeError
        When something is no tensor, or not floating-point.
    ValueRangeError
        When ``eps`` is negative or not finite.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[1.0, 3.0], [5.0, 9.0]], device="cpu:0")
    >>> hal.nn.layer_norm(x, 2, eps=0.0)
    Tensor([[-1.,  1.],
            [-1.,  1.]], dtype=float32, device='cpu:0')
    """
    axes = _last("layer_norm", input, normalized_shape)
    return run("layer_norm", input, weight, bias, axes=axes, epsilon=eps)


def rms_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Return ``x / sqrt(mean(x**2) + eps) * weight`` over the last axes.

    From Zhang and Sennrich, https://arxiv.org/abs/1910.07467.

    Parameters
    ----------
    input : Tensor, shape ``(..., *normalized_shape)``
        Floating-point.
    normalized_shape : int or sequence of int
        The sizes of the last axes, over which the mean is taken.
    weight : Tensor, shape normalized_shape, optional
        Factor of each element.
    eps : float, optional
        Added to the mean; 0 or more. When left out, the machine epsilon of the dtype in which
        the mean is calculated: at least float32.

    Returns
    -------
    Tensor
        Shape of the input; the dtype that the tensors promote to.

    Raises
    ------
    ShapeError, DTypeError, ValueRangeError
        As :func:`layer_norm`.

    Examples
    --------
    >>> import hal
    >>> hal.nn.rms_norm(hal.asarray([1.0, 7.0], device="cpu:0"), 2, eps=0.0)
    Tensor([0.2, 1.4], dtype=float32, device='cpu:0')
    """
    axes = _last("rms_norm", input, normalized_shape)
    return run("rms_norm", input, weight, axes=axes, epsilon=eps)


def _last(name: str, x: Tensor, normalized_shape: Any) -> tuple[int, ...]:
    """Return the axes whose sizes ``normalized_shape`` gives."""
    check_tensor(name, x)
    given = normalized_shape if isinstance(normalized_shape, tuple | list) else [normalized_shape]
    if any(isinstance(n, bool) or not hasattr(n, "__index__") for n in given):
        raise DTypeError(f"{name}: normalized_shape is made of integers, not {normalized_shape!r}")
    sizes = tuple(int(n) for n in given)
    if not sizes or x.shape[-len(sizes) :] != sizes:
        raise ShapeError(
            f"{name}: normalized_shape={sizes} must be one or more of the last sizes of the "
            f"input's shape {x.shape}"
        )
    return tuple(range(x.ndim - len(sizes), x.ndim))


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize each group of channels of each batch element by its mean and variance.

    From Wu and He, https://arxiv.org/abs/1803.08494.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, ...)
        Floating-point.
    num_groups : int
        Number of groups, which must divide the channels.
    weight, bias : Tensor, shape (channels,), optional
        Factor and summand of each channel.
    eps : float
        Added to the variance; 0 or more.

    Returns
    -------
    Tensor
        Shape of the input; the dtype that the tensors promote to.

    Raises
    ------
    ShapeError
        When the groups do not divide the channels, or a parameter's shape differs.
    DTypeError
        When something is no tensor, or not floating-point.
    ValueRangeError
        When ``eps`` is negative or not finite.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[1.0, 3.0, 10.0, 30.0]], device="cpu:0")
    >>> hal.nn.group_norm(x, 2, eps=0.0)
    Tensor([[-1.,  1., -1.,  1.]], dtype=float32, device='cpu:0')
    """
    return run("group_norm", input, weight, bias, groups=num_groups, epsilon=eps)


def instance_norm(
    input: Tensor,
    *,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize each channel of each batch element by its mean and variance.

    From Ulyanov et al., https://arxiv.org/abs/1607.08022.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, spatial...)
        Floating-point.
    weight, bias : Tensor, shape (channels,), optional
        Factor and summand of each channel.
    eps : float
        Added to the variance; 0 or more.

    Returns
    -------
    Tensor
        Shape of the input; the dtype that the tensors promote to.

    Raises
    ------
    ShapeError, DTypeError, ValueRangeError
        As :func:`group_norm`.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[1.0, 3.0], [10.0, 30.0]]], device="cpu:0")
    >>> hal.nn.instance_norm(x, eps=0.0)
    Tensor([[[-1.,  1.],
             [-1.,  1.]]], dtype=float32, device='cpu:0')
    """
    return run("instance_norm", input, weight, bias, epsilon=eps)


def batch_norm(
    input: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize each channel by a mean and a variance that are given, as inference does.

    From Ioffe and Szegedy, https://arxiv.org/abs/1502.03167.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, ...)
        Floating-point.
    running_mean, running_var : Tensor, shape (channels,)
        Mean and variance of each channel.
    weight, bias : Tensor, shape (channels,), optional
        Factor and summand of each channel.
    eps : float
        Added to the variance; 0 or more.

    Returns
    -------
    Tensor
        Shape of the input; the dtype that the tensors promote to.

    Raises
    ------
    ShapeError, DTypeError, ValueRangeError
        As :func:`group_norm`.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[1.0, 10.0]], device="cpu:0")
    >>> mean, variance = (hal.asarray(v, device="cpu:0") for v in ([3.0, 4.0], [4.0, 9.0]))
    >>> hal.nn.batch_norm(x, mean, variance, eps=0.0)
    Tensor([[-1.,  2.]], dtype=float32, device='cpu:0')
    """
    return run("batch_norm", input, running_mean, running_var, weight, bias, epsilon=eps)
