"""Takes a model's large weights out of its file's bytes, so that what is parsed is small.

A model is a message of protocol buffers: numbered fields, one after another, of which some are
messages again. Source: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

__all__ = ["LARGE", "Malformed", "Run", "split_weights"]

LARGE = 4096
"""Bytes above which a weight's elements are left where they are."""

# Numbers of fields, source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


class Malformed(ValueError):
    """The bytes are no message, or one that only a whole parser understands."""


class Run(NamedTuple):
    """A run of bytes in a file."""

    start: int
    nbytes: int


class _Field(NamedTuple):
    number: int
    kind: int
    start: int
    content: int
    end: int


def split_weights(file: BinaryIO, nbytes: int) -> tuple[bytes, dict[int, Run]]:
    """Return a model's bytes without the raw data of large initializers, and where that lies.

    Parameters
    ----------
    file : file object
        Open for reading; it can seek.
    nbytes : int
        How long the model is.

    Returns
    -------
    bytes
        The model, in which those initializers have no data.
    dict of int to Run
        By the initializer's position in the main graph.

    Raises
    ------
    Malformed
    """
    found: dict[int, Run] = {}
    seen = 0
    model: list[bytes] = []
    for field in _fields(file, 0, nbytes):
        if field.number != _GRAPH or field.kind != _LENGTH:
            model.append(_read(file, field.start, field.end))
            continue
        graph: list[bytes] = []
        for inner in _fields(file, field.content, field.end):
            if inner.number != _INITIALIZER or inner.kind != _LENGTH:
                graph.append(_read(file, inner.start, inner.end))
                continue
            tensor, run = _without_data(file, inner)
            graph.append(_message(_INITIALIZER, tensor))
            if run is not None:
                found[seen] = run
            seen += 1
        model.append(_message(_GRAPH, b"".join(graph)))
    return b"".join(model), found


def _without_data(file: BinaryIO, tensor: _Field) -> tuple[bytes, Run | None]:
    """Return a tensor's bytes, without its raw data if that is large, and where the data lies."""
    if tensor.end - tensor.content <= LARGE:
        return _read(file, tensor.content, tensor.end), None
    kept: list[bytes] = []
    run = None
    for field in _fields(file, tensor.content, tensor.end):
        if field.number != _RAW_DATA:
            kept.append(_read(file, field.start, field.end))
            continue
        if run is not None or field.kind != _LENGTH:
            raise Malformed("a tensor has its data twice")
        run = Run(field.content, field.end - field.content)
    if run is not None and run.nbytes <= LARGE:
        return _read(file, tensor.content, tensor.end), None
    return b"".join(kept), run


def _fields(file: BinaryIO, start: int, end: int) -> Iterator[_Field]:
    """Yield the fields of a message that lies between two places of a file."""
    while start < end:
        file.seek(start)
        tag = _varint(file)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            content = file.tell()
            _varint(file)
            stop = file.tell()
        elif kind == _LENGTH:
            length = _varint(file)
            content = file.tell()
            stop = content + length
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            content = file.tell()
            stop = content + (8 if kind == _EIGHT_BYTES else 4)
        else:
            raise Malformed(f"a field is of kind {kind}")
        if stop > end:
            raise Malformed("a field is longer than what it is part of")
        yield _Field(number, kind, start, content, stop)
        start = stop


def _varint(file: BinaryIO) -> int:
    """Read a number of seven bits a byte, the lowest first; the last byte has no eighth bit."""
    found = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        found |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return found
    raise Malformed("a number does not end")


def _message(number: int, content: bytes) -> bytes:
    return _encoded(number << 3 | _LENGTH) + _encoded(len(content)) + content


def _encoded(number: int) -> bytes:
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    found = file.read(end - start)
    if len(found) < end - start:
        raise Malformed("the file ends too early")
    return found
