"""Smooth activation functions, and their piecewise linear stand-ins.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#non-linear-activation-functions
"""

from __future__ import annotations

from hal.nn.run import run
from hal.tensor import Tensor

__all__ = [
    "gelu",
    "hardsigmoid",
    "hardswish",
    "logsigmoid",
    "mish",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "tanh",
]


def sigmoid(input: Tensor) -> Tensor:
    """Return ``1 / (1 + exp(-x))`` of each element.

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
    >>> hal.nn.sigmoid(hal.asarray([0.0, 100.0], device="cpu:0"))
    Tensor([0.5, 1. ], dtype=float32, device='cpu:0')
    """
    return run("sigmoid", input)


def logsigmoid(input: Tensor) -> Tensor:
    """Return ``log(sigmoid(x))`` of each element, without underflow.

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
    >>> hal.nn.logsigmoid(hal.asarray([-1000.0, 1000.0], device="cpu:0"))
    Tensor([-1000.,     0.], dtype=float32, device='cpu:0')
    """
    return run("log_sigmoid", input)


def tanh(input: Tensor) -> Tensor:
    """Return the hyperbolic tangent of each element.

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
        When the input is no tensor.

    Examples
    --------
    >>> import hal
    >>> hal.nn.tanh(hal.asarray([-50.0, 0.0], device="cpu:0"))
    Tensor([-1.,  0.], dtype=float32, device='cpu:0')
    """
    return run("tanh", input)


def silu(input: Tensor) -> Tensor:
    """Return ``x * sigmoid(x)`` of each element, also known as swish.

    From Elfwing et al., https://arxiv.org/abs/1702.03118.

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
    >>> hal.nn.silu(hal.asarray([0.0, 100.0], device="cpu:0"))
    Tensor([  0., 100.], dtype=float32, device='cpu:0')
    """
    return run("silu", input)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Return ``x * P(X <= x)`` of each element, X normally distributed.

    From Hendrycks and Gimpel, https://arxiv.org/abs/1606.08415.

    Parameters
    ----------
    input : Tensor
        Any shape; floating-point. Integers are calculated in float32.
    approximate : {"none", "tanh"}
        Whether to calculate the probability by the error function, or by the cheaper
        ``(1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2``.

    Returns
    -------
    Tensor
        Shape of the input, its dtype if that is floating-point.

    Raises
    ------
    DTypeError
        When the input is no tensor, or its dtype is complex.
    ValueRangeError
        When ``approximate`` is something else.


    Examples
    --------
    >>> import hal
    >>> hal.nn.gelu(hal.asarray([0.0, 100.0], device="cpu:0"))
    Tensor([  0., 100.], dtype=float32, device='cpu:0')
    """
    return run("gelu", input, approximate=approximate)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return ``log(1 + exp(beta * x)) / beta`` of each element, a smooth :func:`~hal.nn.relu`.

    Parameters
    ----------
    input : Tensor
        Any shape; floating-point. Integers are calculated in float32.
    beta : float
        How sharp the bend is; not 0.
    threshold : float
        Where ``beta * x`` exceeds it, the result is ``x``.

    Returns
    -------
    Tensor
        Shape of the input, its dtype if that is floating-point.

    Raises
    ------
    DTypeError
        When the input is no tensor or its dtype is complex, or an attribute is no number.
    ValueRangeError
        When ``beta`` is 0, or one of them is NaN.


    Examples
    --------
    >>> import hal
    >>> hal.nn.softplus(hal.asarray([-200.0, 25.0], device="cpu:0"))
    Tensor([ 0., 25.], dtype=float32, device='cpu:0')
    """
    return run("softplus", input, beta=beta, threshold=threshold)


def hardsigmoid(input: Tensor) -> Tensor:
    """Return ``min(max(x + 3, 0), 6) / 6`` of each element.

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
    >>> hal.nn.hardsigmoid(hal.asarray([-4.0, 0.0, 4.0], device="cpu:0"))
    Tensor([0. , 0.5, 1. ], dtype=float32, device='cpu:0')
    """
    return run("hard_sigmoid", input)


def hardswish(input: Tensor) -> Tensor:
    """Return ``x * hardsigmoid(x)`` of each element.

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
    >>> hal.nn.hardswish(hal.asarray([0.0, 1.5, 4.0], device="cpu:0"))
    Tensor([0.   , 1.125, 4.   ], dtype=float32, device='cpu:0')
    """
    return run("hard_swish", input)


def mish(input: Tensor) -> Tensor:
    """Return ``x * tanh(softplus(x))`` of each element.

    From Misra, https://arxiv.org/abs/1908.08681.

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
    >>> hal.nn.mish(hal.asarray([0.0, 100.0], device="cpu:0"))
    Tensor([  0., 100.], dtype=float32, device='cpu:0')
    """
    return run("mish", input)


def softsign(input: Tensor) -> Tensor:
    """Return ``x / (1 + abs(x))`` of each element.

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
    >>> hal.nn.softsign(hal.asarray([-3.0, 1.0], device="cpu:0"))
    Tensor([-0.75,  0.5 ], dtype=float32, device='cpu:0')
    """
    return run("softsign", input)
