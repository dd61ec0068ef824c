"""Tensors of a model file as NumPy arrays: sizes are checked before memory is taken."""

from __future__ import annotations

import sys
from math import prod
from typing import Any

import numpy as np

from hal.dtypes import DType, as_dtype
from hal.errors import DTypeError, ModelError
from hal.onnx.external import Folder
from hal.onnx.limits import Limits
from hal.onnx.package import onnx_package
from hal.onnx.stored import Source, Weight
from hal.onnx.wire import Run

__all__ = [
    "STRING",
    "element_dtype",
    "element_number",
    "read_tensor",
    "tensor_bytes",
    "tensor_to_host",
]

STRING = 8

# TensorProto.DataType, source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
_ELEMENTS = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8_e4m3fn",
    18: "float8_e4m3fnuz",
    19: "float8_e5m2",
    20: "float8_e5m2fnuz",
    21: "uint4",
    22: "int4",
    23: "float4_e2m1fn",
    24: "float8_e8m0fnu",
    25: "uint2",
    26: "int2",
}
_NUMBERS = {name: number for number, name in _ELEMENTS.items()}

# Where TensorProto keeps elements that are not raw bytes; 4- and 2-bit ones are packed in bytes.
_FIELDS = {
    "float_data": {1: 1, 14: 2},
    "double_data": {11: 1, 15: 2},
    "int64_data": {7: 1},
    "uint64_data": {12: 1, 13: 1},
    "string_data": {STRING: 1},
}


def element_dtype(number: int) -> DType:
    """Return the hal dtype of an element type of ONNX.

    Raises
    ------
    DTypeError
        For strings and for numbers that hal does not know.

    Examples
    --------
    >>> element_dtype(16)
    hal.bfloat16
    """
    name = _ELEMENTS.get(number)
    if name is None:
        listed = ", ".join(f"{n} ({e})" for n, e in _ELEMENTS.items())
        raise DTypeError(f"the element type {number} has no dtype in hal; known are: {listed}")
    return as_dtype(name)


def element_number(dtype: Any) -> int:
    """Return the element type of ONNX that a dtype is.

    Examples
    --------
    >>> element_number("float32")
    1
    """
    found = np.dtype(dtype.numpy if isinstance(dtype, DType) else dtype)
    if found.kind in "OUST":
        return STRING
    return _NUMBERS[as_dtype(found).name]


def tensor_bytes(tensor: Any) -> int:
    """Return the bytes a tensor's elements take in the file, from its dims and type.

    Raises
    ------
    ModelError
        When a dim is negative or the type unknown.
    """
    name = tensor.name or "without a name"
    if any(d < 0 for d in tensor.dims):
        raise ModelError(f"the tensor {name} has dims {list(tensor.dims)}; none may be negative")
    if len(tensor.dims) > 64:
        raise ModelError(f"the tensor {name} has {len(tensor.dims)} dims; 64 are allowed")
    count = prod(tensor.dims)
    if tensor.data_type == STRING:
        return int(8 * count)
    try:
        dtype = element_dtype(tensor.data_type)
    except DTypeError as error:
        raise ModelError(f"the tensor {name}: {error}") from None
    return int(-(-count * (dtype.bits if dtype.bits < 8 else dtype.itemsize * 8) // 8))


def tensor_to_host(tensor: Any, folder: Folder, limits: Limits) -> Any:
    """Return a TensorProto's elements as a NumPy array; strings have dtype object.

    Raises
    ------
    ModelError
        As :func:`read_tensor`.
    """
    found = read_tensor(tensor, folder, limits)
    return found.host() if isinstance(found, Weight) else found


def read_tensor(
    tensor: Any, folder: Folder, limits: Limits, raw: tuple[Source, Run] | None = None
) -> Any:
    """Return a TensorProto's elements as an array, or as a Weight where they lie elsewhere.

    Parameters
    ----------
    tensor : onnx.TensorProto
    folder : Folder
        Where external data may lie.
    limits : Limits
    raw : tuple of Source and Run, optional
        Where its raw data lies, if that was left out of it.

    Raises
    ------
    ModelError
        When the data does not fill the dims, lies outside the folder, or is above a limit.
    """
    name = tensor.name or "without a name"
    nbytes = tensor_bytes(tensor)
    limits.check("value_bytes", nbytes, f"the size of tensor {name} in bytes")
    if tensor.HasField("segment"):
        raise ModelError(f"the tensor {name} is split in segments, which ONNX does not define")
    if tensor.data_location == 1:
        if tensor.data_type == STRING:
            raise ModelError(f"the tensor {name} holds strings, which cannot be external data")
        return _stored(tensor, nbytes, *folder.external(name, tensor.external_data, nbytes))
    if tensor.data_type == STRING:
        return _strings(name, tensor)
    in_bytes = raw is not None or tensor.HasField("raw_data")
    given = _given(name, tensor) if raw is None else raw[1].nbytes
    expected = nbytes if in_bytes else _entries(tensor, nbytes)
    if given != expected:
        unit = "bytes" if in_bytes else "entries"
        raise ModelError(
            f"the tensor {name} has dims {list(tensor.dims)}, which need {expected} {unit}; "
            f"the file holds {given}"
        )
    if raw is not None:
        return _stored(tensor, nbytes, raw[0], raw[1].start)
    try:
        return onnx_package().numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelError(f"the tensor {name} cannot be read: {error}") from None


def _stored(tensor: Any, nbytes: int, source: Source, start: int) -> Any:
    """Return what reads elements that lie as they do in memory; others are unpacked at once."""
    dtype = element_dtype(tensor.data_type)
    if dtype.bits >= 8 and sys.byteorder == "little":
        return Weight(source, start, dtype, tuple(tensor.dims))
    contents = bytearray(nbytes)
    source.read(start, memoryview(contents))
    local = type(tensor)(dims=tensor.dims, data_type=tensor.data_type, raw_data=bytes(contents))
    return onnx_package().numpy_helper.to_array(local)


def _strings(name: str, tensor: Any) -> Any:
    if len(tensor.string_data) != prod(tensor.dims):
        raise ModelError(
            f"the tensor {name} has dims {list(tensor.dims)} but {len(tensor.string_data)} strings"
        )
    texts = [s.decode("utf-8", "surrogateescape") for s in tensor.string_data]
    result = np.empty(len(texts), object)
    result[:] = texts
    return result.reshape(tuple(tensor.dims))


def _given(name: str, tensor: Any) -> int:
    """Return how many bytes or entries there are, all in the one field meant for the type."""
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data)
    field = next((f for f, types in _FIELDS.items() if tensor.data_type in types), "int32_data")
    for other in (*_FIELDS, "int32_data"):
        if other != field and len(getattr(tensor, other)):
            raise ModelError(f"the tensor {name} keeps its data in {other}; it must be {field}")
    return len(getattr(tensor, field))


def _entries(tensor: Any, nbytes: int) -> int:
    for types in _FIELDS.values():
        if tensor.data_type in types:
            return int(prod(tensor.dims) * types[tensor.data_type])
    return nbytes if element_dtype(tensor.data_type).bits < 8 else int(prod(tensor.dims))
