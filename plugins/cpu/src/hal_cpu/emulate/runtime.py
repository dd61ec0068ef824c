"""The runtime of an emulated chip: its memory, its kernels, its order, its clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hal.dtypes import DType
from hal.errors import DeviceError
from hal.ops import Operator
from hal.plugin import Chip, DeviceInfo, Kernel, MemoryStats, Runtime, Signature
from hal_cpu.emulate.kernels import Offers, Work, find_work
from hal_cpu.emulate.memory import Block, Pool
from hal_cpu.emulate.order import Clock, Event, Stream

__all__ = ["EmulatedRuntime", "describe"]


def describe(index: int, chip: Chip) -> DeviceInfo:
    """Return the description of a device that emulates a chip."""
    return DeviceInfo(
        index=index,
        description=chip.description,
        architecture=chip.architecture,
        memory=chip.memory,
        dtypes=chip.dtypes,
        properties={
            "chip": chip.name,
            "backend of the chip": chip.backend,
            "bandwidth": f"{chip.bandwidth / 1e9:g} GB/s",
        },
        emulated=f"the CPU emulates {chip.name}, times are predicted",
    )


class _Array:
    """The chip's array: nothing of the host's can be done with it."""

    __slots__ = ("block", "values")

    def __init__(self, block: Block, values: Any) -> None:
        self.block = block
        self.values = values


Call = tuple[Work, Sequence[_Array], Sequence[_Array | None]]


class EmulatedRuntime(Runtime):
    """One emulated chip.

    Parameters
    ----------
    chip : Chip
    offers : callable, optional
        What the chip's own backend has kernels for.
    """

    synchronous = False
    simulated = True

    def __init__(self, chip: Chip, offers: Offers | None = None) -> None:
        self.chip = chip
        self.alignment = chip.alignment
        self._offers = offers
        self._clock = Clock()
        self._pool = Pool(chip.memory, chip.alignment)
        # Bytes that kernels have moved so far: what was written lately lies in the cache.
        self._traffic = 0

    # memory

    def allocate(self, nbytes: int, stream: Any) -> Any:
        """Return a block of the chip's memory."""
        return self._pool.allocate(nbytes, stream)

    def free(self, buffer: Any, stream: Any) -> None:
        """Give a block back in the order of the stream."""
        self._pool.free(buffer, stream)

    def view(
        self,
        buffer: Any,
        dtype: DType,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int,
    ) -> Any:
        """Return an array over a block."""
        assert isinstance(buffer, Block)
        size = dtype.itemsize
        steps = tuple([s * size for s in strides])
        return _Array(buffer, np.ndarray(shape, dtype.numpy, buffer.bytes, offset * size, steps))

    def upload(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Enqueue a copy of what the host array holds now."""
        array.block.written = self._traffic
        stream.run(self._transfer(host.nbytes), np.copyto, array.values, host.copy())

    def download(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Copy to the host and wait for it."""
        stream.run(self._transfer(host.nbytes), np.copyto, host, array.values)
        stream.synchronize()

    def _transfer(self, nbytes: int) -> float:
        return self.chip.host_latency + nbytes / self.chip.host_bandwidth

    def address(self, array: Any) -> int:
        """Return where an array's first element lies."""
        return int(array.values.ctypes.data)

    def memory_stats(self) -> MemoryStats:
        """Return what of the chip's memory is in use."""
        return self._pool.stats()

    # work

    def kernel(self, op: Operator, signature: Signature) -> Kernel | None:
        """Return a kernel where the chip has one."""
        work = find_work(self.chip, self._offers, op, signature)
        if work is None:
            return None

        def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
            if stream.recording is None:
                self._start(stream, (work, outputs, inputs), recorded=False)
            else:
                stream.recording.append((work, tuple(outputs), tuple(inputs)))

        return Kernel(into)

    def _start(self, stream: Stream, call: Call, recorded: bool) -> None:
        work, outputs, inputs = call
        oldest = self._traffic - self.chip.cache // 2
        cold = sum(
            nbytes
            for x, nbytes in zip(inputs, work.read, strict=True)
            if x is not None and x.block.written < oldest
        )
        self._traffic += work.nbytes
        for x in outputs:
            x.block.written = self._traffic
        arrays = [None if x is None else x.values for x in inputs]
        stream.run(work.seconds(cold, recorded), work.run, [x.values for x in outputs], arrays)

    def capture(self, stream: Any, enqueue: Callable[[], None]) -> Any:
        """Record kernels, to be started without the host's help for each."""
        recorded: list[Call] = []
        stream.recording = recorded
        try:
            enqueue()
        finally:
            stream.recording = None
        return recorded

    def replay(self, recording: Any, stream: Any) -> None:
        """Enqueue the kernels of a recording."""
        for call in recording:
            self._start(stream, call, recorded=True)

    # order

    def stream(self) -> Any:
        """Return a new stream."""
        return Stream(self._clock)

    def event(self) -> Any:
        """Return a new event."""
        return Event()

    def record(self, event: Any, stream: Any) -> None:
        """Put the event behind the stream's work."""
        event.record(stream)

    def wait(self, event: Any, stream: Any) -> None:
        """Make the stream's later work wait for the event."""
        event.hold(stream)

    def query(self, event: Any) -> bool:
        """Return whether the event is complete."""
        return bool(event.query(self._clock))

    def query_stream(self, stream: Any) -> bool:
        """Return whether the stream has nothing left to do."""
        if not stream.idle:
            return False
        self._clock.seen(stream.time)
        return True

    def elapsed(self, start: Any, end: Any) -> float:
        """Return the milliseconds between two events by the simulated clock."""
        return float(end.time - start.time) * 1e3

    def synchronize(self, stream: Any) -> None:
        """Wait for the stream; raise what went wrong in it."""
        stream.synchronize()

    def synchronize_event(self, event: Any) -> None:
        """Wait for the event."""
        event.synchronize(self._clock)

    # testing

    def fail(self, stream: Any) -> None:
        """Enqueue work that fails."""
        stream.run(self.chip.launch, _fail)


def _fail() -> None:
    raise DeviceError("work that was told to fail has failed")
