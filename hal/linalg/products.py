"""Products of vectors, powers of matrices, diagonals.

Source: https://data-apis.org/array-api/latest/extensions/linear_algebra_functions.html
"""

from __future__ import annotations

from typing import Any

from hal.array_api.operands import as_integer, check_tensor, run
from hal.array_api.products import matmul
from hal.dispatch import evaluator
from hal.dtypes import NUMERIC
from hal.errors import HalIndexError, ShapeError
from hal.linalg.solving import inv
from hal.ops.rules import check_dtype
from hal.tensor import Tensor

__all__ = ["cross", "diagonal", "matrix_power", "outer", "trace"]


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Return the cross products of vectors of three elements.

    Parameters
    ----------
    x1, x2 : Tensor
        Numeric; the axis has size 3 in both, the others broadcast.
    axis : int
        Along which axis the vectors lie, counted from the end.

    Returns
    -------
    Tensor
        Of the promoted dtype.

    Raises
    ------
    ShapeError
        When the axis has another size.

    Examples
    --------
    >>> import hal
    >>> x, y = hal.asarray([[1, 0, 0], [0, 1, 0]], device="cpu:0")
    >>> hal.linalg.cross(x, y)
    Tensor([0, 0, 1], dtype=int64, device='cpu:0')
    """
    for x in (x1, x2):
        check_tensor("cross", x)
        check_dtype("cross", x.dtype, NUMERIC)
    ndim = min(x1.ndim, x2.ndim)
    place = as_integer("cross", "axis", axis)
    if place >= 0 and x1.ndim == x2.ndim:
        place -= ndim
    if not -ndim <= place < 0:
        raise HalIndexError(
            f"cross: there is no axis {axis}; allowed are {-ndim} to -1, counted from the end"
        )
    if not x1.shape[place] == x2.shape[place] == 3:
        raise ShapeError(
            f"cross: axis {axis} of {x1.shape} and of {x2.shape} must have 3 elements each"
        )
    F = evaluator(x1.device)

    def turned(x: Tensor, by: int) -> Any:
        return F.roll(x, shifts=(-by,), axes=(place,))

    first = F.multiply(turned(x1, 1), turned(x2, 2))
    return run("subtract", first, F.multiply(turned(x1, 2), turned(x2, 1)))


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """Return the product of each element of one vector with each of another.

    Parameters
    ----------
    x1, x2 : Tensor
        Numeric, of one axis.

    Returns
    -------
    Tensor
        A row for each element of ``x1``, of the promoted dtype.

    Raises
    ------
    ShapeError
        When one has not exactly one axis.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2], device="cpu:0")
    >>> hal.linalg.outer(x, x)
    Tensor([[1, 2],
            [2, 4]], dtype=int64, device='cpu:0')
    """
    for x in (x1, x2):
        check_tensor("outer", x)
        if x.ndim != 1:
            raise ShapeError(f"outer takes vectors, of one axis; got the shape {x.shape}")
    F = evaluator(x1.device)
    return run("multiply", F.reshape(x1, shape=(x1.shape[0], 1)), x2)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """Return each square matrix multiplied ``n`` times with itself.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, M)``, numeric.
    n : int
        0 gives the identity; a negative power is one of the inverse, for which the dtype must be
        float32, float64, complex64 or complex128.

    Returns
    -------
    Tensor

    Raises
    ------
    LinAlgError
        When ``n`` is negative and a matrix is singular.

    Examples
    --------
    >>> import hal
    >>> hal.linalg.matrix_power(hal.asarray([[1.0, 1.0], [0.0, 1.0]], device="cpu:0"), 3)
    Tensor([[1., 3.],
            [0., 1.]], dtype=float32, device='cpu:0')
    """
    check_tensor("matrix_power", x)
    check_dtype("matrix_power", x.dtype, NUMERIC)
    power = as_integer("matrix_power", "n", n)
    if x.ndim < 2 or x.shape[-2] != x.shape[-1]:
        raise ShapeError(f"matrix_power takes square matrices; the shape is {x.shape}")
    F = evaluator(x.device)
    if power == 0:
        one = F.eye(rows=x.shape[-1], columns=x.shape[-1], dtype=x.dtype)
        return run("copy", F.broadcast_to(one, shape=x.shape))
    square = inv(x) if power < 0 else x
    power = abs(power)
    result: Tensor | None = None
    while True:
        if power % 2:
            result = square if result is None else matmul(result, square)
        power //= 2
        if not power:
            break
        square = matmul(square, square)
    return run("copy", x) if result is x else result  # type: ignore[return-value]


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """Return a diagonal of each matrix, as a view.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, N)``.
    offset : int
        Which diagonal: above the main one if positive, below it if negative.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.linalg.diagonal(hal.asarray([[1, 2], [3, 4]], device="cpu:0"))
    Tensor([1, 4], dtype=int64, device='cpu:0')
    """
    return run("diagonal", x, offset=as_integer("diagonal", "offset", offset))


def trace(x: Tensor, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """Return the sum along a diagonal of each matrix.

    Parameters
    ----------
    x : Tensor
        Matrices ``(..., M, N)``, numeric.
    offset : int
        Which diagonal: above the main one if positive, below it if negative.
    dtype : DType or str, optional
        In which dtype to add; int64 or uint64 for integers when left out.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.linalg.trace(hal.asarray([[1, 2], [3, 4]], device="cpu:0")).item()
    5
    """
    check_tensor("trace", x)
    check_dtype("trace", x.dtype, NUMERIC)
    return run("sum", diagonal(x, offset=offset), axis=-1, dtype=dtype)
