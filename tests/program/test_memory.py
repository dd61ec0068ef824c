"""The memory plan: what lives at the same time does not overlap, and little is wasted."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

import hal
from hal.ops import operators
from hal.plugin import Array, Call, Layout, Program
from hal.program import plan_memory


def array(buffer, size):
    return Array(buffer, Layout(hal.float32, (size,)))


@st.composite
def programs(draw):
    """Programs of calls that read earlier buffers and write new ones."""
    sizes = [draw(st.integers(1, 64))]
    calls = []
    for _ in range(draw(st.integers(1, 12))):
        used = draw(st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=2))
        op = operators[draw(st.sampled_from(["add", "matmul", "concat"]))]
        size = sizes[used[0]] if op.name == "add" else draw(st.integers(1, 64))
        sizes.append(size)
        inputs = tuple(array(b, sizes[b]) for b in used)
        calls.append(Call(op, inputs, (array(len(sizes) - 1, size),)))
    last = len(sizes) - 1
    return Program(
        "f",
        (array(0, sizes[0]),),
        (array(last, sizes[last]),),
        tuple(calls),
        tuple(4 * s for s in sizes),
    )


@given(programs(), st.sampled_from([16, 64, 512]))
def test_no_call_writes_over_what_is_still_needed(program, alignment):
    plan = plan_memory(program, alignment)
    content = {}

    def cells(buffer):
        start = plan.offsets[buffer]
        return range(start, start + program.sizes[buffer])

    outside = {0, len(program.sizes) - 1}
    for call in program.calls:
        for x in call.inputs:
            if x.buffer not in outside:
                assert all(content[cell] == x.buffer for cell in cells(x.buffer))
        for x in call.outputs:
            if x.buffer not in outside:
                content.update(dict.fromkeys(cells(x.buffer), x.buffer))


@given(programs(), st.sampled_from([16, 64, 512]))
def test_offsets_are_aligned_and_inside_the_block(program, alignment):
    plan = plan_memory(program, alignment)
    for buffer, offset in plan.offsets.items():
        assert offset % alignment == 0
        assert offset + program.sizes[buffer] <= plan.nbytes <= plan.unplanned


def test_a_chain_of_elementwise_calls_runs_in_one_place(cpu):
    def chain(x):
        for _ in range(10):
            x = hal.nn.relu(x) + 1
        return x

    plan = hal.compile(chain).executable(hal.ones(1000, device=cpu)).plan
    assert plan.nbytes <= 2 * 4032


def test_a_call_does_not_write_over_an_input_it_reads_in_two_ways():
    x, y = (Array(1, Layout(hal.float32, (4, 4))), Array(1, Layout(hal.float32, (4, 4), (1, 4))))
    made = Array(2, Layout(hal.float32, (4, 4)))
    start, end = (Array(n, Layout(hal.float32, (4, 4))) for n in (0, 3))
    program = Program(
        "f",
        (start,),
        (end,),
        (
            Call(operators["exp"], (start,), (x,)),
            Call(operators["add"], (x, y), (made,)),
            Call(operators["exp"], (made,), (end,)),
        ),
        (64,) * 4,
    )
    plan = plan_memory(program, 16)
    assert plan.offsets[1] != plan.offsets[2]
