"""Records what a function does to tensors, as the calls the device would run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import numpy as np

from hal.device import Device, default_device
from hal.dispatch import call
from hal.dtypes import DType
from hal.errors import TraceError, Unsupported
from hal.memory import base, wrap
from hal.ops import Operator, operators
from hal.plugin import (
    Array,
    Backend,
    Call,
    Devices,
    Kernel,
    Layout,
    Program,
    Runtime,
    Signature,
    extent,
)
from hal.program.asking import find_kernel
from hal.recorder import named, scopes
from hal.report import current_policy
from hal.storage import Spec, Storage, Value

__all__ = ["label", "record"]


class _Recorder(Runtime):
    """A runtime whose buffers are numbers and whose kernels write down what they are asked."""

    synchronous = True

    def __init__(self, target: Device) -> None:
        self.target = target
        self.alignment = target.runtime.alignment
        self.calls: list[Call] = []
        self.sizes: list[int] = []
        self.constants: dict[int, Any] = {}
        self.label = ""

    def allocate(self, nbytes: int, stream: Any) -> int:
        self.sizes.append(nbytes)
        return len(self.sizes) - 1

    def free(self, buffer: int, stream: Any) -> None:
        pass

    def view(
        self,
        buffer: int,
        dtype: DType,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int,
    ) -> Array:
        return Array(buffer, Layout(dtype, shape, strides), offset)

    def upload(self, array: Array, host: Any, stream: Any) -> None:
        if array.buffer in self.constants or self._written(array.buffer):
            raise TraceError(_where("values from the host are written into a traced tensor"))
        self.constants[array.buffer] = np.array(host)

    def download(self, array: Array, host: Any, stream: Any) -> None:
        raise TraceError(
            _where(
                "a compiled function reads the values of a tensor on the host (by bool(), item(), "
                "numpy(), a mask as an index, ...), but they are known only when it runs; use "
                "hal.where or similar, or leave this part outside of the compiled function"
            )
        )

    def kernel(self, op: Operator, signature: Signature) -> Kernel | None:
        inputs = tuple([None if x is None else _plain(x) for x in signature.inputs])
        outputs = tuple([_plain(x) for x in signature.outputs])
        attributes = dict(signature.attributes)
        host = find_kernel(op, Signature(inputs, outputs, attributes), self.target) is None
        if host and (op.decompose is not None or self._runs_packed(op, signature)):
            return None
        if host and current_policy() == "error":
            raise Unsupported(f"{self.target.name} has no {op.name} for {inputs}")

        def into(stream: Any, outputs: Sequence[Array], inputs: Sequence[Array | None]) -> None:
            for output in outputs:
                if output.buffer in self.constants:
                    raise TraceError(
                        _where(
                            "a compiled function writes into a tensor that is not among its "
                            "arguments; pass the tensor as an argument"
                        )
                    )
            self.calls.append(
                Call(op, tuple(inputs), tuple(outputs), attributes, host=host, label=self.named())
            )

        return Kernel(into)

    def _runs_packed(self, op: Operator, signature: Signature) -> bool:
        if op is operators["copy"] or all(x is None or x.contiguous for x in signature.inputs):
            return False
        packed = tuple([None if x is None else Layout(x.dtype, x.shape) for x in signature.inputs])
        outputs = tuple([_plain(x) for x in signature.outputs])
        given = Signature(packed, outputs, signature.attributes)
        return find_kernel(op, given, self.target) is not None

    def named(self) -> str:
        """Return what the calls recorded now are called."""
        return self.label or "/".join(scopes())

    def _written(self, buffer: int) -> bool:
        return any(out.buffer == buffer for made in self.calls for out in made.outputs)


class Tracer:
    """Stands behind a tracing device: makes what comes from outside known to the recorder."""

    def __init__(self, recorder: _Recorder, device: Device) -> None:
        self.recorder = recorder
        self.device = device
        self.target = recorder.target
        self._storages: dict[int, tuple[Storage, Storage]] = {}

    def lift(self, value: Value) -> Value:
        """Return a tensor of the target device as a constant of the trace.

        Raises
        ------
        TraceError
            When it is on another device, or of another trace.
        """
        if value.device is self.device:
            return value
        if value.device is not self.target:
            raise TraceError(
                _where(
                    f"a function compiled for {self.target.name} uses a tensor on "
                    f"{value.device.name}; move it with to_device(...) before"
                )
            )
        storage, offset = base(value)
        known = self._storages.get(id(storage))
        if known is None:
            buffer = self.recorder.allocate(storage.nbytes, None)
            self.recorder.constants[buffer] = storage
            known = storage, Storage(self.device, buffer, storage.nbytes, self._stream())
            self._storages[id(storage)] = known
        return self.symbolic(value._spec, known[1], offset)

    def symbolic(self, spec: Spec, storage: Storage, offset: int) -> Value:
        """Return a tensor of the trace with the layout of one on the target device."""
        made = self.device.spec(spec.dtype, spec.shape, spec.strides)
        array = Array(storage.buffer, _plain(spec), offset)
        return wrap(made, array, (storage, offset))

    def argument(self, value: Value) -> Value:
        """Return what stands for an argument while the function is traced."""
        start, span = _range(value)
        nbytes = span * value.dtype.itemsize
        buffer = self.recorder.allocate(nbytes, None)
        storage = Storage(self.device, buffer, nbytes, self._stream())
        return self.symbolic(value._spec, storage, -start)

    def forget(self) -> None:
        """Let go of the tensors that the function used without being given them."""
        self._storages.clear()

    def viewed(self, op: Operator, attributes: dict[str, Any], given: Value, result: Value) -> None:
        """Note that an operator only looked at memory in another way, unless it had to copy."""
        if given._array.buffer != result._array.buffer:
            return
        self.recorder.calls.append(
            Call(
                op, (given._array,), (result._array,), attributes, True, label=self.recorder.named()
            )
        )

    def _stream(self) -> Any:
        return self.device.default_stream


class _Backend(Backend):
    """The backend of a tracing device; not registered anywhere."""

    def __init__(self, recorder: _Recorder) -> None:
        self.name = recorder.target.backend.name
        self.recorder = recorder

    def devices(self) -> Devices:
        return Devices((self.recorder.target.info,))

    def open(self, index: int) -> Runtime:
        return self.recorder


def record(
    name: str, target: Device, arguments: Sequence[Value], run: Callable[[list[Value]], list[Value]]
) -> Program:
    """Return the program of what ``run`` does to arguments of given layouts.

    Parameters
    ----------
    name : str
        What the program is called.
    target : Device
        Where it will run; decides which operators are decomposed.
    arguments : sequence of Value
        Tensors on the target, for their layouts; their values are not looked at.
    run : callable
        Gets tensors that stand for the arguments, returns tensors.

    Raises
    ------
    TraceError
        When ``run`` needs to know values.
    """
    recorder = _Recorder(target)
    device = Device(_Backend(recorder), target.info)
    device.tracer = tracer = Tracer(recorder, device)
    with default_device(device), named(alone=True):
        symbols = [tracer.argument(x) for x in arguments]
        results = [tracer.lift(x) for x in run(list(symbols))]
        finished = [_owned(x, recorder) for x in results]
    # The device and its tracer hold each other: constants must not wait for a garbage collection.
    constants, recorder.constants = recorder.constants, {}
    tracer.forget()
    return Program(
        name,
        tuple([x._array for x in symbols]),
        tuple([x._array for x in finished]),
        tuple(recorder.calls),
        tuple(recorder.sizes),
        constants,
    )


def label(device: Device, text: str) -> None:
    """Name the calls recorded from here on, for example after a model's node; a no-op elsewhere."""
    if device.tracer is not None:
        device.tracer.recorder.label = text


def _owned(result: Value, recorder: _Recorder) -> Value:
    """Return a result that does not lie in a constant, which the caller could then change."""
    if result._array.buffer not in recorder.constants:
        return result
    copied: Value = call(operators["copy"], result)
    return copied


def _plain(layout: Layout) -> Layout:
    return Layout(layout.dtype, layout.shape, layout.strides)


def _range(value: Value) -> tuple[int, int]:
    """Return where a view's memory starts relative to its first element, and how long it is."""
    if value._spec.size == 0:
        return 0, 0
    low, high = extent(value._spec)
    return low, high - low


def _where(message: str) -> str:
    """Return the message with the line of the user's code that led here."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == "hal":
        frame = frame.f_back
    if frame is None:
        return message
    return f"{frame.f_code.co_filename}:{frame.f_lineno}: {message}"
