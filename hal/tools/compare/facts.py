"""What is known of each name of a model while it runs: only numbers, never the values."""

from __future__ import annotations

from typing import Any, NamedTuple

from hal.dtypes import as_dtype
from hal.onnx.graph import Step
from hal.tools.compare.difference import same_bits, unusual
from hal.tools.compare.tolerance import Tolerance, coarser, holds_graphs, rounds
from hal.tools.compare.values import parts
from hal.tools.compare.watch import Node

__all__ = ["Fact", "Facts"]


class Fact(NamedTuple):
    """What is known of a value, or of all inputs of a node together.

    Attributes
    ----------
    equal : bool
        Whether both sides have the same bits.
    nans, infinities : tuple of int
        How many each side has; of a value that only the first side has, both are its.
    epsilon : float
        The coarsest arithmetic it comes from; 0 for what is exact.
    rounded : bool
        Whether it comes from fractions that were rounded to few whole numbers.
    both : bool
        Whether both sides have it.
    """

    equal: bool = True
    nans: tuple[int, int] = (0, 0)
    infinities: tuple[int, int] = (0, 0)
    epsilon: float = 0.0
    rounded: bool = False
    both: bool = True


class Facts:
    """Facts by name. A subgraph sees the names around it, a function only its own.

    Parameters
    ----------
    tolerance : Tolerance
        Knows the arithmetic of a node.
    """

    def __init__(self, tolerance: Tolerance) -> None:
        self._tolerance = tolerance
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

    def source(self, node: Node, counted: bool = False) -> Fact:
        """Return what is known of a node's inputs together.

        Parameters
        ----------
        node : Node
        counted : bool
            Whether to look for NaN and infinities in the model's constants too; that takes time.
        """
        facts = []
        for name, value in node.inputs().items():
            fact = self[name]
            if fact is not None:
                facts.append(fact)
                continue
            # A constant of the model, or what a turn of a loop is given.
            facts.append(Fact(node.run.is_constant(name)))
            for array in parts(name, value).values() if counted else ():
                nans, infinities = unusual(array)
                facts.append(Fact(True, (nans, nans), (infinities, infinities)))
        return Fact(
            all(f.equal for f in facts),
            (sum(f.nans[0] for f in facts), sum(f.nans[1] for f in facts)),
            (sum(f.infinities[0] for f in facts), sum(f.infinities[1] for f in facts)),
            max([f.epsilon for f in facts], default=0.0),
            any(f.rounded for f in facts),
            all(f.both for f in facts),
        )

    def result(self, step: Step, mine: Any, theirs: Any, source: Fact) -> Fact:
        """Return what is known of a node's result; ``theirs`` is None where there is none."""
        nans, infinities = unusual(mine)
        if theirs is None:
            counts = (nans, nans), (infinities, infinities)
            return Fact(False, *counts, *self._arithmetic(step, mine, mine, source), False)
        other = unusual(theirs)
        return Fact(
            same_bits(mine, theirs),
            (nans, other[0]),
            (infinities, other[1]),
            *self._arithmetic(step, mine, theirs, source),
        )

    def _arithmetic(self, step: Step, mine: Any, theirs: Any, source: Fact) -> tuple[float, bool]:
        """Return the coarsest epsilon behind a result, and whether it was rounded to few values."""
        if mine.dtype.kind in "OUS" or theirs.dtype.kind in "OUS":
            return source.epsilon, source.rounded
        dtype = coarser(as_dtype(mine.dtype), as_dtype(theirs.dtype))
        own = 0.0
        if dtype.kind in ("float", "complex"):
            own = self._tolerance.epsilon(step, dtype)
        elif rounds(step) and dtype.kind != "bool" and dtype.bits <= 8:
            return max(source.epsilon, 2.0 ** (1 - dtype.bits)), True
        return max(source.epsilon, own), source.rounded


def origins(own: Fact, source: Fact, sides: tuple[str, str]) -> list[str]:
    """Say what begins at a node, and on which side: ``"NaN on cpu:0"``.

    Parameters
    ----------
    own, source : Fact
        Of the node's result and of its inputs together.
    sides : tuple of str
        What both sides are called.

    Examples
    --------
    >>> from hal.tools.compare.facts import Fact, origins
    >>> origins(Fact(nans=(2, 0)), Fact(), ("a:0", "b:0"))
    ['NaN on a:0']
    """
    found = []
    for side, name in enumerate(sides):
        if side and not (own.both and source.both):
            continue
        if own.nans[side] and not source.nans[side]:
            found.append(f"NaN on {name}")
        if own.infinities[side] and not source.infinities[side] and not source.nans[side]:
            found.append(f"infinity on {name}")
    return found
