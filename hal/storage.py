"""What a tensor is made of: a spec, the backend's array, and the storage under it."""

from __future__ import annotations

import threading
from math import prod
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from hal.dtypes import DType
from hal.errors import ShapeError
from hal.plugin.layout import Layout, Shape

if TYPE_CHECKING:
    from hal.device import Device
    from hal.stream import Stream

__all__ = ["Spec", "Storage", "Value"]

MAX_AXES = 64  # NumPy's, so that every tensor can be read on the host
MAX_BYTES = 2**63 - 1

_ordering = threading.RLock()
"""Held while it is noted which streams read a storage, as several threads may begin at once.

Nothing is called meanwhile that could wait for another thread; a finaliser may take it again."""


class Spec(Layout):
    """A layout on a device. Made by ``Device.spec`` alone, so equal specs are one object.

    That makes a spec a dictionary key that costs no Python call to hash: the key of eager dispatch.
    """

    __slots__ = ("device",)

    def __init__(
        self, device: Device, dtype: DType, shape: Shape, strides: Shape | None = None
    ) -> None:
        if len(shape) > MAX_AXES:
            raise ShapeError(f"a tensor has at most {MAX_AXES} axes, {shape} has {len(shape)}")
        super().__init__(dtype, shape, strides)
        # What has memory of its own is limited by that; what has none, by what an index can be.
        without_memory = strides is not None or self.size == 0
        if without_memory and prod(n or 1 for n in shape) * dtype.itemsize > MAX_BYTES:
            raise ShapeError(f"a tensor of {dtype} cannot have the shape {shape}: it is too large")
        self.device = device

    __eq__ = object.__eq__
    __hash__ = object.__hash__


class Storage:
    """One buffer, owned by hal, and the streams that use it.

    The buffer goes back to the backend in stream order when the last tensor or view over it goes.

    Parameters
    ----------
    device : Device
    buffer : object
        The backend's buffer.
    nbytes : int
    stream : Stream
        The stream on which it was allocated and is first written.
    owned : bool
        False when an array of the backend, kept alive by ``keep``, owns the memory.
    keep : object
        Whatever else must live as long as the storage.
    """

    __slots__ = (
        "__weakref__", "buffer", "device", "keep", "nbytes", "owned", "readers", "reads", "stream",
    )  # fmt: skip

    def __init__(
        self,
        device: Device,
        buffer: Any,
        nbytes: int,
        stream: Stream,
        owned: bool = True,
        keep: Any = None,
    ) -> None:
        self.device = device
        self.buffer = buffer
        self.nbytes = nbytes
        self.stream = stream
        self.owned = owned
        self.keep = keep
        # The other streams that read it since it was written, without keeping them alive, and
        # how many they were: the default stream stands in for those that are gone.
        self.readers: WeakSet[Stream] | None = None
        self.reads = 0

    def read_on(self, stream: Stream) -> None:
        """Order a read on ``stream`` behind the last write."""
        if self.stream is stream:
            return
        readers = self.readers
        # One that read it since the last write has waited for that already.
        if readers is not None and stream in readers:
            return
        stream.wait_stream(self.stream)
        with _ordering:
            if self.readers is None:
                self.readers = WeakSet()
            if stream not in self.readers:
                self.readers.add(stream)
                self.reads += 1

    def write_on(self, stream: Stream) -> None:
        """Order a write on ``stream`` behind the last write and every read."""
        if self.stream is not stream:
            stream.wait_stream(self.stream)
            self.stream = stream
        if self.readers is not None:
            self.wait_for_readers(stream)

    def wait_for_readers(self, stream: Stream) -> None:
        """Make a stream wait for every other that read since the last write."""
        with _ordering:
            readers, reads = list(self.readers or ()), self.reads
            self.readers, self.reads = None, 0
        for reader in readers:
            stream.wait_stream(reader)
        if len(readers) < reads:
            stream.wait_stream(self.device.default_stream)

    def __del__(self) -> None:
        try:
            if self.readers is not None:
                self.wait_for_readers(self.stream)
            if self.owned:
                self.device.runtime.free(self.buffer, self.stream.handle)
        # A finaliser cannot raise: the stream reports the error at its next synchronisation.
        except Exception as error:
            self.stream.failure = self.stream.failure or error


class Value:
    """The state of a tensor; :class:`hal.tensor.Tensor` adds the public methods.

    ``_base`` is None while the backend's array itself owns its memory, else the storage and the
    offset of the first element in it.
    """

    __slots__ = ("__weakref__", "_array", "_base", "_spec")

    _spec: Spec
    _array: Any
    _base: tuple[Storage, int] | None

    @property
    def shape(self) -> Shape:
        """Sizes of the axes."""
        return self._spec.shape

    @property
    def dtype(self) -> DType:
        """The elements' data type."""
        return self._spec.dtype

    @property
    def device(self) -> Device:
        """The device that holds the elements."""
        return self._spec.device

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._spec.shape)
