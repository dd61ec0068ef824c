"""hal.compile: the same results as the function, from a program made once per signature."""

from __future__ import annotations

import threading
from typing import NamedTuple

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import hal
from hal.plugin import Kernel


@pytest.fixture(params=["cpu", "small", "capturing"])
def device(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(autouse=True)
def allow_the_host():
    with hal.fallback("allow"):
        yield


def values(*shape, device, seed=0):
    made = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return hal.asarray(made, device=device)


def block(x, weight, bias):
    y = hal.nn.layer_norm(x @ weight + bias, (8,))
    return hal.nn.softmax(hal.nn.gelu(y) * 0.5, -1)


def test_a_compiled_function_gives_the_functions_results(device):
    x, weight = values(4, 6, device=device), values(6, 8, device=device, seed=1)
    bias = values(8, device=device, seed=2)
    compiled = hal.compile(block)
    for _ in range(3):
        np.testing.assert_allclose(
            compiled(x, weight, bias).numpy(), block(x, weight, bias).numpy(), rtol=1e-5
        )


def test_it_looks_like_the_function():
    compiled = hal.compile(block)
    assert compiled.__name__ == "block"
    assert compiled.__wrapped__ is block


def test_results_of_two_runs_are_two_tensors(device):
    compiled = hal.compile(lambda x: x + 1)
    x = values(3, device=device)
    first = compiled(x)
    kept = first.numpy()
    second = compiled(x * 2)
    np.testing.assert_array_equal(first.numpy(), kept)
    assert not np.array_equal(second.numpy(), kept)


def test_a_function_is_traced_once_per_signature(cpu):
    traced = []

    @hal.compile
    def function(x, scale=1.0):
        traced.append(x.shape)
        return x * scale

    for _ in range(2):
        function(hal.ones(3, device=cpu))
        function(hal.ones(4, device=cpu))
        function(hal.ones(3, dtype=hal.float64, device=cpu))
        function(hal.ones((2, 3), device=cpu)[0])
        function(hal.ones(3, device=cpu), scale=2.0)
        function(hal.ones(3, device=cpu), scale=2)
    assert len(traced) == 5


def test_only_so_many_signatures_are_kept(cpu):
    traced = []

    @hal.compile(limit=2)
    def function(x):
        traced.append(x.shape[0])
        return x + 1

    for size in (1, 2, 1, 3, 1, 2):
        function(hal.ones(size, device=cpu))
    assert traced == [1, 2, 3, 2]


def test_nested_arguments_and_results_keep_their_form(device):
    class Pair(NamedTuple):
        low: hal.Tensor
        high: hal.Tensor

    @hal.compile
    def function(state, factors):
        return Pair(state["a"] + factors[0], state["b"]), [factors, {"n": 3, "none": None}]

    a, b = values(3, device=device), values(3, device=device, seed=1)
    pair, rest = function({"a": a, "b": b}, (b, 2))
    assert isinstance(pair, Pair)
    np.testing.assert_array_equal(pair.low.numpy(), (a + b).numpy())
    np.testing.assert_array_equal(pair.high.numpy(), b.numpy())
    assert rest[1] == {"n": 3, "none": None}
    assert rest[0][1] == 2


def test_an_argument_that_is_returned_is_a_view_of_it(device):
    x = values(3, 2, device=device)
    whole, part = hal.compile(lambda x: (x, x[1:].T))(x)
    x[2, 0] = 9.0
    assert whole[2, 0].item() == 9.0
    assert part[0, 1].item() == 9.0


def test_a_constant_that_is_returned_is_a_copy(device):
    weight = values(3, device=device)
    found = hal.compile(lambda x: (x + 1, weight))(values(3, device=device))[1]
    before = weight.numpy()
    found[0] = 99.0
    np.testing.assert_array_equal(weight.numpy(), before)


def test_two_views_of_one_result_share_its_memory(device):
    def function(x):
        y = x + 1
        return y.T, y[0], y

    x = values(3, 2, device=device)
    turned, row, whole = hal.compile(function)(x)
    whole[0, 1] = 5.0
    assert turned[1, 0].item() == 5.0
    assert row[1].item() == 5.0


def test_writes_into_arguments_happen(device):
    @hal.compile
    def step(cache, x, n):
        cache[n : n + 1] = x * 2
        return cache.sum(axis=0)

    cache = hal.zeros((4, 3), device=device)
    x = values(1, 3, device=device)
    for n in range(4):
        total = step(cache, x, n)
    np.testing.assert_allclose(cache.numpy(), np.repeat(x.numpy() * 2, 4, 0))
    np.testing.assert_allclose(total.numpy(), x.numpy()[0] * 8, rtol=1e-6)


def test_written_arguments_that_share_memory_are_refused(cpu):
    @hal.compile
    def add_to(x, y):
        x += y

    x = hal.ones(4, device=cpu)
    add_to(x, hal.ones(4, device=cpu))
    with pytest.raises(hal.TraceError, match="share memory"):
        add_to(x, x)
    assert x.tolist() == [2, 2, 2, 2]


def test_strided_arguments_are_read_as_they_lie(device):
    x = values(6, 4, device=device)
    compiled = hal.compile(lambda x: (x * 2, x[0] + x[-1]))
    for view in (x[::2], x[::-1, 1:3], x.T, x[2]):
        for found, wanted in zip(compiled(view), (view * 2, view[0] + view[-1]), strict=True):
            np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_empty_and_zero_dimensional_tensors_work(device):
    compiled = hal.compile(lambda x, y: (x + 1, x.sum(), y * 2))
    empty, zero = compiled(hal.zeros((0, 3), device=device), hal.asarray(2.0, device=device))[::2]
    assert empty.shape == (0, 3)
    assert zero.item() == 4.0


def test_complex_parts_are_views_of_another_dtype(cpu):
    x = hal.asarray(np.array([1 + 2j, 3 - 4j], np.complex64), device=cpu)
    from hal.dispatch import call
    from hal.ops import operators

    compiled = hal.compile(lambda x: call(operators["imag"], x) + 1)
    assert compiled(x).tolist() == [3.0, -3.0]
    assert compiled(x[::-1]).tolist() == [-3.0, 3.0]


def test_a_compiled_function_inside_another_is_part_of_its_program(cpu):
    inner = hal.compile(lambda x: x * 2)
    outer = hal.compile(lambda x: inner(x) + 1)
    x = hal.ones(3, device=cpu)
    assert outer(x).tolist() == [3, 3, 3]
    assert len([c for c in outer.program(x).calls if not c.view]) in (1, 2)


def test_a_function_without_tensors_runs_on_the_chosen_device(device):
    made = hal.compile(lambda n: hal.ones(n) * 2, device=device)(3)
    assert made.device is device
    assert made.tolist() == [2, 2, 2]


def test_tensors_of_two_devices_are_refused(cpu, small):
    with pytest.raises(hal.DeviceError, match=r"cpu:0, small:0.*to_device"):
        hal.compile(lambda x, y: (x, y))(hal.ones(2, device=cpu), hal.ones(2, device=small))


@pytest.mark.parametrize("argument", [{1, 2}, np.ones(2), bytearray(b"x")], ids=str)
def test_unhashable_arguments_are_refused(cpu, argument):
    with pytest.raises(hal.DTypeError, match="hashable"):
        hal.compile(lambda x, y: x)(hal.ones(2, device=cpu), argument)


@pytest.mark.parametrize("given", [None.__class__, 3])
def test_only_functions_are_compiled_and_limits_are_positive(given):
    if given == 3:
        with pytest.raises(hal.DTypeError, match="takes a function"):
            hal.compile(given)
    with pytest.raises(hal.ValueRangeError, match="limit"):
        hal.compile(lambda x: x, limit=0)


def test_precision_is_part_of_the_signature(cpu):
    seen = []

    @hal.compile
    def product(x):
        seen.append(1)
        return x @ x

    x = hal.ones((2, 2), device=cpu)
    product(x)
    with hal.precision("high"):
        product(x)
    assert len(seen) == 2


def test_what_ran_is_reported(cpu):
    compiled = hal.compile(lambda x: (x @ x) @ x)
    x = hal.ones((2, 2), device=cpu)
    compiled(x)
    hal.reset_report()
    compiled(x)
    assert [(r.operator, r.calls) for r in hal.report().rows] == [("matmul", 2)]


def test_threads_may_share_a_compiled_function(cpu):
    compiled = hal.compile(lambda x: hal.nn.softmax(x @ x.T, -1) @ x)
    xs = [values(16, 16, device=cpu, seed=n) for n in range(4)]
    wanted = [compiled(x).numpy() for x in xs]
    wrong = []

    def work(n):
        for _ in range(50):
            if not np.array_equal(compiled(xs[n]).numpy(), wanted[n]):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_kernel_is_told_which_arrays_stay_where_they_are(cpu, monkeypatch):
    find, placed = cpu.runtime.kernel, []

    def kernel(op, signature):
        found = find(op, signature)

        def place(outs, ins):
            placed.append(op.name)
            return lambda stream, _, __: found.into(stream, outs, ins)

        return Kernel(found.into, place=place)

    monkeypatch.setattr(cpu.runtime, "kernel", kernel)
    compiled = hal.compile(lambda x: hal.linalg.cholesky(hal.roll(x, 1, axis=-1).sum(-1)) @ x[0])
    for seed in range(3):
        x = hal.exp(values(4, 4, 3, device=cpu, seed=seed)) + 9 * hal.eye(4, device=cpu)[:, :, None]
        wanted = np.linalg.cholesky(x.numpy().sum(-1)) @ x[0].numpy()
        np.testing.assert_allclose(compiled(x).numpy(), wanted, rtol=1e-4, atol=1e-3)
    # The first reads the argument, the last writes the result: both change from run to run.
    assert placed == ["sum", "cholesky"]


def test_nothing_is_held_between_runs(cpu):
    compiled = hal.compile(lambda x: x * 2 + 1)
    x = hal.ones(1 << 18, device=cpu)
    compiled(x)
    before = cpu.memory_stats().allocated
    for _ in range(10):
        compiled(x)
    assert cpu.memory_stats().allocated == before


STEPS = {
    "add": lambda x: x + 0.5,
    "scale": lambda x: x * x.mean(),
    "turn": lambda x: x.T,
    "half": lambda x: x[: max(1, x.shape[0] // 2)],
    "flip": lambda x: x[::-1],
    "softmax": lambda x: hal.nn.softmax(x, -1),
    "product": lambda x: x @ x.T,
    "relu": hal.nn.relu,
    "flat": lambda x: x.reshape(1, -1),
    "write": lambda x: _written(x),
}


def _written(x):
    y = x * 1
    y[0] = x[-1] + 1
    return y


@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6), st.integers(0, 99))
def test_any_sequence_of_steps_gives_the_same_compiled(steps, seed):
    def function(x):
        kept = []
        for name in steps:
            x = STEPS[name](x)
            kept.append(x)
        return kept[len(kept) // 2], x

    x = values(3, 4, device=hal.device("cpu:0"), seed=seed)
    for found, wanted in zip(hal.compile(function)(x), function(x), strict=True):
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-6)


def test_a_device_that_captures_replays_from_the_third_run_on(capturing):
    compiled = hal.compile(lambda x: ((x + 1) * 2) @ x.T.reshape(3, 2))
    for seed in range(5):
        x = values(2, 3, device=capturing, seed=seed)
        wanted = (x.numpy() + 1) * 2 @ x.numpy().T.reshape(3, 2)
        np.testing.assert_allclose(compiled(x).numpy(), wanted, rtol=1e-5)
    assert capturing.runtime.replays == 4


@pytest.mark.parametrize(
    ("function", "size"),
    [(lambda x: x + 1, 3), (lambda x: (x + 1) * 2 - x, 1 << 20)],
    ids=["as many copies as calls", "large arguments"],
)
def test_a_program_is_not_captured_when_copying_costs_more_than_that_saves(
    capturing, function, size
):
    compiled, x = hal.compile(function), hal.ones(size, device=capturing)
    before = capturing.runtime.replays
    for _ in range(4):
        np.testing.assert_array_equal(compiled(x).numpy(), function(x.numpy()))
    assert capturing.runtime.replays == before


def test_an_error_while_capturing_reaches_the_caller_and_the_next_run_works(capturing):
    compiled = hal.compile(lambda x: (x + 1) * 2 + x)
    x = values(3, device=capturing)
    compiled(x)
    healthy = capturing.runtime.capture

    def refuse(stream, enqueue):
        raise RuntimeError("no capture today")

    capturing.runtime.capture = refuse
    with pytest.raises(hal.DeviceError, match="no capture today"):
        compiled(x)
    capturing.runtime.capture = healthy
    np.testing.assert_array_equal(compiled(x).numpy(), (x.numpy() + 1) * 2 + x.numpy())


def test_a_device_may_decline_to_capture(capturing):
    capturing.runtime.capture = lambda stream, enqueue: None
    compiled = hal.compile(lambda x: (x + 1) * 2 + x)
    x = values(3, device=capturing)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(x).numpy(), (x.numpy() + 1) * 2 + x.numpy())


def test_a_profile_sees_the_calls_of_a_captured_program_and_leaves_the_recording(capturing):
    double = hal.compile(lambda x: x * 2 + x - 1)
    x = hal.ones(3, device=capturing)
    for _ in range(3):
        double(x)
    replays = capturing.runtime.replays
    with hal.profile() as profile:
        result = double(x)
    assert [e.operator for e in profile.events] == ["multiply", "add", "subtract"]
    assert capturing.runtime.replays == replays
    np.testing.assert_array_equal(result.numpy(), [2, 2, 2])
    np.testing.assert_array_equal(double(x).numpy(), [2, 2, 2])
    assert capturing.runtime.replays == replays + 1
