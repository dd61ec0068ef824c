"""Products by oneDNN are NumPy's, with and without what follows them, in any thread and process."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import scipy.special

import hal
import hal_cpu.products
from hal.ops import operators
from hal.plugin import Layout, Released, Signature
from hal_cpu.dnn import describe, library, matmul, packed, version
from hal_cpu.jit import address
from hal_cpu.products import find_product, wants_packed

needed = pytest.mark.skipif(library() is None, reason="oneDNN has no build for this platform")


def drawn(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def near(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@needed
def test_the_library_is_of_the_version_its_functions_are_declared_for():
    assert version().split(".")[0] == "3"


@pytest.mark.parametrize("chosen", ["0", "/no/such/library.so", ""])
def test_products_are_the_same_with_and_without_the_library(chosen):
    code = """
import hal, numpy as np
from hal_cpu.dnn import version
x = hal.asarray(np.sin(np.arange(128 * 96, dtype=np.float32)).reshape(128, 96), device="cpu:0")
f = hal.compile(lambda x: hal.nn.gelu(hal.nn.linear(x, x)) + hal.nn.softmax(x @ x.mT))
print(bool(version()), *[f"{v:.4f}" for v in f(x)[:2, :40].numpy().ravel()])
"""
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "HAL_ONEDNN": chosen},
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert found[0] == str(not chosen and library() is not None)
    x = np.sin(np.arange(128 * 96, dtype=np.float32)).reshape(128, 96).astype(np.float64)
    product = x @ x.T
    gelu = product * (1 + scipy.special.erf(product / np.sqrt(2))) / 2
    expected = (gelu + scipy.special.softmax(product, axis=-1))[:2, :40]
    near(np.asarray(found[1:], float), expected.ravel())


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((64, 48), (48, 40)),
        ((3, 33, 65), (3, 65, 31)),
        ((2, 3, 16, 96), (96, 64)),
        ((32, 96), (2, 3, 96, 16)),
        ((2, 1, 32, 40), (1, 5, 40, 32)),
        ((1, 300), (300, 300)),
    ],
)
def test_a_product_is_numpys(a, b):
    x, y = drawn(*a), drawn(*b)
    found = hal.asarray(x, device="cpu:0") @ hal.asarray(y, device="cpu:0")
    near(found.numpy(), np.matmul(x.astype(np.float64), y))


def test_operands_may_lie_in_memory_in_any_way():
    x = hal.asarray(drawn(40, 60, 50), device="cpu:0")
    whole = x.numpy()
    for view in (
        lambda a: a[::2, :, ::-1],
        lambda a: a.swapaxes(1, 2) if isinstance(a, np.ndarray) else a.mT,
        lambda a: a[:, 10:40, 5:45],
    ):
        left, expected = view(x), view(whole)
        right = left.mT
        near((left @ right).numpy(), expected @ expected.swapaxes(1, 2))


def strided(shape, order):
    """Return numbers of a shape whose axes lie in memory in an order."""
    return drawn(*[shape[n] for n in order]).transpose(np.argsort(order))


@needed
@pytest.mark.parametrize(
    ("name", "x", "weight", "out"),
    [
        ("linear", strided((96, 80), (1, 0)), strided((64, 80), (0, 1)), (0, 1)),
        ("linear", strided((4, 30, 80), (0, 2, 1)), strided((64, 80), (1, 0)), (0, 1, 2)),
        ("linear", strided((4, 30, 80), (1, 0, 2)), strided((64, 80), (0, 1)), (1, 0, 2)),
        ("linear", drawn(4, 30, 80)[:, ::2], strided((64, 80), (0, 1)), (1, 0, 2)),
        ("matmul", strided((2, 3, 40, 50), (0, 2, 1, 3)), drawn(2, 3, 50, 60), (0, 2, 1, 3)),
        (
            "matmul",
            drawn(4, 3, 40, 50),
            np.broadcast_to(drawn(50, 60), (4, 3, 50, 60)),
            (2, 0, 1, 3),
        ),
    ],
)
@pytest.mark.parametrize("constant", [False, True])
def test_a_product_reads_and_writes_arrays_as_they_lie(name, x, weight, out, constant):
    op = operators[name]
    layouts = [Layout(hal.float32, a.shape, tuple(n // 4 for n in a.strides)) for a in (x, weight)]
    (_, shape), *_ = op.infer(layouts, {}).outputs
    found = strided(shape, out)
    where = Layout(hal.float32, shape, tuple(n // 4 for n in found.strides))
    kernel = find_product(op, Signature(tuple(layouts), (where,), {"precision": "highest"}), None)
    if constant:
        kernel = (kernel.prepare and kernel.prepare([None, weight])) or kernel
    kernel.into(None, [found], [x, weight])
    near(found, op.reference(x, weight, precision="highest"))


@needed
def test_what_the_library_does_not_walk_is_asked_for_packed():
    whole = drawn(40, 60, 100)
    x, weight = hal.asarray(whole, device="cpu:0")[:, :, ::2], hal.asarray(drawn(50, 80))
    given = Signature((x._spec, weight._spec), (Layout(hal.float32, (40, 60, 80)),), {})
    assert wants_packed(operators["matmul"], given)
    assert x.device.runtime.kernel(operators["matmul"], given) is None
    near((x @ weight).numpy(), whole[:, :, ::2].astype(np.float64) @ weight.numpy())


def signature(name, *shapes, **attributes):
    op = operators[name]
    inputs = tuple([None if s is None else Layout(hal.float32, s) for s in shapes])
    inference = op.infer(inputs, attributes)
    outputs = tuple([Layout(*o) for o in inference.outputs])
    return op, Signature(inputs, outputs, inference.attributes)


SLOPE = (("negative_slope", 0.1),)
GELU = (("add", (0, 1), ()), ("gelu", (2,), (("approximate", "none"),)))


@needed
@pytest.mark.parametrize(
    ("others", "steps", "fits"),
    [
        ([(64,)], GELU, True),
        ([(96, 64)], (("silu", (0,), ()), ("add", (1, 2), ())), True),
        ([(96, 64)], (("silu", (0,), ()), ("multiply", (2, 1), ())), True),
        ([(96, 64)], (("subtract", (0, 1), ()),), True),
        ([(64,)], (("divide", (0, 1), ()), ("leaky_relu", (2,), SLOPE)), True),
        ([(96, 64)], (("subtract", (1, 0), ()),), False),
        ([(96, 64)], (("maximum", (0, 1), ()),), False),
        ([], (("multiply", (0, 0), ()),), False),
        ([], (("relu", (0,), ()),), True),
        ([], (("silu", (0,), ()), ("add", (0, 1), ())), False),
        ([(64,)], (("silu", (1,), ()), ("add", (0, 2), ())), False),
        ([(96, 1)], (("add", (0, 1), ()),), False),
    ],
)
def test_a_chain_is_taken_where_it_leads_from_step_to_step(others, steps, fits):
    results = (len(others) + len(steps),)
    given = signature(
        "linear_fused", (96, 80), (64, 80), None, *others, steps=steps, results=results
    )
    assert (find_product(*given, None) is not None) == fits


@pytest.mark.parametrize("name", ["relu", "gelu", "silu", "sigmoid"])
def test_what_is_no_number_stays_so_behind_a_product(name):
    weight = hal.asarray(drawn(64, 80), device="cpu:0")
    x = drawn(96, 80)
    x[3, 4] = np.nan
    x = hal.asarray(x, device="cpu:0")
    function = getattr(hal.nn, name)
    found = hal.compile(lambda x: function(hal.nn.linear(x, weight)))(x).numpy()
    assert np.isnan(found[3]).all()
    near(found, function(hal.nn.linear(x, weight)).numpy())


CHAINS = {
    "leaky relu": lambda y, z: hal.nn.leaky_relu(y, 0.2) + z,
    "a difference": lambda y, z: hal.nn.silu(y - z),
    "a quotient": lambda y, z: y / z * 0.5,
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("other", [(64,), (96, 64)])
def test_what_is_done_where_a_product_is_stored_is_what_is_done_after_it(name, other):
    weight = hal.asarray(drawn(64, 80), device="cpu:0")
    x, z = (hal.asarray(a, device="cpu:0") for a in (drawn(96, 80), np.abs(drawn(*other)) + 1))

    def function(x, z):
        return CHAINS[name](hal.nn.linear(x, weight), z)

    program = hal.compile(function)
    calls = [c.op.name for c in program.program(x, z).calls if not c.view]
    assert calls[-1] == ("linear_fused" if library() else "fused")
    near(program(x, z).numpy(), function(x, z).numpy())


@pytest.mark.parametrize("other", [(64,), (), (4, 30, 64)])
def test_a_chain_follows_a_product_of_what_lies_transposed(other):
    weight, bias = (hal.asarray(drawn(*s), device="cpu:0") for s in ((64, 80), (64,)))
    x, y = (hal.asarray(drawn(*s), device="cpu:0") for s in ((4, 80, 30), other))

    def function(x, y):
        return hal.nn.gelu(hal.nn.linear(x.mT, weight, bias)) + y

    program = hal.compile(function)
    assert [c.op.name for c in program.program(x, y).calls if not c.view] == ["linear_fused"]
    near(program(x, y).numpy(), function(x, y).numpy())


@needed
def test_weights_that_never_change_are_packed_once():
    weight, bias = drawn(300, 200), drawn(300)
    op, given = signature("linear", (30, 200), (300, 200), (300,))
    kernel = find_product(op, given, None)
    assert kernel.prepare([None, None, bias]) is None
    into = kernel.prepare([None, weight, None]).into
    x, out = drawn(30, 200), np.empty((30, 300), np.float32)
    into(None, [out], [x, weight, bias])
    near(out, x.astype(np.float64) @ weight.T + bias)


@needed
def test_a_product_of_arrays_that_stay_where_they_are_reads_them_at_every_run():
    op, given = signature("linear", (30, 200), (300, 200), (300,))
    x, weight, bias, out = drawn(30, 200), drawn(300, 200), drawn(300), np.empty((30, 300), "f4")
    kernels = [find_product(op, given, None)]
    kernels.append(kernels[0].prepare([None, weight, None]))
    while kernels:
        run = kernels.pop().place([out], [x, weight, bias])
        gc.collect()
        for _ in range(2):
            x += 1
            run(None, [out], [x, weight, bias])
            near(out, x.astype(np.float64) @ weight.T + bias)


@needed
def test_weights_that_a_program_alone_holds_are_held_once_in_all():
    cpu = hal.device("cpu:0")
    weights = [drawn(512, 512) + n for n in range(6)]
    x = hal.asarray(drawn(64, 512), device=cpu)

    def layers(x):
        for weight in weights:
            x = hal.nn.linear(x, hal.asarray(weight, device=cpu))
        return x

    compiled = hal.compile(layers)
    gc.collect()
    before = cpu.memory_stats().allocated
    compiled(x)
    held = cpu.memory_stats().allocated - before
    each = weights[0].nbytes
    assert 6 * each <= held < 7 * each
    assert (
        sum(isinstance(c, Released) for c in compiled.executable(x).program.constants.values()) == 6
    )


@needed
def test_packing_keeps_every_weight():
    weight = drawn(70, 50)
    given = describe(hal.float32, (50, 70), (1, 50))
    source, result = (describe(hal.float32, s, (s[1], 1)) for s in ((1, 50), (1, 70)))
    primitive = matmul(source, describe(hal.float32, (50, 70), None), result)
    kept = packed(primitive, given, address(weight))
    out = np.empty((1, 70), np.float32)
    for row in range(50):
        one = np.zeros((1, 50), np.float32)
        one[0, row] = 1
        primitive.run(address(one), kept.address, address(out))
        np.testing.assert_array_equal(out[0], weight[:, row])


def test_a_program_runs_in_many_threads_at_once():
    weight = hal.asarray(drawn(128, 96), device="cpu:0")
    program = hal.compile(lambda x: hal.nn.gelu(hal.nn.linear(x, weight)))
    inputs = [hal.asarray(drawn(64, 96) + n, device="cpu:0") for n in range(4)]
    expected = [program(x).numpy() for x in inputs]
    wrong = []

    def work(n):
        for _ in range(30):
            if not np.array_equal(program(inputs[n]).numpy(), expected[n]):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_calculates_with_threads_of_its_own():
    weight = hal.asarray(drawn(256, 96), device="cpu:0")
    program = hal.compile(lambda x: hal.nn.gelu(hal.nn.linear(x, weight)))
    x = hal.asarray(drawn(256, 96), device="cpu:0")
    expected = program(x).numpy()
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(program(x).numpy(), expected) else 1)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.01)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child process hangs")
    assert status == 0
    np.testing.assert_array_equal(program(x).numpy(), expected)


@needed
def test_a_small_product_stays_in_the_thread_that_calls_it(monkeypatch):
    described = []
    original = hal_cpu.products.matmul

    def matmul(*arguments, **options):
        described.append(arguments[5] if len(arguments) > 5 else options["alone"])
        return original(*arguments, **options)

    monkeypatch.setattr("hal_cpu.products.matmul", matmul)
    for rows, alone in ((16, True), (1024, False)):
        x, weight = drawn(rows, 64), drawn(64, 64)
        for product in (lambda x, w: x @ w, hal.nn.linear):
            described.clear()
            found = hal.compile(product)(hal.asarray(x), hal.asarray(weight)).numpy()
            wanted = x @ weight if product is not hal.nn.linear else x @ weight.T
            near(found, wanted)
            assert set(described) == {alone}


@pytest.mark.parametrize(("rows", "size"), [(1, 64), (3, 1100), (1, 1100)])
def test_a_product_of_few_rows_by_a_large_matrix_is_right_wherever_it_is_called(rows, size):
    x, matrix = drawn(2, rows, size), drawn(size, size)
    near((hal.asarray(x) @ hal.asarray(matrix)).numpy(), x @ matrix)
    near((hal.asarray(x) @ hal.asarray(matrix).T).numpy(), x @ matrix.T)
    near(hal.nn.linear(hal.asarray(x), hal.asarray(matrix)).numpy(), x @ matrix.T)
    near((hal.asarray(x[0, 0]) @ hal.asarray(matrix)).numpy(), x[0, 0] @ matrix)


@needed
def test_few_rows_of_many_matrices_do_not_wake_the_threads_of_numpy():
    q, k = drawn(12, 1, 64), drawn(12, 301, 64)
    x, y = hal.asarray(q), hal.asarray(k).mT
    found = find_product(
        operators["matmul"],
        Signature(
            tuple(
                Layout(hal.float32, z.shape, strides)
                for z, strides in ((x, (64, 64, 1)), (y, (19264, 1, 64)))
            ),
            (Layout(hal.float32, (12, 1, 301)),),
            {},
        ),
        None,
    )
    assert found is not None
    near((x @ y).numpy(), q @ k.transpose(0, 2, 1))
