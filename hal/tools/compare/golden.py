"""Golden runs: the values of a run in a file, to compare other runs with."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from hal.errors import ValueRangeError

__all__ = ["GoldenReader", "GoldenWriter"]


class GoldenWriter(AbstractContextManager["GoldenWriter"]):
    """Writes arrays as they come; nothing is left behind when the block fails.

    A name that ends in ``.npz`` is a file that :func:`numpy.load` reads; any other is a folder with
    a ``.npy`` file for each array.

    Parameters
    ----------
    path : str or os.PathLike
        A file is replaced; a folder must not be there yet.
    """

    def __init__(self, path: Any) -> None:
        self._path = Path(path)
        self._part = self._path.with_name(self._path.name + ".part")
        self._archive: zipfile.ZipFile | None = None
        self.names: set[str] = set()

    def __enter__(self) -> GoldenWriter:
        try:
            if self._path.suffix == ".npz":
                self._archive = zipfile.ZipFile(self._part, "w")
            elif self._path.exists():
                raise ValueRangeError(f"{self._path} is there already; name a new folder")
            else:
                self._part.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self._path, error) from None
        return self

    def __call__(self, name: str, array: Any) -> None:
        """Write one array; the first of a name stays."""
        if name in self.names:
            return
        self.names.add(name)
        stored = _storable(array)
        try:
            if self._archive is not None:
                with self._archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, stored, allow_pickle=False)
            else:
                np.save(self._part / f"{quote(name, safe='')}.npy", stored, allow_pickle=False)
        except OSError as error:
            raise _unwritable(self._path, error) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._archive is not None:
            self._archive.close()
        if kind is None:
            os.replace(self._part, self._path)
        elif self._part.is_dir():
            shutil.rmtree(self._part)
        else:
            self._part.unlink(missing_ok=True)


class GoldenReader(Mapping[str, Any], AbstractContextManager["GoldenReader"]):
    """Reads arrays by name when they are asked for.

    Parameters
    ----------
    path : str or os.PathLike
        What :class:`GoldenWriter` or :func:`numpy.savez` wrote.

    Attributes
    ----------
    name : str
        The path.

    Raises
    ------
    ValueRangeError
        When it is none of these, or damaged.
    """

    def __init__(self, path: Any) -> None:
        self.name = str(path)
        self._path = Path(path)
        self._archive: Any = None
        self._files: dict[str, Path] = {}
        if self._path.is_dir():
            files = sorted(f for f in os.listdir(self._path) if f.endswith(".npy"))
            self._files = {unquote(f.removesuffix(".npy")): self._path / f for f in files}
            return
        try:
            self._archive = zipfile.ZipFile(self._path)
        except (OSError, zipfile.BadZipFile) as error:
            raise ValueRangeError(f"{path} is no golden run: {error}") from None
        self._names = {
            name.removesuffix(".npy"): name
            for name in self._archive.namelist()
            if name.endswith(".npy")
        }

    def __getitem__(self, name: str) -> Any:
        try:
            if self._archive is None:
                return np.load(self._files[name], allow_pickle=False)
            with self._archive.open(self._names[name]) as file:
                return np.lib.format.read_array(file, allow_pickle=False)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueRangeError(f"{self._path} holds no array {name!r}: {error}") from None

    def __contains__(self, name: object) -> bool:
        return name in (self._files if self._archive is None else self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files if self._archive is None else self._names)

    def __len__(self) -> int:
        return len(self._files if self._archive is None else self._names)

    def __exit__(self, *error: object) -> None:
        if self._archive is not None:
            self._archive.close()


def _storable(array: Any) -> Any:
    """Return an array that NumPy's files can hold: strings of a fixed width, unknown dtypes raw."""
    if array.dtype.kind == "O":
        return array.astype(str)
    if array.dtype.isbuiltin != 1 and array.dtype.kind not in "US":
        return np.asarray(array, order="C").view(np.dtype(f"V{array.dtype.itemsize}"))
    return array


def _unwritable(path: Path, error: OSError) -> ValueRangeError:
    return ValueRangeError(f"{path} cannot be written: {error.strerror or error}")
