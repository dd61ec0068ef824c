"""Control over the stand-in: faults, delays, arithmetic on and off, what is alive."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from hal_ascend_standin.arithmetic import install
from hal_ascend_standin.build import folder

__all__ = ["Control"]


class Control:
    """The control functions of the loaded stand-in; get it from :meth:`attach`."""

    def __init__(self, library: Any) -> None:
        self._library = library
        library.standin_faults.argtypes = [*[ctypes.c_int64] * 3, ctypes.c_int]
        library.standin_configure.argtypes = [ctypes.c_char_p, ctypes.c_int64]
        for name in ("standin_calls", "standin_live"):
            function = getattr(library, name)
            function.argtypes = [ctypes.c_char_p, ctypes.c_int64]
            function.restype = ctypes.c_int64
        library.standin_tasks.restype = ctypes.c_int64

    @classmethod
    def attach(cls) -> Control:
        """Return control over the stand-in that this process has loaded."""
        return cls(install(folder(os.environ.get("HAL_STANDIN_SANITIZE", ""))))

    def configure(self, key: str, value: int) -> None:
        """Change a setting: ``arithmetic`` (0 or 1) or ``delay_us`` (the longest random delay)."""
        self._library.standin_configure(key.encode(), value)

    def faults(self, call: int = -1, task: int = -1, hang: int = -1, code: int = 0) -> None:
        """Count calls and tasks from now on, and let one of them fail.

        Parameters
        ----------
        call : int
            Which call of the interface fails at once, from 0; -1 for none.
        task : int
            Which task on a stream fails late.
        hang : int
            Which task never ends.
        code : int
            CANN's code for the failure; 0 for the usual one of the function.
        """
        self._library.standin_faults(call, task, hang, code)

    def no_faults(self) -> None:
        """Inject nothing and count nothing; a device that was lost is there again."""
        self._library.standin_no_faults()

    def fired(self) -> bool:
        """Return whether the fault asked for has happened."""
        return bool(self._library.standin_fired())

    def calls(self) -> list[str]:
        """Return the names of the calls since :meth:`faults`, in order."""
        return self._text(self._library.standin_calls).split()

    def tasks(self) -> int:
        """Return how many tasks have run since :meth:`faults`."""
        return int(self._library.standin_tasks())

    def live(self) -> dict[str, int]:
        """Return how many objects of each kind are alive."""
        lines = self._text(self._library.standin_live).splitlines()
        pairs = (line.rsplit("=", 1) for line in lines)
        return {name: int(count) for name, count in pairs}

    def _text(self, function: Any) -> str:
        room = function(None, 0) + 4096
        text = ctypes.create_string_buffer(room)
        function(text, room)
        return text.value.decode()
