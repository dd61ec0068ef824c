"""Loads a compiled object file without LLVM: its sections placed, its references resolved.

It knows what LLVM writes for loops on x86-64 under Linux: code and numbers that refer to one
another by distance, and calls of functions by name. Sources: the ELF format,
https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html, and the processor's part of it,
https://gitlab.com/x86-psABIs/x86-64-ABI.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["NotLoadable", "load_object"]

_HEADER = struct.Struct("<4sBB10xHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
_RELOCATABLE, _X86_64 = 1, 62
_CONTENTS, _SYMBOLS, _RELOCATIONS, _ZEROS = 1, 2, 4, 8
_WRITABLE, _ALLOCATED = 1, 2
_ADDRESS, _DISTANCE, _CALL = 1, 2, 4
# jmp *0(%rip), behind which the address stands: a call by distance reaches only 2 GiB.
_JUMP = struct.Struct("<6sQ2x")


class NotLoadable(Exception):
    """An object file that takes a loader which knows more."""


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int


class _Symbol(NamedTuple):
    """A name for a place in a section; section 0 means that it lies elsewhere."""

    name: str
    section: int
    value: int


def load_object(
    code: bytes, symbols: Mapping[str, int], names: Sequence[str]
) -> tuple[Any, list[int]]:
    """Return what keeps an object file's code in memory, and where functions of it lie.

    Parameters
    ----------
    code : bytes
        The object file.
    symbols : mapping of str to int
        Addresses of functions that it may call, beside those of the C library.
    names : sequence of str
        The functions.

    Raises
    ------
    NotLoadable
        When it is of another format or processor, refers to something in a way that is not known
        here, or the system does not let code be loaded.
    """
    sections = _sections(code)
    listed = _symbols(code, sections)
    places, end = _places(sections)
    elsewhere = {s.name: _found(s.name, symbols) for s in listed if not s.section and s.name}
    size = end + _JUMP.size * len(elsewhere)
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for number, place in places.items():
        section = sections[number]
        if section.kind == _CONTENTS:
            contents = code[section.offset : section.offset + section.size]
            memory[place : place + section.size] = contents
    jumps: dict[str, int] = {}
    for name, address in elsewhere.items():
        jumps[name] = start + end + _JUMP.size * len(jumps)
        _JUMP.pack_into(memory, jumps[name] - start, b"\xff\x25\0\0\0\0", address)

    def located(symbol: _Symbol) -> int:
        if symbol.section in places:
            return start + places[symbol.section] + symbol.value
        if symbol.name not in jumps:
            raise NotLoadable(f"the symbol {symbol.name!r} lies in section {symbol.section}")
        return jumps[symbol.name]

    for kind, place, symbol, addend in _references(code, sections, places, listed):
        if kind in (_DISTANCE, _CALL):
            struct.pack_into("<i", memory, place, located(symbol) + addend - (start + place))
        elif kind == _ADDRESS:
            struct.pack_into("<Q", memory, place, located(symbol) + addend)
        else:
            raise NotLoadable(f"a reference is of kind {kind}")
    _make_executable(start, size)
    own = {s.name: s for s in listed if s.section}
    return memory, [located(own[name]) for name in names]


def _sections(code: bytes) -> list[_Section]:
    magic, wide, little, kind, machine, *rest = _HEADER.unpack_from(code.ljust(_HEADER.size, b"\0"))
    if (magic, wide, little, kind, machine) != (b"\x7fELF", 2, 1, _RELOCATABLE, _X86_64):
        raise NotLoadable("this is no object file of ELF for x86-64")
    first, count = rest[3], rest[9]
    return [_Section(*_SECTION.unpack_from(code, first + n * _SECTION.size)) for n in range(count)]


def _symbols(code: bytes, sections: list[_Section]) -> list[_Symbol]:
    (table,) = [s for s in sections if s.kind == _SYMBOLS]
    names = sections[table.link].offset
    found = []
    for at in range(table.offset, table.offset + table.size, _SYMBOL.size):
        name, _, _, section, value, _ = _SYMBOL.unpack_from(code, at)
        text = code[names + name : code.index(b"\0", names + name)].decode()
        found.append(_Symbol(text, section, value))
    return found


def _places(sections: list[_Section]) -> tuple[dict[int, int], int]:
    """Return where in memory each section goes, and where the last ends."""
    places, end = {}, 0
    for number, section in enumerate(sections):
        # What else is allocated is the table for exceptions, which nothing here raises.
        if section.kind not in (_CONTENTS, _ZEROS) or not section.flags & _ALLOCATED:
            continue
        if section.flags & _WRITABLE and section.size:
            raise NotLoadable("it has variables")
        alignment = max(section.alignment, 1)
        places[number] = -(-end // alignment) * alignment
        end = places[number] + section.size
    return places, -(-end // _JUMP.size) * _JUMP.size


def _references(
    code: bytes, sections: list[_Section], places: Mapping[int, int], listed: list[_Symbol]
) -> list[tuple[int, int, _Symbol, int]]:
    """Return what has to be filled in: its kind, where, with which symbol, and what to add."""
    found = []
    for section in sections:
        if section.kind != _RELOCATIONS or section.info not in places:
            continue
        for at in range(section.offset, section.offset + section.size, _RELOCATION.size):
            offset, info, addend = _RELOCATION.unpack_from(code, at)
            place = places[section.info] + offset
            found.append((info & 0xFFFFFFFF, place, listed[info >> 32], addend))
    return found


def _found(name: str, symbols: Mapping[str, int]) -> int:
    if name in symbols:
        return symbols[name]
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError):
        raise NotLoadable(f"there is no {name}") from None
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _make_executable(start: int, size: int) -> None:
    protect = ctypes.CDLL(None).mprotect
    protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    if protect(start, size, mmap.PROT_READ | mmap.PROT_EXEC):
        raise NotLoadable("the system does not let code be loaded")
