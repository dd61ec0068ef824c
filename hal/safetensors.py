"""Reads and writes weights in safetensors files, every dtype that hal and the format share.

Named after the functions of ``safetensors.torch``. Source:
https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

import json
import math
import mmap
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hal import dtypes
from hal.array_api import asarray
from hal.device import Device, as_device
from hal.errors import DTypeError, ModelError, Unsupported, ValueRangeError
from hal.memory import to_host
from hal.tensor import Tensor

__all__ = ["SafeTensors", "load", "load_file", "safe_open", "save", "save_file"]

_DTYPES = {
    "BOOL": dtypes.bool, "U8": dtypes.uint8, "I8": dtypes.int8, "U16": dtypes.uint16,
    "I16": dtypes.int16, "U32": dtypes.uint32, "I32": dtypes.int32, "U64": dtypes.uint64,
    "I64": dtypes.int64, "F16": dtypes.float16, "BF16": dtypes.bfloat16, "F32": dtypes.float32,
    "F64": dtypes.float64, "C64": dtypes.complex64, "F8_E4M3": dtypes.float8_e4m3fn,
    "F8_E5M2": dtypes.float8_e5m2, "F8_E4M3FNUZ": dtypes.float8_e4m3fnuz,
    "F8_E5M2FNUZ": dtypes.float8_e5m2fnuz, "F8_E8M0": dtypes.float8_e8m0fnu,
}  # fmt: skip
_TAGS = {dtype: tag for tag, dtype in _DTYPES.items()}
_LARGEST_HEADER = 100_000_000
_ALIGNMENT = 64
"""Where data begins in files that are written here, so that a mapped file needs no copy."""


class _Entry(NamedTuple):
    tag: str
    shape: tuple[int, ...]
    begin: int
    end: int


class SafeTensors(Mapping[str, Tensor]):
    """The tensors of a safetensors file by name, each read when it is asked for.

    Made by :func:`safe_open`.

    Attributes
    ----------
    metadata : dict of str to str
        What else the file says.
    types : dict of str to tuple
        Each tensor's dtype by name, and its shape. Nothing is read for that.
    device : Device
        Where tensors are put.
    """

    def __init__(self, data: Any, device: Device, name: str) -> None:
        self.device = device
        self._name = name
        self._data = memoryview(data)
        self._start, self._entries, self.metadata = _header(self._data, name)
        self.types = {n: (_dtype_name(e.tag), e.shape) for n, e in self._entries.items()}

    def __getitem__(self, name: str) -> Tensor:
        entry = self._entries[name]
        dtype = _DTYPES.get(entry.tag)
        if dtype is None:
            raise Unsupported(
                f"{self._name}: the tensor {name!r} is of {entry.tag}, for which hal has no dtype; "
                f"it has {', '.join(_DTYPES)}"
            )
        part = self._data[self._start + entry.begin : self._start + entry.end]
        array = np.frombuffer(part, np.uint8).view(dtype.numpy).reshape(entry.shape)
        return asarray(array, device=self.device)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<{len(self)} tensors of {self._name}>"


@contextmanager
def safe_open(
    filename: str | os.PathLike[str], device: Device | str | None = None
) -> Iterator[SafeTensors]:
    """Open a file to read single tensors of it; nothing else of it is read.

    The file is mapped. On a device that shares the host's memory, tensors lie in the mapped file:
    they cost no memory until they are read, writing into one changes nothing in the file, and the
    file must not be changed as long as they are in use.

    Parameters
    ----------
    filename : str or os.PathLike
    device : Device or str, optional
        Where tensors are put; the default device when left out.

    Yields
    ------
    SafeTensors
        A mapping from names to tensors. Tensors outlive the block.

    Raises
    ------
    ModelError
        When the file cannot be read, or is damaged.
    Unsupported
        When a tensor is asked for whose dtype hal does not have.

    Examples
    --------
    >>> import hal.safetensors, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> hal.safetensors.save_file({"bias": hal.ones(2)}, path, {"made by": "hal"})
    >>> with hal.safetensors.safe_open(path) as file:
    ...     print(list(file), file.metadata, file["bias"].shape)
    ['bias'] {'made by': 'hal'} (2,)
    """
    path = Path(filename)
    try:
        with path.open("rb") as file:
            empty = not os.fstat(file.fileno()).st_size
            # A private mapping may be written into; the file stays what it is.
            data = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise ModelError(f"{filename} cannot be read: {error.strerror or error}") from error
    yield SafeTensors(data, as_device(device), path.name)


def load_file(
    filename: str | os.PathLike[str], device: Device | str | None = None
) -> dict[str, Tensor]:
    """Return all tensors of a file by name.

    Parameters
    ----------
    filename : str or os.PathLike
        A file, or the index of a model that is split into several
        (``model.safetensors.index.json``), which lie beside it.
    device : Device or str, optional
        Where the tensors are put; the default device when left out. See :func:`safe_open` for what
        tensors share with the file.

    Returns
    -------
    dict of str to Tensor

    Raises
    ------
    ModelError
        When a file cannot be read, is damaged, or is not what the index says.
    Unsupported
        When a tensor has a dtype that hal does not have.

    Examples
    --------
    >>> import hal.safetensors, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> hal.safetensors.save_file({"bias": hal.ones(2, dtype=hal.bfloat16)}, path)
    >>> hal.safetensors.load_file(path, device="cpu:0")
    {'bias': Tensor([1., 1.], dtype=bfloat16, device='cpu:0')}
    """
    path = Path(filename)
    if path.suffix == ".json":
        return _load_parts(path, as_device(device))
    with safe_open(path, device) as file:
        return dict(file)


def load(data: bytes, device: Device | str | None = None) -> dict[str, Tensor]:
    """Return the tensors that the content of a file holds, by name.

    Examples
    --------
    >>> import hal.safetensors
    >>> hal.safetensors.load(hal.safetensors.save({"n": hal.asarray(3)}))["n"]
    Tensor(3, dtype=int64, device='cpu:0')
    """
    return dict(SafeTensors(data, as_device(device), "the data"))


def save_file(
    tensors: Mapping[str, Tensor],
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors into a file; a file of that name is replaced once all is written.

    Parameters
    ----------
    tensors : mapping of str to Tensor
    filename : str or os.PathLike
    metadata : mapping of str to str, optional
        What else the file shall say.

    Raises
    ------
    DTypeError
        When the format has no dtype for a tensor.

    Examples
    --------
    >>> import hal.safetensors, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> hal.safetensors.save_file({"weight": hal.ones((2, 3))}, path)
    """
    header, order = _layout(tensors, metadata)
    path = Path(filename)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(header)
            for name in order:
                file.write(_bytes(tensors[name]))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def save(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return what :func:`save_file` would write.

    Examples
    --------
    >>> import hal.safetensors
    >>> len(hal.safetensors.save({"n": hal.asarray(3)}))
    72
    """
    header, order = _layout(tensors, metadata)
    return b"".join([header, *[_bytes(tensors[name]) for name in order]])


def _layout(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None
) -> tuple[bytes, list[str]]:
    """Return a file's first part, and the order of the tensors: the widest dtypes first."""
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise DTypeError(
                "a safetensors file holds tensors by name; "
                f"{name!r} is {type(tensor).__name__}; make a tensor of it with hal.asarray(...)"
            )
        if tensor.dtype not in _TAGS:
            raise DTypeError(
                f"safetensors has no dtype for {name!r}, which is {tensor.dtype}; "
                f"convert it to one of {', '.join(map(str, _TAGS))}"
            )
    if "__metadata__" in tensors:
        raise ValueRangeError("no tensor can be called '__metadata__': files keep that for theirs")
    header: dict[str, Any] = {}
    if metadata:
        if not all(isinstance(x, str) for pair in metadata.items() for x in pair):
            raise DTypeError(f"metadata are strings by name, not {dict(metadata)!r}")
        header["__metadata__"] = dict(metadata)
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    end = 0
    for name in order:
        tensor = tensors[name]
        begin, end = end, end + tensor.dtype.itemsize * math.prod(tensor.shape)
        header[name] = {
            "dtype": _TAGS[tensor.dtype], "shape": tensor.shape, "data_offsets": (begin, end),
        }  # fmt: skip
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text, order


def _bytes(tensor: Tensor) -> Any:
    return np.ascontiguousarray(to_host(tensor)).reshape(-1).view(np.uint8).data


def _header(data: memoryview, name: str) -> tuple[int, dict[str, _Entry], dict[str, str]]:
    """Return where data begins, what lies where, and what else the file says."""

    def damaged(what: str) -> ModelError:
        return ModelError(f"{name} is no whole safetensors file: {what}")

    if len(data) < 8:
        raise damaged(f"it has {len(data)} bytes, fewer than the 8 that every file starts with")
    length = int.from_bytes(data[:8], "little")
    if length > min(len(data) - 8, _LARGEST_HEADER):
        raise damaged(f"its header shall have {length:,} bytes; {len(data) - 8:,} follow")
    try:
        found = json.loads(bytes(data[8 : 8 + length]), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise damaged(f"its header is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise damaged("its header names no tensors")
    metadata = found.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(x, str) for x in metadata.values()):
        raise damaged("its metadata are not strings by name")
    entries = {}
    for tensor, given in found.items():
        entry = _entry(given)
        if entry is None:
            raise damaged(f"what it says of the tensor {tensor!r} contradicts itself: {given}")
        entries[tensor] = entry
    end = 0
    for tensor, entry in sorted(entries.items(), key=lambda item: item[1][2:]):
        if entry.begin != end:
            raise damaged(f"the tensor {tensor!r} begins at byte {entry.begin} instead of {end}")
        end = entry.end
    if end != len(data) - 8 - length:
        raise damaged(f"its tensors take {end:,} bytes; {len(data) - 8 - length:,} are there")
    return 8 + length, entries, metadata


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _entry(given: Any) -> _Entry | None:
    """Return what a header says of one tensor; None where that makes no sense."""
    if not isinstance(given, dict) or set(given) != {"dtype", "shape", "data_offsets"}:
        return None
    tag, shape, offsets = given["dtype"], given["shape"], given["data_offsets"]
    if not isinstance(tag, str) or not (_natural(shape) and _natural(offsets)):
        return None
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        return None
    dtype = _DTYPES.get(tag)
    if dtype and dtype.itemsize * math.prod(shape) != offsets[1] - offsets[0]:
        return None
    return _Entry(tag, tuple(shape), *offsets)


def _dtype_name(tag: str) -> str:
    """Return hal's name of a dtype; the format's where hal has none."""
    return str(_DTYPES.get(tag, tag))


def _natural(given: Any) -> bool:
    return isinstance(given, list) and all(type(n) is int and n >= 0 for n in given)


def _load_parts(index: Path, device: Device) -> dict[str, Tensor]:
    """Return the tensors of a model that is split over files."""
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = sorted(set(places.values()))
        apart = any(Path(f).name != f for f in files)
    except OSError as error:
        raise ModelError(f"{index} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index.name} names no files of tensors: {error!r}") from None
    if apart:
        raise ModelError(f"{index.name} names files outside of its folder: {', '.join(files)}")
    found: dict[str, Tensor] = {}
    for file in files:
        with safe_open(index.with_name(file), device) as part:
            missing = [n for n, place in places.items() if place == file and n not in part]
            if missing:
                raise ModelError(f"{file} lacks what {index.name} says: {', '.join(missing)}")
            found |= {n: part[n] for n in part if places.get(n) == file}
    return found
