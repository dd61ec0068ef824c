"""Threads that work in phases do every block once, and none before the phase has begun."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from llvmlite import ir

from hal_cpu.dnn import library
from hal_cpu.jit import TURNS, address, compile_loop
from hal_cpu.jit.loops import I64, at, loop
from hal_cpu.jit.phases import Phases
from hal_cpu.threads import thread_count

pytestmark = pytest.mark.skipif(library() is None, reason="there is no team without oneDNN")


def code(extent):
    """Return ``loop(begin, end, phases, numbers, turns)``: each phase shifts numbers and adds 1."""
    module = ir.Module("shift")
    pointer = ir.PointerType(I64)
    made = ir.Function(
        module, ir.FunctionType(ir.VoidType(), [I64, I64, I64, pointer, pointer]), "loop"
    )
    b = ir.IRBuilder(made.append_basic_block())
    _, _, count, numbers, turns = made.args
    phases = Phases(b, turns, extent)
    one, size = ir.Constant(I64, 1), ir.Constant(I64, extent)
    with loop(b, ir.Constant(I64, 0), count) as phase:
        odd = b.and_(phase, one)
        old, new = (at(b, numbers, [n], [extent]) for n in (odd, b.xor(odd, one)))

        def shift(block):
            following = b.srem(b.add(block, one), size)
            b.store(b.add(b.load(b.gep(old, [following])), one), b.gep(new, [block]))

        phases.run(shift, odd)
    b.ret_void()
    return str(module)


def shifted(extent, count):
    """Return what many phases make of 0, 1000, 2000, ..."""
    numbers = np.zeros((2, extent), np.int64)
    numbers[0] = 1000 * np.arange(extent)
    turns = np.zeros(TURNS * thread_count(), np.int64)
    made = compile_loop(code(extent), 2)
    made.on(extent, count, [address(numbers), address(turns)], True)()
    return numbers[count & 1]


@pytest.mark.parametrize("extent", [1, 2, 3, 7, 32])
@pytest.mark.parametrize("count", [1, 2, 5000])
def test_every_phase_reads_what_the_one_before_wrote(extent, count):
    wanted = 1000 * ((np.arange(extent) + count) % extent) + count
    np.testing.assert_array_equal(shifted(extent, count), wanted)


def test_other_work_on_all_processors_changes_nothing():
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        wanted = 1000 * ((np.arange(9) + 3000) % 9) + 3000
        np.testing.assert_array_equal(shifted(9, 3000), wanted)
    finally:
        for process in busy:
            process.kill()
            process.wait()
