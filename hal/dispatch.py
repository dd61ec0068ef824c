"""Finds a way to run an operator: a native kernel, else its decomposition, else the host.

The way is found once per operator, input specs and attributes, and kept as a plan: a function of
the inputs. An eager call on known specs is one dictionary lookup and one plan call.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from hal.device import Device, as_device, traced
from hal.dtypes import DType, as_dtype, check_scalar, promote, promote_scalar
from hal.errors import (
    DeviceError,
    DTypeError,
    HalWarning,
    TraceError,
    Unsupported,
    ValueRangeError,
)
from hal.memory import allocate, base, from_host, make_view, overwrite_on_host, to_host
from hal.ops import Operator, evaluate_reference, operators
from hal.ops.operator import Inference
from hal.plans import Plan, counter, failure, native_plan, plans, routed, watched
from hal.plugin import Kernel, Signature, extent
from hal.recorder import current_recorder
from hal.report import current_policy, first_time
from hal.storage import Spec, Value

__all__ = ["Evaluator", "call", "constant", "evaluator", "operands", "plans", "write"]

_PLAN_LIMIT = 16384
_CONSTANT_LIMIT = 4096
_COPY = operators["copy"]


def call(op: Operator, *inputs: Value | None, device: Any = None, **attributes: Any) -> Any:
    """Run an operator on tensors of one device.

    Parameters
    ----------
    op : Operator
    *inputs : Value or None
        Tensors; None for an optional input that is left out.
    device : Device or str, optional
        Where to make the result of an operator without inputs.
    **attributes
        The operator's attributes; values must be hashable.

    Returns
    -------
    Tensor or tuple of Tensor

    Raises
    ------
    HalError
        When the call does not fit the operator, or the device fails.
    """
    key: tuple[Any, ...] = tuple([None if x is None else x._spec for x in inputs])
    if not inputs:
        key = (as_device(device),)
    if attributes:
        key += (tuple(attributes.items()),)
    cache = plans(op)
    try:
        plan = cache.get(key)
    except TypeError:
        lists = {name: tuple(v) for name, v in attributes.items() if isinstance(v, list)}
        if lists:
            return call(op, *inputs, device=device, **{**attributes, **lists})
        raise DTypeError(f"{op.name}: attributes must be hashable, got {attributes}") from None
    if plan is None:
        specs = tuple([None if x is None else x._spec for x in inputs])
        where = _common_device(op, specs, as_device(device) if not inputs else None)
        if where.tracer is not None:
            lifted = [x if x is None else where.tracer.lift(x) for x in inputs]
            specs = tuple([None if x is None else x._spec for x in lifted])
            found = _build(op, specs, attributes, where)(*lifted)
            if op.view is not None:
                where.tracer.viewed(op, op.infer(specs, attributes).attributes, lifted[0], found)
            return found
        plan = _build(op, specs, attributes, where)
        if current_recorder() is not None:
            plan = watched(op, plan)
        if len(cache) >= _PLAN_LIMIT:
            cache.clear()
        cache[key] = plan
    return plan(*inputs)


class Evaluator:
    """Calls operators on one device by name, for decompositions; Python numbers are operands.

    Examples
    --------
    >>> import hal
    >>> from hal.dispatch import evaluator
    >>> x = hal.ones(2, device="cpu:0")
    >>> evaluator(x.device).multiply(x, 0.5)
    Tensor([0.5, 0.5], dtype=float32, device='cpu:0')
    """

    def __init__(self, device: Device) -> None:
        self._device = device

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in operators:
            raise AttributeError(f"hal has no operator named {name!r}")
        op = operators[name]
        device = self._device

        def run(*inputs: Any, **attributes: Any) -> Any:
            return call(op, *operands(device, inputs), device=device, **attributes)

        setattr(self, name, run)
        return run


def evaluator(device: Device) -> Evaluator:
    """Return the device's evaluator."""
    if device.evaluator is None:
        device.evaluator = Evaluator(device)
    found: Evaluator = device.evaluator
    return found


def operands(device: Device, inputs: tuple[Any, ...]) -> list[Value | None]:
    """Return the inputs with Python numbers made tensors of the dtype they meet."""
    if not any(isinstance(x, bool | int | float | complex) for x in inputs):
        return list(inputs)
    met = [x._spec.dtype for x in inputs if isinstance(x, Value)]
    like = reduce(promote, met) if met else None
    return [
        constant(device, x, like) if isinstance(x, bool | int | float | complex) else x
        for x in inputs
    ]


def constant(device: Device, number: Any, like: DType | None) -> Value:
    """Return a cached 0-d tensor with a Python number, in the dtype in which it meets ``like``.

    The tensor is shared: never write to it or hand it to a user.
    """
    dtype = as_dtype(type(number)) if like is None else promote_scalar(like, number)
    # Zero by its sign: -0.0 equals 0.0. NaN equals nothing, a complex number has two signs.
    key = (dtype, number or repr(number))
    cacheable = number == number and not isinstance(number, complex)
    found = device.constants.get(key) if cacheable else None
    if found is None:
        check_scalar(number, dtype)
        with np.errstate(all="ignore"):
            number = float(number) if dtype.kind == "float" else number
            found = from_host(np.array(number, dtype=dtype.numpy), device)
        if cacheable:
            if len(device.constants) >= _CONSTANT_LIMIT:
                device.constants.clear()
            device.constants[key] = found
    return found


# Plans


def _common_device(op: Operator, specs: tuple[Spec | None, ...], device: Device | None) -> Device:
    for spec in specs:
        if spec is None or spec.device is device:
            continue
        if device is None or spec.device.tracer is not None:
            device = spec.device
        elif device.tracer is None:
            raise DeviceError(
                f"{op.name}: the tensors are on {device.name} and {spec.device.name}; "
                "move one with to_device(...)"
            )
    if device is None:
        raise DTypeError(f"{op.name} needs at least one tensor")
    return device


def _build(
    op: Operator, specs: tuple[Spec | None, ...], attributes: dict[str, Any], device: Device
) -> Plan:
    inference = op.infer(specs, attributes)
    for dtype, _ in inference.outputs:
        device.check_dtype(dtype)
    outputs = tuple([device.spec(dtype, shape) for dtype, shape in inference.outputs])
    if any(
        s is not None and d is not s.dtype for s, d in zip(specs, inference.dtypes, strict=True)
    ):
        return _converted(op, inference, attributes)
    if op.view is not None:
        return _view_plan(op, specs[0], inference)  # type: ignore[arg-type]
    if all(spec.size == 0 for spec in outputs):
        return _empty_plan(outputs)
    kernel = _kernel(op, device, specs, outputs, inference)
    if kernel is not None:
        plan = native_plan(op, device, kernel, specs, outputs)
        return routed(plan, "native", device, inference.attributes)
    if not all(s is None or s.contiguous for s in specs):
        packed = tuple([None if s is None else device.spec(s.dtype, s.shape) for s in specs])
        if op is not _COPY and _kernel(op, device, packed, outputs, inference) is not None:
            return _packed(op, attributes)
    if op.decompose is not None:
        plan = _decomposed(op, device, inference)
        return routed(plan, "decomposed", device, inference.attributes)
    return routed(_on_host(op, device, inference), "host", device, inference.attributes)


def _kernel(
    op: Operator, device: Device, specs: Any, outputs: Any, inference: Inference
) -> Kernel | None:
    return device.runtime.kernel(op, Signature(specs, outputs, inference.attributes))


def _empty_plan(outputs: tuple[Spec, ...]) -> Plan:
    """Return the plan of a call whose results have no elements: no kernel need run."""

    def run(*inputs: Any) -> Any:
        results = [allocate(spec, spec.device.current_stream()) for spec in outputs]
        return results[0] if len(results) == 1 else tuple(results)

    return run


def _converted(op: Operator, inference: Inference, attributes: dict[str, Any]) -> Plan:
    cast = operators["cast"]
    targets = inference.dtypes

    def run(*inputs: Any) -> Any:
        converted = [
            x if x is None or x._spec.dtype is d else call(cast, x, dtype=d)
            for x, d in zip(inputs, targets, strict=True)
        ]
        return call(op, *converted, **attributes)

    return run


def _packed(op: Operator, attributes: dict[str, Any]) -> Plan:
    def run(*inputs: Any) -> Any:
        packed = [x if x is None or x._spec.contiguous else call(_COPY, x) for x in inputs]
        return call(op, *packed, **attributes)

    return run


def _view_plan(op: Operator, spec: Spec, inference: Inference) -> Plan:
    dtype, shape = inference.outputs[0]
    assert op.view is not None
    found = op.view(spec, inference.attributes)
    if found is None:
        attributes = inference.attributes
        return lambda x: call(op, call(_COPY, x), **attributes)
    strides, offset = found
    target = spec.device.spec(dtype, shape, strides)
    return lambda x: make_view(x, target, offset)


def _decomposed(op: Operator, device: Device, inference: Inference) -> Plan:
    count = counter(op, device, "decomposed")
    F = evaluator(device)
    attributes = inference.attributes
    decompose = op.decompose
    assert decompose is not None

    def run(*inputs: Any) -> Any:
        count.calls += 1
        return decompose(F, *inputs, **attributes)

    return run


def _on_host(op: Operator, device: Device, inference: Inference) -> Plan:
    count = counter(op, device, "host")

    def run(*inputs: Any) -> Any:
        policy = current_policy()
        if policy == "error":
            given = ", ".join(str(x._spec) for x in inputs if x is not None)
            raise Unsupported(
                f"{device.name} has no {op.name} for {given or inference.attributes}; "
                "allow the host to run it with hal.fallback('allow'), or use another device"
            )
        if policy == "warn" and first_time(op.name, device.name):
            warnings.warn(
                f"{device.name} has no {op.name}; the host runs it, with a copy both ways "
                "(hal.fallback('allow') silences this, hal.report() counts it)",
                HalWarning,
                stacklevel=3,
            )
        count.calls += 1
        arrays = [None if x is None else to_host(x) for x in inputs]
        try:
            found = evaluate_reference(op, arrays, inference.attributes)
        except Exception as error:
            raise failure(op, device, error) from error
        results = [
            from_host(array.astype(dtype.numpy, copy=False), device)
            for array, (dtype, _) in zip(
                found if isinstance(found, tuple) else (found,), inference.outputs, strict=True
            )
        ]
        return results[0] if len(results) == 1 else tuple(results)

    return run


# Writing into existing tensors


def write(target: Value, source: Value) -> None:
    """Copy a tensor of equal shape and dtype into another's memory, overlapping or not.

    Raises
    ------
    ValueRangeError
        When elements of the target share memory, so that only one of their values could stay.
    """
    if target._spec.size == 0:
        return
    # The stride of an axis of size 1 is never 0.
    if 0 in target._spec.strides:
        raise ValueRangeError(
            f"this tensor of shape {target.shape} was broadcast: several of its elements share "
            "memory, so that they cannot be written one by one; write into a copy, "
            "hal.asarray(x, copy=True)"
        )
    device = target._spec.device
    if traced(device):
        raise TraceError(
            "a compiled function writes into a tensor that is not among its arguments; "
            "pass the tensor as an argument"
        )
    if source._spec.device is not device:
        source = _moved(source, device)
    storage = base(target)[0]
    if source._base is not None and source._base[0] is storage and _overlap(target, source):
        source = call(_COPY, source)
    kernel = _write_kernel(target._spec, source._spec)
    if kernel is None:
        overwrite_on_host(target, to_host(source))
        return
    stream = device.current_stream()
    if not device.runtime.synchronous:
        base(source)[0].read_on(stream)
        storage.write_on(stream)
        stream.pending = stream.pending or _COPY.name
    into, recorder = kernel.into, current_recorder()
    if recorder is not None:
        into = recorder.watched(_COPY, into, device, stream, (source._spec,), (target._spec,))
    try:
        into(stream.handle, [target._array], [source._array])
    except Exception as error:
        raise failure(_COPY, device, error) from error


def _moved(source: Value, device: Device) -> Value:
    """Return the source of a write as a tensor of the target's device, or raise."""
    if device.tracer is not None:
        lifted: Value = device.tracer.lift(source)
        return lifted
    raise DeviceError(
        f"a tensor on {source.device.name} cannot be written into one on {device.name}; "
        "move it with to_device(...)"
    )


_write_kernels: dict[tuple[Spec, Spec], Kernel | None] = {}


def _write_kernel(target: Spec, source: Spec) -> Kernel | None:
    key = (target, source)
    if target.device.tracer is not None:
        return _copy_kernel(target, source)
    if key not in _write_kernels:
        if len(_write_kernels) >= _PLAN_LIMIT:
            _write_kernels.clear()
        _write_kernels[key] = _copy_kernel(target, source)
    return _write_kernels[key]


def _copy_kernel(target: Spec, source: Spec) -> Kernel | None:
    inference = _COPY.infer((source,), {})
    return _kernel(_COPY, target.device, (source,), (target,), inference)


def _overlap(a: Value, b: Value) -> bool:
    ranges = []
    for value in (a, b):
        low, high = extent(value._spec)
        start = base(value)[1]
        size = value._spec.dtype.itemsize
        ranges.append(((start + low) * size, (start + high) * size))
    (a_low, a_high), (b_low, b_high) = ranges
    return bool(a_low < b_high and b_low < a_high)
