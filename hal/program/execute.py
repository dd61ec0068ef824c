"""Runs a program on its device: every buffer placed, every kernel found before the first run."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hal.device import Device
from hal.dispatch import write
from hal.errors import HalError
from hal.memory import allocate, base, make_view
from hal.ops import evaluate_reference
from hal.plans import counter, failure
from hal.plugin import Array, Call, Kernel, Layout, Program, Runtime, extent
from hal.program.asking import find_kernel, signature_key
from hal.program.constants import Constants
from hal.program.frame import Frame, Step
from hal.program.memory import MemoryPlan, plan_memory
from hal.program.recording import worth_recording
from hal.recorder import Recorder, current_recorder
from hal.report import Tally
from hal.storage import Storage, Value
from hal.stream import Stream

__all__ = ["Executable"]


class Executable:
    """A program ready to run on a device. It may be run from any thread.

    Parameters
    ----------
    device : Device
    program : Program
        As :func:`hal.program.trace.record` made it for this device, or passes of it.

    Attributes
    ----------
    program : Program
        Of its constants, those that the kernels have packed are :class:`hal.plugin.Released`.
    plan : MemoryPlan
        Where the intermediate values lie; ``plan.nbytes`` is what one run takes for them.
    """

    def __init__(self, device: Device, program: Program) -> None:
        self.device = device
        self.plan: MemoryPlan = plan_memory(program, device.runtime.alignment)
        self._constants = Constants(device, program)
        self._calls = [call for call in program.calls if not call.view]
        written = {x.buffer for call in self._calls for x in call.outputs}
        self._mutated = [x.buffer in written for x in program.inputs]
        self._inputs = {x.buffer: n for n, x in enumerate(program.inputs)}
        self._results = _result_buffers(program, self._inputs)
        self._count: list[tuple[Tally, int]] = [
            (counter(call.op, device, "host" if call.host else "native"), times)
            for call, times in _grouped(self._calls)
        ]
        self.program = replace(program, constants=self._constants)
        self._whole = device.runtime.compile(program, self._constants.buffers)
        self._kernels: list[Kernel] = []
        self._captures = (
            getattr(type(device.runtime), "capture", None) is not Runtime.capture
            and not self._whole
            and worth_recording(program)
        )
        self._free: dict[Stream | None, list[Frame]] = {}
        self._lock = threading.Lock()
        self._preparing = threading.Lock()

    def __call__(self, inputs: Sequence[Value]) -> list[Value]:
        """Run on tensors that have the layouts of the program's inputs; return the results."""
        device = self.device
        if device.lost is not None:
            raise device.lost
        stream = device.current_stream()
        if not device.runtime.synchronous:
            self._order(inputs, stream)
        results = {b: self._allocate(array, stream) for b, array in self._results.items()}
        if self._whole is not None and current_recorder() is None:
            self._run_whole(inputs, results, stream)
        else:
            self._run_steps(inputs, results, stream)
        for tally, times in self._count:
            tally.calls += times
        return [self._value(x, inputs, results) for x in self.program.outputs]

    # Runs

    def _run_steps(
        self, inputs: Sequence[Value], results: dict[int, Value], stream: Stream
    ) -> None:
        key = None if self.device.runtime.synchronous else stream
        # A profile sees each call, which a recording would hide.
        recorder = current_recorder()
        with self._lock:
            frames = self._free.setdefault(key, [])
            usable = frames if recorder is None else [f for f in frames if f.replay is None]
            frame = usable[-1] if usable else None
            if frame is not None:
                frames.remove(frame)
        if frame is None:
            frame = self._bind(stream)
        try:
            if frame.replay is None and self._captures and frame.runs and recorder is None:
                frame.replay = self._capture(frame, stream)
            if frame.replay is not None:
                frame.replay(inputs, results, stream)
            else:
                frame.fill(lambda array: self._value(array, inputs, results)._array)
                if recorder is not None:
                    self._enqueue(self._watched(frame, recorder, stream), stream)
                elif os.environ.get("HAL_SYNC") == "1":
                    self._enqueue(frame.steps, stream, wait=True)
                else:
                    self._enqueue(frame.joined, stream, frame.first)
        finally:
            frame.runs += 1
            if frame.replay is None:
                frame.fill(None)
            with self._lock:
                frames.append(frame)

    def _enqueue(
        self,
        steps: list[Step],
        stream: Stream,
        first: Sequence[int] | None = None,
        wait: bool = False,
    ) -> None:
        handle = stream.handle
        position = 0
        try:
            for position, (into, outs, ins) in enumerate(steps):  # noqa: B007
                into(handle, outs, ins)
                if wait:
                    stream.synchronize()
        except Exception as error:
            number = position if first is None else first[position]
            raise failure(self._calls[number].op, self.device, error) from error

    def _watched(self, frame: Frame, recorder: Recorder, stream: Stream) -> list[Step]:
        """Return a frame's steps, each telling a profile what it does."""
        steps = []
        for call, (into, outs, ins) in zip(self._calls, frame.steps, strict=True):
            asked = call.signature
            watched = recorder.watched(
                call.op, into, self.device, stream, asked.inputs, asked.outputs, call.attributes,
                "host" if call.host else "native", call.label,
            )  # fmt: skip
            steps.append((watched, outs, ins))
        return steps

    def _capture(self, frame: Frame, stream: Stream) -> Callable[..., None] | None:
        """Record a frame's calls on arrays of its own; None where the device does not want to."""
        inputs = [self._allocate(x, stream) for x in self.program.inputs]
        results = {b: self._allocate(array, stream) for b, array in self._results.items()}
        runtime = self.device.runtime
        frame.fill(lambda array: self._value(array, inputs, results)._array)
        try:
            recording = runtime.capture(stream.handle, lambda: self._enqueue(frame.steps, stream))
        except Exception as error:
            raise failure(self._calls[0].op, self.device, error) from error
        if recording is None:
            self._captures = False
            return None

        def replay(given: Sequence[Value], wanted: dict[int, Value], stream: Stream) -> None:
            for own, value in zip(inputs, given, strict=True):
                write(own, value)
            try:
                runtime.replay(recording, stream.handle)
            except Exception as error:
                raise failure(self._calls[0].op, self.device, error) from error
            for own, value, mutated in zip(inputs, given, self._mutated, strict=True):
                if mutated:
                    write(value, own)
            for buffer, value in wanted.items():
                write(value, results[buffer])

        return replay

    def _run_whole(
        self, inputs: Sequence[Value], results: dict[int, Value], stream: Stream
    ) -> None:
        outs = [self._value(x, inputs, results)._array for x in self.program.outputs]
        try:
            assert self._whole is not None
            self._whole(stream.handle, outs, [x._array for x in inputs])
        except Exception as error:
            raise failure(self._calls[0].op, self.device, error) from error

    def _order(self, inputs: Sequence[Value], stream: Stream) -> None:
        for x, mutated in zip(inputs, self._mutated, strict=True):
            storage = base(x)[0]
            if mutated:
                storage.write_on(stream)
            else:
                storage.read_on(stream)
        for storage in self._constants.storages:
            storage.read_on(stream)
        if self._calls:
            stream.pending = stream.pending or self._calls[0].op.name

    # Arrays

    def _value(self, array: Array, inputs: Sequence[Value], results: dict[int, Value]) -> Value:
        """Return the tensor for a place in an argument's or a result's buffer."""
        given = self._inputs.get(array.buffer)
        if given is None:
            value, root = results[array.buffer], self._results[array.buffer]
        else:
            value, root = inputs[given], self.program.inputs[given]
        if array == root:
            return value
        layout = array.layout
        start = root.offset * root.layout.dtype.itemsize // layout.dtype.itemsize
        spec = self.device.spec(layout.dtype, layout.shape, layout.strides)
        return make_view(value, spec, array.offset - start)

    def _allocate(self, array: Array, stream: Stream) -> Value:
        layout = array.layout
        return allocate(self.device.spec(layout.dtype, layout.shape, layout.strides), stream)

    # Preparation

    def prepare(self) -> None:
        """Find the calls' kernels, unless the backend runs the program whole.

        Constants are packed one after another: each is let go of before the next is packed.
        """
        if self._whole is None:
            self._find_kernels()

    def _find_kernels(self) -> None:
        with self._preparing:
            prepared: dict[Hashable, Kernel | None] = {}
            for call in self._calls[len(self._kernels) :]:
                self._kernels.append(self._kernel(call, prepared))

    def _kernel(self, call: Call, others: dict[Hashable, Kernel | None]) -> Kernel:
        """Return a call's kernel; calls that read the same constants alike share one."""
        if call.host:
            return Kernel(_host_kernel(self.device, call))
        asked = call.signature
        kernel = find_kernel(call.op, asked, self.device)
        if kernel is None:
            raise HalError(f"{self.device.name} has no {call.op.name} for {asked.inputs}")
        known = tuple([x if x and x.buffer in self._constants else None for x in call.inputs])
        if kernel.prepare is None or not any(known):
            return kernel
        key = (signature_key(call.op, asked), known)
        if key not in others:
            others[key] = kernel.prepare([self._known(x) for x in call.inputs])
        prepared = others[key]
        if prepared is None:
            return kernel
        if self._whole is None:  # Else the whole program reads them.
            self._constants.release(call, prepared.released)
        return prepared

    def _known(self, array: Array | None) -> Any:
        """Return the array of the device that a constant input is, None for any other."""
        if array is None or array.buffer not in self._constants:
            return None
        self._constants.settle(array.buffer)
        return self._view(self._constants.buffer(array.buffer), array, array.offset)

    def _view(self, buffer: Any, array: Array, start: int) -> Any:
        layout = array.layout
        return self.device.runtime.view(buffer, layout.dtype, layout.shape, layout.strides, start)

    def _bind(self, stream: Stream) -> Frame:
        """Return a new frame: memory for the program's buffers, and arrays in it."""
        device, plan = self.device, self.plan
        memory = None
        if plan.nbytes:
            buffer = device.runtime.allocate(plan.nbytes, stream.handle)
            memory = Storage(device, buffer, plan.nbytes, stream)
        frame = Frame(memory)

        def placed(array: Array | None, arguments: list[Any]) -> None:
            arguments.append(None)
            if array is None:
                return
            start = array.offset
            if array.buffer in plan.offsets:
                assert memory is not None
                start += plan.offsets[array.buffer] // array.layout.dtype.itemsize
                found = memory.buffer
            elif array.buffer in self._constants:
                found = self._constants.buffer(array.buffer)
            else:
                frame.holes.append((array, arguments, len(arguments) - 1))
                return
            arguments[-1] = self._view(found, array, start)

        self._find_kernels()
        own: list[bool] = []
        for call, kernel in zip(self._calls, self._kernels, strict=True):
            outs: list[Any] = []
            ins: list[Any] = []
            holes = len(frame.holes)
            for array in call.outputs:
                placed(_enclosing(array) if call.host else array, outs)
            for position, given in enumerate(call.inputs):
                read = None if position in kernel.released else given
                placed(_enclosing(read) if call.host and read else read, ins)
            into = None
            if kernel.place is not None and len(frame.holes) == holes:
                into = kernel.place(outs, ins)
            own.append(into is not None)
            frame.steps.append((into or kernel.into, outs, ins))
        frame.join(own, device.runtime)
        return frame


def _result_buffers(program: Program, inputs: dict[int, int]) -> dict[int, Array]:
    """Return the buffers that every run allocates anew, each as one contiguous array."""
    found: dict[int, Array] = {}
    for array in program.outputs:
        if array.buffer in inputs:
            continue
        nbytes = program.sizes[array.buffer]
        if array.layout.contiguous and array.layout.nbytes == nbytes:
            found[array.buffer] = array
        elif array.buffer not in found:
            dtype = array.layout.dtype
            found[array.buffer] = Array(array.buffer, Layout(dtype, (nbytes // dtype.itemsize,)))
    return found


def _grouped(calls: Sequence[Call]) -> list[tuple[Call, int]]:
    first: dict[tuple[str, bool], Call] = {}
    for call in calls:
        first.setdefault((call.op.name, call.host), call)
    times = Counter((call.op.name, call.host) for call in calls)
    return [(call, times[key]) for key, call in first.items()]


# Calls that the host runs


def _enclosing(array: Array) -> Array:
    """Return the contiguous range of the buffer in which an array lies."""
    low, high = extent(array.layout)
    return Array(array.buffer, Layout(array.layout.dtype, (high - low,)), array.offset + low)


def _host_kernel(device: Device, call: Call) -> Callable[..., None]:
    """Return what runs a call by its operator's reference, on copies of the ranges it touches."""

    def strided(array: Array, flat: Any) -> Any:
        layout = array.layout
        size = layout.dtype.itemsize
        start = -extent(layout)[0] * size
        strides = tuple(s * size for s in layout.strides)
        return np.ndarray(layout.shape, layout.dtype.numpy, flat, start, strides)

    def flat(array: Array) -> Any:
        low, high = extent(array.layout)
        return np.empty(high - low, array.layout.dtype.numpy)

    def fetched(array: Array, device_array: Any, stream: Any) -> Any:
        host = flat(array)
        if host.size:
            device.runtime.download(device_array, host, stream)
        return host

    def into(stream: Any, outs: list[Any], ins: list[Any]) -> None:
        arrays = [
            None if x is None else strided(x, fetched(x, a, stream))
            for x, a in zip(call.inputs, ins, strict=True)
        ]
        found = evaluate_reference(call.op, arrays, call.attributes)
        made = found if isinstance(found, tuple) else (found,)
        for array, device_array, result in zip(call.outputs, outs, made, strict=True):
            packed = array.layout.contiguous
            host = flat(array) if packed else fetched(array, device_array, stream)
            strided(array, host)[...] = result
            if host.size:
                device.runtime.upload(device_array, host, stream)

    return into
