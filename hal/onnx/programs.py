"""Decides for each call of a session whether the model runs node by node or as a program."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from hal.device import Device
from hal.errors import ModelError, TraceError, Unsupported
from hal.onnx.values import is_text
from hal.program import compile as compile_function

__all__ = ["Programs"]

Given = dict[str, Any]
Calculate = Callable[[Given], list[Any]]

_PROGRAMS = 32
"""Sets of shapes that get programs."""
_REMEMBERED = 1024
"""Sets of shapes of which it is known how often they were there."""
_AT_ONCE = 4
"""Programs that are made as soon as shapes come again; each further so many wait twice as long."""


class Programs:
    """The programs of a model, one for each set of input shapes.

    Parameters
    ----------
    calculate : callable
        Runs the model node by node.
    device : Device
    always : bool
        Whether each call runs as a program. Otherwise shapes get one when they come again, and the
        more there are the later: a text that grows by a word with each call has too many. A model
        that cannot be a program runs node by node.

    Attributes
    ----------
    obstacle : str
        Why no call runs as a program; empty where they do.
    """

    def __init__(self, calculate: Calculate, device: Device, always: bool) -> None:
        self.obstacle = ""
        self._calculate = calculate
        self._always = always
        self._compiled = compile_function(calculate, device=device, limit=_PROGRAMS)
        self._calls: OrderedDict[Any, int] = OrderedDict()
        self._programs: set[Any] = set()
        self._lock = threading.Lock()

    def give_up(self, obstacle: str) -> None:
        """Run node by node from now on."""
        self.obstacle = obstacle

    def expect(self, given: Given) -> None:
        """Take inputs of these shapes for some that come often."""
        key = _shapes(given)
        if key is not None:
            with self._lock:
                self._calls[key] = self._wanted()

    def choose(self, given: Given) -> Calculate:
        """Return what runs the model on these inputs."""
        if self._always:
            return self._compiled
        if self.obstacle:
            return self._calculate
        key = _shapes(given)
        if key is None or _traced(given):
            return self._calculate
        if key in self._programs:
            return self._compiled
        if not self._often(key):
            return self._calculate
        try:
            self._compiled.executable(given)
        # It ran node by node before, so the model is not to blame.
        except (TraceError, Unsupported, ModelError) as error:
            self.give_up(str(error))
            return self._calculate
        with self._lock:
            self._programs.add(key)
        return self._compiled

    def _often(self, key: Any) -> bool:
        """Count a call with these shapes; return whether there were enough for a program."""
        with self._lock:
            calls = self._calls.pop(key, 0) + 1
            self._calls[key] = calls
            if len(self._calls) > _REMEMBERED:
                self._calls.popitem(last=False)
            return calls > self._wanted() and len(self._programs) < _PROGRAMS

    def _wanted(self) -> int:
        return int(2 ** (len(self._programs) // _AT_ONCE))


def _traced(given: Given) -> bool:
    """Return whether the model is about to become part of another program."""
    return any(x is not None and x.device.tracer is not None for x in given.values())


def _shapes(given: Given) -> Any:
    """Return what a program is made for; None where an input is no tensor."""
    found = []
    for value in given.values():
        if isinstance(value, list | dict) or is_text(value):
            return None
        found.append(None if value is None else (value.shape, value.dtype))
    return tuple(found)
