"""External data of a model: read only from inside the model's folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from hal.errors import ModelError
from hal.onnx.stored import BytesSource, FileSource, Source

__all__ = ["Folder"]

_MOST_OPEN = 64
"""Files that stay open until their weights are needed; what lies in more is read at once."""


class Folder:
    """The folder of a model, with those files of it that are open.

    Parameters
    ----------
    path : Path or None
        None when the model came as bytes, which lie in no folder.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._open: dict[tuple[int, int], Source] = {}

    def external(self, name: str, entries: Iterable[Any], nbytes: int) -> tuple[Source, int]:
        """Return what reads the elements of a tensor that lies in another file, and from where.

        Parameters
        ----------
        name : str
            The tensor's, for errors.
        entries : iterable of onnx.StringStringEntryProto
            ``location``, ``offset`` and ``length`` as the model gives them.
        nbytes : int
            What the tensor's dims and type need.

        Raises
        ------
        ModelError
            When the file lies elsewhere, is no regular file, or does not hold the bytes.
        """
        given = {entry.key: entry.value for entry in entries}
        if self._path is None:
            raise ModelError(
                f"the tensor {name} lies in an external file; give the model's path, not its "
                "bytes, so that hal knows the folder"
            )
        path = _inside(name, given.get("location", ""), self._path)
        offset, length = _number(name, given, "offset", 0), _number(name, given, "length", nbytes)
        if length != nbytes:
            raise ModelError(
                f"the tensor {name} needs {nbytes} bytes, its external data says length {length}"
            )
        # The file that is checked is the one that is read, even if the folder changes meanwhile.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            descriptor = os.open(path, flags)
        except OSError as error:
            raise ModelError(f"the external data {path.name} of tensor {name}: {error}") from None
        source = FileSource(descriptor, f"the external data {path.name} of tensor {name}")
        status = os.fstat(descriptor)
        if offset + length > status.st_size:
            raise ModelError(
                f"the external data {path.name} has {status.st_size} bytes; tensor {name} needs "
                f"{length} from {offset} on: the file is truncated or belongs to another model"
            )
        key = status.st_dev, status.st_ino
        if key not in self._open and len(self._open) >= _MOST_OPEN:
            contents = bytearray(length)
            source.read(offset, memoryview(contents))
            return BytesSource(contents), 0
        return self._open.setdefault(key, source), offset


def _inside(name: str, location: str, folder: Path) -> Path:
    wrong = (
        not location
        or "\0" in location
        or "\\" in location
        or PurePosixPath(location).is_absolute()
        or PureWindowsPath(location).drive != ""
        or ".." in PurePosixPath(location).parts
    )
    root = Path(os.path.realpath(folder))
    path = root / location if not wrong else root
    # A link anywhere on the way could lead out: the real path must be the one that was named.
    if wrong or Path(os.path.realpath(path)) != path:
        raise ModelError(
            f"the external data of tensor {name} is said to lie at {location!r}; it must be a "
            "relative path inside the model's folder, without .. and without links"
        )
    return path


def _number(name: str, given: dict[str, str], key: str, default: int) -> int:
    text = given.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ModelError(
            f"the external data of tensor {name} has {key} {text[:40]!r}; it must be a number of "
            "bytes, 0 or more"
        )
    return int(text)
