"""Discrete Fourier transforms of real numbers, whose spectrum is symmetric, and their inverses.

Source: https://data-apis.org/array-api/latest/extensions/fourier_transform_functions.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hal.array_api.operands import check_tensor, run
from hal.dispatch import evaluator
from hal.errors import ValueRangeError
from hal.fft.sizes import axes_and_sizes, axis_and_size, integer, resized
from hal.ops.fourier import NORMS
from hal.tensor import Tensor

__all__ = ["hfft", "ihfft", "irfft", "irfftn", "rfft", "rfftn"]


def rfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the Fourier transform of real numbers along an axis, without its redundant half.

    Parameters
    ----------
    x : Tensor
        Of float32 or float64.
    n : int, optional
        How many elements to transform: the axis is cut, or filled with zeros. All of the axis
        when left out.
    axis : int
        Along which axis.
    norm : {"backward", "ortho", "forward"}
        Divide by nothing, by the square root of ``n``, or by ``n``.

    Returns
    -------
    Tensor
        Complex, with ``n // 2 + 1`` elements along the axis.

    Examples
    --------
    >>> import hal
    >>> hal.fft.rfft(hal.asarray([1.0, 2.0, 3.0, 4.0], device="cpu:0"))
    Tensor([10.+0.j, -2.+2.j, -2.+0.j], dtype=complex64, device='cpu:0')
    """
    place, size = axis_and_size("rfft", x, axis, n)
    return run("rfft", resized(x, place, size), axis=place, norm=norm)


def irfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the real numbers whose Fourier transform is given without its redundant half.

    Parameters
    ----------
    x : Tensor
        Of complex64 or complex128.
    n : int, optional
        How many elements the result has along the axis; of ``x``, ``n // 2 + 1`` are used, cut or
        filled with zeros. Twice the axis' size less 2 when left out.
    axis : int
        Along which axis.
    norm : {"backward", "ortho", "forward"}
        Divide by ``n``, by its square root, or by nothing.

    Returns
    -------
    Tensor
        Real, with ``n`` elements along the axis.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([10.0, -2 + 2j, -2.0], dtype=hal.complex64, device="cpu:0")
    >>> hal.fft.irfft(x)
    Tensor([1., 2., 3., 4.], dtype=float32, device='cpu:0')
    """
    place, size = _real_size("irfft", x, axis, n)
    return run("irfft", resized(x, place, size // 2 + 1), axis=place, norm=norm, n=size)


def rfftn(
    x: Tensor,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """Return the Fourier transform of real numbers along several axes, without its redundant half.

    Parameters
    ----------
    x : Tensor
        Of float32 or float64.
    s : sequence of int, optional
        How many elements to transform along each of ``axes``, -1 for all; needs ``axes``.
    axes : sequence of int, optional
        Along which axes, the last one in the manner of :func:`rfft`; all when left out.
    norm : {"backward", "ortho", "forward"}
        Divide by nothing, by the square root of the number of elements transformed, or by it.

    Returns
    -------
    Tensor
        Complex, with half and one element more along the last of the axes.

    Examples
    --------
    >>> import hal
    >>> hal.fft.rfftn(hal.ones((2, 4), device="cpu:0")).shape
    (2, 3)
    """
    found = _some("rfftn", axes_and_sizes("rfftn", x, axes, s))
    for axis, size in found[:-1]:
        x = resized(x, axis, size)
    axis, size = found[-1]
    result = run("rfft", resized(x, axis, size), axis=axis, norm=norm)
    for axis, _ in found[:-1]:
        result = run("fft", result, axis=axis, norm=norm)
    return result


def irfftn(
    x: Tensor,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """Return the real numbers whose transform along several axes is given without its half.

    Parameters
    ----------
    x : Tensor
        Of complex64 or complex128.
    s : sequence of int, optional
        The result's sizes along ``axes``, -1 for what it would be without ``s``; needs ``axes``.
    axes : sequence of int, optional
        Along which axes, the last one in the manner of :func:`irfft`; all when left out.
    norm : {"backward", "ortho", "forward"}
        Divide by the number of elements transformed, by its square root, or by nothing.

    Returns
    -------
    Tensor
        Real.

    Examples
    --------
    >>> import hal
    >>> hal.fft.irfftn(hal.fft.rfftn(hal.ones((2, 4), device="cpu:0"))).shape
    (2, 4)
    """
    found = _some("irfftn", axes_and_sizes("irfftn", x, axes, s))
    for axis, size in found[:-1]:
        x = run("fft", resized(x, axis, size), axis=axis, norm=norm, inverse=True)
    last = None if s is None or s[-1] == -1 else s[-1]
    return irfft(x, n=last, axis=found[-1][0], norm=norm)


def hfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the Fourier transform of numbers given by half, the other half being its conjugate.

    Parameters
    ----------
    x : Tensor
        Of complex64 or complex128.
    n : int, optional
        How many elements the result has along the axis; twice the axis' size less 2 when left out.
    axis : int
        Along which axis.
    norm : {"backward", "ortho", "forward"}
        Divide by nothing, by the square root of ``n``, or by ``n``.

    Returns
    -------
    Tensor
        Real, with ``n`` elements along the axis.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1.0, 2.0, 1.0], dtype=hal.complex64, device="cpu:0")
    >>> hal.fft.hfft(x)
    Tensor([ 6.,  0., -2.,  0.], dtype=float32, device='cpu:0')
    """
    check_tensor("hfft", x)
    conjugate: Any = evaluator(x.device).conj(x)
    return irfft(conjugate, n=n, axis=axis, norm=_opposite("hfft", norm))


def ihfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the inverse of :func:`hfft`.

    Parameters
    ----------
    x : Tensor
        Of float32 or float64.
    n : int, optional
        How many elements to transform: the axis is cut, or filled with zeros. All of the axis
        when left out.
    axis : int
        Along which axis.
    norm : {"backward", "ortho", "forward"}
        Divide by ``n``, by its square root, or by nothing.

    Returns
    -------
    Tensor
        Complex, with ``n // 2 + 1`` elements along the axis.

    Examples
    --------
    >>> import hal
    >>> hal.fft.ihfft(hal.asarray([6.0, 0.0, -2.0, 0.0], device="cpu:0")).shape
    (3,)
    """
    check_tensor("ihfft", x)
    spectrum = rfft(x, n=n, axis=axis, norm=_opposite("ihfft", norm))
    return run("conj", spectrum)


def _real_size(name: str, x: Tensor, axis: int, n: int | None) -> tuple[int, int]:
    """Return the axis counted from the front, and the size of a real result along it."""
    place, size = axis_and_size(name, x, axis, n)
    return place, size if n is not None else integer(name, f"n from {x.shape}", 2 * (size - 1))


def _some(name: str, found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    if not found:
        raise ValueRangeError(f"{name} needs at least one axis")
    return found


def _opposite(name: str, norm: Any) -> str:
    """Return the norm under which the inverse transform is this one."""
    if norm not in NORMS:
        raise ValueRangeError(f"{name}: norm is {norm!r}; it must be one of {NORMS}")
    return {"backward": "forward", "forward": "backward"}.get(norm, "ortho")
