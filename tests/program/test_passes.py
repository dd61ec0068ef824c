"""Passes: the program gets shorter, its results stay."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.ops import operators
from hal.plugin import Kernel
from hal.program import Executable, record
from hal.program.passes import (
    common_subexpressions,
    dead_code,
    fold_constants,
    fuse_elementwise,
    fuse_epilogues,
    join_biases,
    merge_linears,
    name_linears,
    optimize,
    split_biases,
)

from .conftest import random


def recorded(function, *arguments):
    return record("f", hal.device("cpu:0"), list(arguments), lambda xs: function(*xs))


def names(program):
    return [call.op.name for call in program.calls if not call.view]


def run(program, *arguments):
    results = Executable(hal.device("cpu:0"), program)(list(arguments))
    return [x.numpy() for x in results]


def keeps_results(before, after, *arguments):
    for x, y in zip(run(before, *arguments), run(after, *arguments), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.fixture
def x():
    return hal.asarray(np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4))


def test_calls_nobody_reads_are_left_out(x):
    def function(x):
        unused = hal.nn.softmax(x, -1) @ x.T  # noqa: F841
        return [x + 1]

    before = recorded(function, x)
    after = dead_code(before)
    assert names(before) == ["softmax", "matmul", "add"]
    assert names(after) == ["add"]
    keeps_results(before, after, x)


def test_a_write_into_an_argument_is_never_left_out(x):
    def function(x):
        x[0] = 5.0
        return [x[1] + 1]

    assert names(dead_code(recorded(function, x))) == ["copy", "add"]


def test_equal_calls_run_once(x):
    def function(x):
        return [(x + 1) @ (x + 1).T]

    before = recorded(function, x)
    after = common_subexpressions(before)
    assert names(before) == ["add", "add", "matmul"]
    assert names(after) == ["add", "matmul"]
    keeps_results(before, after, x)


def test_a_call_after_a_write_is_not_equal_to_one_before(x):
    def function(x):
        before = x * 2
        x[0] = 5.0
        return [before + x * 2]

    program = recorded(function, x)
    assert names(common_subexpressions(program)) == names(program)


def test_equal_results_stay_two_tensors(x):
    first, second = hal.compile(lambda x: (x + 1, x + 1))(x)
    first[...] = 0.0
    np.testing.assert_array_equal(second.numpy(), x.numpy() + 1)


def test_what_depends_on_constants_alone_is_calculated_beforehand(x):
    weight = hal.asarray(np.arange(20, dtype=np.float32).reshape(4, 5))

    def function(x):
        return [x @ (hal.full((5, 4), 2.0).T * weight)]

    before = recorded(function, x)
    after = fold_constants(before, x.device)
    assert names(before) == ["full", "multiply", "matmul"]
    assert names(after) == ["matmul"]
    keeps_results(before, after, x)


def test_a_large_tensor_of_one_number_is_not_kept_in_the_program():
    x = hal.ones(1 << 20)
    before = recorded(lambda x: [x + hal.zeros(1 << 20)], x)
    assert "full" in names(fold_constants(before, x.device))


class Fusing:
    """The CPU's runtime with a kernel for chains: their decomposition into references."""

    def __init__(self, runtime):
        self._runtime = runtime
        self.asked = []

    def __getattr__(self, name):
        return getattr(self._runtime, name)

    def kernel(self, op, signature):
        if op.name != "fused":
            return self._runtime.kernel(op, signature)
        self.asked.append(signature)

        def into(stream, outputs, inputs):
            found = op.reference(*inputs, **signature.attributes)
            found = found if isinstance(found, tuple) else (found,)
            for out, array in zip(outputs, found, strict=True):
                out[...] = array

        return Kernel(into)


@pytest.fixture
def fusing(cpu, monkeypatch):
    runtime = Fusing(cpu.runtime)
    monkeypatch.setattr(cpu, "_runtime", runtime)
    return runtime


def test_a_chain_becomes_one_call(x, fusing):
    before = recorded(lambda x: [hal.nn.gelu(x * 2 + 1) - x], x)
    after = fuse_elementwise(before, x.device)
    assert names(after) == ["fused"]
    steps = after.calls[-1].attributes["steps"]
    assert [name for name, _, _ in steps] == ["multiply", "add", "gelu", "subtract"]
    keeps_results(before, after, x)


def test_values_read_elsewhere_are_results_of_the_chain(x, fusing):
    def function(x):
        y = x * 2
        z = y + 1
        return [z.sum(), y.T @ z]

    before = recorded(function, x)
    after = fuse_elementwise(before, x.device)
    assert names(after)[0] == "fused"
    assert len(after.calls[0].outputs) == 2
    keeps_results(before, after, x)


def test_a_chain_does_not_reach_across_a_call_that_needs_its_value(x, fusing):
    def function(x):
        y = x * 2
        total = y.sum()
        return [y + total]

    before = recorded(function, x)
    after = fuse_elementwise(before, x.device)
    assert names(after) == ["multiply", "sum", "add"]
    keeps_results(before, after, x)


def test_chains_that_meet_are_one(x, fusing):
    before = recorded(lambda x: [(x * 2 + 1) * (x - 3)], x)
    after = fuse_elementwise(before, x.device)
    assert names(after) == ["fused"]
    keeps_results(before, after, x)


def test_broadcast_operands_are_read_as_they_are(x, fusing):
    row = hal.asarray(np.arange(4, dtype=np.float32))
    before = recorded(lambda x: [(x + row) * row[::-1].reshape(1, 4)], x)
    after = optimize(before, x.device)
    assert names(after) == ["fused"]
    keeps_results(before, after, x)


def test_writes_through_views_keep_their_order(x, fusing):
    def function(x):
        y = x * 1
        y[0] = 7.0
        z = y + 1
        y[1] = 8.0
        return [z * 2, y]

    before = recorded(function, x)
    keeps_results(before, optimize(before, x.device), x)


def test_a_device_without_kernels_for_chains_keeps_its_calls(small):
    x = hal.asarray([1.0, 2.0], device=small)
    before = record("f", small, [x], lambda xs: [xs[0] * 2 + 1])
    assert names(fuse_elementwise(before, small)) == ["multiply", "add"]


def test_a_chain_means_the_same_as_its_steps(cpu):
    steps = (("multiply", (0, 1), ()), ("gelu", (2,), (("approximate", "none"),)))
    a, b = (hal.asarray([1.0, -2.0, 3.0], device=cpu), hal.asarray([2.0], device=cpu))
    from hal.dispatch import call

    found = call(operators["fused"], a, b, steps=steps, results=(3,))
    np.testing.assert_array_equal(found.numpy(), hal.nn.gelu(a * b).numpy())


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((("sum", (0,), ()),), "element by element"),
        ((("nothing", (0,), ()),), "element by element"),
        ((("add", (0, 1), ()),), "cast them"),
    ],
)
def test_a_chain_of_other_operators_is_refused(cpu, steps, message):
    from hal.dispatch import call

    a, b = hal.ones(3, device=cpu), hal.ones(3, dtype=hal.int32, device=cpu)
    with pytest.raises(hal.HalError, match=message):
        call(operators["fused"], a, b, steps=steps, results=(2,))


def agrees(before, after, *arguments):
    for x, y in zip(run(before, *arguments), run(after, *arguments), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


def projected(x, *weights, biases=(None, None, None)):
    """Attention over three projections of one input, as a transformer has it."""

    def heads(weight, bias):
        y = hal.nn.linear(x, weight, bias).reshape(2, 5, 4, -1)
        return hal.permute_dims(y, (0, 2, 1, 3))

    q, k, v = (heads(w, b) for w, b in zip(weights, biases, strict=True))
    return [hal.nn.scaled_dot_product_attention(q, k, v)]


@pytest.mark.parametrize("biased", [False, True])
def test_products_of_one_input_become_one(biased):
    x = random(2, 5, 8)
    weights = [random(n, 8, seed=n) for n in (12, 12, 16)]
    biases = [random(n, seed=n) if biased else None for n in (12, 12, 16)]
    before = recorded(lambda x: projected(x, *weights, biases=biases), x)
    after = merge_linears(before, x.device)
    assert names(before) == ["linear", "linear", "linear", "attention"]
    assert names(after) == ["linear", "attention"]
    assert after.calls[0].outputs[0].layout.shape == (2, 5, 40)
    agrees(before, after, x)


def test_each_layer_has_its_own_common_product():
    def function(x):
        for seed in (1, 2, 3):
            a, b = (hal.nn.linear(x, random(8, 8, seed=seed * 10 + n)) for n in (0, 1))
            x = a @ b.T
            x = x @ random(5, 8, seed=seed)
        return [x]

    x = random(5, 8)
    before = recorded(function, x)
    after = merge_linears(before, x.device)
    assert names(before).count("linear") == 6
    assert names(after).count("linear") == 3
    agrees(before, after, x)


def test_a_result_read_in_a_way_that_columns_do_not_allow_stays_alone():
    w1, w2 = random(6, 8, seed=1), random(6, 8, seed=2)

    def function(x):
        return [hal.nn.linear(x, w1).reshape(-1) + hal.nn.linear(x, w2).reshape(-1)]

    x = random(3, 8)
    before = recorded(function, x)
    assert names(merge_linears(before, x.device)) == names(before)


def test_products_by_constant_matrices_become_one_too():
    weights = [random(8, n, seed=n) for n in (12, 12, 16)]

    def function(x):
        a, b, c = (x @ w for w in weights)
        return [a.mT @ b, c.sum(axis=0)]

    x = random(5, 8)
    before = recorded(function, x)
    after = merge_linears(name_linears(before, x.device), x.device)
    assert names(after) == ["linear", "matmul", "sum"]
    agrees(before, after, x)


def test_products_with_weights_that_are_arguments_stay_alone():
    def function(x, a, b):
        return [hal.nn.linear(x, a) @ hal.nn.linear(x, b).T]

    given = random(3, 8), random(6, 8, seed=1), random(6, 8, seed=2)
    before = recorded(function, *given)
    assert names(merge_linears(before, given[0].device)) == names(before)


def test_a_matrix_that_changes_is_a_weight_where_a_chain_follows():
    given = random(9, 8), random(8, 6, seed=1), random(6, seed=2)
    for function, expected in (
        (lambda x, a, b: [hal.nn.silu(x @ a + b)], "linear"),
        (lambda x, a, b: [x @ a], "matmul"),
        (lambda x, a, b: [(x @ a).mT + b[:, None]], "matmul"),
    ):
        before = recorded(function, *given)
        after = name_linears(before, given[0].device)
        assert names(after)[0] == expected
        agrees(before, after, *given)


def test_a_vector_added_to_a_product_is_its_bias():
    x, matrix, bias = random(3, 8), random(8, 6, seed=1), random(6, seed=2)
    for function in (lambda x: [x @ matrix + bias], lambda x: [(bias + x @ matrix).mT]):
        before = recorded(function, x)
        after = join_biases(name_linears(before, x.device))
        assert names(before) == ["matmul", "add"]
        assert names(after) == ["linear"]
        agrees(before, after, x)


def test_a_product_that_is_read_twice_keeps_its_sum_apart():
    x, matrix, bias = random(3, 8), random(8, 6, seed=1), random(6, seed=2)

    def function(x):
        y = x @ matrix
        return [y + bias, y]

    before = recorded(function, x)
    assert names(join_biases(name_linears(before, x.device))) == ["linear", "add"]


def test_a_bias_is_added_by_the_chain_that_follows(fusing):
    x, weight, bias = random(3, 8), random(6, 8, seed=1), random(6, seed=2)
    before = recorded(lambda x: [hal.nn.gelu(hal.nn.linear(x, weight, bias))], x)
    split = split_biases(before, x.device)
    after = fuse_elementwise(split, x.device)
    assert names(split) == ["linear", "add", "gelu"]
    assert names(after) == ["linear", "fused"]
    agrees(before, after, x)


def test_a_bias_stays_where_no_chain_follows(fusing):
    x, weight, bias = random(3, 8), random(6, 8, seed=1), random(6, seed=2)
    for function in (
        lambda x: [hal.nn.linear(x, weight, bias)],
        lambda x: [hal.nn.linear(x, weight, bias).sum()],
        lambda x: [hal.nn.relu(hal.nn.linear(x, weight, bias).T)],
    ):
        before = recorded(function, x)
        assert names(split_biases(before, x.device)) == names(before)


class Joining(Fusing):
    """A runtime that has a kernel for products with chains as well."""

    def kernel(self, op, signature):
        if op.name != "linear_fused":
            return super().kernel(op, signature)

        def into(stream, outputs, inputs):
            outputs[0][...] = op.reference(*inputs, **signature.attributes)

        return Kernel(into)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda y, r: [hal.nn.gelu(y) + r], ["linear_fused"]),
        (lambda y, r: [r * hal.nn.relu(y)], ["linear_fused"]),
        (lambda y, r: [r + y], ["linear_fused"]),
        (lambda y, r: [y * y], ["linear_fused"]),
        (lambda y, r: [hal.nn.gelu(y) + r, y], ["linear", "fused"]),
        (lambda y, r: [hal.nn.softmax(y, -1)], ["linear", "softmax"]),
        (lambda y, r: [hal.nn.relu(y.mT)], ["linear", "relu"]),
        (lambda y, r: [y + r[:, None, :]], ["linear", "add"]),
    ],
)
def test_what_follows_a_product_is_done_where_it_is_stored(cpu, monkeypatch, function, expected):
    monkeypatch.setattr(cpu, "_runtime", Joining(cpu.runtime))
    x, weight, bias, r = random(3, 8), random(6, 8, seed=1), random(6, seed=2), random(3, 6, seed=3)
    before = recorded(lambda x: function(hal.nn.linear(x, weight, bias), r), x)
    after = fuse_epilogues(fuse_elementwise(before, cpu), cpu)
    assert names(after) == expected
    agrees(before, after, x)


def test_a_product_is_not_moved_behind_a_write_into_what_it_reads(cpu, monkeypatch):
    monkeypatch.setattr(cpu, "_runtime", Joining(cpu.runtime))
    weight = random(6, 8, seed=1)

    def function(x):
        y = hal.nn.linear(x, weight)
        x[...] = 0.0
        return [hal.nn.relu(y)]

    before = recorded(function, random(3, 8))
    assert names(fuse_epilogues(before, cpu)) == names(before)


def test_weights_of_few_bits_are_calculated_once_where_no_kernel_takes_them(x):
    codes = hal.asarray(np.int8([[1, -2, 3, 4]]), device=x.device)
    scales = hal.asarray(np.float32([[0.5]]), device=x.device)
    before = recorded(lambda x: [hal.nn.quantized_linear(x, codes, scales)], x)
    after = fold_constants(before, x.device)
    assert names(after) == ["linear"]
    keeps_results(before, after, x)
