"""oneDNN's convolution."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

from hal.errors import DeviceError
from hal_cpu.dnn.library import engine, library
from hal_cpu.dnn.primitive import Descriptor, PostOp, Primitive, attributes_of, layer

__all__ = ["Window", "convolution"]

_INFERENCE = 96
_DIRECT = 1


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
) -> Primitive | None:
    """Return a convolution, plus bias, through the post-ops; None where oneDNN has no quick one.

    Its addresses are those of source, weights, result, bias if any, and the post-ops' operands.
    Grouped weights have an axis of groups in front.
    """
    found = library()
    assert found is not None
    description = ctypes.c_void_p()
    attributes = attributes_of(post_ops)
    count = len(window.stride)
    try:
        found.dnnl_convolution_forward_primitive_desc_create(
            ctypes.byref(description),
            engine(),
            _INFERENCE,
            _DIRECT,
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
    return None if made.name.startswith("ref") else made
