"""A stand-in for the GPU: its memory is host memory, its kernels are compiled by a C++ compiler.

With ``HAL_CUDA=standin`` in the environment the backend offers it as ``cuda:0``, marked as
emulated. It runs this package's own sources, so that everything but the vendor's driver and
libraries can be tried and tested where no GPU is. Its streams are threads, so that work is late as
it is on a GPU. It shows nothing about speed, and no races between the threads of a kernel.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from hal.errors import DeviceError, DeviceLost, OutOfMemory
from hal.plugin import DeviceInfo, Devices, MemoryStats
from hal_cuda.errors import Waits, waited
from hal_cuda.launch import Arguments
from hal_cuda.probe import MINIMUM_CAPABILITY
from hal_cuda.source import BLOCK, Source, bundle
from hal_cuda.standin_order import StandinEvent, StandinStream, Work
from hal_cuda.types import SUPPORTED

__all__ = ["StandinDriver", "build", "compiler", "standin_devices"]

TOTAL = 4 << 30
_TOGETHER = 64  # Kernels in one call of the compiler, most of whose time goes to what they share.
# Kernels keep what CUDA has for each thread in global variables: one runs at a time.
_running = threading.Lock()
_FLAGS = ("-std=c++17", "-O1", "-fwrapv", "-ffp-contract=off", "-fPIC", "-fno-gnu-unique", "-w")
_START = """
static {space}Args* arguments{number};
static void one_thread{number}() {{ {space}{name}(*arguments{number}); }}
extern "C" unsigned start{number}(void** parameters, unsigned grid) {{
  if (!parameters) return sizeof({space}Args);
  arguments{number} = ({space}Args*)parameters[0];
  blockDim.x = {block};
  gridDim.x = grid;
  standin::body = one_thread{number};
  for (blockIdx.x = 0; blockIdx.x < grid; blockIdx.x++) standin::{run}();
  return 0;
}}
"""


def compiler() -> str | None:
    """Return the C++ compiler, or None when there is none."""
    return shutil.which("g++") or shutil.which("clang++")


def standin_devices() -> Devices:
    """Return the stand-in as the only device, or why it cannot be had."""
    if compiler() is None:
        return Devices(
            (), reason="the stand-in needs a C++ compiler, and there is none", remedy="install g++"
        )
    info = DeviceInfo(
        index=0,
        description="CUDA kernels on the host",
        architecture="host",
        memory=TOTAL,
        dtypes=SUPPORTED,
        emulated="stand-in for a GPU: the kernels run on the host, one thread after another",
    )
    return Devices((info,))


def build(sources: Sequence[Source]) -> list[Any]:
    """Return the functions that start the kernels of some sources, compiled as one library.

    The library is kept in the folder for temporary files and compiled once for each text.
    """
    text = sources[0].text if len(sources) == 1 else bundle(sources)
    header = resources.files("hal_cuda").joinpath("source", "standin.hpp").read_text()
    starts = [
        _START.format(
            number=number,
            space=f"k{number}::" if len(sources) > 1 else "",
            name=source.name,
            block=BLOCK,
            run="in_step" if source.in_step else "in_turn",
        )
        for number, source in enumerate(sources)
    ]
    library = ctypes.CDLL(str(_compiled(header + text + "".join(starts))))
    return [getattr(library, f"start{number}") for number in range(len(sources))]


def _compiled(text: str) -> Path:
    folder = Path(tempfile.gettempdir()) / "hal-cuda-standin"
    library = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.so"
    if not library.exists():
        folder.mkdir(exist_ok=True)
        file = library.with_suffix(f".{os.getpid()}.{threading.get_ident()}.cpp")
        made = file.with_suffix(".so")
        file.write_text(text)
        command = [compiler() or "g++", *_FLAGS, "-shared", str(file), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True)
        file.unlink()
        if done.returncode:
            raise DeviceError("a kernel did not compile on the host", text=done.stderr[:2000])
        made.replace(library)
    return library


class _Buffer:
    def __init__(self, nbytes: int) -> None:
        raw = np.full(nbytes + 256, 0xA5, np.uint8)
        start = -raw.ctypes.data % 256
        self.bytes = raw[start : start + nbytes]
        self.pointer = int(self.bytes.ctypes.data)
        self.nbytes = nbytes


class StandinDriver:
    """What :class:`hal_cuda.driver.GpuDriver` does, on the host.

    Attributes
    ----------
    launches : list of str
        The names of the kernels that were started.
    failure : Exception or None
        What the next launch or synchronisation raises, to test what follows from it.
    """

    index = 0
    multiprocessors = 2
    capability: tuple[int, ...] = MINIMUM_CAPABILITY

    def __init__(self, total: int = TOTAL) -> None:
        self.total = total
        self.launches: list[str] = []
        self.failure: Exception | None = None
        self._live: dict[int, _Buffer] = {}
        self._used = self._peak = 0
        self._started: dict[Source, Any] = {}
        self._rehearsed: dict[Source, None] | None = None
        self._lock = threading.RLock()

    def use(self) -> None:
        """Do nothing: there is one device."""

    def products(self) -> None:
        """Return None: the vendor's libraries need a GPU."""

    def networks(self) -> None:
        """Return None: the vendor's libraries need a GPU."""

    def transforms(self) -> None:
        """Return None: the vendor's libraries need a GPU."""

    def solvers(self) -> None:
        """Return None: the vendor's libraries need a GPU."""

    def workspace(self, stream: Any, nbytes: int) -> int:
        """Return no memory: nothing on the stand-in asks for any."""
        raise NotImplementedError

    def allocate(self, nbytes: int, stream: Any) -> _Buffer:
        """Return memory filled with a pattern; none is handed out uninitialised by chance."""
        with self._lock:
            if self._used + nbytes > self.total:
                raise OutOfMemory(
                    f"{nbytes} bytes were asked for, {self.total - self._used} of {self.total} "
                    "are free; free tensors or use smaller ones"
                )
            buffer = _Buffer(max(nbytes, 1))
            self._live[buffer.pointer] = buffer
            self._used += buffer.nbytes
            self._peak = max(self._peak, self._used)
        return buffer

    def free(self, buffer: _Buffer, stream: Any) -> None:
        """Take memory back and fill it with another pattern, so that late uses show."""
        with self._lock:
            del self._live[buffer.pointer]
            self._used -= buffer.nbytes
        stream.run(buffer.bytes.fill, 0xDD)

    def pinned(self, nbytes: int) -> _Buffer:
        """Return host memory."""
        return _Buffer(nbytes)

    def memory_stats(self) -> MemoryStats:
        """Return what is allocated."""
        with self._lock:
            return MemoryStats(self._used, self._used, self._peak, self.total, len(self._live))

    def copy_in(self, pointer: int, host: int, nbytes: int, stream: Any) -> None:
        """Copy from host memory."""
        stream.run(ctypes.memmove, pointer, host, nbytes)

    def copy_out(self, host: int, pointer: int, nbytes: int, stream: Any) -> None:
        """Copy to host memory."""
        stream.run(ctypes.memmove, host, pointer, nbytes)

    def may_wait(self, stream: Any) -> None:
        """Raise where a stream is captured."""
        if stream.recording is not None:
            raise Waits("work that waits for the device cannot be captured")

    def fetch(self, pointer: int, nbytes: int, stream: Any) -> Any:
        """Return memory as it is once the stream's work is done."""
        self.may_wait(stream)
        host = np.empty(nbytes, np.uint8)
        self.copy_out(host.ctypes.data, pointer, nbytes, stream)
        self.synchronize(stream)
        return host

    def copy_peer(self, to: int, other: Any, start: int, nbytes: int, stream: Any) -> None:
        """Copy from another stand-in's memory."""
        stream.run(ctypes.memmove, to, start, nbytes)

    def clear(self, pointer: int, nbytes: int, stream: Any) -> None:
        """Set bytes to zero."""
        stream.run(ctypes.memset, pointer, 0, nbytes)

    def prepare(self, sources: Sequence[Source]) -> None:
        """Compile programs together, ahead of their use."""
        with self._lock:
            parts = []
            for wide in (False, True):
                some = [s for s in sources if s.wide_index is wide and s not in self._started]
                parts += [some[n : n + _TOGETHER] for n in range(0, len(some), _TOGETHER)]
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for part, started in zip(parts, pool.map(build, parts), strict=True):
                    self._started.update(zip(part, started, strict=True))

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Run no kernel that is started, but compile them all together at the end.

        One by one that takes ten times as long. What results hold meanwhile is undefined.
        """
        with self._lock:
            self._rehearsed = {}
        try:
            yield
        finally:
            with self._lock:
                found, self._rehearsed = self._rehearsed, None
        self.prepare(list(found))

    def function(self, source: Source) -> Source:
        """Return a program's function: the program itself, compiled where it is started."""
        return source

    def launch(self, function: Source, grid: int, stream: Any, arguments: Arguments) -> None:
        """Run a kernel."""
        self._raise()
        with self._lock:
            if self._rehearsed is not None:
                self._rehearsed[function] = None
                return
            if function not in self._started:
                self.prepare([function])
            started = self._started[function]
        # As CUDA does, a launch keeps a copy of the arguments it was given.
        kept = Arguments(list(arguments.words))

        def run() -> None:
            self.launches.append(function.name)
            with _running:
                started(ctypes.c_void_p(kept.address), ctypes.c_uint(grid))

        stream.run(run)

    def stream(self) -> StandinStream:
        """Return a new stream."""
        return StandinStream()

    def foreign_stream(self, handle: int) -> StandinStream:
        """Return a stream with an address."""
        return StandinStream(handle)

    def event(self) -> StandinEvent:
        """Return an event."""
        return StandinEvent()

    def record(self, event: StandinEvent, stream: StandinStream) -> None:
        """Put the event behind the stream's work."""
        event.record(stream)

    def wait(self, event: StandinEvent, stream: StandinStream) -> None:
        """Make the stream's later work wait for the event."""
        event.wait(stream)

    def query(self, event: StandinEvent) -> bool:
        """Return whether the event is complete."""
        return event.query()

    def elapsed(self, start: StandinEvent, end: StandinEvent) -> float:
        """Return the milliseconds between two events."""
        return (end.nanoseconds() - start.nanoseconds()) / 1e6

    def synchronize(self, stream: StandinStream) -> None:
        """Wait for the stream; raise what a test has ordered."""
        stream.synchronize()
        self._raise()

    def synchronize_event(self, event: StandinEvent) -> None:
        """Wait for the event; raise what a test has ordered."""
        event.synchronize()
        self._raise()

    def capture(self, stream: StandinStream, enqueue: Callable[[], None]) -> Any:
        """Record what is enqueued instead of doing it."""
        recorded: list[Work] = []
        stream.recording = recorded
        try:
            enqueue()
        except Exception as error:
            if waited(error):
                return None
            raise
        finally:
            stream.recording = None
        return recorded

    def replay(self, recording: Any, stream: StandinStream) -> None:
        """Do what was recorded."""
        for function, arguments in recording:
            stream.run(function, *arguments)

    def _raise(self) -> None:
        if self.failure is not None:
            failure = self.failure
            if not isinstance(failure, DeviceLost):
                self.failure = None
            raise failure
