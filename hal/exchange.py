"""Sharing of memory with other libraries: DLPack, NumPy arrays, and protocols of vendors.

Source: https://dmlc.github.io/dlpack/latest/python_spec.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hal.device import Device, as_device, default_device, devices
from hal.dispatch import call
from hal.dlpack import HOST, Foreign, host_array, pack
from hal.dtypes import as_dtype
from hal.errors import ExchangeError, HalAttributeError, HalError
from hal.memory import allocate, base, from_host, to_host, wrap
from hal.ops import operators
from hal.plugin import Shared, backends
from hal.plugin.layout import extent
from hal.storage import Spec, Storage, Value

__all__ = ["adopt", "dlpack_device", "from_dlpack", "to_dlpack", "vendor_protocol"]

_BYTES = np.dtype(np.uint8)


class _Borrowed(Storage):
    """Memory of another library: it goes back when the work on it is done."""

    __slots__ = ()

    def __del__(self) -> None:
        if self.device.runtime.synchronous:
            return
        try:
            if self.readers is not None:
                self.wait_for_readers(self.stream)
            self.device.runtime.synchronize(self.stream.handle)
        # A finaliser cannot raise: the stream reports the error at its next synchronisation.
        except Exception as error:
            self.stream.failure = self.stream.failure or error


# Export


def dlpack_device(x: Value) -> tuple[int, int]:
    """Return DLPack's device type and number for a tensor.

    Raises
    ------
    ExchangeError
        When the device cannot share its memory.
    """
    found = x.device.info.dlpack
    if found is None:
        raise ExchangeError(
            f"{x.device.name} does not share its memory through DLPack; use numpy() for a copy, "
            f"or ask for one on the host with dl_device={HOST}"
        )
    return found


def to_dlpack(x: Value, stream: Any, max_version: Any, dl_device: Any, copy: bool | None) -> Any:
    """Return a DLPack capsule over a tensor's memory, or over a copy.

    A view that runs backwards is copied: the best-known consumers end the process over negative
    strides.

    Parameters
    ----------
    x : Value
    stream : int or None
        The consumer's stream by the standard's convention; -1 for no synchronisation.
    max_version : tuple of int or None
        The highest DLPack version the consumer reads; None or 0.x for a capsule without a version.
    dl_device : tuple of int or None
        Where the consumer wants it; where the tensor is, or on the host.
    copy : bool or None
        True always copies, False raises instead of copying, None copies only if needed.

    Raises
    ------
    ExchangeError
        When it needs a copy that ``copy`` forbids, when the tensor cannot get to ``dl_device``,
        when DLPack has no such dtype, or when ``stream`` does not fit.
    """
    home = x.device.info.dlpack
    target = dlpack_device(x) if dl_device is None else _pair("dl_device", dl_device)
    versioned = max_version is not None and _pair("max_version", max_version)[0] >= 1
    if target not in (home, HOST):
        raise ExchangeError(
            f"a tensor on {x.device.name} cannot be exported to DLPack device {target}; "
            f"only to {HOST}" + ("" if home in (None, HOST) else f" or {home}")
        )
    if target == HOST and stream is not None:
        raise ExchangeError(f"host memory has no stream; got {stream!r}, give None")
    copied = bool(copy) or target != home or min(x._spec.strides, default=0) < 0
    if copied and copy is False:
        raise ExchangeError(
            f"a tensor on {x.device.name} with strides {x._spec.strides} gets to DLPack device "
            f"{target} by copy only; copy is False"
        )
    owner: Any = x
    if target == HOST:
        owner = exposed = to_host(x) if copied else _exposed(x)
        address = exposed.ctypes.data
        strides = tuple(s // x.dtype.itemsize for s in exposed.strides)
        owner = (x, exposed)
    else:
        if copied:
            x = owner = call(operators["copy"], x)
        _hand_over(x, stream)
        address, strides = x.device.runtime.address(x._array), x._spec.strides
    return pack(address, target, x.dtype, x.shape, strides, owner, versioned, copied)


def _exposed(x: Value) -> Any:
    exposed = x.device.runtime.expose(x._array)
    if exposed is None:
        raise ExchangeError(f"{x.device.name} does not share this memory; allow a copy")
    base(x)[0].stream.synchronize()
    return exposed


def _hand_over(x: Value, number: Any) -> None:
    """Make a stream of another library wait for what wrote a tensor."""
    if not (number is None or isinstance(number, int)):
        raise ExchangeError(f"a stream is named by an integer or None, not by {number!r}")
    runtime = x.device.runtime
    if runtime.synchronous or number == -1:
        return
    event = runtime.event()
    runtime.record(event, base(x)[0].stream.handle)
    runtime.wait(event, runtime.foreign_stream(number))


def vendor_protocol(x: Value, name: str) -> Any | None:
    """Return a tensor's attribute of a vendor's own protocol for sharing memory, or None."""
    runtime, stream = x.device.runtime, x.device.current_stream()
    if x.device.tracer is not None or x.device.info.dlpack is None or name not in runtime.protocols:
        return None
    if not runtime.synchronous:
        base(x)[0].read_on(stream)
    return runtime.protocol(name, x._array, stream.handle)


def _pair(name: str, given: Any) -> tuple[int, int]:
    try:
        first, second = given
        return int(first), int(second)
    except (TypeError, ValueError):
        raise ExchangeError(f"{name} must be two integers, not {given!r}") from None


# Import


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Value:
    """Return a tensor over the memory of another library's array, copied only where it must be.

    Parameters
    ----------
    x : object
        Anything with ``__dlpack__`` and ``__dlpack_device__``, or with a vendor's own protocol that
        the plugin for its devices knows.
    device : Device or str, optional
        Where the tensor shall be; where ``x`` is when left out.
    copy : bool, optional
        True always copies, False raises instead of copying, None copies only if needed: from
        another device, or where ``x`` is read-only, which tensors never are.

    Raises
    ------
    HalAttributeError
        When ``x`` has neither.
    ExchangeError
        When ``copy=False`` and sharing is not possible, when the dtype cannot be carried, or when
        the owner refuses.

    Examples
    --------
    >>> import hal, numpy as np
    >>> a = np.ones(2, dtype=np.float32)
    >>> x = hal.from_dlpack(a, device="cpu:0")
    >>> a[0] = 5
    >>> x
    Tensor([5., 1.], dtype=float32, device='cpu:0')
    """
    wanted = None if device is None else as_device(device)
    if isinstance(x, Value):
        return _moved(x, wanted or x.device, copy)
    if not (hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__")):
        found = next(filter(None, (b.shared(x) for b in backends().values())), None)
        if found is not None:
            return _from_vendor(found, wanted, copy)
        raise HalAttributeError(
            f"{type(x).__name__} has no __dlpack__ and __dlpack_device__; use hal.asarray(...)"
        )
    source = _pair("__dlpack_device__()", x.__dlpack_device__())
    home = _holding(source, wanted)
    if source == HOST:
        return adopt(_host(_described(x)), wanted or home or default_device(), copy)
    if home is None:
        if wanted is None or copy is False:
            raise ExchangeError(
                f"the array lies on DLPack device {source}, whose memory no device of hal shares; "
                "name a device for a copy, such as device='cpu:0'"
            )
        return from_host(_host(_described(x, dl_device=HOST)), wanted)
    number = home.runtime.stream_number(home.current_stream().handle)
    return _taken(_described(x, stream=number), home, wanted, copy)


def _from_vendor(found: Shared, wanted: Device | None, copy: bool | None) -> Value:
    """Return a tensor over memory that is shared by a vendor's protocol."""
    home = _holding(found.device, wanted)
    if home is None:
        raise ExchangeError(f"no device of hal shares the memory of DLPack device {found.device}")
    runtime = home.runtime
    if found.stream is not None and not runtime.synchronous:
        event = runtime.event()
        runtime.record(event, runtime.foreign_stream(found.stream))
        runtime.wait(event, home.current_stream().handle)
    return _taken(found, home, wanted, copy)


def _taken(
    foreign: Foreign | Shared, home: Device, wanted: Device | None, copy: bool | None
) -> Value:
    value = _borrowed(foreign, home)
    if foreign.read_only or copy:
        if copy is False:
            raise ExchangeError("the array is read-only, a tensor never is; allow a copy")
        value = call(operators["copy"], value)
    return _moved(value, wanted or home, None if copy else copy)


def _moved(x: Value, device: Device, copy: bool | None) -> Value:
    """Return a tensor of hal on a device: another view of its memory, or a copy."""
    if device is x.device:
        if copy:
            return call(operators["copy"], x)  # type: ignore[no-any-return]
        return call(operators["reshape"], x, shape=x.shape)  # type: ignore[no-any-return]
    if copy is False:
        raise ExchangeError(f"from {x.device.name} to {device.name} needs a copy; copy is False")
    device.check_dtype(x.dtype)
    return from_host(to_host(x), device)


def _holding(source: tuple[int, int], wanted: Device | None) -> Device | None:
    """Return a device whose memory a DLPack device is: the wanted one, the default, or any."""
    for candidate in (wanted, default_device()):
        if candidate is not None and candidate.info.dlpack == source:
            return candidate
    return next((d for d in devices() if d.info.dlpack == source), None)


def _described(x: Any, **wanted: Any) -> Foreign:
    """Ask an array for its capsule, in the newest form of the protocol that it knows."""
    wanted = {key: value for key, value in wanted.items() if value is not None}
    try:
        try:
            capsule = x.__dlpack__(max_version=(1, 0), **wanted)
        except TypeError:
            capsule = x.__dlpack__(**wanted)
    except HalError:
        raise
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise ExchangeError(f"{type(x).__name__} could not be exported: {error}") from error
    return Foreign(capsule)


def _host(foreign: Foreign) -> Any:
    """Return a NumPy array over foreign host memory."""
    known = foreign.dtype.numpy
    plain = known if known.isbuiltin == 1 else np.dtype(f"u{known.itemsize}")
    array = host_array(foreign.address, plain, foreign.shape, foreign.strides, foreign)
    if foreign.read_only:
        array.flags.writeable = False
    return array.view(known)


def _borrowed(foreign: Foreign | Shared, device: Device) -> Value:
    """Return a tensor over foreign memory of a device that is not the host."""
    device.check_dtype(foreign.dtype)
    spec = device.spec(foreign.dtype, foreign.shape, foreign.strides)
    if spec.size == 0:
        return allocate(spec, device.current_stream())
    size = foreign.dtype.itemsize
    if foreign.address % size:
        raise ExchangeError(
            f"the array starts at address {foreign.address:#x}, which is no multiple of the "
            f"{size} bytes of a {foreign.dtype}; copy it first"
        )
    low, high = extent(spec)
    nbytes = (high - low) * size
    buffer = device.runtime.borrow(foreign.address + low * size, nbytes)
    return _over(buffer, nbytes, spec, -low, foreign)


def _over(buffer: Any, nbytes: int, spec: Spec, offset: int, keep: Any) -> Value:
    stream = spec.device.current_stream()
    storage = _Borrowed(spec.device, buffer, nbytes, stream, owned=False, keep=keep)
    array = spec.device.runtime.view(buffer, spec.dtype, spec.shape, spec.strides, offset)
    return wrap(spec, array, (storage, offset))


def adopt(host: Any, device: Device, copy: bool | None) -> Value:
    """Return a tensor over a NumPy array's memory where the device can, else over a copy.

    Any writable array can be shared, strided ones too; one of another byte order or one that is
    not aligned to its dtype is copied.

    Raises
    ------
    ExchangeError
        When ``copy=False`` and the device cannot share the array's memory.
    """
    dtype = as_dtype(host.dtype)
    device.check_dtype(dtype)
    if copy is not True and host.size and _shareable(host):
        size = dtype.itemsize
        spec = device.spec(dtype, host.shape, tuple(s // size for s in host.strides))
        low, high = extent(spec)
        nbytes = (high - low) * size
        start = host.__array_interface__["data"][0] + low * size
        buffer = device.runtime.adopt(host_array(start, _BYTES, (nbytes,), (1,), host))
        if buffer is not None:
            return _over(buffer, nbytes, spec, -low, host)
    if copy is False and host.size:
        raise ExchangeError(
            f"{device.name} cannot share this array's memory; it must be writable, aligned, of the "
            "machine's byte order, and on a device that shares the host's memory; allow a copy"
        )
    return from_host(host, device)


def _shareable(host: Any) -> bool:
    flags = host.flags
    whole = all(s % host.dtype.itemsize == 0 for s in host.strides)
    return bool(flags.writeable and flags.aligned and host.dtype.isnative and whole)
