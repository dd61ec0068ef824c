"""What the runtime and the kernels need of a driver: the GPU's own, or its stand-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from hal.plugin import MemoryStats
from hal_cuda.launch import Arguments
from hal_cuda.source import Source

if TYPE_CHECKING:
    from hal_cuda.cublaslt import CublasLt
    from hal_cuda.cudnn import Cudnn
    from hal_cuda.cufft import Cufft
    from hal_cuda.cusolver import Cusolver

__all__ = ["Driver"]


class Driver(Protocol):
    """One opened device. Every method may be called from any thread; errors are hal's.

    Attributes
    ----------
    index : int
    multiprocessors : int
    capability : tuple of int
        The compute capability, such as ``(9, 0)``.
    """

    index: int
    multiprocessors: int
    capability: tuple[int, ...]

    def products(self) -> CublasLt | None:
        """Return the vendor's library of products, or None without it."""

    def networks(self) -> Cudnn | None:
        """Return the vendor's library of attention and convolution, or None without it."""

    def transforms(self) -> Cufft | None:
        """Return the vendor's library of Fourier transforms, or None without it."""

    def solvers(self) -> Cusolver | None:
        """Return the vendor's library of linear algebra, or None without it."""

    def use(self) -> None:
        """Make the device the calling thread's, as the vendor's libraries expect."""

    def workspace(self, stream: Any, nbytes: int) -> int:
        """Return the address of scratch memory for work on a stream, kept as long as that."""

    def allocate(self, nbytes: int, stream: Any) -> Any:
        """Return a buffer with a ``pointer``, usable in the order of a stream."""

    def free(self, buffer: Any, stream: Any) -> None:
        """Give a buffer back in the order of a stream."""

    def pinned(self, nbytes: int) -> Any:
        """Return a buffer in host memory that the device can reach."""

    def memory_stats(self) -> MemoryStats:
        """Return the statistics of the device's memory."""

    def copy_in(self, pointer: int, host: int, nbytes: int, stream: Any) -> None:
        """Enqueue a copy from host memory."""

    def copy_out(self, host: int, pointer: int, nbytes: int, stream: Any) -> None:
        """Enqueue a copy to host memory."""

    def may_wait(self, stream: Any) -> None:
        """Raise where a stream is captured: work that waits for it says so before it begins."""

    def fetch(self, pointer: int, nbytes: int, stream: Any) -> Any:
        """Return device memory as bytes on the host, once the stream's work is done."""

    def copy_peer(self, to: int, other: Any, start: int, nbytes: int, stream: Any) -> None:
        """Enqueue a copy from the memory of another driver's device."""

    def clear(self, pointer: int, nbytes: int, stream: Any) -> None:
        """Enqueue setting bytes to zero."""

    def function(self, source: Source) -> Any:
        """Return the compiled function of a source."""

    def launch(self, function: Any, grid: int, stream: Any, arguments: Arguments) -> None:
        """Enqueue a kernel; its arguments may change once this returns."""

    def stream(self) -> Any:
        """Return a new stream."""

    def foreign_stream(self, handle: int) -> Any:
        """Return another library's stream by its address."""

    def event(self) -> Any:
        """Return a new event."""

    def record(self, event: Any, stream: Any) -> None:
        """Record an event behind what a stream was given so far."""

    def wait(self, event: Any, stream: Any) -> None:
        """Make a stream's later work wait for an event."""

    def query(self, event: Any) -> bool:
        """Return whether an event is complete."""

    def elapsed(self, start: Any, end: Any) -> float:
        """Return the milliseconds between two events."""

    def synchronize(self, stream: Any) -> None:
        """Wait for a stream."""

    def synchronize_event(self, event: Any) -> None:
        """Wait for an event."""

    def capture(self, stream: Any, enqueue: Callable[[], None]) -> Any:
        """Return a recording of what ``enqueue()`` puts on a stream; None where that waited."""

    def replay(self, recording: Any, stream: Any) -> None:
        """Enqueue a recording."""
