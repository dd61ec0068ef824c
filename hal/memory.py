"""Moves bytes: allocation, host copies, and views, for any backend."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np

from hal.device import Device
from hal.dtypes import as_dtype
from hal.errors import DeviceError, OutOfMemory
from hal.plugin.layout import extent
from hal.recorder import current_recorder
from hal.storage import Spec, Storage, Value
from hal.stream import Stream, named

__all__ = [
    "allocate",
    "base",
    "from_device",
    "from_host",
    "make_view",
    "to_host",
    "use_tensor_class",
    "wrap",
]

_new = object.__new__
_tensor_class: type[Value] = Value


def use_tensor_class(cls: type[Value]) -> None:
    """Say which class results are made of: ``hal.tensor`` calls this with Tensor."""
    global _tensor_class
    _tensor_class = cls


def tensor_class() -> type[Value]:
    """Return the class results are made of."""
    return _tensor_class


def wrap(spec: Spec, array: Any, base: tuple[Storage, int] | None) -> Value:
    """Return a tensor over a backend's array."""
    value = _new(_tensor_class)
    value._spec = spec
    value._array = array
    value._base = base
    return value


def allocate(spec: Spec, stream: Stream) -> Value:
    """Return an uninitialised tensor in new memory.

    Raises
    ------
    OutOfMemory
        When the device has no room even after unreachable tensors were collected.
    """
    device = spec.device
    runtime = device.runtime
    try:
        buffer = runtime.allocate(spec.nbytes, stream.handle)
    except OutOfMemory:
        gc.collect()
        buffer = runtime.allocate(spec.nbytes, stream.handle)
    storage = Storage(device, buffer, spec.nbytes, stream)
    return wrap(spec, runtime.view(buffer, spec.dtype, spec.shape, spec.strides, 0), (storage, 0))


def base(value: Value) -> tuple[Storage, int]:
    """Return the storage under a tensor and the element offset in it."""
    if value._base is None:
        device = value._spec.device
        buffer = device.runtime.owner(value._array)
        storage = Storage(
            device,
            buffer,
            value._spec.nbytes,
            device.current_stream(),
            owned=False,
            keep=value._array,
        )
        value._base = (storage, 0)
    return value._base


def make_view(value: Value, spec: Spec, offset: int) -> Value:
    """Return a tensor over the same storage; ``offset`` is relative, in the result's elements."""
    storage, start = base(value)
    start = start * value._spec.dtype.itemsize // spec.dtype.itemsize + offset
    if spec.size == 0:
        start = 0  # No element lies anywhere; an offset could point outside the buffer.
    array = storage.device.runtime.view(storage.buffer, spec.dtype, spec.shape, spec.strides, start)
    return wrap(spec, array, (storage, start))


def from_host(host: Any, device: Device) -> Value:
    """Return a tensor with a copy of a host array's values."""
    dtype = as_dtype(host.dtype)
    device.check_dtype(dtype)
    spec = device.spec(dtype, host.shape)
    stream = device.current_stream()
    value = allocate(spec, stream)
    if spec.size:
        packed = np.ascontiguousarray(host, dtype=dtype.numpy).reshape(host.shape)
        _watched_copy(
            "upload", value, lambda: device.runtime.upload(value._array, packed, stream.handle)
        )
    return value


def from_device(value: Value, device: Device) -> Value:
    """Return a copy of a tensor on another device; through the host where there is no other way."""
    spec = value._spec
    runtime = spec.device.runtime
    if not (spec.size and spec.contiguous and device.runtime.reaches(runtime)):
        return from_host(to_host(value), device)
    stream = device.current_stream()
    made = allocate(device.spec(spec.dtype, spec.shape), stream)
    base(value)[0].read_on(stream)
    device.runtime.copy_peer(made._array, runtime, value._array, stream.handle)
    return made


def to_host(value: Value) -> Any:
    """Return a new NumPy array with a tensor's values; waits for the stream that wrote it.

    Raises
    ------
    DeviceError
        When work that the tensor depends on failed.
    """
    spec = value._spec
    runtime = spec.device.runtime
    if spec.size == 0:
        return np.empty(spec.shape, spec.dtype.numpy)
    exposed = runtime.expose(value._array) if runtime.synchronous else None
    if exposed is not None:
        return _watched_copy("download", value, lambda: np.array(exposed, order="C", copy=True))
    if spec.contiguous:
        host = np.empty(spec.shape, spec.dtype.numpy)
        _download(value, host)
        return host
    flat, start = enclosing(value)
    host = np.empty(flat.shape, spec.dtype.numpy)
    _download(flat, host)
    return _strided(host, spec, start).copy(order="C")


def enclosing(value: Value) -> tuple[Value, int]:
    """Return the contiguous range of storage around a view, and where in it the view starts."""
    spec = value._spec
    low, high = extent(spec)
    flat = make_view(value, spec.device.spec(spec.dtype, (high - low,)), low)
    return flat, -low


def _strided(host: Any, spec: Spec, start: int) -> Any:
    itemsize = spec.dtype.itemsize
    return np.ndarray(
        spec.shape,
        spec.dtype.numpy,
        buffer=host,
        offset=start * itemsize,
        strides=tuple(s * itemsize for s in spec.strides),
    )


def overwrite_on_host(target: Value, host: Any) -> None:
    """Write host values through any view: read the range around it, change it, write it back."""
    spec = target._spec
    stream = spec.device.current_stream()
    flat, start = enclosing(target)
    whole = np.empty(flat.shape, spec.dtype.numpy)
    _download(flat, whole)
    _strided(whole, spec, start)[...] = host
    base(target)[0].write_on(stream)
    spec.device.runtime.upload(flat._array, whole, stream.handle)


def _download(value: Value, host: Any) -> None:
    device = value._spec.device
    stream = base(value)[0].stream
    first, stream.pending = stream.pending, None
    try:
        _watched_copy(
            "download", value, lambda: device.runtime.download(value._array, host, stream.handle)
        )
    except DeviceError as error:
        raise named(error, device, first) from error


def _watched_copy(name: str, value: Value, copy: Callable[[], Any]) -> Any:
    """Copy between host and device, and tell the profile that runs of it."""
    recorder = current_recorder()
    if recorder is None:
        return copy()
    spec = value._spec
    return recorder.timed("copy", name, spec.device, copy, inputs=(spec,), outputs=(spec,))
