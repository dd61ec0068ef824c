"""Emulated chips: late work, rounding, memory, and the clock that they show."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import hal
from hal.ops import operators
from hal.plugin import Chip, Layout, Offer, Signature
from hal.plugin.layout import contiguous_strides
from hal_cpu.backend import CpuBackend
from hal_cpu.emulate import EmulatedRuntime
from hal_cpu.emulate.rounding import flushed, rounded


def chip(**figures):
    given = {
        "name": "x-1", "description": "X 1", "backend": "x", "architecture": "x1",
        "memory": 1 << 24, "bandwidth": 1e9, "matrix": {hal.float32: 1e9, hal.float16: 4e9},
        "vector": {hal.float32: 1e9}, "dtypes": (hal.float32, hal.float16, hal.int64),
        "launch": 1e-6, "host_bandwidth": 1e9, "host_latency": 1e-5,
    }  # fmt: skip
    return Chip(**{**given, **figures})


def signature(name, *shapes, dtype=hal.float32, **attributes):
    inputs = tuple([Layout(dtype, shape) for shape in shapes])
    inference = operators[name].infer(inputs, attributes)
    outputs = tuple([Layout(*output) for output in inference.outputs])
    return Signature(inputs, outputs, inference.attributes)


class Bench:
    """A runtime with arrays on it."""

    def __init__(self, offers=None, **figures):
        self.runtime = EmulatedRuntime(chip(**figures), offers)
        self.stream = self.runtime.stream()

    def array(self, shape, dtype=hal.float32):
        buffer = self.runtime.allocate(int(np.prod(shape)) * dtype.itemsize, self.stream)
        return self.runtime.view(buffer, dtype, shape, contiguous_strides(shape), 0)

    def upload(self, host, stream=None):
        host = np.asarray(host, np.float32)
        array = self.array(host.shape)
        self.runtime.upload(array, host, stream or self.stream)
        return array

    def download(self, array, shape, stream=None):
        host = np.empty(shape, np.float32)
        self.runtime.download(array, host, stream or self.stream)
        return host

    def kernel(self, name, *shapes, **attributes):
        return self.runtime.kernel(operators[name], signature(name, *shapes, **attributes))

    def run(self, name, *hosts, **attributes):
        hosts = [np.asarray(h, np.float32) for h in hosts]
        asked = signature(name, *[h.shape for h in hosts], **attributes)
        kernel = self.runtime.kernel(operators[name], asked)
        out = self.array(asked.outputs[0].shape)
        kernel.into(self.stream, [out], [self.upload(h) for h in hosts])
        return self.download(out, asked.outputs[0].shape)

    def event(self, stream=None):
        event = self.runtime.event()
        self.runtime.record(event, stream or self.stream)
        return event


# Rounding


@pytest.mark.parametrize(
    ("to", "bits"), [("tf32", 10), ("hf32", 11), ("bfloat16", 7), ("float16", 10)]
)
def test_numbers_are_rounded_to_the_nearest_and_halves_to_the_even_one(to, bits):
    step = 2.0**-bits
    given = np.float32([1, 1 + step / 2, 1 + step * 3 / 2, 1 + step * 0.51, -1 - step / 2])
    assert rounded(given, to).tolist() == [1, 1, 1 + 2 * step, 1 + step, -1]


@pytest.mark.parametrize("to", ["tf32", "hf32", "bfloat16"])
def test_formats_with_the_exponent_of_float32_keep_its_range(to):
    ends = np.float32([1e-38, 3e38, np.inf, -np.inf, np.nan, -0.0, 0.0])
    found = rounded(ends, to)
    assert np.array_equal(np.isfinite(found), np.isfinite(ends))
    assert np.array_equal(np.isnan(found), np.isnan(ends))
    assert np.signbit(found).tolist() == np.signbit(ends).tolist()


def test_every_nan_stays_one():
    payloads = np.uint32([0x7FFFFFFF, 0x7F800001, 0xFFFFFFFF, 0xFF800001]).view(np.float32)
    assert np.isnan(rounded(payloads, "tf32")).all()


def test_what_float16_cannot_hold_is_infinite():
    assert rounded(np.float32([7e4, -7e4]), "float16").tolist() == [np.inf, -np.inf]


def test_both_parts_of_a_complex_number_are_rounded():
    assert rounded(np.complex64([1 + 2**-11 + 1j * (1 + 2**-11)]), "tf32").tolist() == [1 + 1j]


def test_subnormal_numbers_become_zeros_of_their_sign():
    smallest = np.finfo(np.float32).smallest_normal
    found = flushed(np.float32([smallest, smallest / 2, -smallest / 2, 1, np.nan]))
    assert found[[0, 3]].tolist() == [smallest, 1]
    assert found[1] == found[2] == 0
    assert np.signbit(found[1:3]).tolist() == [False, True]


@pytest.mark.parametrize("name", ["matmul", "linear"])
def test_a_product_rounds_its_inputs_where_the_user_allows_it(name):
    bench = Bench(products={hal.float32: {"high": "tf32"}})
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 4)).astype(np.float32), np.eye(4, dtype=np.float32)
    assert np.array_equal(bench.run(name, a, b, precision="highest"), a)
    assert np.array_equal(bench.run(name, a, b, precision="high"), rounded(a, "tf32"))


def test_attention_rounds_the_inputs_of_both_its_products():
    bench = Bench(products={hal.float32: {"high": "tf32"}})
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(1, 3, 4)).astype(np.float32) for _ in range(3))
    scores = rounded(q * np.float32(0.5), "tf32") @ rounded(k, "tf32").swapaxes(-1, -2)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights = weights / weights.sum(-1, keepdims=True)
    expected = rounded(weights, "tf32") @ rounded(v, "tf32")
    found = bench.run("attention", q, k, v, scale=0.5, precision="high")
    assert np.abs(found - expected).max() < 2e-4
    exact = bench.run("attention", q, k, v, scale=0.5)
    assert np.abs(found - exact).max() > 1e-5


def test_a_dtype_that_the_matrix_unit_lacks_says_what_to_allow():
    bench = Bench(matrix={hal.float16: 1e12}, products={hal.float32: {"medium": "float16"}})
    with pytest.raises(hal.Unsupported, match=r"hal\.precision\('medium'\)"):
        bench.kernel("matmul", (2, 2), (2, 2), precision="highest")
    assert bench.run("matmul", [[1 + 2**-12]], [[1]], precision="medium").tolist() == [[1]]


def test_what_the_backend_refuses_is_refused_in_its_words():
    figures = {"matrix": {hal.float16: 1e12}, "products": {hal.float32: {"medium": "float16"}}}
    bench = Bench(lambda op, signature: Offer(False, "the cube says no"), **figures)
    with pytest.raises(hal.Unsupported, match="the cube says no"):
        bench.kernel("matmul", (2, 2), (2, 2), precision="high")
    assert bench.kernel("matmul", (2, 2), (2, 2), precision="medium") is None


def test_arithmetic_flushes_subnormal_numbers_and_copies_keep_them():
    tiny = np.float32([1e-39])
    flushing, keeping = Bench(flush_subnormals=True), Bench()
    assert flushing.run("add", tiny, tiny).tolist() == [0]
    assert keeping.run("add", tiny, tiny).tolist() != [0]
    assert flushing.run("copy", tiny).tolist() == tiny.tolist()


# What the chip has


def test_the_chips_own_backend_decides_what_is_native():
    def offers(op, signature):
        return Offer(op.name == "add", "the table says so")

    bench = Bench(offers)
    assert bench.kernel("add", (3,), (3,)) is not None
    assert bench.kernel("exp", (3,)) is None


def test_what_the_chips_own_backend_refuses_is_refused():
    bench = Bench(lambda op, signature: Offer(False, "not in float32", refused=True))
    with pytest.raises(hal.Unsupported, match="not in float32"):
        bench.runtime.kernel(operators["add"], signature("add", (3,), (3,)))


def test_without_that_backend_the_chip_has_every_operator():
    bench = Bench(lambda op, signature: None)
    assert bench.kernel("exp", (3,)) is not None


def test_an_error_in_a_kernel_names_the_operator_at_the_next_synchronization():
    bench = Bench()
    index = bench.array((1,), hal.int64)
    bench.runtime.upload(index, np.int64([7]), bench.stream)
    inputs = (Layout(hal.float32, (3,)), Layout(hal.int64, (1,)))
    inference = operators["take"].infer(inputs, {"axis": 0})
    asked = Signature(inputs, (Layout(*inference.outputs[0]),), inference.attributes)
    kernel = bench.runtime.kernel(operators["take"], asked)
    kernel.into(bench.stream, [bench.array((1,))], [bench.upload([1, 2, 3]), index])
    with pytest.raises(hal.DeviceError, match="operation: take"):
        bench.runtime.synchronize(bench.stream)
    bench.runtime.synchronize(bench.stream)


# Order


def test_a_missing_wait_shows():
    bench = Bench()
    source, target = bench.upload(np.ones(4)), bench.upload(np.zeros(4))
    bench.runtime.synchronize(bench.stream)
    other, late = bench.runtime.stream(), threading.Event()
    bench.stream.run(0.0, late.wait)
    bench.kernel("copy", (4,)).into(bench.stream, [target], [source])
    assert bench.download(target, (4,), other).tolist() == [0] * 4
    late.set()
    bench.runtime.wait(bench.event(), other)
    assert bench.download(target, (4,), other).tolist() == [1] * 4


def test_enqueued_work_is_done_though_nobody_waits_for_it():
    bench = Bench()
    bench.upload(np.ones(4))
    event = bench.event()
    deadline = time.monotonic() + 30
    while not bench.runtime.query(event):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_stream_that_was_idle_for_long_works_again():
    bench = Bench()
    bench.runtime.synchronize(bench.stream)
    before = threading.active_count()
    time.sleep(0.5)
    assert threading.active_count() <= before
    assert bench.runtime.query_stream(bench.stream)
    assert bench.download(bench.upload([1, 2]), (2,)).tolist() == [1, 2]


def test_host_memory_is_not_the_chips():
    bench = Bench()
    array = bench.upload([1, 2])
    assert bench.runtime.expose(array) is None
    assert bench.runtime.adopt(np.zeros(3)) is None
    with pytest.raises(TypeError):
        memoryview(array)


# Memory


def test_memory_ends_where_the_chips_does():
    bench = Bench(memory=1 << 22)
    first = bench.runtime.allocate(3 << 20, bench.stream)
    with pytest.raises(hal.OutOfMemory, match="4194304 of 4194304 are held"):
        bench.runtime.allocate(1, bench.stream)
    bench.runtime.free(first, bench.stream)
    assert bench.runtime.memory_stats().allocated == 0
    assert bench.runtime.memory_stats().peak == 1 << 22
    bench.runtime.allocate(1 << 20, bench.stream)


def test_buffers_start_at_multiples_of_the_alignment():
    bench = Bench(alignment=256)
    assert bench.runtime.alignment == 256
    addresses = [bench.runtime.address(bench.array((n,))) for n in (1, 3, 300_000)]
    assert all(address % 256 == 0 for address in addresses)


# The clock


def test_a_kernel_takes_as_long_as_the_figures_say():
    bench = Bench()
    x, y = bench.upload(np.ones((100, 100))), bench.array((100, 100))
    start = bench.event()
    bench.kernel("add", (100, 100), (100, 100)).into(bench.stream, [y], [x, x])
    # Two inputs and an output of 40,000 bytes each at 1 GB/s.
    assert bench.runtime.elapsed(start, bench.event()) == pytest.approx(0.12)
    start = bench.event()
    bench.kernel("matmul", (100, 100), (100, 100)).into(bench.stream, [y], [x, x])
    assert bench.runtime.elapsed(start, bench.event()) == pytest.approx(2.0)


def test_a_short_kernel_takes_a_launch_and_a_copy_its_link():
    bench = Bench()
    x, y = bench.upload([1.0]), bench.array((1,))
    start = bench.event()
    bench.kernel("exp", (1,)).into(bench.stream, [y], [x])
    assert bench.runtime.elapsed(start, bench.event()) == pytest.approx(1e-3)
    start = bench.event()
    bench.download(bench.array((250_000,)), (250_000,))
    assert bench.runtime.elapsed(start, bench.event()) == pytest.approx(1.01)


def test_streams_overlap_and_waits_join_them():
    bench = Bench()
    other = bench.runtime.stream()
    x, y, z = (bench.array((250_000,)) for _ in range(3))
    bench.runtime.synchronize(bench.stream)
    start = bench.event()
    kernel = bench.kernel("exp", (250_000,))  # 2 ms
    kernel.into(bench.stream, [y], [x])
    kernel.into(other, [z], [x])
    kernel.into(other, [z], [x])
    assert bench.runtime.elapsed(start, bench.event()) == pytest.approx(2)
    assert bench.runtime.elapsed(start, bench.event(other)) == pytest.approx(4)
    bench.runtime.wait(bench.event(other), bench.stream)
    kernel.into(bench.stream, [y], [x])
    assert bench.runtime.elapsed(start, bench.event()) == pytest.approx(6)


def test_nothing_starts_before_the_time_that_the_host_has_waited_for():
    bench = Bench()
    x, y = bench.array((250_000,)), bench.array((250_000,))
    start = bench.event()
    bench.kernel("exp", (250_000,)).into(bench.stream, [y], [x])
    bench.runtime.synchronize(bench.stream)
    late = bench.runtime.stream()
    assert bench.runtime.elapsed(start, bench.event(late)) == pytest.approx(2)


def test_times_are_the_same_in_every_run():
    def run():
        bench = Bench()
        start = bench.event()
        for n in (3, 30, 300):
            bench.run("matmul", np.ones((n, n)), np.ones((n, n)))
        return bench.runtime.elapsed(start, bench.event())

    assert run() == run()


def test_a_faster_product_takes_less_time():
    figures = {"products": {hal.float32: {"high": "tf32"}}, "rounded": {"tf32": 4e9}}
    times = []
    for precision in ("highest", "high"):
        bench = Bench(**figures)
        x, y = bench.array((100, 100)), bench.array((100, 100))
        start = bench.event()
        kernel = bench.kernel("matmul", (100, 100), (100, 100), precision=precision)
        kernel.into(bench.stream, [y], [x, x])
        times.append(bench.runtime.elapsed(start, bench.event()))
    assert times[0] == pytest.approx(4 * times[1])


def test_the_backend_says_that_its_chips_are_emulated():
    info, runtime = CpuBackend().emulate(0, CpuBackend().chips()["nvidia-a100"])
    assert "emulate" in info.emulated
    assert info.memory == runtime.memory_stats().total
    assert info.dlpack is None


def test_what_was_written_lately_comes_from_the_cache():
    # 1 MB through memory takes 1 ms, through the cache 0.1 ms.
    bench = Bench(cache=8_000_000, cache_bandwidth=1e10)
    x, y, z = (bench.array((250_000,)) for _ in range(3))
    kernel = bench.kernel("copy", (250_000,))

    def took(out, given):
        start = bench.event()
        kernel.into(bench.stream, [out], [given])
        return bench.runtime.elapsed(start, bench.event())

    bench.kernel("exp", (250_000,)).into(bench.stream, [y], [x])
    assert took(z, y) == pytest.approx(0.2)
    for _ in range(3):
        took(z, z)
    assert took(x, y) == pytest.approx(1.1)


def test_a_recording_runs_again_without_the_hosts_launches():
    bench = Bench(launch=1e-3, start=1e-4)
    x, y = bench.upload([1.0, 2.0]), bench.upload([0.0, 0.0])
    kernel = bench.kernel("add", (2,), (2,))
    recording = bench.runtime.capture(bench.stream, lambda: kernel.into(bench.stream, [y], [x, y]))
    assert bench.download(y, (2,)).tolist() == [0, 0]
    start = bench.event()
    bench.runtime.replay(recording, bench.stream)
    bench.runtime.replay(recording, bench.stream)
    assert bench.runtime.elapsed(start, bench.event()) == pytest.approx(0.2, rel=1e-3)
    assert bench.download(y, (2,)).tolist() == [2, 4]


def test_a_recording_that_fails_ends():
    bench = Bench()
    with pytest.raises(ZeroDivisionError):
        bench.runtime.capture(bench.stream, lambda: 1 / 0)
    assert bench.run("exp", [0]).tolist() == [1]
