"""Factorisations of matrices and what follows from them, for stacks of matrices.

The references are LAPACK's, through NumPy. Only the factorisations and ``solve`` are primitives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import DType, complex_counterpart, real_counterpart
from hal.errors import LinAlgError, ShapeError, ValueRangeError
from hal.ops.operator import Attributes, Evaluator, Inference, Inputs, define
from hal.ops.rules import check_dtype, check_ndim, present, promoted
from hal.plugin.layout import Layout, Shape, broadcast_shapes

__all__ = ["failure"]

FAMILY = "linear algebra"
PRECISE = (dtypes.float32, dtypes.float64, dtypes.complex64, dtypes.complex128)

Outputs = Callable[[DType, Shape, Attributes], tuple[tuple[DType, Shape], ...]]


def _check_matrix(name: str, x: Layout, dtype: DType, square: bool) -> None:
    check_dtype(name, dtype, PRECISE)
    check_ndim(name, "the matrix", x, 2)
    if square and x.shape[-2] != x.shape[-1]:
        raise ShapeError(
            f"{name}: the matrix has {x.shape[-2]} rows and {x.shape[-1]} columns; it must be "
            "square"
        )


def _rule(outputs: Outputs, square: bool = True) -> Any:
    """Return the rule of an operator on one matrix, or on a stack of them."""

    def rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
        (x,) = present(name, inputs, 1)
        _check_matrix(name, x, x.dtype, square)
        return Inference((x.dtype,), outputs(x.dtype, x.shape, attributes), attributes)

    return rule


_REMEDIES = {
    "cholesky": "check that the matrix is symmetric and its eigenvalues positive",
    "solve": "for a least-squares solution multiply by pinv(...)",
    "inv": "use pinv(...) for the pseudo-inverse",
}


def failure(name: str, said: Any) -> LinAlgError:
    """Return the error for a matrix that an operator has no result for.

    Examples
    --------
    >>> print(failure("inv", "Singular matrix"))
    inv: Singular matrix; use pinv(...) for the pseudo-inverse
    """
    remedy = _REMEDIES.get(name, "check the matrix for NaN and infinity")
    return LinAlgError(f"{name}: {said}; {remedy}")


def _guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of NumPy's whose failures are hal's errors."""

    def reference(*inputs: Any, **attributes: Any) -> Any:
        try:
            return function(*inputs, **attributes)
        except np.linalg.LinAlgError as error:
            raise failure(name, error) from None

    return reference


def _eye(F: Evaluator, x: Any) -> Any:
    rows = x.shape[-1]
    return F.broadcast_to(F.eye(rows=rows, columns=rows, dtype=x.dtype), shape=x.shape)


define(
    "cholesky",
    FAMILY,
    _guarded("cholesky", lambda x, upper: np.linalg.cholesky(x, upper=upper)),
    _rule(lambda dtype, shape, attributes: ((dtype, shape),)),
    upper=False,
)


def _qr_outputs(dtype: DType, shape: Shape, attributes: Attributes) -> Any:
    if attributes["mode"] not in ("reduced", "complete"):
        raise ValueRangeError(
            f"qr: the mode is {attributes['mode']!r}; it must be 'reduced' or 'complete'"
        )
    *batch, rows, columns = shape
    inner = rows if attributes["mode"] == "complete" else min(rows, columns)
    return (dtype, (*batch, rows, inner)), (dtype, (*batch, inner, columns))


define(
    "qr",
    FAMILY,
    _guarded("qr", lambda x, mode: tuple(np.linalg.qr(x, mode=mode))),
    _rule(_qr_outputs, square=False),
    mode="reduced",
)


def _svd_outputs(dtype: DType, shape: Shape, attributes: Attributes) -> Any:
    *batch, rows, columns = shape
    inner = min(rows, columns)
    left, right = (rows, columns) if attributes["full_matrices"] else (inner, inner)
    return (
        (dtype, (*batch, rows, left)),
        (real_counterpart(dtype), (*batch, inner)),
        (dtype, (*batch, right, columns)),
    )


def _values(dtype: DType, shape: Shape, attributes: Attributes) -> Any:
    return ((real_counterpart(dtype), (*shape[:-2], min(shape[-2:]))),)


define(
    "svd",
    FAMILY,
    _guarded("svd", lambda x, full_matrices: tuple(np.linalg.svd(x, full_matrices))),
    _rule(_svd_outputs, square=False),
    full_matrices=True,
)
define(
    "svdvals",
    FAMILY,
    _guarded("svdvals", np.linalg.svdvals),
    _rule(_values, square=False),
    lambda F, x: F.svd(x, full_matrices=False)[1],
)

# Eigenvalues


def _eig(x: Any) -> tuple[Any, Any]:
    values, vectors = np.linalg.eig(x)
    wide = np.result_type(x.dtype, np.complex64)
    return values.astype(wide, copy=False), vectors.astype(wide, copy=False)


define(
    "eigh",
    FAMILY,
    _guarded("eigh", lambda x: tuple(np.linalg.eigh(x))),
    _rule(lambda d, shape, attributes: ((real_counterpart(d), shape[:-1]), (d, shape))),
)
define(
    "eigvalsh",
    FAMILY,
    _guarded("eigvalsh", np.linalg.eigvalsh),
    _rule(_values),
    lambda F, x: F.eigh(x)[0],
)
define(
    "eig",
    FAMILY,
    _guarded("eig", _eig),
    _rule(
        lambda d, shape, attributes: (
            (complex_counterpart(d), shape[:-1]),
            (complex_counterpart(d), shape),
        )
    ),
)
define(
    "eigvals",
    FAMILY,
    _guarded(
        "eigvals",
        lambda x: np.linalg.eigvals(x).astype(np.result_type(x.dtype, np.complex64), copy=False),
    ),
    _rule(lambda d, shape, attributes: ((complex_counterpart(d), shape[:-1]),)),
    lambda F, x: F.eig(x)[0],
)

# Determinants, systems of equations


def _decompose_det(F: Evaluator, x: Any) -> Any:
    sign, logarithm = F.slogdet(x)
    return F.multiply(sign, F.exp(logarithm))


define(
    "slogdet",
    FAMILY,
    _guarded("slogdet", lambda x: tuple(np.linalg.slogdet(x))),
    _rule(
        lambda dtype, shape, attributes: (
            (dtype, shape[:-2]),
            (real_counterpart(dtype), shape[:-2]),
        )
    ),
)
define(
    "det",
    FAMILY,
    _guarded("det", np.linalg.det),
    _rule(lambda dtype, shape, attributes: ((dtype, shape[:-2]),)),
    _decompose_det,
)


def _solve_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    a, b = present(name, inputs, 2)
    dtype = promoted(name, (a, b))
    _check_matrix(name, a, dtype, square=True)
    check_ndim(name, "the right-hand side", b, 1)
    size = a.shape[-1]
    if b.shape[-1 if b.ndim == 1 else -2] != size:
        raise ShapeError(
            f"{name}: {size} equations with a right-hand side of shape {b.shape}; it must be "
            f"({size},) or (..., {size}, columns)"
        )
    if b.ndim == 1:
        shape = a.shape[:-1]
    else:
        try:
            batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
        except ShapeError as error:
            raise ShapeError(f"{name}: the stacks of {a.shape} and {b.shape}: {error}") from None
        shape = (*batch, size, b.shape[-1])
    return Inference((dtype, dtype), ((dtype, shape),), attributes)


define("solve", FAMILY, _guarded("solve", np.linalg.solve), _solve_rule)
define(
    "inv",
    FAMILY,
    _guarded("inv", np.linalg.inv),
    _rule(lambda dtype, shape, attributes: ((dtype, shape),)),
    lambda F, x: F.solve(x, _eye(F, x)),
)
