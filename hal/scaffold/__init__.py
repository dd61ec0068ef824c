"""Writes a new plugin: a complete project around a working device, to be changed step by step."""

from __future__ import annotations

import keyword
import os
import re
import tempfile
from pathlib import Path

from hal.errors import HalError, ValueRangeError
from hal.plugin import backends, failures

__all__ = ["create_plugin"]

PROJECT = Path(__file__).parent / "project"
"""The project as it is written, for a device named ``minimal``; its files end in ``.txt``."""

_RESERVED = ("hal", "sdk")


def create_plugin(name: str, directory: str | os.PathLike[str] | None = None) -> Path:
    """Write a new plugin's project and return its folder.

    Nothing is written when anything is wrong, and an existing folder is never touched.

    Parameters
    ----------
    name : str
        The backend's name, which is what comes before the colon in a device's name: lower-case
        letters, digits and underscores, a letter first.
    directory : path, optional
        The folder to write; ``hal-NAME`` in the current one when left out.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueRangeError
        When the name cannot be a backend's or is taken, or the folder exists.
    HalError
        When the folder cannot be written.

    Examples
    --------
    >>> from hal.scaffold import create_plugin
    >>> create_plugin("cpu")
    Traceback (most recent call last):
    hal.errors.ValueRangeError: a plugin for 'cpu' is installed already; choose another name
    """
    _check_name(name)
    distribution = "hal-" + name.replace("_", "-")
    target = Path(directory if directory is not None else distribution).absolute()
    if target.exists() or target.is_symlink():
        raise ValueRangeError(f"{target} exists; choose another folder, or move it away")
    words = {
        "hal-minimal": distribution,
        "Minimal": "".join(part.capitalize() for part in name.split("_")),
        "minimal": name,
    }
    try:
        # Beside the target, so that moving it there is one step: the folder is whole or not there.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
            written = Path(folder) / "project"
            _write(written, words)
            written.rename(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise HalError(f"{target} cannot be written: {reason}; choose another folder") from error
    return target


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z](_?[a-z0-9])*", name) or keyword.iskeyword(name):
        raise ValueRangeError(
            f"{name!r} cannot be a backend's name; use lower-case letters, digits and single "
            "underscores between them, a letter first, such as 'npu' or 'my_device'"
        )
    if name in _RESERVED:
        raise ValueRangeError(f"{name!r} is a name of hal's own; choose another name")
    if name in backends() or name in failures():
        raise ValueRangeError(f"a plugin for {name!r} is installed already; choose another name")


def _write(target: Path, words: dict[str, str]) -> None:
    for source in sorted(PROJECT.rglob("*.txt")):
        path = target / _replaced(str(source.relative_to(PROJECT).with_suffix("")), words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_replaced(source.read_text(encoding="utf-8"), words), encoding="utf-8")


def _replaced(text: str, words: dict[str, str]) -> str:
    return re.sub("|".join(words), lambda found: words[found[0]], text)
