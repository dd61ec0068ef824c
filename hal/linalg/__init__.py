"""The linear algebra extension of the Python Array API standard, a module per kind of function."""

from hal.array_api.products import matmul, matrix_transpose, tensordot, vecdot
from hal.linalg.eigenvalues import EighResult, EigResult, eig, eigh, eigvals, eigvalsh
from hal.linalg.factorization import QRResult, SVDResult, cholesky, qr, svd, svdvals
from hal.linalg.norms import matrix_norm, vector_norm
from hal.linalg.products import cross, diagonal, matrix_power, outer, trace
from hal.linalg.solving import SlogdetResult, det, inv, matrix_rank, pinv, slogdet, solve

__all__ = [
    "EigResult",
    "EighResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
