"""The bench: a device with what the checks of the runtime's rules need at hand."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hal.device import Device, Stream
from hal.dispatch import call
from hal.dtypes import DType, float32, int32, int64
from hal.memory import from_host, to_host
from hal.ops import operators
from hal.plugin import MemoryStats, Runtime, Signature
from hal.plugin.layout import contiguous_strides
from hal.report import fallback

__all__ = ["Bench", "NotOffered"]


_BULK = 1 << 17
_TIMES = 16


class NotOffered(Exception):
    """The device does not offer what a rule is about."""


class Bench:
    """A device under test.

    Parameters
    ----------
    device : Device

    Attributes
    ----------
    dtype : DType
        What the rules calculate in: float32, or the first number dtype the device has.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self._collected = False
        numbers = [d for d in device.info.dtypes if d.kind != "bool" and not d.storage_only]
        self.dtype: DType = next(
            (d for d in (float32, int32, int64, *numbers) if d in device.info.dtypes),
            device.info.dtypes[0],
        )

    @property
    def runtime(self) -> Runtime:
        """The device's runtime."""
        return self.device.runtime

    # Through hal

    def tensor(self, values: Any, dtype: DType | None = None) -> Any:
        """Return a tensor with the values."""
        wanted = (dtype or self.dtype).numpy
        return from_host(np.ascontiguousarray(values).astype(wanted), self.device)

    def counting(self, size: int, start: int = 0) -> Any:
        """Return a host array of small whole numbers."""
        return ((np.arange(size) + start) % 97).astype(self.dtype.numpy)

    def call(self, name: str, *inputs: Any, **attributes: Any) -> Any:
        """Run an operator, wherever it runs."""
        with fallback("allow"):
            return call(operators[name], *inputs, device=self.device, **attributes)

    def same(self, tensor: Any, expected: Any, what: str) -> None:
        """Assert that a tensor holds exactly the expected values."""
        self.equal(to_host(tensor), expected, what)

    def equal(self, found: Any, expected: Any, what: str) -> None:
        """Assert that a host array holds exactly the expected values."""
        expected = np.broadcast_to(np.asarray(expected).astype(found.dtype), found.shape)
        wrong = found != expected
        if wrong.any():
            where = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise AssertionError(
                f"{what}: {int(wrong.sum())} of {wrong.size} elements are wrong; first at "
                f"{list(where)}: found {found[where]}, expected {expected[where]}"
            )

    def native(self, name: str, *inputs: Any) -> bool:
        """Return whether the device has a kernel of its own for a call."""
        op = operators[name]
        specs = tuple(x._spec for x in inputs)
        inference = op.infer(specs, {})
        outputs = tuple(self.device.spec(d, s) for d, s in inference.outputs)
        return self.runtime.kernel(op, Signature(specs, outputs, inference.attributes)) is not None

    def stream(self) -> Stream:
        """Return a new stream."""
        return Stream(self.device)

    def busy(self) -> Callable[[Stream], None]:
        """Return a function that gives a stream enough work to keep it busy for a while."""
        bulk = self.tensor(np.ones(_BULK))
        self.device.synchronize()

        def load(stream: Stream) -> None:
            with stream:
                x = bulk
                for _ in range(_TIMES):
                    x = self.call("add", x, bulk)

        return load

    # Through the contract alone

    def array(self, buffer: Any, shape: tuple[int, ...], offset: int = 0,
              dtype: DType | None = None) -> Any:  # fmt: skip
        """Return the backend's contiguous array over a buffer."""
        return self.runtime.view(
            buffer, dtype or self.dtype, shape, contiguous_strides(shape), offset
        )

    def upload(self, buffer: Any, host: Any, stream: Stream) -> Any:
        """Write a host array into a buffer and return the backend's array."""
        array = self.array(buffer, host.shape)
        self.runtime.upload(array, np.ascontiguousarray(host), stream.handle)
        return array

    def download(self, array: Any, shape: tuple[int, ...], stream: Stream) -> Any:
        """Return the values of a backend's array."""
        host = np.empty(shape, self.dtype.numpy)
        self.runtime.download(array, host, stream.handle)
        return host

    def copier(self, shape: tuple[int, ...]) -> Callable[[Stream, Any, Any], None]:
        """Return the device's own way to copy a packed array into another, or skip the rule.

        ``copier(stream, target, source)`` only enqueues: no wait is inserted.
        """
        spec = self.device.spec(self.dtype, shape)
        kernel = self.runtime.kernel(operators["copy"], Signature((spec,), (spec,), {}))
        if kernel is None:
            raise NotOffered("the device has no kernel for copy")
        return lambda stream, target, source: kernel.into(stream.handle, [target], [source])

    def allocate(self, size: int, stream: Stream) -> Any:
        """Return a buffer with room for ``size`` elements."""
        return self.runtime.allocate(size * self.dtype.itemsize, stream.handle)

    def stats(self) -> MemoryStats:
        """Return the memory statistics after everything in flight is done, or skip the rule."""
        if not self._collected:
            gc.collect()  # Once: what the rule itself makes is in no cycle.
            self._collected = True
        self.device.synchronize()
        found = self.runtime.memory_stats()
        if found is None:
            raise NotOffered("the runtime keeps no memory statistics")
        return found

    @contextmanager
    def raises(self, kind: type[Exception], what: str) -> Iterator[list[Exception]]:
        """Assert that the block raises an error of a kind; the list then holds it."""
        caught: list[Exception] = []
        try:
            yield caught
        except kind as error:
            caught.append(error)
        if not caught:
            raise AssertionError(f"{what} did not raise {kind.__name__}")

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
        """Wait until a condition holds, or fail."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {seconds:g} s")
            time.sleep(0.0005)
