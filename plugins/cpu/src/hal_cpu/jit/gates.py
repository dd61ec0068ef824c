"""What a recurrent layer's code is made for, and what its gates make of their sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from llvmlite import ir

from hal.dtypes import float32
from hal_cpu.jit.loops import I64, loop
from hal_cpu.jit.scalar import Scalar, emit

__all__ = ["Recurrence", "add_gates"]

_FLOATS = ir.PointerType(ir.FloatType())


class Recurrence(NamedTuple):
    """What a layer's code is made for.

    Attributes
    ----------
    name : str
        The operator.
    option : str or bool or None
        The value of ``nonlinearity`` or ``linear_before_reset``.
    batch, features, hidden : int
    x, out : tuple of int
        The strides of the input and of the result.
    reverse : bool
    lanes : int
        Numbers in a vector.
    vectors : int
        Vectors of each gate in a block.
    rows : int
        Rows whose sums are in registers at once.
    chunk : int
        Steps for which the input is multiplied before they are done.
    by_rows : bool
        Whether threads share out the rows of the batch.
    waits : bool
        Whether they share out the blocks, and wait behind each step. A layer of neither kind is
        for one thread.
    """

    name: str
    option: Any
    batch: int
    features: int
    hidden: int
    x: tuple[int, ...]
    out: tuple[int, ...]
    reverse: bool
    lanes: int
    vectors: int
    rows: int
    chunk: int
    by_rows: bool
    waits: bool

    @property
    def stages(self) -> tuple[tuple[int, ...], ...]:
        """The gates whose recurrent products are made together; a stage needs the one before."""
        if self.name == "gru" and not self.option:
            return ((0, 1), (2,))
        return (tuple(range(self.gates)),)

    @property
    def gates(self) -> int:
        """How many gates there are."""
        return {"rnn": 1, "gru": 3, "lstm": 4}[self.name]

    @property
    def width(self) -> int:
        """Units in a block."""
        return self.lanes * self.vectors

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.hidden // self.width)

    @property
    def padded(self) -> int:
        """Units in all blocks."""
        return self.blocks * self.width

    @property
    def parameters(self) -> int:
        """Numbers in all weights, padding included."""
        return self.gates * self.padded * (self.features + self.hidden)

    @property
    def states(self) -> int:
        """Arrays of (batch, padded) numbers in the scratch memory: two hidden states, and more."""
        return {"rnn": 2, "gru": 2 if self.option else 4, "lstm": 3}[self.name]

    @property
    def extent(self) -> int:
        """What threads share out."""
        return self.batch if self.by_rows else self.blocks


def add_gates(module: ir.Module, layer: Recurrence, stage: int) -> Any:
    """Add a function ``(sums, inputs, states...)`` that finishes a stage for a row of a block.

    It makes the states of the sums, and of what the inputs add to them.
    """
    kind = ir.FunctionType(ir.VoidType(), [_FLOATS] * (2 + layer.states))
    made = ir.Function(module, kind, f"gates_{stage}")
    made.linkage = "internal"
    for argument in made.args:
        argument.add_attribute("noalias")
    b = ir.IRBuilder(made.append_basic_block())
    sums, inputs, *states = made.args
    with loop(b, _number(0), _number(layer.width)) as unit:
        gates = layer.stages[stage]

        def load(pointer: Any, n: int = 0) -> Scalar:
            place = b.gep(pointer, [b.add(unit, _number(n * layer.width))])
            return Scalar(b.load(place), float32)

        given = [load(inputs, n) for n in gates]
        back = [load(sums, n) for n in range(len(gates))]
        F = _Values(b)
        for number, value in _CELLS[layer.name](F, layer, stage, given, back, states, load):
            b.store(value.value, b.gep(states[number], [unit]))
    b.ret_void()
    return made


def _number(value: int) -> Any:
    return ir.Constant(I64, value)


class _Values:
    """Calls operators on single values."""

    def __init__(self, b: ir.IRBuilder) -> None:
        self._b = b

    def __getattr__(self, name: str) -> Callable[..., Scalar]:
        return lambda *operands: emit(self._b, name, operands, {})


Written = Iterator[tuple[int, Scalar]]


def _rnn(F: Any, layer: Recurrence, stage: int, x: Any, h: Any, states: Any, load: Any) -> Written:
    total = F.add(x[0], h[0])
    yield 1, (F.tanh(total) if layer.option == "tanh" else F.relu(total))


def _gru(F: Any, layer: Recurrence, stage: int, x: Any, h: Any, states: Any, load: Any) -> Written:
    if layer.option:
        reset, update = (F.sigmoid(F.add(x[n], h[n])) for n in range(2))
        new = F.tanh(F.add(x[2], F.multiply(reset, h[2])))
    elif stage == 0:
        reset, update = (F.sigmoid(F.add(x[n], h[n])) for n in range(2))
        yield 2, F.multiply(reset, load(states[0]))
        yield 3, update
        return
    else:
        update, new = load(states[3]), F.tanh(F.add(x[0], h[0]))
    yield 1, F.add(new, F.multiply(update, F.subtract(load(states[0]), new)))


def _lstm(F: Any, layer: Recurrence, stage: int, x: Any, h: Any, states: Any, load: Any) -> Written:
    enter, forget, fresh, leave = (F.add(x[n], h[n]) for n in range(4))
    kept = F.multiply(F.sigmoid(forget), load(states[2]))
    cell = F.add(kept, F.multiply(F.sigmoid(enter), F.tanh(fresh)))
    yield 2, cell
    yield 1, F.multiply(F.sigmoid(leave), F.tanh(cell))


_CELLS: dict[str, Callable[..., Written]] = {"rnn": _rnn, "gru": _gru, "lstm": _lstm}
