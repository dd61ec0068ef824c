"""The frequencies that belong to a transform's elements, and their order.

Source: https://data-apis.org/array-api/latest/extensions/fourier_transform_functions.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hal.array_api.operands import check_tensor, run
from hal.device import as_device
from hal.dispatch import evaluator
from hal.dtypes import DEFAULT_FLOATING, FLOATING, DType, as_dtype
from hal.errors import DTypeError, ValueRangeError
from hal.fft.sizes import integer
from hal.ops.operator import normalize_axes
from hal.ops.rules import check_dtype
from hal.tensor import Tensor

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """Return the frequencies of :func:`fft`, in its order: zero, positive ones, negative ones.

    Parameters
    ----------
    n : int
        How many elements were transformed.
    d : float
        The distance between two samples.
    dtype : DType or str, optional
        A real floating-point dtype; the default one when left out.
    device : Device or str, optional
        The default device when left out.

    Returns
    -------
    Tensor
        ``n`` frequencies, in cycles per unit of ``d``.

    Examples
    --------
    >>> import hal
    >>> hal.fft.fftfreq(4, d=0.5, device="cpu:0")
    Tensor([ 0. ,  0.5, -1. , -0.5], dtype=float32, device='cpu:0')
    """
    count, wanted = integer("fftfreq", "n", n), _dtype("fftfreq", dtype)
    F = evaluator(as_device(device))
    positive, negative = (
        F.arange(start=start, stop=stop, step=1, dtype=wanted)
        for start, stop in ((0, (count + 1) // 2), (-(count // 2), 0))
    )
    steps: Tensor = F.concat(positive, negative, axis=0)
    return _scaled("fftfreq", steps, count, d)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """Return the frequencies of :func:`rfft`, none of which is negative.

    Parameters
    ----------
    n : int
        How many elements were transformed.
    d : float
        The distance between two samples.
    dtype : DType or str, optional
        A real floating-point dtype; the default one when left out.
    device : Device or str, optional
        The default device when left out.

    Returns
    -------
    Tensor
        ``n // 2 + 1`` frequencies, in cycles per unit of ``d``.

    Examples
    --------
    >>> import hal
    >>> hal.fft.rfftfreq(4, d=0.5, device="cpu:0")
    Tensor([0. , 0.5, 1. ], dtype=float32, device='cpu:0')
    """
    count, wanted = integer("rfftfreq", "n", n), _dtype("rfftfreq", dtype)
    F = evaluator(as_device(device))
    steps: Tensor = F.arange(start=0, stop=count // 2 + 1, step=1, dtype=wanted)
    return _scaled("rfftfreq", steps, count, d)


def fftshift(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """Return a spectrum with the zero frequency in the middle.

    Parameters
    ----------
    x : Tensor
    axes : int or sequence of int, optional
        Along which axes; all when left out.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.fft.fftshift(hal.fft.fftfreq(4, device="cpu:0"))
    Tensor([-0.5 , -0.25,  0.  ,  0.25], dtype=float32, device='cpu:0')
    """
    return _shifted("fftshift", x, axes, back=False)


def ifftshift(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """Return a spectrum with the zero frequency in front again.

    Parameters
    ----------
    x : Tensor
    axes : int or sequence of int, optional
        Along which axes; all when left out.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.fft.ifftshift(hal.asarray([-1, 0, 1], device="cpu:0"))
    Tensor([ 0,  1, -1], dtype=int64, device='cpu:0')
    """
    return _shifted("ifftshift", x, axes, back=True)


def _dtype(name: str, dtype: Any) -> DType:
    wanted = DEFAULT_FLOATING if dtype is None else as_dtype(dtype)
    check_dtype(name, wanted, FLOATING)
    return wanted


def _scaled(name: str, steps: Tensor, n: int, d: Any) -> Tensor:
    if isinstance(d, bool) or not isinstance(d, int | float):
        raise DTypeError(f"{name}: d must be a number, not {d!r}")
    if d == 0:
        raise ValueRangeError(f"{name}: the distance d is 0; samples lie apart")
    scaled: Tensor = evaluator(steps.device).multiply(steps, 1.0 / (n * d))
    return scaled


def _shifted(name: str, x: Tensor, axes: Any, back: bool) -> Tensor:
    check_tensor(name, x)
    found = normalize_axes(name, tuple(axes) if isinstance(axes, Sequence) else axes, x.ndim)
    shifts = tuple(-(x.shape[a] // 2) if back else x.shape[a] // 2 for a in found)
    return run("roll", x, shifts=shifts, axes=found)
