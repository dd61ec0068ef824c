"""What is fixed in results of which only a property is: factors of a matrix, orders of eigenvalues.

Two right devices may give vectors of opposite sign. What both must give is the matrix the factors
multiply to, and that the vectors are orthonormal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["settled"]

Arrays = tuple[Any, ...]


def settled(name: str, inputs: Sequence[Any], results: Arrays) -> Arrays:
    """Return what an operator's results must agree in; the results themselves for most operators.

    Parameters
    ----------
    name : str
        The operator's.
    inputs : sequence of numpy.ndarray or None
    results : tuple of numpy.ndarray

    Returns
    -------
    tuple of numpy.ndarray

    Examples
    --------
    >>> import numpy as np
    >>> identity = np.eye(2)
    >>> [a.tolist() for a in settled("qr", [identity], (-identity, -identity))] == [
    ...     a.tolist() for a in settled("qr", [identity], (identity, identity))
    ... ]
    True
    """
    fixed = _FIXED.get(name)
    return results if fixed is None else fixed(inputs, results)


def _gram(columns: Any) -> Any:
    return np.swapaxes(columns.conj(), -1, -2) @ columns


def _qr(inputs: Sequence[Any], results: Arrays) -> Arrays:
    q, r = results
    return q @ r, _gram(q), np.tril(r, -1)


def _svd(inputs: Sequence[Any], results: Arrays) -> Arrays:
    u, s, vh = results
    inner = s.shape[-1]
    product = (u[..., :inner] * s[..., None, :]) @ vh[..., :inner, :]
    return product, s, _gram(u), _gram(np.swapaxes(vh, -1, -2))


def _eigh(inputs: Sequence[Any], results: Arrays) -> Arrays:
    values, vectors = results
    product = (vectors * values[..., None, :]) @ np.swapaxes(vectors.conj(), -1, -2)
    return product, values, _gram(vectors)


def _eig(inputs: Sequence[Any], results: Arrays) -> Arrays:
    values, vectors = results
    matrix = inputs[0].astype(values.dtype)
    lengths = np.sqrt(np.sum(np.abs(vectors) ** 2, axis=-2))
    return (
        *_power_sums(matrix, values),
        matrix @ vectors - vectors * values[..., None, :],
        lengths,
    )


def _power_sums(matrix: Any, values: Any) -> Arrays:
    """Return what nearly fixes eigenvalues whatever their order is: sums of their first powers.

    Those of higher powers would fix them wholly, but rounding errors grow with the power. All are
    of the matrix's size: large powers may cancel out, which their rounding errors do not.
    """
    norm = np.sqrt(np.sum(np.abs(matrix) ** 2, axis=(-2, -1)))
    unit = np.where(norm > 0, norm, 1)[..., None]
    return tuple(
        np.asarray(np.sum(values * (values / unit) ** (k - 1), axis=-1), values.dtype)
        for k in range(1, 5)
    )


_FIXED: dict[str, Callable[[Sequence[Any], Arrays], Arrays]] = {
    "qr": _qr,
    "svd": _svd,
    "eigh": _eigh,
    "eig": _eig,
    "eigvals": lambda inputs, results: _power_sums(inputs[0], results[0]),
}
