"""Judges each node as it runs: what its results differ by, and what of that it introduced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hal.array_api import abs as absolute
from hal.dtypes import as_dtype
from hal.onnx.folding import changes
from hal.tensor import Tensor
from hal.tools.compare.difference import Allowance, Difference, difference, same_bits, unusual
from hal.tools.compare.facts import Fact, Facts, origins
from hal.tools.compare.result import Comparison, Row, node_of
from hal.tools.compare.sides import Again, Golden, Side
from hal.tools.compare.tolerance import SUMS, Tolerance, coarser, holds_graphs
from hal.tools.compare.values import parts, shown_type
from hal.tools.compare.watch import Node

__all__ = ["Judge"]


class Judge:
    """Sees the nodes of the first device's run and fills a comparison.

    Parameters
    ----------
    comparison : Comparison
    side : Side
        What is compared with.
    device : str
        The first device's name.
    tolerance : Tolerance

    Attributes
    ----------
    facts : Facts
    failure : Exception or None
        What stopped it, if anything did.
    """

    def __init__(
        self,
        comparison: Comparison,
        side: Side,
        device: str,
        tolerance: Tolerance,
    ) -> None:
        self.facts = Facts(tolerance)
        self.failure: Exception | None = None
        self._comparison = comparison
        self._side = side
        self._names = (device, side.name)
        self._tolerance = tolerance
        self._advance: Callable[[int], None] = lambda n: None
        self._made: list[tuple[str, Row]] = []
        self._rows: dict[tuple[int, str], Row] = {}

    def begin(self, values: dict[str, Any], advance: Callable[[int], None]) -> None:
        """Note what the model is given; ``advance(1)`` is called after each node from now on."""
        self._advance = advance
        for name, value in values.items():
            for part, array in parts(name, value).items():
                self._comparison.inputs[part] = shown_type(array)
                saved = self._side.input(part)
                counts = [(n, n) for n in unusual(array)]
                equal = saved is None or same_bits(array, saved)
                self.facts[part] = Fact(equal, counts[0], counts[1])

    def end(self, outputs: Sequence[str]) -> None:
        """Note which values the model returns."""
        for name, row in self._made:
            row.output = name in outputs

    def see(self, node: Node) -> Sequence[Any] | None:
        """Judge a node; what it drew by chance is replaced where the other side has drawn it."""
        try:
            return self._judged(node)
        except Exception as error:
            self.failure = error
            raise

    def _judged(self, node: Node) -> Sequence[Any] | None:
        if not node.depth:
            self._advance(1)
        random = changes(node.step) and not holds_graphs(node.step) and node.step.body is None
        theirs = self._side.results(node)
        mine, names = {}, {}
        for name, value in zip(node.step.outputs, node.results, strict=True):
            found = parts(name, value) if name else {}
            mine.update(found)
            names.update(dict.fromkeys(found, name))
        if node.step.operator == "Constant":  # data of the model, not calculated
            return None
        source = self.facts.source(node)
        if isinstance(theirs, str):
            for part, array in mine.items():
                self._uncompared(
                    node, part, theirs, self.facts.result(node.step, array, None, source)
                )
            return None
        again = None if random else self._again(node, mine, theirs)
        for part, array in mine.items():
            other = theirs.get(part)
            own = self.facts.result(node.step, array, other, source)
            if other is None:
                self._uncompared(node, part, f"not in {self._side.name}", own)
                continue
            row = self._row(node, part, array, other, again, own)
            if random:
                row.note = "drawn by chance, once, and given to both"
                row.total = row.introduced = _no_difference(array)
                own = own._replace(equal=True)
            row.origins = self._origins(node, own, node_of(row))
            self.facts[part] = own
            self._keep(node, row, names[part])
        for part in theirs.keys() - mine.keys():
            self._comparison.uncompared[part] = f"{self._names[0]} does not make it"
        return self._side.share(node) if random else None

    def _uncompared(self, node: Node, part: str, reason: str, own: Fact) -> None:
        self._comparison.uncompared[part] = reason
        self._origins(node, own, f"the node {node.step.operator} {node.step.name or part!r}")
        self.facts[part] = own

    def _origins(self, node: Node, own: Fact, called: str) -> tuple[str, ...]:
        if not any((*own.nans, *own.infinities)):
            return ()
        found = origins(own, self.facts.source(node, counted=True), self._names)
        lines = [f"{origin} begins at {called}" for origin in found]
        known = self._comparison.origins
        known += [line for line in lines if line not in known]
        return tuple(found)

    def _again(self, node: Node, mine: dict[str, Any], theirs: dict[str, Any]) -> Any:
        """Return the node's values with equal inputs, None where they were equal, or why not."""
        if isinstance(self._side, Golden):
            return self._side.again(node, self.facts)
        if node.step.body is not None or holds_graphs(node.step):
            return "what is in it is compared by itself"
        if all(not isinstance(v, Tensor) for v in node.results):
            same = all(p in theirs and same_bits(a, theirs[p]) for p, a in mine.items())
            if same:  # calculated on the host, by the same code
                return None
        return self._side.again(node, self.facts)

    def _row(self, node: Node, part: str, mine: Any, theirs: Any, again: Any, own: Fact) -> Row:
        step = node.step
        equal = own.equal
        row = Row(
            part,
            step.name,
            step.operator,
            len(self._rows),
            shown_type(mine),
            self._total(mine, theirs, own) if not equal else _no_difference(mine),
            nans=own.nans,
            infinities=own.infinities,
        )
        if isinstance(again, str):
            row.note = again
        elif again is None:
            row.introduced = row.total if equal else self._introduced(node, mine, theirs)
            row.inherited = _no_difference(mine)
            if row.introduced.agrees:  # nothing came before that could have left more
                row.total = row.introduced
        else:
            self._apart(node, row, mine, theirs, again)
        return row

    def _apart(self, node: Node, row: Row, mine: Any, theirs: Any, again: Again) -> None:
        """Tell what the node introduced from what its inputs brought."""
        alone = again.values.get(row.value)
        if alone is None:
            row.note = "with equal inputs the node does not make it"
            return
        if again.there:
            found, expected, inherited = mine, alone, difference(alone, theirs)
        else:
            found, expected, inherited = alone, theirs, difference(mine, alone)
        row.inherited = inherited
        row.introduced = (
            _no_difference(found)
            if same_bits(found, expected)
            else self._introduced(node, found, expected)
        )

    def _total(self, mine: Any, theirs: Any, fact: Fact) -> Difference:
        allowed = Allowance()
        if mine.dtype.kind not in "OUS" and theirs.dtype.kind not in "OUS":
            dtype = coarser(as_dtype(mine.dtype), as_dtype(theirs.dtype))
            if dtype.kind in ("float", "complex") or fact.rounded:
                allowed = self._tolerance.whole(fact.epsilon, dtype, theirs)
        return difference(mine, theirs, allowed)

    def _introduced(self, node: Node, found: Any, expected: Any) -> Difference:
        if found.dtype.kind in "OUS" or expected.dtype.kind in "OUS":
            return difference(found, expected)
        inputs = node.inputs()
        step, given = node.step, list(inputs.values())
        dtype = as_dtype(found.dtype)
        result = difference(found, expected, self._tolerance.node(step, given, expected, dtype))
        dtype = coarser(dtype, as_dtype(expected.dtype))
        summed = step.operator in SUMS and dtype.kind == "float"
        if result.agrees or result.note or not summed or dtype in self._tolerance.given:
            return result
        # What cancelled is not seen in the result; the terms' magnitude is.
        magnitude = _magnitude(node, inputs)
        allowed = self._tolerance.summed(step, given, expected, dtype, magnitude)
        return difference(found, expected, allowed)

    def _keep(self, node: Node, row: Row, name: str) -> None:
        key = (id(node.step), row.value)
        if key in self._rows:
            self._rows[key].merge(row)
        else:
            self._rows[key] = row
            self._comparison.rows.append(row)
            if not node.depth:
                self._made.append((name, row))


def _magnitude(node: Node, inputs: dict[str, Any]) -> Any:
    """Return what the terms of a sum add up to when none cancels another: with absolute values."""
    sizes = {name: _absolute(value) for name, value in inputs.items()}
    found, *_ = node.run.alone(node.step, sizes)
    (array,) = parts("y", found).values()
    return np.abs(np.nan_to_num(array.astype(np.float64), posinf=0, neginf=0))


def _absolute(value: Any) -> Any:
    if isinstance(value, Tensor) and value.dtype.kind == "float":
        return absolute(value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return np.abs(value)
    return value


def _no_difference(array: Any) -> Difference:
    return Difference(array.size)
