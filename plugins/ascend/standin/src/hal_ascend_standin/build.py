"""Builds the stand-in's libraries with CMake, once for each state of its source."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hal_ascend.prototypes import LIBRARIES, OperatorPrototype, operator_prototypes

__all__ = ["BuildError", "build", "built", "folder", "operators_source"]

_NATIVE = Path(__file__).parent / "native"
_TYPES = {
    "T": "const aclTensor *",
    "O": "aclTensor *",
    "R": "aclTensor *",
    "L": "const aclTensorList *",
    "S": "const aclScalar *",
    "A": "const aclIntArray *",
    "c": "const char *",
    "b": "bool ",
    "d": "aclDataType ",
    "i8": "int8_t ",
    "i32": "int ",
    "i64": "int64_t ",
    "f32": "float ",
    "f64": "double ",
}


class BuildError(Exception):
    """The libraries cannot be built; the message says what is missing."""


def operators_source() -> str:
    """Return the operators' two functions each, in C++, from the plugin's table of prototypes.

    Examples
    --------
    >>> "int32_t aclnnAbs(" in operators_source()
    True
    """
    lines = ['#include "objects.h"', "", "using namespace standin;", 'extern "C" {']
    lines += [_pair(p) for p in operator_prototypes().values()]
    return "\n".join([*lines, "}", ""])


def _pair(operator: OperatorPrototype) -> str:
    name = f"aclnn{operator.name}"
    given = ", ".join(f"{_TYPES[code]}{called}" for code, called in operator.arguments)
    bound = ", ".join(
        f"written(bind({called}))" if code == "O"
        else f"bind(static_cast<double>({called}))" if code == "f32"
        else f"bind(static_cast<int64_t>({called}))" if code == "d"
        else f"bind({called})"
        for code, called in operator.arguments
    )  # fmt: skip
    return f"""
STANDIN_EXPORT int32_t {name}GetWorkspaceSize({given}, uint64_t *workspaceSize,
                                              aclOpExecutor **executor) {{
  ENTER(int32_t, code::OPERATOR_PARAM);
  return prepare("{name}", {{{bound}}}, workspaceSize, executor);
}}
STANDIN_EXPORT int32_t {name}(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor,
                              aclrtStream stream) {{
  ENTER(int32_t, code::EXECUTION);
  return launch("{name}", workspace, workspaceSize, executor, stream);
}}"""


def folder(sanitize: str = "") -> Path:
    """Return where the libraries of this source are or would be."""
    digest = hashlib.sha256(operators_source().encode())
    for path in sorted(_NATIVE.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    digest.update(sanitize.encode())
    cache = os.environ.get("HAL_STANDIN_CACHE") or os.environ.get("XDG_CACHE_HOME")
    base = Path(cache) if cache else Path.home() / ".cache"
    return base / "hal-ascend-standin" / digest.hexdigest()[:16]


def built(sanitize: str = "") -> bool:
    """Return whether the libraries are there."""
    return all((folder(sanitize) / name).exists() for name in LIBRARIES.values())


def build(sanitize: str = "", headers: str = "", target: Path | None = None) -> Path:
    """Build the libraries, unless they are there, and return their folder.

    Parameters
    ----------
    sanitize : str
        ``"address"`` or ``"thread"`` for a build with that sanitizer.
    headers : str
        Folders with CANN's own headers, separated by semicolons, to compile against.
    target : Path, optional
        Where; the cache when left out.

    Raises
    ------
    BuildError
        When there is no compiler or no CMake, or the compiler refuses.
    """
    place = target or folder(sanitize)
    if target is None and built(sanitize):
        return place
    cmake = _cmake()
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise BuildError("no C++ compiler was found; install g++ or clang++ and build again")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        source, output = Path(scratch) / "operators.cpp", Path(scratch) / "build"
        source.write_text(operators_source())
        options = [f"-DOPERATORS={source}", f"-DSANITIZE={sanitize}", f"-DCANN_HEADERS={headers}"]
        _run([*cmake, "-S", str(_NATIVE), "-B", str(output), *options])
        _run([*cmake, "--build", str(output), "--parallel", "2"])
        finished = Path(scratch) / "finished"
        finished.mkdir()
        for name in LIBRARIES.values():
            shutil.copy2(output / name, finished / name)
        try:
            finished.rename(place)
        except OSError:
            # Another process has built the same meanwhile.
            if not place.exists():
                raise
    return place


def _cmake() -> list[str]:
    found = shutil.which("cmake") or shutil.which("cmake", path=str(Path(sys.executable).parent))
    if found is None:
        raise BuildError("cmake was not found; pip install cmake, and build again")
    return [found]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        text = (done.stdout + done.stderr)[-3000:]
        raise BuildError(f"{' '.join(command[:2])} failed:\n{text}")
