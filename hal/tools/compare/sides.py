"""What a run is compared with: another device that runs beside it, or the values of a saved run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from hal.device import Device
from hal.errors import ValueRangeError
from hal.onnx.execution import Observer
from hal.onnx.values import is_text, to_device
from hal.tools.compare.facts import Facts
from hal.tools.compare.values import moved, parts
from hal.tools.compare.watch import Follower, Node

__all__ = ["Again", "Golden", "OtherDevice", "Side", "restored"]


class Again(NamedTuple):
    """A node that was run once more, by itself, with inputs of the other side.

    Attributes
    ----------
    values : dict
        What came of it, as :func:`hal.tools.compare.values.parts`.
    there : bool
        Whether it ran on what is compared with, with the first device's inputs; else it ran on the
        first device, with the saved inputs.
    """

    values: dict[str, Any]
    there: bool


class Side(ABC):
    """What a run is compared with.

    Attributes
    ----------
    name : str
        For people.
    """

    name: str

    @abstractmethod
    def results(self, node: Node) -> dict[str, Any] | str:
        """Return the values that stand for a node's results here; else why there are none."""

    @abstractmethod
    def again(self, node: Node, facts: Facts) -> Again | str | None:
        """Run the node by itself with equal inputs; None where they were equal already.

        A text says why it cannot be done. Asked only after :meth:`results` had values.
        """

    def input(self, name: str) -> Any:
        """Return the value of an input of the model here, or None where it is the same."""
        return None

    @abstractmethod
    def share(self, node: Node) -> Sequence[Any] | None:
        """Have both sides go on with the same results of a node that draws by chance.

        Returns those of this side, where they are what the first device must go on with.
        """

    def finish(self) -> None:
        """Run to the end."""

    def close(self) -> None:
        """Stop, wherever it is."""


class OtherDevice(Side):
    """Another device, which runs the model at the same time.

    Parameters
    ----------
    device : Device
    work : callable
        ``work(observer)`` loads and runs the model there.
    """

    def __init__(self, device: Device, work: Callable[[Observer], Any]) -> None:
        self.name = device.name
        self._device = device
        self._follower = Follower(work, device.name)
        self._waiting: Node | None = None
        self._paired: Node | None = None

    def results(self, node: Node) -> dict[str, Any] | str:
        """Return what the same node gave here."""
        self._paired = None
        if self._waiting is None:
            self._waiting = self._follower.next()
        # Turns of a loop, or a branch, that the first device did not take.
        while self._waiting is not None and self._waiting.depth > node.depth:
            self._waiting = self._follower.next()
        if self._waiting is None or self._waiting.key != node.key:
            return f"{self.name} took another branch, or ended a loop sooner"
        self._paired, self._waiting = self._waiting, None
        return _named(node, self._paired.results)

    def again(self, node: Node, facts: Facts) -> Again | str | None:
        """Run the node here with the first device's inputs."""
        assert self._paired is not None
        replaced = {}
        for name, value in node.inputs().items():
            fact = facts[name]
            if fact is None and node.run.is_constant(name):
                continue
            if fact is None or not fact.equal:
                replaced[name] = moved(value, self._device)
        if not replaced:
            return None
        found = self._paired.run.alone(self._paired.step, replaced)
        return Again(_named(node, tuple(found)), True)

    def share(self, node: Node) -> None:
        """Go on with the first device's results."""
        self._follower.answer([moved(value, self._device) for value in node.results])

    def finish(self) -> None:
        """Run to the end."""
        while self._follower.next() is not None:
            pass

    def close(self) -> None:
        """Stop the run."""
        self._follower.close()


class Golden(Side):
    """The saved values of another run.

    Parameters
    ----------
    values : mapping
        Arrays by name, read when they are asked for.
    device : Device
        The one that is compared with them.
    name : str
    """

    def __init__(self, values: Mapping[str, Any], device: Device, name: str) -> None:
        self.name = name
        self._values = values
        self._device = device

    def results(self, node: Node) -> dict[str, Any] | str:
        """Return the saved values under the names of the node's results."""
        if node.depth:
            return "in a branch, a loop or a function"
        found = {}
        for part, mine in _named(node, node.results).items():
            if part in self._values:
                found[part] = _as_saved(self._values[part], mine)
        return found or f"not in {self.name}"

    def again(self, node: Node, facts: Facts) -> Again | str | None:
        """Run the node on the first device with the saved inputs."""
        replaced = {}
        for name, value in node.inputs().items():
            fact = facts[name]
            if fact is None and node.run.is_constant(name):
                continue
            if fact is not None and fact.equal:
                continue
            if name not in self._values or isinstance(value, list | dict):
                return f"{self.name} does not hold the input {name!r}"
            saved = _as_saved(self._values[name], value)
            replaced[name] = _like(saved, value, self._device)
        if not replaced:
            return None
        found = node.run.alone(node.step, replaced)
        return Again(_named(node, tuple(found)), False)

    def share(self, node: Node) -> Sequence[Any]:
        """Return what was drawn when the values were saved."""
        named = zip(node.step.outputs, node.results, strict=True)
        return [
            _like(_as_saved(self._values[name], value), value, self._device)
            if name in self._values
            else value
            for name, value in named
        ]

    def input(self, name: str) -> Any:
        """Return the saved value of an input."""
        return self._values.get(name)


def _named(node: Node, results: tuple[Any, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in zip(node.step.outputs, results, strict=True):
        if name:
            found.update(parts(name, value))
    return found


def _as_saved(saved: Any, mine: Any) -> Any:
    return restored(saved, _numpy(mine))


def restored(saved: Any, dtype: Any) -> Any:
    """Return a saved array; bits of a dtype that NumPy's files do not know get the dtype back.

    Raises
    ------
    ValueRangeError
        When they are not as wide as the dtype.
    """
    if saved.dtype.kind != "V" or saved.dtype.isbuiltin == 2:
        return saved
    if saved.dtype.itemsize != np.dtype(dtype).itemsize:
        raise ValueRangeError(f"a saved array has elements of {saved.dtype}; {dtype} is needed")
    return saved.view(dtype)


def _numpy(value: Any) -> Any:
    return getattr(value.dtype, "numpy", value.dtype)


def _like(saved: Any, value: Any, device: Device) -> Any:
    """Return a saved array where, and in the dtype in which, the node takes it."""
    if is_text(value) or is_text(saved):
        return saved.astype(object)
    cast = saved.astype(_numpy(value), copy=False)
    return cast if isinstance(value, np.ndarray) else to_device(cast, device)
