"""The plugin contract: what a backend gives so that hal can run on its devices.

A backend deals with bytes, order and kernels; hal deals with meaning. Shapes, dtypes, broadcasting,
promotion, views, errors and fallbacks are decided before a backend is called, so a backend never
checks or re-decides them.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hal.dtypes import COMPUTE, DType
from hal.errors import Unsupported
from hal.plugin.collectives import Communicator
from hal.plugin.layout import Layout
from hal.plugin.program import Program

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from hal.ops.operator import Operator

__all__ = [
    "CONTRACT_VERSION",
    "Backend",
    "DeviceInfo",
    "Devices",
    "HostEvent",
    "Kernel",
    "MemoryStats",
    "Runtime",
    "Signature",
]

CONTRACT_VERSION = (1, 0)
"""Major and minor version of this contract; a plugin of another major version is not loaded."""


@dataclass(frozen=True)
class DeviceInfo:
    """What a backend says about one device before it is opened.

    Attributes
    ----------
    index : int
        Position among the backend's devices, from 0.
    description : str
        The product's name, for example ``"Accelerator X100"``.
    architecture : str
        What kernels are built for, for example ``"x86_64"``.
    memory : int
        Total memory in bytes.
    dtypes : tuple of DType
        The dtypes tensors on this device can have.
    links : mapping of str to str
        Other devices by name and how they are connected.
    properties : mapping of str to object
        Whatever else is worth showing (clocks, versions, number of cores).
    emulated : str
        What is emulated or stood in for, such as ``"stand-in for X"``; empty for the real thing.
    dlpack : tuple of int or None
        DLPack's device type and number for this device's memory, where other libraries can share
        it: ``(1, 0)`` for host memory, for which the runtime gives ``adopt`` and ``expose``; of any
        other type, it gives what stands under "sharing memory" in :class:`Runtime`.
    """

    index: int
    description: str
    architecture: str
    memory: int
    dtypes: tuple[DType, ...] = COMPUTE
    links: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    emulated: str = ""
    dlpack: tuple[int, int] | None = None


@dataclass(frozen=True)
class Devices:
    """The devices of a backend; when there is none, why, and what to do about it."""

    found: tuple[DeviceInfo, ...]
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Signature:
    """For what a kernel is asked: layouts in, layouts out, attributes.

    Attributes
    ----------
    inputs : tuple of Layout or None
        One per input; None for an optional input that was left out. Inputs of elementwise
        operators have equal dtypes but their own shapes, to be broadcast as NumPy broadcasts.
    outputs : tuple of Layout
        One per output.
    attributes : mapping of str to object
        The operator's attributes in canonical form (axes non-negative, defaults filled in).
    """

    inputs: tuple[Layout | None, ...]
    outputs: tuple[Layout, ...]
    attributes: Mapping[str, Any]


class Kernel:
    """Runs one operator for one signature.

    A backend either passes functions or overrides the methods.

    Parameters
    ----------
    into : callable
        ``into(stream, outputs, inputs)`` enqueues the work that writes the given output arrays.
        Arrays are what :meth:`Runtime.view` returned; an absent optional input is None. No output
        overlaps an input, with one exception: for an operator of the elementwise family an output
        may be the memory of an input of equal layout.
    bind : callable, optional
        ``bind(stream)`` returns a function of the input arrays that enqueues the work and returns
        a new array (a tuple of them for several outputs), C-contiguous, of the signature's output
        layout. Give it where the vendor's library allocates more cheaply itself; without it hal
        allocates and calls ``into``.
    """

    __slots__ = ("bind", "into")

    def __init__(
        self,
        into: Callable[[Any, Sequence[Any], Sequence[Any]], None],
        bind: Callable[[Any], Callable[..., Any]] | None = None,
    ) -> None:
        self.into = into
        self.bind = bind


@dataclass(frozen=True)
class MemoryStats:
    """Memory of one device in bytes.

    Attributes
    ----------
    allocated : int
        Held by live buffers.
    reserved : int
        Held from the system, the pool's free blocks included.
    peak : int
        The most that was ever allocated.
    total : int
        What the device has.
    allocations : int
        Live buffers.
    """

    allocated: int
    reserved: int
    peak: int
    total: int
    allocations: int


class HostEvent:
    """The event of a synchronous backend: complete as soon as it is recorded."""

    __slots__ = ("nanoseconds",)

    def __init__(self) -> None:
        self.nanoseconds: int | None = None


class Runtime(ABC):
    """One opened device. Every method may be called from any thread.

    A subclass gives at least :meth:`allocate`, :meth:`free`, :meth:`view`, :meth:`upload`,
    :meth:`download` and :meth:`kernel`. An asynchronous one sets ``synchronous = False`` and
    overrides everything under "order".
    """

    synchronous: bool = True
    """True when every call has finished its work by the time it returns."""

    alignment: int = 64
    """Buffers start at a multiple of this many bytes."""

    # memory

    @abstractmethod
    def allocate(self, nbytes: int, stream: Any) -> Any:
        """Return a buffer of at least ``nbytes`` bytes, usable in the order of ``stream``.

        Raises
        ------
        hal.errors.OutOfMemory
            When the device has no room.
        """

    @abstractmethod
    def free(self, buffer: Any, stream: Any) -> None:
        """Give a buffer back in the order of ``stream``: work enqueued before may still use it."""

    @abstractmethod
    def view(
        self,
        buffer: Any,
        dtype: DType,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int,
    ) -> Any:
        """Return the backend's own array over a buffer; ``strides`` and ``offset`` in elements."""

    @abstractmethod
    def upload(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Copy a C-contiguous host array into a C-contiguous device array of equal shape.

        The host array may be changed as soon as this returns.
        """

    @abstractmethod
    def download(self, array: Any, host: npt.NDArray[Any], stream: Any) -> None:
        """Copy a C-contiguous device array into a C-contiguous host array and wait for it."""

    def owner(self, array: Any) -> Any:
        """Return the buffer under an array that :attr:`Kernel.bind` made (only needed with it)."""
        raise NotImplementedError

    def memory_stats(self) -> MemoryStats | None:
        """Return memory statistics, or None where they are not kept."""
        return None

    def adopt(self, host: npt.NDArray[Any]) -> Any | None:
        """Return a buffer that shares a writable contiguous host array's memory, or None."""
        return None

    def expose(self, array: Any) -> np.ndarray[Any, Any] | None:
        """Return a NumPy array that shares a device array's memory, or None where it cannot."""
        return None

    # work

    @abstractmethod
    def kernel(self, op: Operator, signature: Signature) -> Kernel | None:
        """Return a kernel for this operator and signature, or None to have hal find another way.

        Asked once per signature. When the answer is None for strided inputs, hal asks again with
        contiguous ones before it decomposes.
        """

    # whole programs; optional

    def compile(
        self, program: Program, constants: Mapping[int, Any]
    ) -> Callable[[Any, Sequence[Any], Sequence[Any]], None] | None:
        """Take a whole program, or return None to have hal call kernels one after another.

        Parameters
        ----------
        program : Program
            Already simplified. Every call that is no view and not marked ``host`` has a kernel.
        constants : mapping of int to object
            The device buffer under each constant of the program, by the buffer's number.

        Returns
        -------
        callable or None
            ``run(stream, outputs, inputs)`` enqueues the program: it reads the input arrays, whose
            layouts are the program's, and writes the output arrays, which are contiguous unless
            they lie in an input's buffer. It may be called from any thread.
        """
        return None

    def capture(self, stream: Any, enqueue: Callable[[], None]) -> Any | None:
        """Record what ``enqueue()`` puts on the stream, without running it, to replay it later.

        The arrays it works on keep their addresses until the recording is dropped. When
        ``enqueue`` raises, the capture is ended and the error passes through.

        Returns
        -------
        object or None
            The recording, for :meth:`replay`; None where the device cannot capture.
        """
        return None

    def replay(self, recording: Any, stream: Any) -> None:
        """Enqueue a recording that :meth:`capture` made."""
        raise NotImplementedError

    # several devices; optional

    def communicator(self, identity: bytes, rank: int, size: int) -> Communicator:
        """Return this device's end of a group; waits until every device of it has come.

        Parameters
        ----------
        identity : bytes
            What ``Backend.communicator_identity`` returned to one of them, for all.
        rank, size : int
            This device's number in the group, and how many there are.

        Raises
        ------
        hal.errors.Unsupported
            When the device has no collectives.
        """
        raise Unsupported("this device has no collectives; move tensors with to_device(...)")

    # sharing memory through DLPack; needed where DeviceInfo.dlpack names no host memory

    def address(self, array: Any) -> int:
        """Return the address of a device array's first element."""
        raise NotImplementedError

    def borrow(self, address: int, nbytes: int) -> Any:
        """Return a buffer over memory that another library owns.

        It goes to :meth:`view` like any buffer, but never to :meth:`free`. hal keeps the memory's
        owner alive until all work on the buffer is done.
        """
        raise NotImplementedError

    def foreign_stream(self, number: int | None) -> Any:
        """Return another library's stream as a handle for :meth:`record` and :meth:`wait`.

        Called when a tensor is exported: hal makes this stream wait for what wrote the tensor.

        Parameters
        ----------
        number : int or None
            The stream by the standard's convention for the device type, never -1 (which asks for
            no order); None where the consumer named none, so that its default stream is meant:
            https://data-apis.org/array-api/latest/API_specification/generated/array_api.array.__dlpack__.html

        Raises
        ------
        hal.errors.ValueRangeError
            When the convention forbids the number.
        """
        raise NotImplementedError

    def stream_number(self, stream: Any) -> int | None:
        """Return a stream's number by the same convention; None if streams have none.

        Called when memory is imported: hal passes it to the owner, which orders its own work
        before whatever that stream is given from then on.
        """
        return None

    # order; a synchronous backend inherits these

    def stream(self) -> Any:
        """Return a new stream: a queue whose work runs in the order it was enqueued."""
        return None

    def event(self) -> Any:
        """Return a new event, not recorded yet."""
        return HostEvent()

    def record(self, event: Any, stream: Any) -> None:
        """Record the event behind all work enqueued on the stream so far."""
        event.nanoseconds = time.perf_counter_ns()

    def wait(self, event: Any, stream: Any) -> None:
        """Make work enqueued on the stream from now on wait for the event."""

    def query(self, event: Any) -> bool:
        """Return whether the recorded event is complete, without waiting."""
        return True

    def query_stream(self, stream: Any) -> bool:
        """Return whether all work enqueued on the stream so far is done, without waiting.

        Inherited, it records an event and asks for that. Override it where a new event is not
        complete at once on an idle stream, or where the vendor answers more cheaply.
        """
        event = self.event()
        self.record(event, stream)
        return self.query(event)

    def elapsed(self, start: Any, end: Any) -> float:
        """Return the time between two complete events in milliseconds."""
        return float(end.nanoseconds - start.nanoseconds) / 1e6

    def synchronize(self, stream: Any) -> None:
        """Wait until all work enqueued on the stream is done; raise what went wrong in it."""

    def synchronize_event(self, event: Any) -> None:
        """Wait until the recorded event is complete."""


class Backend(ABC):
    """A family of devices. Constructing one touches no driver.

    Attributes
    ----------
    name : str
        What comes before the colon in a device's name, for example ``"cpu"``.
    contract : tuple of int
        The contract version this backend was written for: ``CONTRACT_VERSION`` at the time.
    """

    name: str
    contract: tuple[int, int] = CONTRACT_VERSION

    @abstractmethod
    def devices(self) -> Devices:
        """Return what is there. Must not raise: an empty result carries reason and remedy."""

    @abstractmethod
    def open(self, index: int) -> Runtime:
        """Return the runtime of one device; called once, at the device's first use."""

    def communicator_identity(self) -> bytes:
        """Return a new identity of a group of devices, to be handed to each (by pipe or file).

        Raises
        ------
        hal.errors.Unsupported
            When the devices have no collectives.
        """
        raise Unsupported(f"{self.name} has no collectives; move tensors with to_device(...)")
