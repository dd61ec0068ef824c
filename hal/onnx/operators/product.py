"""Matrix products, exact integer ones among them, and determinants."""

from __future__ import annotations

from typing import Any

from hal import dtypes
from hal.errors import ShapeError
from hal.onnx.operators.common import narrow, transpose, unsqueeze, widen
from hal.onnx.registry import operator
from hal.onnx.values import dtype_of
from hal.precision import current_precision


@operator("MatMul")
def _matmul(F: Any, a: Any, b: Any) -> Any:
    if dtype_of(a).kind in ("int", "uint"):
        return F.matmul(a, b)
    return F.matmul(a, b, precision=current_precision())


@operator("Gemm")
def _gemm(
    F: Any, a: Any, b: Any, c: Any = None, *, alpha: float = 1.0, beta: float = 1.0,
    transA: int = 0, transB: int = 0, broadcast: int = 0,
) -> Any:  # fmt: skip
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise ShapeError(f"{tuple(a.shape)} and {tuple(b.shape)} are no matrices")
    a = transpose(F, a, (1, 0)) if transA else a
    if alpha == 1 and (c is None or beta == 1) and dtype_of(a).kind == "float" and transB:
        bias = c if c is not None and tuple(c.shape) == (b.shape[0],) else None
        product = F.linear(a, b, bias, precision=current_precision())
        return product if c is None or bias is not None else F.add(product, c)
    b = transpose(F, b, (1, 0)) if transB else b
    product = _matmul(F, a, b)
    if alpha != 1:
        product = narrow(F, F.multiply(product, alpha), a)
    if c is None or beta == 0:
        return product
    return F.add(product, c if beta == 1 else narrow(F, F.multiply(c, beta), a))


def shifted(F: Any, x: Any, zero: Any, rows: bool) -> Any:
    """Return a quantised matrix minus its zero point, as int32."""
    wide = F.cast(x, dtype=dtypes.int32)
    if zero is None:
        return wide
    zero = F.cast(zero, dtype=dtypes.int32)
    # One zero point for each row of the first matrix, for each column of the second.
    if len(zero.shape) == 1 and zero.shape[0] == 1:
        zero = F.reshape(zero, shape=())
    elif len(zero.shape) == 1 and rows:
        zero = unsqueeze(F, zero, (1,))
    return F.subtract(wide, zero)


@operator("MatMulInteger")
def _matmul_integer(F: Any, a: Any, b: Any, a_zero: Any = None, b_zero: Any = None) -> Any:
    return F.matmul(shifted(F, a, a_zero, True), shifted(F, b, b_zero, False))


@operator("Det")
def _det(F: Any, x: Any) -> Any:
    """Eliminate column after column, with the largest element of each as pivot."""
    shape = tuple(x.shape)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ShapeError(f"the matrices {shape} are not square")
    return narrow(F, F.det(widen(F, x)), x)
