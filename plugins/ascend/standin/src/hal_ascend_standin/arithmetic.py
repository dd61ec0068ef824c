"""Gives the libraries their arithmetic: calls back from their threads into hal's references."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from hal_ascend.prototypes import LIBRARIES, operator_prototypes
from hal_ascend_standin.arguments import Argument, Refusal, values
from hal_ascend_standin.chips import check
from hal_ascend_standin.semantics import SEMANTICS

__all__ = ["install"]

REFUSED = 161002
FAILED = 507015

_CHECK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(Argument), ctypes.c_int, ctypes.c_char_p,
    ctypes.c_void_p, ctypes.c_int,
)  # fmt: skip
_COMPUTE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(Argument), ctypes.c_int, ctypes.c_void_p,
    ctypes.c_int,
)  # fmt: skip


def _say(message: int, room: int, error: BaseException) -> None:
    text = f"{type(error).__name__}: {error}".encode()[: room - 1] + b"\0"
    ctypes.memmove(message, text, len(text))


def _check(name: bytes, arguments: Any, count: int, soc: bytes, message: int, room: int) -> int:
    try:
        operator = operator_prototypes()[name.decode().removeprefix("aclnn")]
        check(operator, values(arguments, count), soc.decode())
    except Refusal as refusal:
        _say(message, room, refusal)
        return REFUSED
    # An exception cannot pass through C; it becomes the operator's error.
    except Exception as error:
        _say(message, room, error)
        return REFUSED
    return 0


def _compute(name: bytes, arguments: Any, count: int, message: int, room: int) -> int:
    try:
        with np.errstate(all="ignore"):
            SEMANTICS[name.decode().removeprefix("aclnn")](*values(arguments, count))
    except Exception as error:
        _say(message, room, error)
        return FAILED
    return 0


# Kept for the life of the process: the libraries' threads call them.
_callbacks = (_CHECK(_check), _COMPUTE(_compute))


def install(folder: Path) -> Any:
    """Load the runtime's library from a folder, give it the arithmetic, and return it."""
    library = ctypes.CDLL(str(folder / LIBRARIES["runtime"]), mode=ctypes.RTLD_GLOBAL)
    library.standin_set_arithmetic.argtypes = [_CHECK, _COMPUTE]
    library.standin_set_arithmetic.restype = None
    library.standin_set_arithmetic(*_callbacks)
    return library
