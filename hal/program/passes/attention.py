"""Finds attention that a model writes out in parts, and calls it by its name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf, prod

import numpy as np

from hal import dtypes
from hal.device import Device
from hal.errors import HalError
from hal.ops import operators
from hal.plugin import Array, Call, Layout, Program, reshape_strides
from hal.program.passes.calls import has_kernel, joined_labels
from hal.program.passes.dead import dead_code
from hal.program.passes.graph import Graph, Match
from hal.program.passes.products import constant_values

__all__ = ["find_attention"]

_ATTENTION, _NOT, _WHERE = (operators[n] for n in ("attention", "logical_not", "where"))

_HIDES = -1e4
"""What hides a key when it stands in place of a score: the exponential of less is zero."""
_BETWEEN = ("matmul", "multiply", "divide", "where", "add")
"""What may stand between the product of queries and keys and the softmax."""


def find_attention(program: Program, device: Device) -> Program:
    """Return the program with attention written out in parts made single ``attention`` calls.

    The parts are a product of queries and keys, a factor and masks where there are any, a
    softmax, and a product with the values. A mask is added, or chosen by ``where``; one that hides
    the keys behind each query is ``causal``. Key heads that several query heads share may be
    repeated for them, or the query heads laid under one another. A device that has attention as a
    whole need not keep the scores.

    A query that may see no key gets zeros, also where its parts would divide zero by zero.

    Examples
    --------
    >>> import hal
    >>> from hal.program import record
    >>> cpu = hal.device("cpu:0")
    >>> q = hal.ones((2, 5, 8), device=cpu)
    >>> parts = lambda q: hal.nn.softmax(0.5 * (q @ q.mT), -1) @ q
    >>> before = record("f", cpu, [q], lambda xs: [parts(*xs)])
    >>> [call.op.name for call in before.calls if not call.view]
    ['matmul', 'multiply', 'softmax', 'matmul']
    >>> [call.op.name for call in find_attention(before, cpu).calls if not call.view]
    ['attention']
    """
    graph = Graph(program, device)
    sizes, constants = list(program.sizes), dict(program.constants)
    calls = list[Call]()
    for position, call in enumerate(program.calls):
        found = _Parts(graph).read(position)
        mask = [] if found is None else found.mask_calls(sizes, constants)
        new = None if found is None else found.call(mask[-1].outputs[0] if mask else None)
        if new is not None and has_kernel(new, device):
            calls += [*mask, new]
        else:
            calls.append(call)
    if all(x is y for x, y in zip(calls, program.calls, strict=False)):
        return program
    return dead_code(replace(program, calls=tuple(calls), sizes=tuple(sizes), constants=constants))


@dataclass
class _Choice:
    """A mask chosen by ``where``: its condition, if true means seen, what hidden scores are."""

    condition: Array
    seen: bool
    fill: Array
    value: float


@dataclass
class _Found:
    """Attention put together from its parts."""

    last: Call
    query: Array
    key: Array
    value: Array
    out: Array
    scale: float
    causal: bool
    label: str
    masks: list[Array] = field(default_factory=list)
    choices: list[_Choice] = field(default_factory=list)

    def call(self, made: Array | None) -> Call | None:
        """Return the call; ``made`` is the mask that the calls before it make, if they do."""
        mask = made or (self.choices[0].condition if self.choices else None)
        given = [self.query, self.key, self.value, *([mask] if mask else self.masks)]
        attributes = {"causal": self.causal, "scale": self.scale, **self.last.attributes}
        layouts = [x.layout for x in given]
        try:
            inference = _ATTENTION.infer(layouts, attributes)
        except HalError:
            return None
        same = inference.dtypes == tuple([x.dtype for x in layouts])
        if not same or inference.outputs != ((self.out.layout.dtype, self.out.layout.shape),):
            return None
        return Call(_ATTENTION, tuple(given), (self.out,), attributes, label=self.label)

    def mask_calls(self, sizes: list[int], constants: dict[int, object]) -> list[Call]:
        """Return the call that makes a mask of a choice, where its condition is none itself."""
        if not self.choices or (self.choices[0].seen and self.choices[0].value == -inf):
            return []
        (choice,) = self.choices
        dtype, shape = self.out.layout.dtype, choice.condition.layout.shape
        if choice.value == -inf:
            made = Array(len(sizes), Layout(dtypes.bool, shape))
            inputs: tuple[Array, ...] = (choice.condition,)
        else:
            # Where all keys are hidden alike they count alike, so the number is kept.
            made = Array(len(sizes) + 1, Layout(dtype, shape))
            zero = Array(len(sizes), Layout(dtype, ()))
            constants[zero.buffer] = np.zeros((), dtype.numpy)
            sizes.append(zero.layout.nbytes)
            pair = (zero, choice.fill) if choice.seen else (choice.fill, zero)
            inputs = (choice.condition, *pair)
        sizes.append(made.layout.nbytes)
        return [Call(_NOT if len(inputs) == 1 else _WHERE, inputs, (made,), label=self.label)]


class _Parts:
    """Reads attention from its last product back to its queries, keys and values."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        # What is left out when the whole is found, and what others may go on reading.
        self._inner, self._outer = Match(graph), Match(graph)
        self._causal = False
        self._masks: list[Array] = []
        self._choices: list[_Choice] = []

    def read(self, position: int) -> _Found | None:
        """Return the attention that ends in a call."""
        last = self._graph.program.calls[position]
        if last.op.name != "matmul" or last.view or last.host:
            return None
        weights, value = last.inputs
        softmax = self._softmax(weights)
        if softmax is None or weights is None or value is None:
            return None
        shape = softmax.outputs[0].layout.shape
        scores = self._unmasked(softmax.inputs[0], shape)
        scores, scale = self._factor(self._inner, scores)
        product = self._inner.step(scores, "matmul")
        if product is None or product.attributes != last.attributes:
            return None
        query, turned = product.inputs
        out = self._unfolded(last.outputs[0], shape)
        rows = product.outputs[0].layout.shape
        if query is None or turned is None or weights.layout.shape != rows or out is None:
            return None
        query = self._unfolded(query, shape)
        query, factor = self._factor(self._outer, query)
        scale *= factor
        turned, factor = self._factor(self._outer, turned)
        scale *= factor
        if query is None or turned is None:
            return None
        key = self._unrepeated(_swapped(turned), shape)
        value = self._unrepeated(value, shape)
        choices = [x.condition for x in self._choices]
        given = (query, key, value, *self._masks, *choices)
        if not self._closed(position) or any(x.buffer not in self._graph.stable for x in given):
            return None
        if not _one_batch(query, key, value, shape) or len(self._masks) + len(self._choices) > 1:
            return None
        label = joined_labels([*self._outer.calls(), *self._inner.calls(), last])
        return _Found(
            last, query, key, value, out, scale, self._causal, label, self._masks, self._choices
        )

    def _softmax(self, weights: Array | None) -> Call | None:
        """Return the softmax that makes the weights, those of queries that see nothing set to 0."""
        chosen = self._inner.step(weights, "where")
        softmax = self._inner.step(weights if chosen is None else chosen.inputs[2], "softmax")
        if softmax is None or softmax.attributes["axis"] != softmax.outputs[0].layout.ndim - 1:
            return None
        if chosen is None:
            return softmax
        hidden, zero, _ = chosen.inputs
        if self._graph.number(zero) != 0:
            return None
        if chosen.outputs[0].layout.shape != softmax.outputs[0].layout.shape:
            return None
        undefined = self._inner.step(hidden, "isnan")
        if undefined is not None:
            return softmax if undefined.inputs[0] == softmax.outputs[0] else None
        least = self._inner.step(hidden, "equal")
        if least is None:
            return None
        for top, number in (least.inputs, least.inputs[::-1]):
            largest = self._inner.step(top, "max")
            if (
                largest is not None
                and self._graph.number(number) == -inf
                and largest.inputs[0] == softmax.inputs[0]
                and largest.attributes["axis"] == (softmax.attributes["axis"],)
                and largest.attributes["keepdims"]
            ):
                return softmax
        return None

    def _unmasked(self, scores: Array | None, shape: tuple[int, ...]) -> Array | None:
        """Return scores as they are before masks are added or chosen; note the masks."""
        while True:
            call = self._inner.step(scores, "add", "where")
            if call is None or call.outputs[0].layout.shape != shape:
                return scores
            if call.op is _WHERE:
                condition, x, y = call.inputs
                seen = self._graph.number(y) is not None
                scores, fill = (x, y) if seen else (y, x)
                value = self._graph.number(fill)
                if condition is None or fill is None or value is None or value > _HIDES:
                    return None
                fill = fill._replace(layout=Layout(fill.layout.dtype, ()))
                self._note(condition, _Choice(condition, seen, fill, value), shape)
            else:
                scores, mask = self._told_apart(call)
                if mask is None:
                    return None
                self._note(mask, None, shape)
            if scores is None or scores.layout.shape != shape:
                return None

    def _note(self, mask: Array, choice: _Choice | None, shape: tuple[int, ...]) -> None:
        """Remember a mask; one that hides the keys behind each query is but an attribute."""
        known = None
        if mask.buffer in self._graph.program.constants:
            known = constant_values(self._graph.program, mask, self._graph.device)
        if known is not None and known.shape[-2:] == shape[-2:] and known.size == prod(shape[-2:]):
            known = known.reshape(shape[-2:])
            if choice is not None:
                hidden = known != choice.seen
            else:
                hidden = known <= _HIDES
                known = known if np.all(hidden | (known == 0)) else None
            if known is not None and np.array_equal(hidden, np.tri(*known.shape) == 0):
                self._causal = True
                return
        if choice is None:
            self._masks.append(mask)
        else:
            self._choices.append(choice)

    def _told_apart(self, added: Call) -> tuple[Array | None, Array | None]:
        """Return a sum's operands, the scores first; None twice where neither is."""
        shape = added.outputs[0].layout.shape
        for scores, mask in (added.inputs, added.inputs[::-1]):
            if scores is not None and scores.layout.shape == shape and self._from_product(scores):
                return scores, mask
        return None, None

    def _from_product(self, array: Array) -> bool:
        """Return whether a value is made by a product, through masks and factors."""
        seen, waiting = set[Array](), [array]
        while waiting:
            x = waiting.pop()
            call = None if x in seen else self._inner.look(x, *_BETWEEN)
            if call is not None and call.op.name == "matmul":
                return True
            seen.add(x)
            waiting += [x for x in (call.inputs if call else ()) if x is not None]
        return False

    def _factor(self, match: Match, array: Array | None) -> tuple[Array | None, float]:
        """Return what a value is a constant multiple of, and the constant."""
        call = match.look(array, "multiply", "divide")
        if call is None or array is None or call.outputs[0].layout.size != array.layout.size:
            return array, 1.0
        x, y = call.inputs
        number = self._graph.number(y)
        if number is None and call.op.name == "multiply":
            x, number = y, self._graph.number(x)
        if not number or x is None or call.outputs != (array,):
            return array, 1.0
        if x.layout.shape != array.layout.shape:
            return array, 1.0
        match.step(array, call.op.name)
        return x, number if call.op.name == "multiply" else 1 / number

    def _unfolded(self, array: Array, shape: tuple[int, ...]) -> Array | None:
        """Return rows of query heads that share a key head as heads of their own again."""
        wanted = (*shape[:-1], array.layout.shape[-1])
        if array.layout.shape == wanted:
            return array
        if prod(wanted) != array.layout.size:
            return None
        strides = reshape_strides(array.layout.shape, array.layout.strides, wanted)
        if strides is None:
            return None
        return array._replace(layout=Layout(array.layout.dtype, wanted, strides))

    def _unrepeated(self, array: Array, shape: tuple[int, ...]) -> Array:
        """Return keys or values that were repeated for each query head as they were before."""
        copied = self._outer.look(array, "copy")
        given = None if copied is None else copied.inputs[0]
        if given is None or array.layout.ndim < 3:
            return array
        layout, (*lead, _, length, width) = given.layout, array.layout.shape
        if layout.ndim != array.layout.ndim + 1 or layout.strides[-3] or layout.shape[-3] < 2:
            return array
        if layout.shape[:-4] != tuple(lead) or layout.shape[-2:] != (length, width):
            return array
        self._outer.step(array, "copy")
        short = (*layout.shape[:-3], length, width)
        strides = (*layout.strides[:-3], *layout.strides[-2:])
        return given._replace(layout=Layout(layout.dtype, short, strides))

    def _closed(self, position: int) -> bool:
        """Return whether nobody else reads what would be left out."""
        inner = {*self._inner.positions(), position}
        calls = [self._graph.program.calls[n] for n in inner - {position}]
        return all(inner >= set(self._graph.reads.get(c.outputs[0].buffer, ())) for c in calls)


def _swapped(array: Array) -> Array:
    """Return an array with its last two axes exchanged."""
    layout = array.layout
    shape = (*layout.shape[:-2], layout.shape[-1], layout.shape[-2])
    strides = (*layout.strides[:-2], layout.strides[-1], layout.strides[-2])
    return array._replace(layout=Layout(layout.dtype, shape, strides))


def _one_batch(query: Array, key: Array, value: Array, scores: tuple[int, ...]) -> bool:
    """Return whether the parts have the shapes of one attention, without broadcast batches."""
    lead = query.layout.shape[:-3]
    return (
        query.layout.ndim >= 3
        and query.layout.shape[:-1] == scores[:-1]
        and key.layout.shape[:-3] == lead
        and value.layout.shape[:-3] == lead
        and key.layout.ndim == value.layout.ndim == query.layout.ndim
        and key.layout.shape[-3] == value.layout.shape[-3]
    )
