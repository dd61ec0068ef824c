"""Plans: those that run a native kernel, line by line what a call costs, and where all are kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import update_wrapper
from typing import Any
from weakref import WeakKeyDictionary

from hal.device import Device
from hal.errors import DeviceError, HalError
from hal.memory import allocate, base, tensor_class, wrap
from hal.ops import Operator
from hal.plugin import Kernel
from hal.recorder import Kind, Recorder, current_recorder, use
from hal.report import Tally, tally
from hal.storage import Spec, Storage
from hal.stream import Stream, named

__all__ = [
    "Plan",
    "counter",
    "failure",
    "native_plan",
    "plans",
    "record_calls",
    "routed",
    "shortcut",
    "watched",
]

Plan = Callable[..., Any]
_new = object.__new__
_plans: dict[Operator, dict[Any, Plan]] = {}
_shortcuts: list[dict[Any, Any]] = []
_routes: WeakKeyDictionary[Plan, tuple[Kind, Device, Mapping[str, Any]]] = WeakKeyDictionary()


def plans(op: Operator) -> dict[Any, Plan]:
    """Return the operator's plan cache, keyed by input specs (and attribute items, if any)."""
    return _plans.setdefault(op, {})


def shortcut() -> dict[Any, Any]:
    """Return a new dictionary for plans, emptied whenever they are exchanged for others."""
    _shortcuts.append({})
    return _shortcuts[-1]


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
    alone = outputs[0] if len(outputs) == 1 and bind is None else None

    def run(*inputs: Any) -> Any:
        if device.lost is not None:
            raise device.lost
        count.calls += 1
        stream = device.current_stream()
        arrays: list[Any] = []
        for x in inputs:
            if x is None:
                arrays.append(None)
                continue
            storage = (x._base or base(x))[0]
            if storage.stream is not stream:
                storage.read_on(stream)
            arrays.append(x._array)
        if stream.pending is None:
            stream.pending = op.name
        results: Any
        try:
            if alone is not None:
                results = allocate(alone, stream)
                into(stream.handle, [results._array], arrays)
            else:
                results = several(stream, arrays)
        except Exception as error:
            raise failure(op, device, error) from error
        if every_call:
            stream.synchronize()
        return results

    def several(stream: Stream, arrays: list[Any]) -> Any:
        if bind is not None:
            made = bind(stream.handle)(*arrays)
            made = made if isinstance(made, tuple) else (made,)
            results = [_keep(s, a, device, stream) for s, a in zip(outputs, made, strict=True)]
        else:
            results = [allocate(spec, stream) for spec in outputs]
            into(stream.handle, [r._array for r in results], arrays)
        return results[0] if len(results) == 1 else tuple(results)

    return run


def _keep(spec: Spec, array: Any, device: Device, stream: Any) -> Any:
    buffer = device.runtime.owner(array)
    storage = Storage(device, buffer, spec.nbytes, stream, owned=False, keep=array)
    return wrap(spec, array, (storage, 0))


# Plans while a profile runs


def routed(plan: Plan, route: Kind, device: Device, attributes: Mapping[str, Any]) -> Plan:
    """Return a plan after noting, for profiles, by which route and where it runs its operator."""
    _routes[plan] = (route, device, attributes)
    return plan


def watched(op: Operator, plan: Plan) -> Plan:
    """Return a plan that tells the running profile of each call; one that runs nothing stays."""
    if plan not in _routes:
        return plan
    route, device, attributes = _routes[plan]

    def run(*inputs: Any) -> Any:
        recorder = current_recorder()
        if recorder is None:
            return plan(*inputs)
        stream = device.current_stream()
        if not device.runtime.synchronous:
            # What the call waits for is not part of its time.
            for x in inputs:
                if x is not None:
                    base(x)[0].read_on(stream)
        return recorder.timed(
            route, op.name, device, lambda: plan(*inputs), stream=stream,
            inputs=tuple([None if x is None else x._spec for x in inputs]), outputs=_specs,
            attributes=attributes, op=op,
        )  # fmt: skip

    update_wrapper(run, plan)
    return run


def record_calls(recorder: Recorder | None) -> None:
    """Have a recorder told of every call from now on, or none: plans are exchanged for others."""
    use(recorder)
    for op, cache in list(_plans.items()):
        for key, plan in list(cache.items()):
            original = getattr(plan, "__wrapped__", plan)
            cache[key] = original if recorder is None else watched(op, original)
    for numbers in _shortcuts:
        numbers.clear()


def _specs(made: Any) -> tuple[Spec, ...]:
    return tuple([x._spec for x in (made if isinstance(made, tuple) else (made,))])
