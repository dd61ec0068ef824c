"""Sparse tensors of a model file, made dense."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from hal.errors import ModelError
from hal.onnx.external import Folder
from hal.onnx.limits import Limits
from hal.onnx.tensors import tensor_to_host

__all__ = ["sparse_to_host"]


def sparse_to_host(sparse: Any, folder: Folder, limits: Limits) -> Any:
    """Return a SparseTensorProto as a dense NumPy array.

    Raises
    ------
    ModelError
        When indices and values do not fit each other or the dims, or a limit is exceeded.
    """
    name, dims = sparse.values.name or "without a name", tuple(sparse.dims)
    values = tensor_to_host(sparse.values, folder, limits)
    indices = tensor_to_host(sparse.indices, folder, limits)
    if any(d < 0 for d in dims):
        raise ModelError(f"the sparse tensor {name} has dims {dims}; none may be negative")
    nbytes = prod(dims) * values.dtype.itemsize
    limits.check("value_bytes", nbytes, f"the size of sparse tensor {name} in bytes")
    if values.ndim != 1 or indices.dtype != np.int64:
        raise ModelError(f"the sparse tensor {name} needs one axis of values and int64 indices")
    flat = indices
    if indices.ndim == 2 and indices.shape == (len(values), len(dims)):
        if ((indices < 0) | (indices >= np.array(dims))).any():
            raise ModelError(f"an index of the sparse tensor {name} lies outside of {dims}")
        flat = np.ravel_multi_index(tuple(indices.T), dims) if dims else indices.reshape(-1)
    elif indices.shape != (len(values),):
        raise ModelError(
            f"the sparse tensor {name} has {len(values)} values and indices of shape "
            f"{indices.shape}; they do not fit"
        )
    if len(flat) and not (flat.min() >= 0 and flat.max() < prod(dims)):
        raise ModelError(f"an index of the sparse tensor {name} lies outside of {dims}")
    dense = np.zeros(prod(dims), values.dtype)
    dense[flat] = values
    return dense.reshape(dims)
