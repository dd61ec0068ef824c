"""oneDNN's convolution and transposed convolution."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

from hal.errors import DeviceError
from hal_cpu.dnn.library import engine, library
from hal_cpu.dnn.primitive import Descriptor, PostOp, Primitive, attributes_of, layer

__all__ = ["Window", "convolution"]

_INFERENCE = 96
_DIRECT, _TRANSPOSED = 1, 10


class Window(NamedTuple):
    """Where a kernel is laid on its input: for each spatial axis a number."""

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]


def convolution(
    source: Descriptor,
    weights: Descriptor,
    result: Descriptor,
    bias: Descriptor | None,
    window: Window,
    post_ops: Sequence[PostOp] = (),
    transposed: bool = False,
) -> Primitive | None:
    """Return a convolution, plus bias, through the post-ops; None where oneDNN has no quick one.

    Its addresses are those of source, weights, result, bias if any, and the post-ops' operands.
    Weights have an axis of the result's channels in front of one of the source's, also for a
    transposed convolution; grouped ones have an axis of groups before both.
    """
    found = library()
    assert found is not None
    make = found.dnnl_convolution_forward_primitive_desc_create
    kind = _DIRECT
    if transposed:
        make, kind = found.dnnl_deconvolution_forward_primitive_desc_create, _TRANSPOSED
    description = ctypes.c_void_p()
    attributes = attributes_of(post_ops)
    count = len(window.stride)
    try:
        make(
            ctypes.byref(description),
            engine(),
            _INFERENCE,
            kind,
            source.handle,
            weights.handle,
            None if bias is None else bias.handle,
            result.handle,
            (ctypes.c_int64 * count)(*window.stride),
            (ctypes.c_int64 * count)(*[n - 1 for n in window.dilation]),
            (ctypes.c_int64 * count)(*window.before),
            (ctypes.c_int64 * count)(*window.after),
            attributes,
        )
    except DeviceError:
        return None
    finally:
        found.dnnl_primitive_attr_destroy(attributes)
    made = layer(description, bias, post_ops)
    # A transposed one may be made of another: "conv:any+ref:any".
    return None if any(part.startswith("ref") for part in made.name.split("+")) else made
