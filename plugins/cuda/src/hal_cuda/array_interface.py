"""The CUDA array interface: memory of GPUs that libraries share which do not know DLPack.

Source: https://nvidia.github.io/numba-cuda/user/cuda_array_interface.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.dtypes import DType, as_dtype
from hal.errors import ExchangeError, HalError
from hal.plugin import Shared, contiguous_strides
from hal_cuda.array import Array

__all__ = ["NAME", "exported", "imported"]

NAME = "__cuda_array_interface__"
_VERSION = 3
_DLPACK_CUDA = 2


def exported(array: Array, stream: int) -> dict[str, Any] | None:
    """Return the interface of an array, or None where its dtype has no name in it.

    Parameters
    ----------
    array : Array
    stream : int
        The stream that a consumer makes its own wait for.
    """
    name = array.dtype.numpy
    if name.isbuiltin != 1:
        return None
    empty = 0 in array.shape
    return {
        "shape": array.shape,
        "typestr": name.str,
        "data": (0 if empty else array.pointer, False),
        "strides": tuple([s * array.dtype.itemsize for s in array.strides]),
        "version": _VERSION,
        "stream": stream,
    }


def imported(x: Any) -> Shared | None:
    """Return what an object shares by the interface, or None if it has none.

    The interface does not say which GPU's memory it is; the first one is put down.

    Raises
    ------
    ExchangeError
        When the interface is one of masked elements, or of a dtype or strides that hal lacks, or
        names stream 0, which the interface forbids.
    """
    found = getattr(x, NAME, None)
    if found is None:
        return None
    if found.get("mask") is not None:
        raise ExchangeError("the array has a mask; hal has no masked tensors: fill them first")
    dtype = _dtype(found["typestr"])
    shape = tuple([int(n) for n in found["shape"]])
    strides = contiguous_strides(shape)
    given = found.get("strides")
    if given is not None:
        if any(s % dtype.itemsize for s in given):
            raise ExchangeError(
                f"the array's strides of {tuple(given)} bytes are no multiples of the "
                f"{dtype.itemsize} of {dtype}; copy it first"
            )
        strides = tuple([s // dtype.itemsize for s in given])
    stream = found.get("stream")
    if stream == 0:
        raise ExchangeError("the array names stream 0, which the CUDA array interface forbids")
    address, read_only = found["data"]
    return Shared(
        int(address or 0), (_DLPACK_CUDA, 0), dtype, shape, strides, bool(read_only), stream, x
    )


def _dtype(name: str) -> DType:
    try:
        native = np.dtype(name)
        if native.isnative:
            return as_dtype(native)
    except (TypeError, HalError):
        pass
    raise ExchangeError(f"the array has elements of kind {name!r}, which hal lacks; convert them")
