"""Which kernel runs an operator: one module for each family of operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hal.ops import Operator
from hal.plugin import Kernel, Signature
from hal_cuda.cudnn import network
from hal_cuda.kernels.attention import attention
from hal_cuda.kernels.elementwise import elementwise
from hal_cuda.kernels.fourier import fourier
from hal_cuda.kernels.fused import fused
from hal_cuda.kernels.indexing import indexing
from hal_cuda.kernels.linalg import linalg
from hal_cuda.kernels.masked import masked
from hal_cuda.kernels.movement import movement
from hal_cuda.kernels.product import product
from hal_cuda.kernels.quantized import quantized
from hal_cuda.kernels.reduction import reduction
from hal_cuda.kernels.rows import batch_norm, rows
from hal_cuda.kernels.scaled import scaled
from hal_cuda.kernels.scan import nonzero, scan
from hal_cuda.kernels.sorting import argsort

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["find_kernel"]

_SINGLE = {"argsort": argsort, "batch_norm": batch_norm, "nonzero": nonzero}
_FAMILIES = (
    movement,
    reduction,
    product,
    rows,
    indexing,
    scan,
    network,
    masked,
    attention,
    quantized,
    scaled,
    fourier,
    linalg,
)


def find_kernel(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for an operator and signature, or None when the device has none."""
    if op.name == "fused":
        return fused(driver, signature)
    found = elementwise(driver, op, signature)
    if found is not None:
        return found
    if not all(out.contiguous for out in signature.outputs):
        return None
    if op.name in _SINGLE:
        return _SINGLE[op.name](driver, signature)
    for family in _FAMILIES:
        found = family(driver, op, signature)
        if found is not None:
            return found
    return None
