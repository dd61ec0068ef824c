"""Discrete Fourier transforms of complex numbers.

Source: https://data-apis.org/array-api/latest/extensions/fourier_transform_functions.html
"""

from __future__ import annotations

from collections.abc import Sequence

from hal.array_api.operands import run
from hal.fft.sizes import axes_and_sizes, axis_and_size, resized
from hal.tensor import Tensor

__all__ = ["fft", "fftn", "ifft", "ifftn"]


def fft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the Fourier transform along an axis.

    Parameters
    ----------
    x : Tensor
        Of complex64 or complex128; float32 and float64 are converted.
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
        Complex, with ``n`` elements along the axis.

    Examples
    --------
    >>> import hal
    >>> hal.fft.fft(hal.asarray([1.0, 2.0], dtype=hal.complex64, device="cpu:0"))
    Tensor([ 3.+0.j, -1.+0.j], dtype=complex64, device='cpu:0')
    """
    return _along_one("fft", x, n, axis, norm, inverse=False)


def ifft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """Return the inverse Fourier transform along an axis.

    Parameters
    ----------
    x : Tensor
        Of complex64 or complex128; float32 and float64 are converted.
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
        Complex, with ``n`` elements along the axis.

    Examples
    --------
    >>> import hal
    >>> hal.fft.ifft(hal.asarray([3.0, -1.0], dtype=hal.complex64, device="cpu:0"))
    Tensor([1.+0.j, 2.+0.j], dtype=complex64, device='cpu:0')
    """
    return _along_one("ifft", x, n, axis, norm, inverse=True)


def fftn(
    x: Tensor,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """Return the Fourier transform along several axes.

    Parameters
    ----------
    x : Tensor
        Of complex64 or complex128; float32 and float64 are converted.
    s : sequence of int, optional
        How many elements to transform along each of ``axes``, -1 for all; needs ``axes``.
    axes : sequence of int, optional
        Along which axes; all when left out.
    norm : {"backward", "ortho", "forward"}
        Divide by nothing, by the square root of the number of elements transformed, or by it.

    Returns
    -------
    Tensor
        Complex, with sizes ``s`` along the axes.

    Examples
    --------
    >>> import hal
    >>> hal.fft.fftn(hal.ones((2, 2), dtype=hal.complex64, device="cpu:0"))
    Tensor([[4.+0.j, 0.+0.j],
            [0.+0.j, 0.+0.j]], dtype=complex64, device='cpu:0')
    """
    return _along_several("fftn", x, s, axes, norm, inverse=False)


def ifftn(
    x: Tensor,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """Return the inverse Fourier transform along several axes.

    Parameters
    ----------
    x : Tensor
        Of complex64 or complex128; float32 and float64 are converted.
    s : sequence of int, optional
        How many elements to transform along each of ``axes``, -1 for all; needs ``axes``.
    axes : sequence of int, optional
        Along which axes; all when left out.
    norm : {"backward", "ortho", "forward"}
        Divide by the number of elements transformed, by its square root, or by nothing.

    Returns
    -------
    Tensor
        Complex, with sizes ``s`` along the axes.

    Examples
    --------
    >>> import hal
    >>> hal.fft.ifftn(hal.ones((2, 2), dtype=hal.complex64, device="cpu:0"))
    Tensor([[1.+0.j, 0.+0.j],
            [0.+0.j, 0.+0.j]], dtype=complex64, device='cpu:0')
    """
    return _along_several("ifftn", x, s, axes, norm, inverse=True)


def _along_one(name: str, x: Tensor, n: int | None, axis: int, norm: str, inverse: bool) -> Tensor:
    place, size = axis_and_size(name, x, axis, n)
    return run("fft", resized(x, place, size), axis=place, norm=norm, inverse=inverse)


def _along_several(
    name: str,
    x: Tensor,
    s: Sequence[int] | None,
    axes: Sequence[int] | None,
    norm: str,
    inverse: bool,
) -> Tensor:
    found = axes_and_sizes(name, x, axes, s)
    if not found:
        # Of no axes the transform is the tensor itself, which still must be one of a fitting dtype.
        one = run("reshape", x, shape=(*x.shape, 1))
        return run("reshape", run("fft", one, norm=norm, inverse=inverse), shape=x.shape)
    for axis, size in found:
        x = run("fft", resized(x, axis, size), axis=axis, norm=norm, inverse=inverse)
    return x
