"""Recurrent layers as one compiled loop over their steps, as LLVM code.

The units of a layer are taken in blocks, a few vectors wide. The weights of a block lie in the
order in which they are read: a vector of each gate for the first number that goes in, then for the
next. The sums of a block, for a few rows of the batch at a time, so stay in registers from the
first number to the last, and what the gates make of them follows at once.

Threads share out the blocks, and begin no step before the last is done; or, where the weights are
few, the rows of the batch, which need not wait.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

from llvmlite import ir

from hal_cpu.jit.gates import Recurrence, add_gates
from hal_cpu.jit.loops import I64, at, loop
from hal_cpu.jit.phases import Phases

__all__ = ["recurrent_code"]

_F32 = ir.FloatType()
_FLOATS = ir.PointerType(_F32)


@cache
def recurrent_code(layer: Recurrence) -> str:
    """Return code of ``loop(begin, end, steps, out, x, weights, biases, states, inputs, turns)``.

    Of each stage, ``weights`` has those of the input and those of the hidden state, both in the
    order (block, number, gate, unit); ``biases`` has both in the order (block, gate, unit).
    ``states`` starts with the hidden state, then comes room for the next, then the cell state.
    ``inputs`` is room for what the inputs of a chunk add to all gates of all blocks, ``turns`` the
    zeros in which threads count what they have done.
    """
    return str(_Code(layer).module)


def _whole(value: int) -> Any:
    return ir.Constant(I64, value)


class _Moment(NamedTuple):
    """A step: its time, its place in the chunk, and the states: old, new, and others."""

    time: Any
    place: Any
    states: list[Any]


class _Code:
    """Writes the module of one layer."""

    def __init__(self, layer: Recurrence) -> None:
        self.layer = layer
        self.module = ir.Module("recurrent")
        self.vector = ir.VectorType(_F32, layer.lanes)
        self.products: dict[tuple[int, int], Any] = {}
        self.finishers = [add_gates(self.module, layer, n) for n in range(len(layer.stages))]
        self.row = layer.blocks * layer.gates * layer.width
        # No pointer is noalias: what other threads write must be read anew.
        kind = ir.FunctionType(ir.VoidType(), [I64] * 3 + [_FLOATS] * 6 + [ir.PointerType(I64)])
        made = ir.Function(self.module, kind, "loop")
        self.b = ir.IRBuilder(made.append_basic_block())
        self.begin, self.end, self.steps, *pointers, turns = made.args
        self.out, self.x, self.weights, self.biases, self.states, self.inputs = pointers
        self.phases = Phases(self.b, turns, layer.blocks) if layer.waits else None
        widest = max(map(len, layer.stages)) * layer.width
        self.sums = self.b.alloca(_F32, _whole(layer.rows * widest))
        self.sums.align = 64
        self._emit()

    def _emit(self) -> None:
        b, layer = self.b, self.layer
        chunk = _whole(layer.chunk)
        chunks = b.sdiv(b.add(self.steps, _whole(layer.chunk - 1)), chunk)
        with loop(b, _whole(0), chunks) as number:
            first = b.mul(number, chunk)
            last = b.add(first, chunk)
            last = b.select(b.icmp_signed("<", last, self.steps), last, self.steps)
            low = b.sub(self.steps, last) if layer.reverse else first
            self._project(low, b.sub(last, first))
            with loop(b, first, last) as step:
                time = step
                if layer.reverse:
                    time = b.sub(b.sub(self.steps, _whole(1)), step)
                odd = b.and_(step, _whole(1))
                size = layer.batch * layer.padded
                numbers = [odd, b.xor(odd, _whole(1)), *map(_whole, range(2, layer.states))]
                states = [at(b, self.states, [n], [size]) for n in numbers]
                self._step(_Moment(time, b.sub(time, low), states), odd)
        b.ret_void()

    def _project(self, low: Any, count: Any) -> None:
        """Emit the products of the inputs of ``count`` steps from ``low`` on."""
        b, layer = self.b, self.layer
        step, row, _ = layer.x
        flat = not layer.by_rows and (layer.batch == 1 or step == layer.batch * row)
        start = at(b, self.x, [low], [step])

        def project(stage: int, block: Any) -> None:
            target = self._input(_whole(0), block, layer.stages[stage][0])
            if flat:
                rows = b.mul(count, _whole(layer.batch))
                source = start, step if layer.batch == 1 else row
                add = partial(self._add_inputs, stage, block, source, target)
                self._tiles(_whole(0), rows, add)
                return
            with loop(b, _whole(0), count) as time:
                source = at(b, start, [time], [step]), row
                into = at(b, target, [time], [layer.batch * self.row])
                add = partial(self._add_inputs, stage, block, source, into)
                self._tiles(*self._own_rows(), add)

        for stage in range(len(layer.stages)):
            self._over_blocks(partial(project, stage))

    def _add_inputs(
        self, stage: int, block: Any, source: tuple[Any, int], target: Any, first: Any, count: int
    ) -> None:
        """Emit the products of a few rows of the input."""
        rows, stride = source
        here = at(self.b, rows, [first], [stride]), stride, self.layer.x[2]
        into = at(self.b, target, [first], [self.row]), self.row
        self._multiply(stage, block, False, count, here, into)

    def _step(self, moment: _Moment, odd: Any) -> None:
        """Emit one step."""

        def advance(stage: int, block: Any) -> None:
            self._tiles(*self._own_rows(), partial(self._advance, stage, block, moment))

        for stage in range(len(self.layer.stages)):
            self._over_blocks(partial(advance, stage), odd)

    def _advance(self, stage: int, block: Any, moment: _Moment, first: Any, count: int) -> None:
        """Emit a stage of a step for a few rows of a block."""
        b, layer = self.b, self.layer
        line = len(layer.stages[stage]) * layer.width
        source = moment.states[2 if stage else 0]
        here = at(b, source, [first], [layer.padded]), layer.padded, 1
        self._multiply(stage, block, True, count, here, (self.sums, line))
        unit = b.mul(block, _whole(layer.width))
        for n in range(count):
            row = b.add(first, _whole(n))
            where = b.add(b.mul(row, _whole(layer.padded)), unit)
            own = [b.gep(state, [where]) for state in moment.states]
            index = b.add(b.mul(moment.place, _whole(layer.batch)), row)
            given = self._input(index, block, 0)
            b.call(self.finishers[stage], [b.gep(self.sums, [_whole(n * line)]), given, *own])
            if stage == len(layer.stages) - 1:
                self._show(own[1], moment.time, row, unit)

    def _show(self, state: Any, time: Any, row: Any, unit: Any) -> None:
        """Emit the copy of a block of a hidden state into the result."""
        b, layer = self.b, self.layer
        count = _whole(layer.width)
        if layer.padded != layer.hidden:
            left = b.sub(_whole(layer.hidden), unit)
            count = b.select(b.icmp_signed("<", left, count), left, count)
        target = at(b, self.out, [time, row, unit], layer.out)
        with loop(b, _whole(0), count) as n:
            b.store(b.load(b.gep(state, [n])), at(b, target, [n], [layer.out[2]]))

    # Parts

    def _over_blocks(self, body: Callable[[Any], None], odd: Any = None) -> None:
        """Emit what is done to all blocks, backwards in odd steps.

        What the caches hold of more weights than they have room for was read last.
        """
        b = self.b
        if self.phases is not None:
            self.phases.run(body, odd)
            return
        last = _whole(self.layer.blocks - 1)
        with loop(b, _whole(0), _whole(self.layer.blocks)) as block:
            if odd is not None:
                block = b.select(b.trunc(odd, ir.IntType(1)), b.sub(last, block), block)
            body(block)

    def _own_rows(self) -> tuple[Any, Any]:
        if self.layer.by_rows:
            return self.begin, self.end
        return _whole(0), _whole(self.layer.batch)

    def _tiles(self, first: Any, last: Any, body: Callable[[Any, int], None]) -> None:
        """Emit ``body(row, count)`` for all rows: as many at once as there are registers for."""
        b = self.b
        for size in sorted({self.layer.rows, min(2, self.layer.rows), 1}, reverse=True):
            count = b.sdiv(b.sub(last, first), _whole(size))
            with loop(b, _whole(0), count) as n:
                body(b.add(first, b.mul(n, _whole(size))), size)
            first = b.add(first, b.mul(count, _whole(size)))

    def _panel(self, stage: int, block: Any, recurrent: bool) -> Any:
        """Return where a block's weights start."""
        layer = self.layer
        offset = 0
        for gates in layer.stages[:stage]:
            offset += len(gates) * layer.padded * (layer.features + layer.hidden)
        line = len(layer.stages[stage]) * layer.width
        depth = layer.features
        if recurrent:
            offset, depth = offset + line * layer.blocks * layer.features, layer.hidden
        return at(self.b, self.b.gep(self.weights, [_whole(offset)]), [block], [line * depth])

    def _bias(self, stage: int, block: Any, recurrent: bool) -> Any:
        layer = self.layer
        before = sum(map(len, layer.stages[:stage])) * 2 * layer.padded
        line = len(layer.stages[stage]) * layer.width
        offset = before + (line * layer.blocks if recurrent else 0)
        return at(self.b, self.b.gep(self.biases, [_whole(offset)]), [block], [line])

    def _input(self, index: Any, block: Any, gate: int) -> Any:
        """Return where what an input adds to a gate of a block lies."""
        layer = self.layer
        strides = [self.row, layer.gates * layer.width, layer.width]
        return at(self.b, self.inputs, [index, block, _whole(gate)], strides)

    def _multiply(
        self, stage: int, block: Any, recurrent: bool, count: int, source: tuple[Any, int, int],
        target: tuple[Any, int],
    ) -> None:  # fmt: skip
        """Emit the product of a few rows by a block's weights, plus the bias."""
        shape = count, len(self.layer.stages[stage])
        if shape not in self.products:
            self.products[shape] = self._product(*shape)
        rows, by, inner = source
        depth = self.layer.hidden if recurrent else self.layer.features
        weights = self._panel(stage, block, recurrent)
        numbers = [_whole(n) for n in (depth, by, inner, target[1])]
        bias = self._bias(stage, block, recurrent)
        self.b.call(self.products[shape], [*numbers, rows, weights, bias, target[0]])

    def _product(self, rows: int, gates: int) -> Any:
        """Return a new function ``(depth, strides..., source, weights, bias, target)``."""
        layer = self.layer
        count = gates * layer.vectors
        kind = ir.FunctionType(ir.VoidType(), [I64] * 4 + [_FLOATS] * 4)
        made = ir.Function(self.module, kind, f"product_{rows}_{gates}")
        made.linkage = "internal"
        for argument in made.args[4:]:
            argument.add_attribute("noalias")
        b = ir.IRBuilder(made.append_basic_block())
        depth, by, inner, target_by, source, weights, bias, target = made.args
        fma = self._fma()

        def vector(pointer: Any, n: int) -> Any:
            place = b.gep(pointer, [_whole(n * layer.lanes)])
            return b.bitcast(place, ir.PointerType(self.vector))

        cells: list[list[Any]] = []
        carried = []
        for _ in range(rows):
            for n in range(count):
                cells.append([])
                carried.append((b.load(vector(bias, n), align=4), cells[-1]))
        with loop(b, _whole(0), depth, carried) as k:
            line = b.gep(weights, [b.mul(k, _whole(count * layer.lanes))])
            column = b.gep(source, [b.mul(k, inner)])
            spread = [
                self._spread(b, b.load(b.gep(column, [b.mul(by, _whole(row))])))
                for row in range(rows)
            ]
            for n in range(count):
                weight = b.load(vector(line, n), align=4)
                for row in range(rows):
                    cell = cells[row * count + n]
                    cell[0] = b.call(fma, [spread[row], weight, cell[0]])
        for row in range(rows):
            here = b.gep(target, [b.mul(target_by, _whole(row))])
            for n in range(count):
                b.store(cells[row * count + n][0], vector(here, n), align=4)
        b.ret_void()
        return made

    def _spread(self, b: ir.IRBuilder, x: Any) -> Any:
        """Return a vector of one number."""
        nothing = ir.Constant(self.vector, ir.Undefined)
        first = b.insert_element(nothing, x, ir.Constant(ir.IntType(32), 0))
        places = ir.Constant(ir.VectorType(ir.IntType(32), self.layer.lanes), None)
        return b.shuffle_vector(first, nothing, places)

    def _fma(self) -> Any:
        name = f"llvm.fmuladd.v{self.layer.lanes}f32"
        found = self.module.globals.get(name)
        if found is None:
            kind = ir.FunctionType(self.vector, [self.vector] * 3)
            found = ir.Function(self.module, kind, name)
        return found
