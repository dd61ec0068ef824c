"""Phases of work on the same blocks: a thread begins none before all of the last is done.

Each thread has blocks of its own, whose weights its cache may hold; who is done takes some of
another's. A block is taken only once the phase has begun, so that nobody waits for a thread that
the system keeps from its processor, unless that has a block in hand. On a busy machine, where this
happens all the time, one thread so does most of the work, instead of all waiting for one another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from hal_cpu.jit.loops import I64, at, loop

__all__ = ["TURNS", "Phases"]

_I32 = ir.IntType(32)
TURNS = 16
"""Numbers of 64 bits that a thread's counters take, which start as zeros."""
_DONE = 8
"""Where among them it says how many blocks are done: in another line of the cache."""
_PATIENCE = 1 << 16
"""Looks at a counter, about a tenth of a millisecond, before others are offered the processor."""


class Phases:
    """Emits the phases of a function that all threads of a team call.

    Parameters
    ----------
    b : ir.IRBuilder
    turns : pointer to int64
        The counters, ``TURNS`` of them for each thread.
    extent : int
        How many blocks there are.
    """

    def __init__(self, b: ir.IRBuilder, turns: Any, extent: int) -> None:
        self._b, self._turns, self._extent = b, turns, extent
        self._yield = _function(b.module, "sched_yield")
        count, own = (_function(b.module, f"omp_get_{n}") for n in ("num_threads", "thread_num"))
        self._count, self._own = b.sext(b.call(count, []), I64), b.sext(b.call(own, []), I64)
        self._phase = b.alloca(I64)
        b.store(_whole(0), self._phase)

    def run(self, body: Callable[[Any], None], odd: Any = None) -> None:
        """Emit a phase, whose ``body(block)`` runs for each block; backwards where ``odd`` is 1."""
        b = self._b
        phase = b.load(self._phase)
        with loop(b, _whole(0), self._count) as turn:
            self._take(b.srem(b.add(self._own, turn), self._count), phase, body, odd)
        with loop(b, _whole(0), self._count) as owner:
            self._wait(owner, phase)
        b.store(b.add(phase, _whole(1)), self._phase)

    def _take(self, owner: Any, phase: Any, body: Callable[[Any], None], odd: Any) -> None:
        """Emit the blocks of one thread that nobody has taken."""
        b = self._b
        first, size = self._blocks(owner)
        before = b.mul(phase, size)
        limit = b.add(before, size)
        taken = at(b, self._turns, [owner], [TURNS])
        look, ask, work, after = (b.append_basic_block() for _ in range(4))
        b.branch(look)
        b.position_at_end(look)
        number = b.load_atomic(taken, "acquire", align=8)
        b.cbranch(b.icmp_signed("<", number, limit), ask, after)
        b.position_at_end(ask)
        more = b.add(number, _whole(1))
        mine = b.extract_value(b.cmpxchg(taken, number, more, "acq_rel", "acquire"), 1)
        b.cbranch(mine, work, look)
        b.position_at_end(work)
        place = b.sub(number, before)
        if odd is not None:
            backwards = b.sub(b.sub(size, _whole(1)), place)
            place = b.select(b.trunc(odd, ir.IntType(1)), backwards, place)
        body(b.add(first, place))
        b.atomic_rmw("add", b.gep(taken, [_whole(_DONE)]), _whole(1), "release")
        b.branch(look)
        b.position_at_end(after)

    def _wait(self, owner: Any, phase: Any) -> None:
        """Emit the wait for all blocks of one thread."""
        b = self._b
        _, size = self._blocks(owner)
        limit = b.mul(b.add(phase, _whole(1)), size)
        done = b.gep(at(b, self._turns, [owner], [TURNS]), [_whole(_DONE)])
        before = b.block
        look, wait, offer, after = (b.append_basic_block() for _ in range(4))
        b.branch(look)
        b.position_at_end(look)
        looks = b.phi(I64)
        looks.add_incoming(_whole(0), before)
        b.cbranch(b.icmp_signed("<", b.load_atomic(done, "acquire", align=8), limit), wait, after)
        b.position_at_end(wait)
        more = b.add(looks, _whole(1))
        looks.add_incoming(more, wait)
        b.cbranch(b.icmp_signed("<", more, _whole(_PATIENCE)), look, offer)
        b.position_at_end(offer)
        b.call(self._yield, [])
        looks.add_incoming(more, offer)
        b.branch(look)
        b.position_at_end(after)

    def _blocks(self, owner: Any) -> tuple[Any, Any]:
        """Return a thread's first block, and how many it has."""
        b, extent = self._b, _whole(self._extent)
        first, last = (
            b.sdiv(b.mul(extent, n), self._count) for n in (owner, b.add(owner, _whole(1)))
        )
        return first, b.sub(last, first)


def _whole(value: int) -> Any:
    return ir.Constant(I64, value)


def _function(module: ir.Module, name: str) -> Any:
    found = module.globals.get(name)
    return found or ir.Function(module, ir.FunctionType(_I32, []), name)
