"""hal: one tensor and runtime interface for every accelerator."""

from hal import nn
from hal.array_api import asarray, from_dlpack, full, ones, zeros
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
from hal.report import fallback, report, reset_report
from hal.tensor import Tensor
from hal.version import VERSION as __version__
