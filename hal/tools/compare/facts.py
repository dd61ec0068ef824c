"""What is known of each name of a model while it runs: only numbers, never the values."""

from __future__ import annotations

from typing import NamedTuple

from hal.onnx.graph import Step

__all__ = ["Fact", "Facts"]


class Fact(NamedTuple):
    """What is known of a value.

    Attributes
    ----------
    equal : bool
        Whether both sides have the same bits.
    nans, infinities : tuple of int
        How many each side has.
    epsilon : float
        The coarsest arithmetic it comes from; 0 for what is exact.
    rounded : bool
        Whether it comes from fractions that were rounded to few whole numbers.
    """

    equal: bool = True
    nans: tuple[int, int] = (0, 0)
    infinities: tuple[int, int] = (0, 0)
    epsilon: float = 0.0
    rounded: bool = False


class Facts:
    """Facts by name. A subgraph sees the names around it, a function only its own."""

    def __init__(self) -> None:
        self._frames: list[tuple[dict[str, Fact], bool]] = [({}, True)]

    def __getitem__(self, name: str) -> Fact | None:
        for names, alone in reversed(self._frames):
            if name in names:
                return names[name]
            if alone:
                break
        return None

    def __setitem__(self, name: str, fact: Fact) -> None:
        self._frames[-1][0][name] = fact

    def enter(self, step: Step) -> None:
        """Begin a node; one that has a body or subgraphs has names of its own."""
        if step.body is not None:
            names = {}
            for inner, outer in zip(step.body.inputs, step.inputs, strict=False):
                fact = self[outer]
                if fact is not None:
                    names[inner] = fact
            self._frames.append((names, True))
        elif holds_graphs(step):
            self._frames.append(({}, False))

    def leave(self, step: Step) -> None:
        """End a node that :meth:`enter` began."""
        if step.body is not None or holds_graphs(step):
            self._frames.pop()


def holds_graphs(step: Step) -> bool:
    """Return whether a node runs subgraphs: a branch, a loop, a scan."""
    return any(True for _ in step.graphs())
