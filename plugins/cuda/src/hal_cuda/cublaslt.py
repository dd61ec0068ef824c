"""Matrix products by cuBLASLt: which descriptors describe a product, and how it is started.

cuBLASLt counts down columns first. A row-major product ``C = A B`` is the column-major product
``C' = B' A'`` of the same memory, so that the right matrix comes first and a bias, one for each
column of C, is what the library adds to each row of C'.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from itertools import product as every
from typing import Any, NamedTuple

import numpy as np

from hal import dtypes
from hal.dtypes import DType
from hal_cuda.errors import translated
from hal_cuda.problem import Problem
from hal_cuda.starting import started

__all__ = [
    "ALIGNMENT",
    "WORKSPACE",
    "Call",
    "CublasLt",
    "Operand",
    "Problem",
    "Product",
    "describe",
    "describe_scaled",
    "load",
]

ALIGNMENT = 16
"""Bytes that every pointer is a multiple of, for the quickest algorithms."""

_MOST_CALLS = 64
WORKSPACE = 32 << 20
"""Bytes of scratch memory that an algorithm may use."""

# The type of an element, the type of the sum, and what may be calculated with for each precision.
_TYPES = {
    dtypes.float16: ("CUDA_R_16F", "CUDA_R_32F", "COMPUTE_32F", {}),
    dtypes.bfloat16: ("CUDA_R_16BF", "CUDA_R_32F", "COMPUTE_32F", {}),
    dtypes.float32: (
        "CUDA_R_32F",
        "CUDA_R_32F",
        "COMPUTE_32F",
        {"high": "COMPUTE_32F_FAST_TF32", "medium": "COMPUTE_32F_FAST_16BF"},
    ),
    dtypes.float64: ("CUDA_R_64F", "CUDA_R_64F", "COMPUTE_64F", {}),
    dtypes.complex64: (
        "CUDA_C_32F",
        "CUDA_C_32F",
        "COMPUTE_32F",
        {"high": "COMPUTE_32F_FAST_TF32", "medium": "COMPUTE_32F_FAST_TF32"},
    ),
    dtypes.complex128: ("CUDA_C_64F", "CUDA_C_64F", "COMPUTE_64F", {}),
}

_FLOAT8 = {dtypes.float8_e4m3fn: "CUDA_R_8F_E4M3", dtypes.float8_e5m2: "CUDA_R_8F_E5M2"}


class Operand(NamedTuple):
    """A column-major matrix as the library sees it.

    Attributes
    ----------
    rows, columns, leading : int
        Its size in memory, and the distance of its columns in elements.
    transposed : bool
        Whether the product takes it transposed.
    step : int
        The distance of one matrix of a batch from the next.
    """

    rows: int
    columns: int
    leading: int
    transposed: bool
    step: int


class Call(NamedTuple):
    """A product as descriptors of cuBLASLt.

    Attributes
    ----------
    elements : tuple of str
        The library's names of the types of first, second and result.
    scale, compute : str
        Its names of the types of the sum and of the calculation.
    first, second, result : Operand
    batch : int
    offsets : tuple of tuple of int
        Where each call starts in result, left and right, in elements: one for each matrix of the
        outer axes of a batch that has several.
    bias : bool
    activation : str
        What is applied to the result: ``"RELU"``, ``"GELU"`` (by tanh), or nothing.
    scaling : str
        How operands of float8 are scaled: the library's name, or nothing.
    """

    elements: tuple[str, str, str]
    scale: str
    compute: str
    first: Operand
    second: Operand
    result: Operand
    batch: int
    offsets: tuple[tuple[int, ...], ...]
    bias: bool
    activation: str = ""
    scaling: str = ""

    @property
    def epilogue(self) -> str:
        """The library's name for what follows the product."""
        return "_".join(filter(None, (self.activation, "BIAS" if self.bias else ""))) or "DEFAULT"


def describe(
    problem: Problem, dtype: DType, precision: str, bias: bool, activation: str = ""
) -> Call | None:
    """Return a product's descriptors, or None when cuBLASLt has none for it.

    Examples
    --------
    >>> import hal
    >>> call = describe(Problem(2, 3, 4, (4, 1), (3, 1), []), hal.float32, "highest", False)
    >>> call.first
    Operand(rows=3, columns=4, leading=3, transposed=False, step=0)
    >>> call.compute
    'COMPUTE_32F'
    """
    if dtype not in _TYPES or 0 in (problem.rows, problem.columns, problem.depth):
        return None
    element, scale, compute, faster = _TYPES[dtype]
    *outer, inner = problem.batch or [(1, (0, 0, 0))]
    batch, (result_step, left_step, right_step) = inner
    first = _operand(problem.columns, problem.depth, problem.right[::-1], right_step)
    second = _operand(problem.depth, problem.rows, problem.left[::-1], left_step)
    if first is None or second is None:
        return None
    offsets = tuple(
        tuple(sum(i * s[array] for i, (_, s) in zip(at, outer, strict=True)) for array in range(3))
        for at in every(*[range(size) for size, _ in outer])
    )
    if len(offsets) > _MOST_CALLS:
        return None
    result = Operand(problem.columns, problem.rows, problem.columns, False, result_step)
    compute = faster.get(precision, compute)
    kinds = (element, element, element)
    return Call(kinds, scale, compute, first, second, result, batch, offsets, bias, activation)


def describe_scaled(
    rows: int,
    columns: int,
    depth: int,
    given: tuple[DType, DType, DType],
    scaling: str,
    bias: bool,
) -> Call | None:
    """Return the descriptors of a product of float8, packed, or None when cuBLASLt has none.

    It takes the weight transposed and the other not, sizes that are multiples of 16, and any pair
    of dtypes but two of float8_e5m2.

    Parameters
    ----------
    rows, columns, depth : int
        A weight has shape (columns, depth).
    given : tuple of DType
        Of left, right and result.
    scaling : str
        ``"SCALAR_32F"``, ``"OUTER_VEC_32F"``, or nothing.
    bias : bool
        Of the result's dtype.

    Examples
    --------
    >>> import hal
    >>> kinds = hal.float8_e4m3fn, hal.float8_e5m2, hal.float16
    >>> describe_scaled(3, 32, 16, kinds, "SCALAR_32F", False).elements
    ('CUDA_R_8F_E5M2', 'CUDA_R_8F_E4M3', 'CUDA_R_16F')
    >>> describe_scaled(3, 30, 16, kinds, "SCALAR_32F", False)
    """
    left, right, result = given
    if left is right is dtypes.float8_e5m2 or 0 in (rows, columns, depth):
        return None
    if columns % ALIGNMENT or depth % ALIGNMENT:
        return None
    kind, scale, compute, _ = _TYPES[result]
    first = Operand(depth, columns, depth, True, 0)
    second = Operand(depth, rows, depth, False, 0)
    out = Operand(columns, rows, columns, False, 0)
    kinds, offsets = (_FLOAT8[right], _FLOAT8[left], kind), ((0, 0, 0),)
    return Call(kinds, scale, compute, first, second, out, 1, offsets, bias, scaling=scaling)


def _operand(rows: int, columns: int, strides: Sequence[int], step: int) -> Operand | None:
    """Return a matrix of given strides (down, across) as the library sees it, if it can."""
    down, across = strides
    if step < 0:
        return None
    if (down == 1 or rows == 1) and (across >= rows or columns == 1):
        return Operand(rows, columns, max(across, rows), False, step)
    if (across == 1 or columns == 1) and (down >= columns or rows == 1):
        return Operand(columns, rows, max(down, columns), True, step)
    return None


class CublasLt:
    """The library on one device. The device must be the calling thread's when it is made.

    Parameters
    ----------
    api, types, data_types : object
        ``nvmath.bindings.cublasLt``, ``ComputeType`` and ``CudaDataType`` of nvmath; tests give
        their own.
    """

    def __init__(self, api: Any, types: Any, data_types: Any) -> None:
        self.api = api
        self.types = types
        self.data_types = data_types
        self.handle = api.create()

    def product(self, call: Call, alignment: int = ALIGNMENT) -> Product | None:
        """Return a product ready to start on pointers that are multiples of ``alignment`` bytes.

        None when the library has no algorithm for it.
        """
        made = Product(self, call)
        return made if made.choose(alignment) else None


def load() -> CublasLt | None:
    """Return the library, or None where it is not installed."""
    try:
        from nvmath import CudaDataType
        from nvmath.bindings import cublasLt
        from nvmath.bindings.cublas import ComputeType
    except ImportError:
        return None
    return started(
        "cuBLASLt", "slower kernels multiply", lambda: CublasLt(cublasLt, ComputeType, CudaDataType)
    )


class Product:
    """A product with its descriptors and the algorithm that the library recommends."""

    def __init__(self, library: CublasLt, call: Call) -> None:
        api = self._api = library.api
        types, data = library.types, library.data_types
        self._handle = library.handle
        self._call = call
        self._lock = threading.Lock()
        self._description = api.matmul_desc_create(
            int(getattr(types, call.compute)), int(getattr(data, call.scale))
        )
        names = api.MatmulDescAttribute
        self._set(names.TRANSA, ctypes.c_int32(call.first.transposed))
        self._set(names.TRANSB, ctypes.c_int32(call.second.transposed))
        epilogue = getattr(api.Epilogue, call.epilogue)
        self._set(names.EPILOGUE, ctypes.c_int32(int(epilogue)))
        if call.bias:  # The choice of an algorithm asks for it; start() gives the real one.
            self._set(names.BIAS_POINTER, ctypes.c_uint64(16 * ALIGNMENT))
        if call.scaling:
            mode = ctypes.c_int32(int(getattr(api.MatmulMatrixScale, call.scaling)))
            self._set(names.A_SCALE_MODE, mode)
            self._set(names.B_SCALE_MODE, mode)
            self._set_scales(16 * ALIGNMENT, 16 * ALIGNMENT)
        operands = zip(call.elements, (call.first, call.second, call.result), strict=True)
        self._layouts = [self._layout(int(getattr(data, kind)), x) for kind, x in operands]
        self._one, self._zero = _numbers(call.scale)
        self._algorithm = np.zeros(1, api.matmul_heuristic_result_dtype)

    def _set(self, name: Any, value: Any) -> None:
        self._api.matmul_desc_set_attribute(
            self._description, int(name), ctypes.addressof(value), ctypes.sizeof(value)
        )

    def _set_scales(self, left: int, right: int) -> None:
        names = self._api.MatmulDescAttribute
        self._set(names.A_SCALE_POINTER, ctypes.c_uint64(right))
        self._set(names.B_SCALE_POINTER, ctypes.c_uint64(left))

    def _layout(self, element: int, operand: Operand) -> Any:
        api = self._api
        layout = api.matrix_layout_create(element, operand.rows, operand.columns, operand.leading)
        names = api.MatrixLayoutAttribute
        values = (
            (names.BATCH_COUNT, ctypes.c_int32(self._call.batch)),
            (names.STRIDED_BATCH_OFFSET, ctypes.c_int64(operand.step)),
        )
        for name, value in values:
            api.matrix_layout_set_attribute(
                layout, int(name), ctypes.addressof(value), ctypes.sizeof(value)
            )
        return layout

    def choose(self, alignment: int) -> bool:
        """Take the algorithm recommended for pointers of some alignment; return if there is one."""
        api = self._api
        names = api.MatmulPreferenceAttribute
        values: list[tuple[Any, Any]] = [(names.MAX_WORKSPACE_BYTES, ctypes.c_uint64(WORKSPACE))]
        values += [
            (getattr(names, f"MIN_ALIGNMENT_{matrix}_BYTES"), ctypes.c_uint32(alignment))
            for matrix in "ABCD"
        ]
        preference = api.matmul_preference_create()
        for name, value in values:
            api.matmul_preference_set_attribute(
                preference, int(name), ctypes.addressof(value), ctypes.sizeof(value)
            )
        count = ctypes.c_int32(0)
        first, second, result = self._layouts
        try:
            api.matmul_algo_get_heuristic(
                self._handle, self._description, first, second, result, result, preference, 1,
                self._algorithm.ctypes.data, ctypes.addressof(count),
            )  # fmt: skip
        # The library reports what it has nothing for as an error of its own.
        except Exception as error:
            if "NOT_SUPPORTED" not in str(error):
                raise translated(error, "cuBLASLt found no algorithm") from error
        finally:
            api.matmul_preference_destroy(preference)
        return count.value > 0

    def start(
        self,
        stream: Any,
        workspace: int,
        pointers: Sequence[int],
        size: int,
        scales: Sequence[int] = (),
    ) -> None:
        """Enqueue the product; pointers are of result, left, right and bias (or 0).

        Scales are pointers to those of left and right, where the call has any.
        """
        api, call = self._api, self._call
        out, left, right, bias = pointers
        first, second, result = self._layouts
        one, zero = ctypes.addressof(self._one), ctypes.addressof(self._zero)
        algorithm = self._algorithm.ctypes.data
        handle = int(stream.handle)
        try:
            with self._lock:  # The bias and the scales belong to the descriptor.
                if call.bias:
                    self._set(api.MatmulDescAttribute.BIAS_POINTER, ctypes.c_uint64(bias))
                if call.scaling:
                    self._set_scales(*scales)
                for to, a, b in call.offsets:
                    d = out + to * size
                    api.matmul(
                        self._handle, self._description, one, right + b * size, first,
                        left + a * size, second, zero, d, result, d, result, algorithm,
                        workspace, WORKSPACE, handle,
                    )  # fmt: skip
        except Exception as error:
            raise translated(error, "cuBLASLt refused a product") from error


def _numbers(scale: str) -> tuple[Any, Any]:
    """Return one and zero as the library takes them, behind an address."""
    real = ctypes.c_double if scale.endswith("64F") else ctypes.c_float
    pair = real * 2
    return pair(1, 0), pair(0, 0)
