"""Compiles LLVM code for this processor, and keeps what was compiled on disk."""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from hal_cpu.dnn import together
from hal_cpu.team import symbols, with_team
from hal_cpu.threads import share, thread_count

__all__ = ["Loop", "cache_directory", "compile_loop"]

_DIGEST = hashlib.sha256().digest_size
_lock = threading.Lock()
_loops: dict[str, Loop] = {}
_engines: list[Any] = []


class Loop:
    """A compiled function ``loop(begin, end, size, arrays...)``.

    Attributes
    ----------
    run : callable
        The function, to be called in this thread.
    team : callable or None
        ``team(extent, size, threads, arrays...)``, where there is a team of threads.
    """

    __slots__ = ("run", "team")

    def __init__(self, run: Any, team: Any) -> None:
        self.run = run
        self.team = team

    def on(
        self, extent: int, size: int, pointers: Sequence[int], shared: bool
    ) -> Callable[[], None]:
        """Return what runs on ``range(extent)``, parts of it on other threads if it is shared."""
        if not shared or thread_count() == 1 or extent == 1:
            return partial(self.run, 0, extent, size, *pointers)
        if self.team is not None:
            return partial(together, self.team, extent, size, thread_count(), *pointers)
        return partial(share, lambda begin, end: self.run(begin, end, size, *pointers), extent)


def compile_loop(text: str, arrays: int) -> Loop:
    """Return the function ``loop`` of an LLVM module, compiled.

    Parameters
    ----------
    text : str
        The module, in LLVM's language.
    arrays : int
        How many pointers the function takes after ``begin``, ``end`` and ``size``.
    """
    with _lock:
        if text in _loops:
            return _loops[text]
        machine = _machine()
        together = symbols()
        if together is not None:
            for symbol, place in together.items():
                llvm.add_symbol(symbol, place)
        whole = text if together is None else with_team(text, arrays)
        name = hashlib.sha256(f"{whole}{_processor()}".encode()).hexdigest()
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        path = cache_directory() / f"{name}.o"
        code = _read(path)
        if code is None:
            module = llvm.parse_assembly(whole)
            module.verify()
            _optimise(module, machine)
            code = machine.emit_object(module)
            _write(path, code)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        _engines.append(engine)  # its memory is the code's
        numbers, pointers = [ctypes.c_int64] * 3, [ctypes.c_void_p] * arrays
        run = ctypes.CFUNCTYPE(None, *numbers, *pointers)(engine.get_function_address("loop"))
        team = None
        if together is not None:
            kind = ctypes.CFUNCTYPE(None, *numbers[:2], ctypes.c_int, *pointers)
            team = kind(engine.get_function_address("team"))
        _loops[text] = Loop(run, team)
        return _loops[text]


def cache_directory() -> Path:
    """Return where compiled code is kept: ``HAL_CACHE_DIR``, else the user's cache folder."""
    chosen = os.environ.get("HAL_CACHE_DIR")
    if chosen:
        return Path(chosen) / "cpu"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hal" / "cpu"


@cache
def _processor() -> str:
    features = ",".join(sorted(f for f, there in llvm.get_host_cpu_features().items() if there))
    return f"{llvm.get_host_cpu_name()} {features} llvmlite {llvmlite.__version__}"


@cache
def _machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True
    )


def _optimise(module: Any, machine: Any) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.loop_unrolling = True
    options.slp_vectorization = True
    llvm.create_pass_builder(machine, options).getModulePassManager().run(
        module, llvm.create_pass_builder(machine, options)
    )


def _read(path: Path) -> bytes | None:
    """Return kept code; None where there is none, or where it is not what was kept."""
    try:
        kept = path.read_bytes()
    except OSError:
        return None
    digest, code = kept[:_DIGEST], kept[_DIGEST:]
    return code if hashlib.sha256(code).digest() == digest else None


def _write(path: Path, code: bytes) -> None:
    """Keep compiled code, whole or not at all; where the folder cannot be written, go without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(file.name, path)
    except OSError:
        return
