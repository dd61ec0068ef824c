"""Plans that run a native kernel: what an eager call costs is written here, line by line."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hal.device import Device
from hal.errors import DeviceError, HalError
from hal.memory import allocate, base, tensor_class, wrap
from hal.ops import Operator
from hal.plugin import Kernel
from hal.report import Tally, tally
from hal.storage import Spec, Storage
from hal.stream import named

__all__ = ["Plan", "counter", "failure", "native_plan"]

Plan = Callable[..., Any]
_new = object.__new__


def native_plan(
    op: Operator, device: Device, kernel: Kernel, inputs: tuple[Spec | None, ...],
    outputs: tuple[Spec, ...],
) -> Plan:  # fmt: skip
    """Return the plan that runs a kernel on inputs of the given specs."""
    count = counter(op, device, "native")
    if not device.runtime.synchronous:
        return _ordered(op, device, kernel, outputs, count)
    if kernel.bind is not None and len(outputs) == 1:
        bound = kernel.bind(device.default_stream.handle)
        arity = 0 if None in inputs else len(inputs)
        return _bound(op, device, bound, outputs[0], arity, count)
    return _allocated(op, device, kernel, outputs, count)


def counter(op: Operator, device: Device, route: str) -> Tally:
    """Return what counts an operator's calls; those of a trace run nothing and are not reported."""
    return Tally() if device.tracer is not None else tally(op.name, device.name, route)


def failure(op: Operator, device: Device, error: Exception) -> Exception:
    """Return the error to raise for one that a backend raised while running an operator."""
    if isinstance(error, DeviceError):
        return named(error, device, op.name)
    if isinstance(error, HalError):
        return error
    text = f"{type(error).__name__}: {error}"
    return DeviceError("the kernel failed", operation=op.name, device=device.name, text=text)


def _bound(op: Operator, device: Device, bound: Any, spec: Spec, arity: int, count: Tally) -> Plan:
    """Return the plan of a kernel that makes its own result, as short as its arity allows."""
    cls = tensor_class()

    def unary(x: Any) -> Any:
        count.calls += 1
        result = _new(cls)
        try:
            result._array = bound(x._array)
        except Exception as error:
            raise failure(op, device, error) from error
        result._spec = spec
        result._base = None
        return result

    def binary(x: Any, y: Any) -> Any:
        count.calls += 1
        result = _new(cls)
        try:
            result._array = bound(x._array, y._array)
        except Exception as error:
            raise failure(op, device, error) from error
        result._spec = spec
        result._base = None
        return result

    def general(*inputs: Any) -> Any:
        count.calls += 1
        try:
            array = bound(*[None if x is None else x._array for x in inputs])
        except Exception as error:
            raise failure(op, device, error) from error
        return wrap(spec, array, None)

    by_arity: dict[int, Plan] = {1: unary, 2: binary}
    return by_arity.get(arity, general)


def _allocated(
    op: Operator, device: Device, kernel: Kernel, outputs: tuple[Spec, ...], count: Tally
) -> Plan:
    """Return the plan of a kernel that writes results hal allocated, on a synchronous device."""
    into = kernel.into
    stream = device.default_stream

    def run(*inputs: Any) -> Any:
        count.calls += 1
        results = [allocate(spec, stream) for spec in outputs]
        arrays = [None if x is None else x._array for x in inputs]
        try:
            into(stream.handle, [r._array for r in results], arrays)
        except Exception as error:
            raise failure(op, device, error) from error
        return results[0] if len(results) == 1 else tuple(results)

    return run


def _ordered(
    op: Operator, device: Device, kernel: Kernel, outputs: tuple[Spec, ...], count: Tally
) -> Plan:
    """Return the plan of a kernel on an asynchronous device: ordered behind what it reads."""
    into, bind = kernel.into, kernel.bind
    every_call = os.environ.get("HAL_SYNC") == "1"

    def run(*inputs: Any) -> Any:
        if device.lost is not None:
            raise device.lost
        count.calls += 1
        stream = device.current_stream()
        for x in inputs:
            if x is not None:
                base(x)[0].read_on(stream)
        arrays = [None if x is None else x._array for x in inputs]
        if stream.pending is None:
            stream.pending = op.name
        try:
            if bind is not None:
                made = bind(stream.handle)(*arrays)
                made = made if isinstance(made, tuple) else (made,)
                results = [_keep(s, a, device, stream) for s, a in zip(outputs, made, strict=True)]
            else:
                results = [allocate(spec, stream) for spec in outputs]
                into(stream.handle, [r._array for r in results], arrays)
        except Exception as error:
            raise failure(op, device, error) from error
        if every_call:
            stream.synchronize()
        return results[0] if len(results) == 1 else tuple(results)

    return run


def _keep(spec: Spec, array: Any, device: Device, stream: Any) -> Any:
    buffer = device.runtime.owner(array)
    storage = Storage(device, buffer, spec.nbytes, stream, owned=False, keep=array)
    return wrap(spec, array, (storage, 0))
