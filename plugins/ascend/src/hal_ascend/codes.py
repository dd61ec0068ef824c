"""CANN's numbers: data types, formats, enumerations, and what its error codes mean."""

from __future__ import annotations

from hal import dtypes
from hal.dtypes import DType
from hal.errors import DeviceError, DeviceLost, OutOfMemory

__all__ = [
    "DATA_TYPES",
    "ENUMS",
    "FORMATS",
    "FORMAT_ND",
    "HCCL_TYPES",
    "REDUCTIONS",
    "error_class",
    "meaning",
    "refuses",
]

DATA_TYPES: dict[DType, int] = {
    dtypes.float32: 0,
    dtypes.float16: 1,
    dtypes.int8: 2,
    dtypes.int32: 3,
    dtypes.uint8: 4,
    dtypes.int16: 6,
    dtypes.uint16: 7,
    dtypes.uint32: 8,
    dtypes.int64: 9,
    dtypes.uint64: 10,
    dtypes.float64: 11,
    dtypes.bool: 12,
    dtypes.complex64: 16,
    dtypes.complex128: 17,
    dtypes.bfloat16: 27,
    dtypes.int4: 29,
}
"""``aclDataType`` of hal's dtypes; int4 lies two in a byte."""

FORMAT_ND = 2
FORMATS = {3: 47, 4: 0, 5: 30}
"""``aclFormat`` by the number of axes: NCL, NCHW, NCDHW; of any other number, ND."""

HCCL_TYPES: dict[DType, int] = {
    dtypes.int8: 0,
    dtypes.int16: 1,
    dtypes.int32: 2,
    dtypes.float16: 3,
    dtypes.float32: 4,
    dtypes.int64: 5,
    dtypes.uint64: 6,
    dtypes.uint8: 7,
    dtypes.uint16: 8,
    dtypes.uint32: 9,
    dtypes.float64: 10,
    dtypes.bfloat16: 11,
}
"""``HcclDataType`` of hal's dtypes."""

REDUCTIONS = {"sum": 0, "prod": 1, "max": 2, "min": 3}
"""``HcclReduceOp`` by hal's name."""

ENUMS: dict[str, int] = {
    "ACL_MEM_MALLOC_HUGE_FIRST": 0,
    "ACL_MEMCPY_HOST_TO_DEVICE": 1,
    "ACL_MEMCPY_DEVICE_TO_HOST": 2,
    "ACL_HBM_MEM": 1,
    "ACL_DEV_ATTR_AICORE_CORE_NUM": 101,
    "ACL_DEV_ATTR_VECTOR_CORE_NUM": 201,
    "ACL_DEV_ATTR_TOTAL_GLOBAL_MEM_SIZE": 301,
    "ACL_EVENT_RECORDED_STATUS_COMPLETE": 1,
    "ACL_MODEL_RI_CAPTURE_MODE_RELAXED": 2,
    "ACL_PKG_NAME_CANN": 0,
}
"""The enumerators the plugin passes or compares, by CANN's name."""

_MEANINGS = {
    100000: "a parameter is invalid",
    100001: "aclInit was not called",
    107000: "a parameter is invalid",
    107001: "there is no such device",
    107002: "the thread has no context",
    107003: "the stream belongs to another context",
    107017: "a handle is invalid or was destroyed",
    107027: "the stream is being captured",
    107030: "the call is not allowed while a stream is captured",
    161001: "an operator was given a null pointer",
    161002: "an operator refuses its arguments",
    200000: "memory allocation failed",
    207001: "memory allocation failed",
    207004: "no device was found",
    207018: "the device has no memory left",
    507010: "the device lost its heartbeat",
    507014: "a kernel on the AI core ran out of time",
    507015: "a kernel on the AI core failed",
    507018: "a kernel on the AI CPU failed",
    507035: "a kernel on the vector core failed",
    507046: "the stream was not done in time",
    507047: "the event was not complete in time",
    507052: "a copy failed",
    507053: "the device's memory has an error",
    507054: "the device's memory has an uncorrectable error",
    507899: "the driver failed",
    507903: "the capture became invalid",
    561103: "an operator's executor is null or used up",
}
_FAMILIES = {
    100: "a parameter is invalid",
    107: "a parameter or the context is invalid",
    161: "an operator refuses its arguments",
    200: "a resource is missing",
    207: "a resource is missing",
    361: "an operator called the runtime, which failed",
    500: "an internal error",
    507: "execution on the device failed",
    561: "an operator failed inside",
}
_MEMORY = {200000, 207001, 207018}
_LOST = {507010, 507053, 507054}


def meaning(code: int) -> str:
    """Return what an error code of CANN says, in a few words.

    Examples
    --------
    >>> meaning(207001), meaning(507099)
    ('memory allocation failed', 'execution on the device failed')
    """
    return _MEANINGS.get(code) or _FAMILIES.get(code // 1000) or "an error"


def error_class(code: int) -> type[DeviceError]:
    """Return the kind of error that a code is raised as."""
    if code in _MEMORY:
        return OutOfMemory
    return DeviceLost if code in _LOST else DeviceError


def refuses(code: int) -> bool:
    """Return whether an operator's first phase says that it cannot take such arguments."""
    # 361001 is what an operator answers on a product that it is not made for.
    return code in (161001, 161002, 361001) or code // 1000 == 561
