"""oneDNN, the CPU vendors' library of kernels, through its C interface."""

from hal_cpu.dnn.convolution import Window, convolution
from hal_cpu.dnn.library import failed, library, version
from hal_cpu.dnn.primitive import (
    BINARY,
    DTYPES,
    Descriptor,
    PostOp,
    Primitive,
    describe,
    matmul,
    packed,
    reorder,
    scratch_memory,
)
from hal_cpu.dnn.turn import together

__all__ = [
    "BINARY",
    "DTYPES",
    "Descriptor",
    "PostOp",
    "Primitive",
    "Window",
    "convolution",
    "describe",
    "failed",
    "library",
    "matmul",
    "packed",
    "reorder",
    "scratch_memory",
    "together",
    "version",
]
