"""Lets PoCL 3.0 build kernels on processors that are newer than its compiler.

PoCL asks LLVM for the processor's name and hands it to Clang. For a processor that LLVM 14 does not
know, the name is "generic", which Clang refuses: every build fails with "unknown target CPU". PoCL
has no option for the name, and the package index has no newer PoCL, so the name is put right where
PoCL keeps it, before the first build.
Source: https://github.com/pocl/pocl/issues/1049
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

__all__ = ["name_the_processor"]

_UNKNOWN = b"generic\0"
_LOOKED_AT = 2048
"""Bytes of PoCL's description of a device in which its pointer to the name lies."""

# The newest first. A name is no longer than "generic", whose memory it gets. It has to have the
# vector width of the library of built-in functions, which PoCL chose by the same flags.
_NAMES = {
    b"skx\0": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "clwb"},
    b"haswell\0": {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"},
    b"x86-64\0": {"sse2"},
}


def name_the_processor(device: Any) -> bool:
    """Give a PoCL device a processor's name that its compiler knows, if it has none.

    Returns
    -------
    bool
        Whether a name was missing and is there now.
    """
    if device.platform.name != "Portable Computing Language" or "-generic" not in device.version:
        return False
    name = _best_name()
    try:
        # Reading through the file fails with an error where plain pointers would crash.
        with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
            memory.seek(device.int_ptr)
            for (address,) in struct.iter_unpack("<Q", memory.read(_LOOKED_AT)):
                if _text_at(memory, address) == _UNKNOWN and name is not None:
                    memory.seek(address)
                    memory.write(name)
                    return True
    except OSError:
        return False
    return False


def _best_name() -> bytes | None:
    """Return the newest processor's name whose features this machine's processor has."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    flags = set(next((x.partition(":")[2] for x in lines if x.startswith("flags")), "").split())
    return next((name for name, needed in _NAMES.items() if needed <= flags), None)


def _text_at(memory: Any, address: int) -> bytes:
    try:
        memory.seek(address)
        text: bytes = memory.read(len(_UNKNOWN))
    except (OSError, OverflowError, ValueError):
        return b""
    return text
