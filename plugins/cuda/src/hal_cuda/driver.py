"""One opened GPU: memory, streams, events, programs and launches, through cuda.core.

Nothing else in this package calls the vendor's driver. Imports of its packages are inside, so that
the plugin loads where they are not installed.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from hal.plugin import MemoryStats
from hal_cuda import cublaslt, cudnn, cufft, cusolver
from hal_cuda.cublaslt import CublasLt
from hal_cuda.cudnn import Cudnn
from hal_cuda.cufft import Cufft
from hal_cuda.cusolver import Cusolver
from hal_cuda.errors import Waits, check, translated, waited
from hal_cuda.launch import Arguments
from hal_cuda.source import BLOCK, Source

__all__ = ["Buffer", "GpuDriver", "Stream", "compiled", "holder"]

_current = threading.local()
_T = TypeVar("_T")


class Buffer:
    """A block of device memory, or of pinned host memory."""

    __slots__ = ("core", "nbytes", "pointer")

    def __init__(self, core: Any, nbytes: int) -> None:
        self.core = core
        self.nbytes = nbytes
        self.pointer = int(core.handle) if nbytes else 0


class Stream:
    """A stream of cuda.core with its handle at hand."""

    __slots__ = ("__weakref__", "capturing", "core", "handle", "scratch")

    def __init__(self, core: Any) -> None:
        self.core = core
        self.handle = core.handle
        self.scratch: list[Buffer] = []
        self.capturing = False

    def __cuda_stream__(self) -> tuple[int, int]:
        return (0, int(self.handle))


class GpuDriver:
    """The GPU of one index.

    Attributes
    ----------
    multiprocessors : int
    capability : tuple of int
        The compute capability, such as ``(9, 0)``.
    """

    def __init__(self, index: int, several: bool) -> None:
        from cuda.bindings import driver
        from cuda.core import (
            Device,
            DeviceMemoryResource,
            DeviceMemoryResourceOptions,
            GraphMemoryResource,
        )
        from cuda.core.utils import FileStreamProgramCache

        self.index = index
        self._api = driver
        self._several = several
        self._functions: dict[Source, Any] = {}
        self._modules: list[Any] = []
        self._libraries: dict[Callable[[], Any], Any] = {}
        self._lock = threading.RLock()
        self._live: set[int] = set()
        with _translating("the device could not be opened"):
            # Kept: in another thread Device(index) is another object, which wants to be made
            # current there, and that is what use() does already.
            self._device = device = Device(index)
            device.set_current()
            _current.index = index
            self.context = check(driver.cuCtxGetCurrent())
            properties = device.properties
            self.multiprocessors = int(properties.multiprocessor_count)
            self.capability = tuple(device.compute_capability)
            self.total = int(check(driver.cuDeviceTotalMem(check(driver.cuDeviceGet(index)))))
            # A pool of our own, that keeps what is freed: statistics are hal's alone, and memory
            # does not go back to the system at every synchronisation.
            self._pool = DeviceMemoryResource(device, DeviceMemoryResourceOptions())
            keep = driver.CUmemPool_attribute.CU_MEMPOOL_ATTR_RELEASE_THRESHOLD
            check(driver.cuMemPoolSetAttribute(self._pool.handle, keep, _uint64(2**64 - 1)))
            # Memory that a captured graph takes and gives back each time it runs.
            self._graph_memory = GraphMemoryResource(device)
            self._programs = FileStreamProgramCache(max_size_bytes=1 << 30)

    def products(self) -> CublasLt | None:
        """Return cuBLASLt on this device, or None where it is not installed."""
        return self._once(cublaslt.load)

    def networks(self) -> Cudnn | None:
        """Return cuDNN on this device, or None where it is not installed."""
        return self._once(cudnn.load)

    def transforms(self) -> Cufft | None:
        """Return cuFFT on this device, or None where it is not installed."""
        return self._once(cufft.load)

    def solvers(self) -> Cusolver | None:
        """Return cuSOLVER on this device, or None where it is not installed."""
        return self._once(cusolver.load)

    def _once(self, load: Callable[[], _T]) -> _T:
        self.use()  # Whoever asks for a library goes on to call it.
        with self._lock:
            if load not in self._libraries:
                self._libraries[load] = load()
            found: _T = self._libraries[load]
            return found

    def use(self) -> None:
        """Make this device the calling thread's, as every call of the driver expects."""
        # With a single device nothing but a new thread can have another one.
        if self._several or getattr(_current, "index", None) != self.index:
            check(self._api.cuCtxSetCurrent(self.context))
            _current.index = self.index

    # memory

    def allocate(self, nbytes: int, stream: Stream) -> Buffer:
        """Return device memory in the order of a stream."""
        # Written out, as in what follows: calls and context managers would cost as much as the
        # driver's own work.
        if self._several or getattr(_current, "index", None) != self.index:
            self.use()
        size = nbytes or 1
        source = self._graph_memory if stream.capturing else self._pool
        try:
            buffer = Buffer(source.allocate(size, stream=stream.core), size)
        except Exception as error:
            raise translated(error, f"{nbytes} bytes were asked for") from error
        self._live.add(buffer.pointer)
        return buffer

    def workspace(self, stream: Stream, nbytes: int) -> int:
        """Return the address of scratch memory for work on a stream, kept as long as that."""
        if not stream.scratch or stream.scratch[-1].nbytes < nbytes:
            # A smaller block stays: captured graphs have its address.
            self.use()
            with _translating(f"{nbytes} bytes of scratch memory were asked for"):
                made = Buffer(self._pool.allocate(nbytes, stream=stream.core), nbytes)
            stream.scratch.append(made)
        return stream.scratch[-1].pointer

    def free(self, buffer: Buffer, stream: Stream) -> None:
        """Give memory back in the order of a stream."""
        if self._several or getattr(_current, "index", None) != self.index:
            self.use()
        # Before it goes back: another thread may be given the same address at once.
        self._live.discard(buffer.pointer)
        try:
            buffer.core.close(stream.core)
        except Exception as error:
            raise translated(error) from error

    def pinned(self, nbytes: int) -> Buffer:
        """Return host memory that the device copies from and to without the system's help."""
        from cuda.core import LegacyPinnedMemoryResource

        self.use()
        with _translating(f"{nbytes} bytes of pinned host memory were asked for"):
            return Buffer(LegacyPinnedMemoryResource().allocate(nbytes), nbytes)

    def memory_stats(self) -> MemoryStats:
        """Return the pool's statistics."""
        self.use()
        with _translating():
            pool = self._pool.attributes
            return MemoryStats(
                allocated=int(pool.used_mem_current),
                reserved=int(pool.reserved_mem_current),
                peak=int(pool.used_mem_high),
                total=self.total,
                allocations=len(self._live),
            )

    def copy_in(self, pointer: int, host: int, nbytes: int, stream: Stream) -> None:
        """Copy from host memory."""
        self.use()
        check(self._api.cuMemcpyHtoDAsync(pointer, host, nbytes, stream.handle))

    def copy_out(self, host: int, pointer: int, nbytes: int, stream: Stream) -> None:
        """Copy to host memory."""
        self.use()
        check(self._api.cuMemcpyDtoHAsync(host, pointer, nbytes, stream.handle))

    def may_wait(self, stream: Stream) -> None:
        """Raise where a stream is captured: a wait would spoil the capture."""
        if stream.capturing:
            raise Waits("work that waits for the device cannot be captured")

    def fetch(self, pointer: int, nbytes: int, stream: Stream) -> Any:
        """Return device memory as bytes on the host, once the stream's work is done."""
        self.may_wait(stream)
        host = np.empty(nbytes, np.uint8)
        self.copy_out(host.ctypes.data, pointer, nbytes, stream)
        self.synchronize(stream)
        return host

    def copy_peer(self, to: int, other: GpuDriver, start: int, nbytes: int, stream: Stream) -> None:
        """Copy from another device's memory."""
        self.use()
        check(
            self._api.cuMemcpyPeerAsync(
                to, self.context, start, other.context, nbytes, stream.handle
            )
        )

    def clear(self, pointer: int, nbytes: int, stream: Stream) -> None:
        """Set bytes to zero."""
        self.use()
        check(self._api.cuMemsetD8Async(pointer, 0, nbytes, stream.handle))

    # programs

    def function(self, source: Source) -> Any:
        """Return a program's function, compiled once for each text and kept on disk."""
        with self._lock:
            if source not in self._functions:
                self.use()
                with _translating("a kernel did not compile"):
                    module = compiled(source, self.capability, self._programs)
                    self._modules.append(module)
                    kernel = module.get_kernel(source.name).handle
                    self._functions[source] = check(self._api.cuKernelGetFunction(kernel))
            return self._functions[source]

    def launch(self, function: Any, grid: int, stream: Stream, arguments: Arguments) -> None:
        """Enqueue a kernel."""
        if self._several or getattr(_current, "index", None) != self.index:
            self.use()
        status = self._api.cuLaunchKernel(
            function, grid, 1, 1, BLOCK, 1, 1, 0, stream.handle, arguments.address, 0
        )
        if int(status[0]) != 0:
            check(status, "a kernel was not started")

    # order

    def stream(self) -> Stream:
        """Return a new stream that does not wait for the legacy default stream."""
        self.use()
        with _translating():
            return Stream(self._device.create_stream())

    def foreign_stream(self, handle: int) -> Stream:
        """Return another library's stream; the caller keeps it alive."""
        from cuda.core import Stream as CoreStream

        self.use()
        with _translating():
            return Stream(CoreStream.from_handle(handle))

    def event(self) -> Any:
        """Return a new event that keeps the time."""
        from cuda.core import EventOptions

        self.use()
        with _translating():
            return self._device.create_event(EventOptions(timing_enabled=True))

    def record(self, event: Any, stream: Stream) -> None:
        """Record an event behind what a stream was given so far."""
        self.use()
        try:
            stream.core.record(event)
        except Exception as error:
            raise translated(error) from error

    def wait(self, event: Any, stream: Stream) -> None:
        """Make a stream's later work wait for an event, of this device or another."""
        self.use()
        try:
            stream.core.wait(event)
        except Exception as error:
            raise translated(error) from error

    def query(self, event: Any) -> bool:
        """Return whether an event is complete."""
        self.use()
        with _translating():
            return bool(event.is_done)

    def elapsed(self, start: Any, end: Any) -> float:
        """Return the milliseconds between two events."""
        self.use()
        with _translating():
            return float(end - start)

    def synchronize(self, stream: Stream) -> None:
        """Wait for a stream."""
        self.use()
        with _translating("work on the device failed"):
            stream.core.sync()

    def synchronize_event(self, event: Any) -> None:
        """Wait for an event."""
        self.use()
        with _translating("work on the device failed"):
            event.sync()

    def capture(self, stream: Stream, enqueue: Callable[[], None]) -> Any:
        """Return a graph of what ``enqueue()`` puts on the stream; None where that waited."""
        self.use()
        with _translating("the work could not be captured"):
            builder = stream.core.create_graph_builder()
            builder.begin_building("thread_local")
        stream.capturing = True
        # What a collector finalised now would enqueue its own waits and releases in the capture.
        collects = gc.isenabled()
        gc.disable()
        try:
            enqueue()
        except BaseException as error:
            # The stream leaves the capture; what was recorded so far is dropped.
            with _translating():
                builder.end_building()
                builder.close()
            if waited(error):
                return None
            raise
        finally:
            stream.capturing = False
            if collects:
                gc.enable()
        with _translating("the work could not be captured"):
            return builder.end_building().complete()

    def replay(self, graph: Any, stream: Stream) -> None:
        """Enqueue a captured graph."""
        self.use()
        with _translating():
            graph.launch(stream.core)


def compiled(source: Source, capability: tuple[int, ...], cache: Any = None) -> Any:
    """Return a source compiled for a compute capability; needs no GPU.

    A chip that this NVRTC does not know yet gets code for the newest one it knows, which the
    driver then translates.
    """
    from cuda.bindings import nvrtc
    from cuda.core import Program, ProgramOptions

    wanted = capability[0] * 10 + capability[1]
    known = [int(arch) for arch in check(nvrtc.nvrtcGetSupportedArchs())]
    native = wanted in known
    nearest = wanted if native else max(a for a in known if a <= wanted)
    options = ProgramOptions(
        arch=f"sm_{nearest}" if native else f"compute_{nearest}", std="c++17", fma=False
    )
    target = "cubin" if native else "ptx"
    return Program(source.text, "c++", options).compile(target, cache=cache)


def holder(address: int) -> int:
    """Return the index of the GPU whose memory an address is."""
    from cuda.bindings import driver

    kind = driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
    return int(check(driver.cuPointerGetAttribute(kind, address)))


def _uint64(value: int) -> Any:
    from cuda.bindings import driver

    return driver.cuuint64_t(value)


@contextmanager
def _translating(message: str = "") -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise translated(error, message) from error
