"""Copies that are left out: what is read in place and written in place is what was copied."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hal
from hal.program import Executable, record
from hal.program.passes import (
    dead_code,
    fuse_elementwise,
    keep_order,
    optimize,
    read_in_place,
    write_in_place,
)

from .conftest import random


def names(program):
    return [call.op.name for call in program.calls if not call.view]


def run(program, *arguments):
    return [x.numpy() for x in Executable(hal.device("cpu:0"), program)(list(arguments))]


def through(change, function, *arguments):
    """Return the names of the calls after a pass, having compared the results with those before."""
    device = hal.device("cpu:0")
    before = dead_code(record("f", device, list(arguments), lambda xs: [function(*xs)]))
    after = change(before, device)
    for found, wanted in zip(run(after, *arguments), run(before, *arguments), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    return names(after)


def copied(x, *axes):
    return hal.asarray(hal.permute_dims(x, axes), copy=True)


def heads(x, count):
    batch, length, size = x.shape
    return hal.permute_dims(hal.reshape(x, (batch, length, count, size // count)), (0, 2, 1, 3))


def merged(x):
    batch, count, length, size = x.shape
    return hal.reshape(hal.permute_dims(x, (0, 2, 1, 3)), (batch, length, count * size))


READ = {
    "a transposed operand": (
        lambda x, y: copied(x, 0, 2, 1) @ y, (2, 5, 3), (2, 5, 4), ["matmul"],
    ),
    "the other operand": (lambda x, y: x @ copied(y, 1, 0), (3, 5), (4, 5), ["matmul"]),
    "two operands of one copy": (
        lambda x, y: (lambda a: a @ a.mT + y)(copied(x, 1, 0)), (5, 3), (3, 3), ["matmul", "add"],
    ),
    "heads of queries": (
        lambda x, y: hal.nn.scaled_dot_product_attention(
            hal.asarray(heads(x, 2), copy=True), y, y
        ), (1, 3, 8), (1, 2, 5, 4), ["attention"],
    ),
    "a copy of a copy": (
        lambda x, y: copied(copied(x, 1, 0), 1, 0) @ y, (3, 5), (5, 2), ["matmul"],
    ),
    "what is put together": (
        lambda x, y: hal.concat([copied(x, 1, 0), y]), (3, 5), (2, 3), ["concat"],
    ),
    "a chain": (lambda x, y: hal.exp(copied(x, 1, 0)) + y, (3, 5), (5, 3), ["exp", "add"]),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_a_copy_is_made_of_is_read_where_it_lies(name):
    function, x, y, expected = READ[name]
    assert through(read_in_place, function, random(*x), random(*y, seed=1)) == expected


def test_a_copy_of_what_is_written_over_is_made():
    def function(x, y):
        before = hal.asarray(x, copy=True)
        x[...] = 0.0
        return before @ y

    x, y = random(3, 4), random(4, 5)
    device = hal.device("cpu:0")
    program = record("f", device, [x, y], lambda xs: [function(*xs)])
    assert names(read_in_place(program, device)) == names(program)


def test_a_copy_that_is_a_result_or_is_read_by_rows_is_made():
    x, y = random(3, 4), random(3, 3)
    assert through(read_in_place, lambda x: copied(x, 1, 0), x) == ["copy"]
    assert through(read_in_place, lambda x: hal.nn.softmax(copied(x, 1, 0), -1), x) == [
        "copy", "softmax",
    ]  # fmt: skip
    assert through(read_in_place, lambda x, y: hal.reshape(copied(x, 1, 0), (4, 3)) @ y, x, y) == [
        "matmul"
    ]
    assert through(
        read_in_place, lambda x: hal.reshape(copied(x, 1, 0), (12,)) @ hal.reshape(x, (12,)), x
    ) == ["copy", "matmul"]  # fmt: skip


WRITTEN = {
    "attention": lambda x: merged(
        hal.nn.scaled_dot_product_attention(heads(x, 2), heads(x, 2), heads(x, 2))
    ),
    "a product": lambda x: merged(heads(x, 2) @ hal.asarray(np.eye(4, dtype=np.float32))),
    "an activation": lambda x: merged(hal.nn.gelu(heads(x, 2))),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_copied_next_is_written_there_at_once(name):
    found = through(write_in_place, WRITTEN[name], random(2, 3, 8))
    assert len(found) == 1
    assert found != ["copy"]


def test_a_device_that_writes_packed_results_alone_is_asked_for_no_others(cpu, monkeypatch):
    monkeypatch.setattr(cpu.runtime, "writes_strided", False)
    before = record("f", cpu, [random(2, 3, 8)], lambda xs: [merged(hal.exp(heads(xs[0], 2)))])
    assert write_in_place(before, cpu) is before


def test_others_read_what_is_written_elsewhere():
    def function(x):
        found = hal.exp(heads(x, 2))
        return merged(found) + hal.sum(found * found)

    assert through(write_in_place, function, random(2, 3, 8)) == ["exp", "multiply", "sum", "add"]


def test_a_result_that_is_copied_too_stays_where_it_is():
    device = hal.device("cpu:0")

    def function(xs):
        found = hal.exp(heads(xs[0], 2))
        return [found, merged(found)]

    before = record("f", device, [random(2, 3, 8)], function)
    assert names(write_in_place(before, device)) == ["exp", "copy"]


def test_transposes_around_a_chain_cancel():
    def change(program, device):
        return keep_order(fuse_elementwise(program, device), device)

    device = hal.device("cpu:0")
    x = random(2, 3, 4)

    def function(xs):
        y = hal.exp(hal.permute_dims(xs[0], (0, 2, 1)) * 2) + 1
        return [hal.nn.softmax(hal.permute_dims(y, (0, 2, 1)), -1)]

    before = record("f", device, [x], function)
    after = change(before, device)
    assert names(after) == ["fused", "softmax"]
    assert all(a.layout.contiguous for call in after.calls if not call.view for a in call.inputs)
    np.testing.assert_allclose(run(after, x)[0], run(before, x)[0], rtol=1e-5)


def test_a_transpose_before_a_chain_goes_into_the_product_behind_it():
    x, y = random(2, 3, 4), random(2, 3, 5, seed=1)
    device = hal.device("cpu:0")
    before = record("f", device, [x, y], lambda xs: [hal.nn.relu(xs[0].mT) @ xs[1]])
    after = keep_order(before, device)
    relu, product = [call for call in after.calls if not call.view]
    assert relu.inputs[0].layout.contiguous
    assert not product.inputs[0].layout.contiguous
    np.testing.assert_allclose(run(after, x, y)[0], run(before, x, y)[0], rtol=1e-5, atol=1e-6)


def test_a_chain_that_transposes_for_a_result_goes_on_doing_it():
    x = random(3, 4)
    device = hal.device("cpu:0")
    for function in (
        lambda xs: [hal.exp(xs[0].T)],
        lambda xs: [hal.nn.softmax(hal.exp(xs[0].T), -1)],
        lambda xs: [hal.exp(xs[0].T) * 2],
    ):
        before = record("f", device, [x], function)
        assert str(keep_order(before, device)) == str(before)


def test_a_transformer_layer_copies_nothing():
    weights = [random(16, 16, seed=n) for n in range(4)]

    def function(x):
        q, k, v = (heads(x @ w, 4) for w in weights[:3])
        scores = q @ hal.asarray(k.mT, copy=True) / 2
        found = merged(hal.nn.softmax(scores, -1) @ v) @ weights[3]
        return x + found

    found = through(optimize, function, random(2, 6, 16))
    assert "copy" not in found
    assert "attention" in found


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_layouts_change_no_result(data):
    """Draw views, copies, chains and products in any order, and hold the passes against none."""
    steps = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(["permute", "copy", "split", "merge", "exp", "add", "product"]),
                st.integers(0, 5),
            ),
            min_size=1,
            max_size=8,
        )
    )

    def function(x):
        for step, n in steps:
            axis = n % (x.ndim - 1)
            if step == "permute":
                order = list(range(x.ndim))
                order[axis], order[axis + 1] = order[axis + 1], order[axis]
                x = hal.permute_dims(x, tuple(order))
            elif step == "copy":
                x = hal.asarray(x, copy=True)
            elif step == "split" and x.ndim < 5 and x.shape[axis] % 2 == 0:
                x = hal.reshape(x, (*x.shape[:axis], 2, x.shape[axis] // 2, *x.shape[axis + 1 :]))
            elif step == "merge" and x.ndim > 2:
                x = hal.reshape(x, (*x.shape[:axis], -1, *x.shape[axis + 2 :]))
            elif step == "exp":
                x = hal.tanh(x)
            elif step == "add":
                x = x + hal.sum(x, axis=axis, keepdims=True)
            elif step == "product":
                x = x @ random(x.shape[-1], 4, seed=n)
        return x

    through(optimize, function, random(4, 6, 8))
