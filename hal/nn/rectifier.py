"""Rectifiers: activation functions with a bend at 0.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#non-linear-activation-functions
"""

from __future__ import annotations

from typing import Any

from hal.dispatch import constant
from hal.dtypes import DEFAULT_FLOATING
from hal.errors import DTypeError, ValueRangeError
from hal.nn.run import check_tensor, run
from hal.tensor import Tensor

__all__ = ["celu", "elu", "hardtanh", "leaky_relu", "prelu", "relu", "relu6", "selu"]


def relu(input: Tensor) -> Tensor:
    """Return ``max(x, 0)`` of each element.

    Parameters
    ----------
    input : Tensor
        Any shape; any integer or floating-point dtype.

    Returns
    -------
    Tensor
        Shape and dtype of the input.

    Raises
    ------
    DTypeError
        When the input is no tensor, or its dtype is bool or complex.

    Examples
    --------
    >>> import hal
    >>> hal.nn.relu(hal.asarray([-1.0, 2.0], device="cpu:0"))
    Tensor([0., 2.], dtype=float32, device='cpu:0')
    """
    return run("relu", input)


def relu6(input: Tensor) -> Tensor:
    """Return ``min(max(x, 0), 6)`` of each element.

    Parameters
    ----------
    input : Tensor
        Any shape; floating-point. Integers are calculated in float32.

    Returns
    -------
    Tensor
        Shape of the input, its dtype if that is floating-point.

    Raises
    ------
    DTypeError
        When the input is no tensor, or its dtype is complex.

    Examples
    --------
    >>> import hal
    >>> hal.nn.relu6(hal.asarray([-1.0, 2.0, 9.0], device="cpu:0"))
    Tensor([0., 2., 6.], dtype=float32, device='cpu:0')
    """
    return run("clip", *_limited("relu6", input, 0.0, 6.0))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Return each element, limited to the range from ``min_val`` to ``max_val``.

    Parameters
    ----------
    input : Tensor
        Any shape; floating-point. Integers are calculated in float32.
    min_val, max_val : float
        The limits.

    Returns
    -------
    Tensor
        Shape of the input, its dtype if that is floating-point.

    Raises
    ------
    DTypeError
        When the input is no tensor or its dtype is complex, or a limit is no number.
    ValueRangeError
        When ``min_val`` is larger than ``max_val``.


    Examples
    --------
    >>> import hal
    >>> hal.nn.hardtanh(hal.asarray([-3.0, 0.5, 2.0], device="cpu:0"))
    Tensor([-1. ,  0.5,  1. ], dtype=float32, device='cpu:0')
    """
    return run("clip", *_limited("hardtanh", input, min_val, max_val))


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Return ``x`` where positive, else ``negative_slope * x``.

    Parameters
    ----------
    input : Tensor
        Any shape; floating-point. Integers are calculated in float32.
    negative_slope : float
        The slope for negative elements.

    Returns
    -------
    Tensor
        Shape of the input, its dtype if that is floating-point.

    Raises
    ------
    DTypeError
        When the input is no tensor or its dtype is complex, or ``negative_slope`` is no number.
    ValueRangeError
        When ``negative_slope`` is NaN.


    Examples
    --------
    >>> import hal
    >>> hal.nn.leaky_relu(hal.asarray([-1.0, 2.0], device="cpu:0"), negative_slope=0.25)
    Tensor([-0.25,  2.  ], dtype=float32, device='cpu:0')
    """
    return run("leaky_relu", input, negative_slope=negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Return ``x`` where positive, else ``weight * x`` with a slope for each channel.

    Parameters
    ----------
    input : Tensor
        Any shape; floating-point. Integers are calculated in float32.
    weight : Tensor, shape () or (1,) or (channels,)
        The slopes for negative elements; channels lie on axis 1 of the input.

    Returns
    -------
    Tensor
        Shape of the input, its dtype if that is floating-point.

    Raises
    ------
    DTypeError
        When one of them is no tensor, or not floating-point.
    ShapeError
        When the weight holds neither 1 slope nor one for each channel.


    Examples
    --------
    >>> import hal
    >>> slopes = hal.asarray([0.5, 0.25], device="cpu:0")
    >>> hal.nn.prelu(hal.asarray([[-1.0, -2.0]], device="cpu:0"), slopes)
    Tensor([[-0.5, -0.5]], dtype=float32, device='cpu:0')
    """
    return run("prelu", input, weight)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Return ``x`` where positive, else ``alpha * (exp(x) - 1)``.

    From Clevert et al., https://arxiv.org/abs/1511.07289.

    Parameters
    ----------
    input : Tensor
        Any shape; floating-point. Integers are calculated in float32.
    alpha : float
        What the result approaches, negated, for very negative elements.

    Returns
    -------
    Tensor
        Shape of the input, its dtype if that is floating-point.

    Raises
    ------
    DTypeError
        When the input is no tensor or its dtype is complex, or ``alpha`` is no number.
    ValueRangeError
        When ``alpha`` is NaN.


    Examples
    --------
    >>> import hal
    >>> hal.nn.elu(hal.asarray([-100.0, 2.0], device="cpu:0"), alpha=0.5)
    Tensor([-0.5,  2. ], dtype=float32, device='cpu:0')
    """
    return run("elu", input, alpha=alpha)


def selu(input: Tensor) -> Tensor:
    """Return the scaled exponential linear unit of each element.

    :func:`elu` with the factors that keep activations normalized, from Klambauer et al.,
    https://arxiv.org/abs/1706.02515.

    Parameters
    ----------
    input : Tensor
        Any shape; floating-point. Integers are calculated in float32.

    Returns
    -------
    Tensor
        Shape of the input, its dtype if that is floating-point.

    Raises
    ------
    DTypeError
        When the input is no tensor, or its dtype is complex.

    Examples
    --------
    >>> import hal
    >>> hal.nn.selu(hal.asarray([0.0, 1.0], device="cpu:0"))
    Tensor([0.      , 1.050701], dtype=float32, device='cpu:0')
    """
    return run("selu", input)


def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Return ``x`` where positive, else ``alpha * (exp(x / alpha) - 1)``.

    Parameters
    ----------
    input : Tensor
        Any shape; floating-point. Integers are calculated in float32.
    alpha : float
        As in :func:`elu`; not 0.

    Returns
    -------
    Tensor
        Shape of the input, its dtype if that is floating-point.

    Raises
    ------
    DTypeError
        When the input is no tensor or its dtype is complex, or ``alpha`` is no number.
    ValueRangeError
        When ``alpha`` is 0 or NaN.


    Examples
    --------
    >>> import hal
    >>> hal.nn.celu(hal.asarray([-100.0, 2.0], device="cpu:0"), alpha=0.5)
    Tensor([-0.5,  2. ], dtype=float32, device='cpu:0')
    """
    return run("celu", input, alpha=alpha)


def _limited(name: str, x: Any, low: Any, high: Any) -> tuple[Any, Any, Any]:
    """Return a floating-point tensor and limits for it as tensors."""
    check_tensor(name, x)
    for limit in (low, high):
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            raise DTypeError(f"{name}: a limit must be a real number, not {limit!r}")
    if not low <= high:
        raise ValueRangeError(f"{name}: min_val={low} must not be larger than max_val={high}")
    if x.dtype.kind in ("bool", "int", "uint"):
        x = run("cast", x, dtype=DEFAULT_FLOATING)
    return x, *(constant(x.device, float(limit), x.dtype) for limit in (low, high))
