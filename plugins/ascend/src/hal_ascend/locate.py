"""Finds CANN's libraries: where they were installed, on the loader's path, or a stand-in's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from hal_ascend.prototypes import LIBRARIES

__all__ = ["GROUP", "Installation", "Missing", "check_version", "locate"]

GROUP = "hal_ascend.cann"
"""The entry-point group in which a stand-in for CANN is found.

An entry is a function without arguments that returns the folder of its libraries and what they
stand in for, or raises an exception that says what to do.
"""

INSTALL = (
    "install the driver, CANN's toolkit and the operators of your chip from "
    "https://www.hiascend.com/cann, then run `source set_env.sh` from its folder, which sets "
    "ASCEND_HOME_PATH; or install a stand-in for development: pip install 'hal-ascend[standin]'"
)
LOWEST = (8, 0)
"""The version of CANN that the plugin is written for."""
_HOMES = ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME")
_PLACES = (
    "/usr/local/Ascend/ascend-toolkit/latest",
    "/usr/local/Ascend/latest",
    "/usr/local/Ascend/cann",
    "~/Ascend/ascend-toolkit/latest",
    "~/Ascend/latest",
    "~/Ascend/cann",
    "/opt/Ascend/ascend-toolkit/latest",
)
_FOLDERS = ("lib64", "runtime/lib64", "x86_64-linux/lib64", "aarch64-linux/lib64")


class Missing(Exception):
    """CANN was not found, in part or at all.

    Attributes
    ----------
    reason, remedy : str
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True)
class Installation:
    """Where CANN is.

    Attributes
    ----------
    libraries : dict
        Paths by what the plugin calls the libraries; ``collectives`` may be absent.
    operators : tuple of Path
        Every library that holds operators.
    version : str
        Of the toolkit; empty where no file tells.
    emulated : str
        What it stands in for; empty for the real thing.
    """

    libraries: dict[str, Path]
    operators: tuple[Path, ...]
    version: str = ""
    emulated: str = ""


def locate() -> Installation:
    """Return where CANN is, a real one before a stand-in.

    ``HAL_ASCEND_STANDIN=0`` never takes a stand-in, ``1`` always does.

    Raises
    ------
    Missing
        With what is missing and how to install it.
    """
    wanted = os.environ.get("HAL_ASCEND_STANDIN", "")
    problem: Missing | None = None
    if wanted != "1":
        try:
            return _real()
        except Missing as missing:
            problem = missing
    if wanted != "0":
        found = _standin()
        if found is not None:
            return found
    raise problem or Missing(
        "HAL_ASCEND_STANDIN=1 asks for a stand-in, and none is installed",
        "pip install 'hal-ascend[standin]'",
    )


def _real() -> Installation:
    homes = _homes()
    folders = list(_folders(homes))
    runtime = _first(folders, LIBRARIES["runtime"])
    if runtime is None:
        named = [f"{n}={os.environ[n]}" for n in _HOMES if os.environ.get(n)]
        where = ", ".join(named) if named else "neither ASCEND_HOME_PATH nor the usual folders"
        raise Missing(f"CANN was not found: {where} leads to {LIBRARIES['runtime']}", INSTALL)
    # The other libraries must be of the same installation.
    folders = [runtime.parent, *folders]
    libraries = {"runtime": runtime}
    for name in ("objects", "collectives"):
        found = _first(folders, LIBRARIES[name])
        if found is not None:
            libraries[name] = found
    operators = _operators(folders)
    if "objects" not in libraries or not operators:
        lacking = LIBRARIES["operators" if "objects" in libraries else "objects"]
        raise Missing(
            f"{runtime.parent} has CANN's runtime but no {lacking}: the toolkit's operators are "
            "not installed",
            "install the toolkit and the operator package (ops) of your chip, of the same version: "
            "https://www.hiascend.com/cann",
        )
    version = _version(runtime)
    check_version(version, str(runtime))
    return Installation(libraries, operators, version)


def check_version(version: str, where: str) -> None:
    """Raise for a version that is too old; one that cannot be read is let through.

    Raises
    ------
    Missing

    Examples
    --------
    >>> check_version("8.2.RC1", "libascendcl.so")
    """
    match = re.match(r"(\d+)\.(\d+)", version)
    if match and (int(match[1]), int(match[2])) < LOWEST:
        lowest = ".".join(map(str, LOWEST))
        raise Missing(
            f"CANN {version} is too old: {where}; the plugin needs {lowest} or newer",
            f"install CANN {lowest} or newer, and the driver that its release notes name: "
            "https://www.hiascend.com/cann",
        )


def _standin() -> Installation | None:
    for entry in metadata.entry_points(group=GROUP):
        try:
            folder, emulated = entry.load()()
        except Exception as error:
            name = entry.dist.name if entry.dist is not None else entry.name
            raise Missing(f"{name} cannot be used: {error}", "see its message") from error
        libraries = {k: Path(folder) / v for k, v in LIBRARIES.items() if k != "operators"}
        operators = (Path(folder) / LIBRARIES["operators"],)
        return Installation(libraries, operators, emulated=emulated)
    return None


def _homes() -> list[Path]:
    named = [os.environ[n] for n in _HOMES if os.environ.get(n)]
    return [Path(p).expanduser() for p in (*named, *_PLACES)]


def _folders(homes: list[Path]) -> Iterator[Path]:
    for home in homes:
        for folder in _FOLDERS:
            yield home / folder
    for entry in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep):
        if entry:
            yield Path(entry)


def _first(folders: list[Path], name: str) -> Path | None:
    return next((f / name for f in folders if (f / name).is_file()), None)


def _operators(folders: list[Path]) -> tuple[Path, ...]:
    """Return the operators' libraries: one, or one for each family of operators."""
    for folder in folders:
        found = sorted(folder.glob("libopapi*.so"))
        if found:
            return tuple(found)
    return ()


def _version(runtime: Path) -> str:
    for parent in runtime.parents[:4]:
        for pattern in ("version.cfg", "*install.info", "version.info"):
            for file in sorted(parent.glob(pattern)):
                match = re.search(r"(?im)^version\s*=\s*\[?(?:.*?:)?([\w.]+)", file.read_text())
                if match:
                    return match.group(1)
    return ""
