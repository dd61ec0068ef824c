"""Makes functions of LLVM code, compiled for this processor once and kept on disk."""

from __future__ import annotations

import ctypes
import os
import struct
import tempfile
import threading
import zlib
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import metadata
from itertools import takewhile
from pathlib import Path
from typing import Any

from hal_cpu.dnn import together
from hal_cpu.jit.loader import NotLoadable, load_object
from hal_cpu.placed import MOST_ARGUMENTS, NativeCall, Placed, native
from hal_cpu.team import symbols, with_team
from hal_cpu.threads import share, thread_count

__all__ = ["Loop", "cache_directory", "compile_loop", "vector_lanes"]

# Of a kept file: the checksum of all that follows, and how long the key is that comes first.
_HEAD = struct.Struct("<IQ")
_lock = threading.Lock()
_loops: dict[str, Loop] = {}
# What /proc/cpuinfo says of a processor that does not change.
_IDENTITY = {
    "vendor_id", "cpu family", "model", "model name", "stepping", "flags",
    "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features",
}  # fmt: skip


class Loop:
    """A compiled function ``loop(begin, end, size, arrays...)``.

    Attributes
    ----------
    run : callable
        The function, to be called in this thread.
    team : callable or None
        ``team(extent, size, threads, arrays...)``, where there is a team of threads.
    finish : callable or None
        ``finish(size, arrays...)``: what is left to do once every part is done; the team does it.
    """

    __slots__ = ("_code", "finish", "run", "team")

    def __init__(self, code: Any, run: Any, team: Any, finish: Any) -> None:
        self._code = code  # The functions' memory is its.
        self.run = run
        self.team = team
        self.finish = finish

    def on(
        self, extent: int, size: int, pointers: Sequence[int], shared: bool
    ) -> Callable[[], None]:
        """Return what runs on ``range(extent)``, parts of it on other threads if it is shared."""
        if not shared or thread_count() == 1 or extent == 1:
            parts = partial(self.run, 0, extent, size, *pointers)
        elif self.team is not None:
            return partial(together, self.team, extent, size, thread_count(), *pointers)
        else:
            parts = partial(share, lambda begin, end: self.run(begin, end, size, *pointers), extent)
        finish = self.finish
        if finish is None:
            return parts

        def whole() -> None:
            parts()
            finish(size, *pointers)

        return whole

    def placed(
        self,
        extent: int,
        size: int,
        pointers: Sequence[int],
        shared: bool,
        held: Any = None,
        alone: bool = False,
    ) -> Callable[..., None]:
        """Return what :meth:`on` does as work on a kernel's own arrays, which keeps ``held``.

        It runs ``alone`` where it uses memory that others use too.
        """
        run = self.on(extent, size, pointers, shared)
        threads = thread_count()
        whole = not shared or threads == 1 or extent == 1
        if whole and alone:
            run = partial(together, run)
        if (self.team is None and not whole) or len(pointers) + 3 > MOST_ARGUMENTS:
            return lambda stream, outputs, inputs: run()

        def calls() -> list[NativeCall]:
            if not whole:
                return [native(self.team, extent, size, threads, *pointers)]
            end = [] if self.finish is None else [native(self.finish, size, *pointers)]
            return [native(self.run, 0, extent, size, *pointers), *end]

        return Placed(run, calls, held=(self, held))


def compile_loop(text: str, arrays: int, finish: bool = False) -> Loop:
    """Return the function ``loop`` of an LLVM module, compiled.

    Parameters
    ----------
    text : str
        The module, in LLVM's language.
    arrays : int
        How many pointers the function takes after ``begin``, ``end`` and ``size``.
    finish : bool
        Whether the module has a function ``finish(size, arrays...)`` for when all parts are done.
    """
    with _lock:
        if text not in _loops:
            _loops[text] = _compiled(text, arrays, finish)
        return _loops[text]


def _compiled(text: str, arrays: int, finish: bool) -> Loop:
    openmp = symbols()
    whole = text if openmp is None else with_team(text, arrays, finish)
    key = f"{whole}{_processor()}".encode()
    path = cache_directory() / f"{zlib.crc32(key):08x}{zlib.adler32(key):08x}.o"
    code = _read(path, key)
    if code is None:
        from hal_cpu.jit.compiler import compiled

        code = compiled(whole)
        _write(path, key, code)
    names = ("loop", *(["team"] if openmp is not None else []), *(["finish"] if finish else []))
    try:
        keeper, places = load_object(code, openmp or {}, names)
    except NotLoadable:
        from hal_cpu.jit.compiler import loaded

        keeper, places = loaded(code, openmp or {}, names)
    numbers, pointers = [ctypes.c_int64] * 3, [ctypes.c_void_p] * arrays
    run = ctypes.CFUNCTYPE(None, *numbers, *pointers)(places[0])
    team = end = None
    if openmp is not None:
        kind = ctypes.CFUNCTYPE(None, *numbers[:2], ctypes.c_int, *pointers)
        team = kind(places[1])
    if finish:
        end = ctypes.CFUNCTYPE(None, numbers[0], *pointers)(places[-1])
    return Loop(keeper, run, team, end)


def cache_directory() -> Path:
    """Return where compiled code is kept: ``HAL_CACHE_DIR``, else the user's cache folder."""
    chosen = os.environ.get("HAL_CACHE_DIR")
    if chosen:
        return Path(chosen) / "cpu"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hal" / "cpu"


@cache
def vector_lanes() -> int:
    """Return how many float32 numbers are in a vector, for code that is written in vectors."""
    return 16 if "avx512f" in _processor() else 8


@cache
def _processor() -> str:
    """Return what compiled code depends on: the processor, and who compiled how."""
    compiler = f"llvmlite {metadata.version('llvmlite')} small pic"
    try:
        with open("/proc/cpuinfo") as file:
            lines = list(takewhile(str.strip, file))
    except OSError:
        lines = []
    known = [line for line in lines if line.partition(":")[0].strip() in _IDENTITY]
    if not known:
        from hal_cpu.jit.compiler import processor

        known = [processor()]
    return "".join([*known, compiler])


def _read(path: Path, key: bytes) -> bytes | None:
    """Return kept code; None where there is none, where it is damaged, or of another key.

    Names may be the same by chance, keys are compared: so no hash is needed that takes OpenSSL.
    """
    try:
        kept = path.read_bytes()
        checksum, length = _HEAD.unpack_from(kept)
    except (OSError, struct.error):
        return None
    start = _HEAD.size + length
    if zlib.crc32(kept[4:]) != checksum or kept[_HEAD.size : start] != key:
        return None
    return kept[start:]


def _write(path: Path, key: bytes, code: bytes) -> None:
    """Keep compiled code, whole or not at all; where the folder cannot be written, go without."""
    kept = _HEAD.pack(0, len(key))[4:] + key + code
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(zlib.crc32(kept).to_bytes(4, "little") + kept)
        os.replace(file.name, path)
    except OSError:
        return
