"""Tracing: what a function does to tensors is written down, not done."""

from __future__ import annotations

import re

import pytest

import hal
from hal.program import record


def recorded(function, *arguments):
    return record("f", hal.device("cpu:0"), list(arguments), function)


def names(program, views=False):
    return [call.op.name for call in program.calls if views or not call.view]


def test_calls_are_recorded_in_order_and_nothing_is_run(cpu):
    hal.reset_report()
    x = hal.ones((2, 3), device=cpu)
    hal.reset_report()
    program = recorded(lambda xs: [(xs[0] + 1) @ xs[0].T], x)
    assert names(program) == ["add", "matmul"]
    assert hal.report().calls() == 0


def test_a_view_lies_in_the_buffer_it_looks_at():
    program = recorded(lambda xs: [xs[0][1:].T + 0], hal.ones((3, 2)))
    assert names(program, views=True) == ["slice", "permute", "add"]
    add = program.calls[-1]
    assert add.inputs[0].buffer == program.inputs[0].buffer
    assert add.inputs[0].offset == 2
    assert add.inputs[0].layout.strides == (1, 2)


def test_numbers_and_tensors_from_outside_are_constants():
    weight = hal.ones(3)
    program = recorded(lambda xs: [xs[0] * weight + 2], hal.ones(3))
    used = {x.buffer for call in program.calls for x in call.inputs}
    assert used >= set(program.constants)
    assert len(program.constants) == 2


def test_two_views_of_a_tensor_from_outside_share_one_constant():
    weight = hal.ones((2, 3))
    program = recorded(lambda xs: [xs[0] + weight[0] + weight[1]], hal.ones(3))
    assert len(program.constants) == 1


def test_what_the_device_lacks_is_recorded_as_its_decomposition(small):
    with hal.fallback("allow"):
        x = hal.ones(4, device=small)
        program = record("f", small, [x], lambda xs: [hal.nn.relu(xs[0])])
    assert names(program) == ["maximum"]


def test_a_primitive_the_device_lacks_is_marked_for_the_host(small):
    with hal.fallback("allow"):
        x = hal.ones(4, device=small)
        program = record("f", small, [x], lambda xs: [xs[0].sum()])
    assert [call.host for call in program.calls if call.op.name == "sum"] == [True]


def test_under_the_policy_error_nothing_is_left_to_the_host(small):
    with hal.fallback("allow"):
        x = hal.ones(4, device=small)
    with hal.fallback("error"), pytest.raises(hal.Unsupported, match="sum"):
        record("f", small, [x], lambda xs: [xs[0].sum()])


@pytest.mark.parametrize(
    "read",
    [
        lambda x: bool(x.sum() > 0),
        lambda x: x.sum().item(),
        lambda x: x.numpy(),
        lambda x: x[x > 0],
        lambda x: list(x.tolist()),
    ],
)
def test_reading_values_is_refused_with_the_line_that_does_it(read):
    def function(xs):
        read(xs[0])
        return xs

    with pytest.raises(hal.TraceError) as caught:
        recorded(function, hal.ones(3))
    line = read.__code__.co_firstlineno
    assert re.match(rf".*test_trace\.py:{line}: .*values of a tensor", str(caught.value))


def test_writing_into_a_tensor_from_outside_is_refused():
    outside = hal.zeros(3)

    def with_traced(xs):
        outside[...] = xs[0]
        return xs

    def with_number(xs):
        outside[0] = 1.0
        return xs

    def through_a_view_of_a_constant(xs):
        lifted = hal.asarray(outside)
        lifted += xs[0]
        return xs

    for function in (with_traced, with_number, through_a_view_of_a_constant):
        with pytest.raises(hal.TraceError, match="not among its arguments"):
            recorded(function, hal.ones(3))
    assert outside.tolist() == [0, 0, 0]


def test_tensors_made_inside_can_be_written():
    def function(xs):
        made = hal.zeros(3)
        made[1:] = xs[0][:2]
        made += 1
        return [made]

    program = recorded(function, hal.ones(3))
    assert names(program) == ["full", "copy", "add", "copy"]


def test_a_tensor_of_another_device_is_refused(small):
    other = hal.asarray([1.0, 2.0, 3.0], device=small)
    with pytest.raises(hal.HalError, match=r"small:0.*to_device"):
        recorded(lambda xs: [xs[0] + other], hal.ones(3))


def test_moving_to_the_device_the_trace_is_for_does_nothing(cpu):
    program = recorded(lambda xs: [xs[0].to_device(cpu) + 1], hal.ones(3))
    assert names(program) == ["add"]


def test_a_program_can_be_read():
    program = recorded(lambda xs: [xs[0].T * 2], hal.ones((2, 3)))
    text = str(program)
    assert text.splitlines()[0] == "f(%0:float32[2x3])"
    assert "permute  %0:float32[2x3], axes=(1, 0) -> %0:float32[3x2]/1,3 (view)" in text
    assert text.splitlines()[-1].startswith("  return %")


def test_a_tensor_of_a_trace_can_be_printed():
    seen = []
    recorded(lambda xs: [seen.append(repr(xs[0])), xs[0]][1:], hal.ones((2, 3)))
    assert seen == ["Tensor(traced, shape=(2, 3), dtype=float32, device=cpu:0)"]
