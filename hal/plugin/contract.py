"""The plugin contract: what a backend gives so that hal can run on its devices.

A backend deals with bytes, order and kernels; hal deals with meaning. Shapes, dtypes, broadcasting,
promotion, views, errors and fallbacks are decided before a backend is called, so a backend never
checks or re-decides them.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hal.dtypes import DType
from hal.errors import Unsupported
from hal.plugin.chip import Chip, Offer
from hal.plugin.collectives import Communicator
from hal.plugin.program import Program
from hal.plugin.values import DeviceInfo, Devices, HostEvent, Kernel, MemoryStats, Shared, Signature

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from hal.ops.operator import Operator

__all__ = ["CONTRACT_VERSION", "Backend", "Runtime"]

CONTRACT_VERSION = (1, 0)
"""Major and minor version of this contract; a plugin of another major version is not loaded."""


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

    thread_streams: bool = False
    """True when every thread but the main one has a default stream of its own on the device."""

    simulated: bool = False
    """True when events tell a simulated time, which passes otherwise than the host's."""

    channels_last: bool = False
    """True when convolution and pooling are quickest on arrays whose channels lie last in memory.

    Compiled programs then lay images out so: the kernels for ``convolution`` and
    ``convolution_transpose``, alone and ``_fused``, for ``max_pool``, ``average_pool`` and
    elementwise operators get inputs, and write results, whose strides are those of (batch,
    spatial..., channels); or there is no kernel for such a signature.
    """

    writes_strided: bool = False
    """True when kernels write results of any strides, or there is none for such a signature.

    Compiled programs then ask products, attention, elementwise operators and copies to write where
    a copy would put the result next. Otherwise, except for ``channels_last``, results are packed.
    """

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

    def join(self, steps: Sequence[Callable[..., None]]) -> Callable[..., None] | None:
        """Return one function for several that :meth:`Kernel.place` returned, if that is quicker.

        It does what they do, in their order, and is called as they are, without any arrays. A
        program asks for those that follow one another, and keeps calling them one by one where
        each counts, as in a profile.
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

    def reaches(self, runtime: Runtime) -> bool:
        """Return whether :meth:`copy_peer` copies from another device, of whatever backend."""
        return False

    def copy_peer(self, array: Any, runtime: Runtime, source: Any, stream: Any) -> None:
        """Copy a contiguous array of another device into a contiguous one of this, in stream order.

        Asked only where :meth:`reaches` says so; hal copies through the host elsewhere.

        Parameters
        ----------
        array : object
            Where to, on this device.
        runtime : Runtime
            The other device's.
        source : object
            The other device's array; hal keeps it until the copy is done.
        stream : object
            A stream of this device, which already waits for what wrote the source.
        """
        raise NotImplementedError

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

    protocols: tuple[str, ...] = ()
    """A tensor's attributes by which the vendor's own protocols share memory, ``__name__`` each."""

    def protocol(self, name: str, array: Any, stream: Any) -> Any | None:
        """Return a tensor's attribute ``name``, one of ``protocols``; None where it has none.

        Asked where DeviceInfo.dlpack says that memory is shared. The stream waits for what wrote
        the array.
        """
        return None

    # testing

    def fail(self, stream: Any) -> None:
        """Enqueue work that fails when it runs, for the conformance kit to see what comes of it.

        Optional: raise NotImplementedError, as here, where nothing fails without harm.
        """
        raise NotImplementedError

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
        """Make work enqueued on the stream from now on wait for the event.

        Failures travel along: when work before the event fails, synchronizing the stream raises
        too, for what it was given since may have read what was never written.
        """

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

    # chips that are not there; optional

    def chips(self) -> Mapping[str, Chip]:
        """Return the chips this backend has figures of, by name. Touches no driver."""
        return {}

    def emulate(
        self,
        index: int,
        chip: Chip,
        offers: Callable[[Operator, Signature], Offer | None] | None = None,
    ) -> tuple[DeviceInfo, Runtime]:
        """Return a device of this backend that behaves as a chip: its memory, dtypes, rounding.

        The device works asynchronously; its events count the time that the chip would take. What
        the returned description shows says that it is emulated.

        Parameters
        ----------
        index : int
        chip : Chip
        offers : callable, optional
            :meth:`offers` of the chip's own backend, for its architecture; None where that backend
            is not installed.

        Raises
        ------
        hal.errors.Unsupported
            When the backend emulates none.
        """
        raise Unsupported(f"{self.name} emulates no chips; the CPU's backend does")

    def offers(self, architecture: str, op: Operator, signature: Signature) -> Offer | None:
        """Return whether devices of an architecture have a kernel, without one being there.

        The answer is the one that :meth:`Runtime.kernel` gives on such a device. It must not need
        the vendor's libraries.

        Parameters
        ----------
        architecture : str
            As in ``DeviceInfo.architecture``.
        op : Operator
        signature : Signature

        Returns
        -------
        Offer or None
            None where the backend does not know the architecture.
        """
        return None

    def shared(self, x: Any) -> Shared | None:
        """Return what another library's array shares by the vendor's own protocol; None if nothing.

        Asked by :func:`hal.from_dlpack` for objects that do not know DLPack.
        """
        return None

    def communicator_identity(self) -> bytes:
        """Return a new identity of a group of devices, to be handed to each (by pipe or file).

        Raises
        ------
        hal.errors.Unsupported
            When the devices have no collectives.
        """
        raise Unsupported(f"{self.name} has no collectives; move tensors with to_device(...)")
