"""hal: one tensor and runtime interface for every accelerator."""

from importlib import import_module
from typing import TYPE_CHECKING

from hal import array_api, errors, fft, linalg, nn, profiling
from hal.array_api import *  # noqa: F403
from hal.device import Device, Event, Stream, default_device, device, devices
from hal.dtypes import (
    DType,
    bfloat16,
    bool,
    complex64,
    complex128,
    float4_e2m1fn,
    float8_e4m3fn,
    float8_e4m3fnuz,
    float8_e5m2,
    float8_e5m2fnuz,
    float8_e8m0fnu,
    float16,
    float32,
    float64,
    int2,
    int4,
    int8,
    int16,
    int32,
    int64,
    uint2,
    uint4,
    uint8,
    uint16,
    uint32,
    uint64,
)
from hal.errors import *  # noqa: F403
from hal.precision import precision
from hal.program import compile
from hal.report import fallback, report, reset_report
from hal.tensor import Tensor
from hal.version import VERSION as __version__

profile = profiling.Profile

# What mypy and editors take for public: the names below, the standard's, and the errors.
__all__ = [
    "DType",
    "Device",
    "Event",
    "Stream",
    "Tensor",
    "__version__",
    "bfloat16",
    "bool",
    "compile",
    "complex64",
    "complex128",
    "default_device",
    "device",
    "devices",
    "fallback",
    "fft",
    "float4_e2m1fn",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float16",
    "float32",
    "float64",
    "int2",
    "int4",
    "int8",
    "int16",
    "int32",
    "int64",
    "linalg",
    "nn",
    "precision",
    "profile",
    "report",
    "reset_report",
    "uint2",
    "uint4",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]
__all__ += array_api.__all__
__all__ += errors.__all__

if TYPE_CHECKING:
    from hal import onnx, safetensors
else:

    def __getattr__(name):
        """Import hal.onnx and hal.safetensors when they are first used."""
        if name in ("onnx", "safetensors"):
            return import_module(f"hal.{name}")
        raise AttributeError(f"module 'hal' has no attribute {name!r}")
