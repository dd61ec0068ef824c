"""Memory, copies, order and capture, on the stand-in."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import hal
from hal.errors import ValueRangeError
from hal.plugin import hookimpl, register, unregister
from hal_cuda.staging import Staging
from hal_cuda.standin import StandinDriver


def test_memory_is_counted_and_goes_back(standin):
    gc.collect()
    standin.synchronize()
    hal.zeros(1, dtype=hal.float32, device=standin)  # the constant that zeros are made of stays
    before = standin.memory_stats()
    x = hal.zeros(1000, dtype=hal.float32, device=standin)
    during = standin.memory_stats()
    assert during.allocated >= before.allocated + 4000
    assert during.peak >= during.allocated
    del x
    assert standin.memory_stats().allocations == before.allocations


def test_large_copies_go_through_a_ring_of_pinned_blocks():
    driver = StandinDriver()
    stream = driver.stream()
    staging = Staging(driver, block=1000, count=3)
    host = np.random.default_rng(0).integers(0, 255, 9_999, dtype=np.uint8)
    device, back = driver.allocate(host.nbytes, stream), np.empty_like(host)
    staging.upload(device.pointer, host.ctypes.data, host.nbytes, stream)
    staging.download(back.ctypes.data, device.pointer, host.nbytes, stream)
    np.testing.assert_array_equal(back, host)
    assert len(staging._ring) == 3


def test_a_host_array_may_change_once_its_upload_returned(standin):
    host = np.arange(10.0, dtype=np.float32)
    x = hal.asarray(host, device=standin)
    host[:] = 0
    np.testing.assert_array_equal(x.numpy(), np.arange(10.0))


def test_events_keep_the_time(standin):
    start, end = hal.Event(standin), hal.Event(standin)
    start.record()
    end.record()
    assert start.elapsed_time(end) >= 0
    assert end.query()


def test_work_is_recorded_once_and_replayed_on_what_its_memory_holds_then(standin):
    x = hal.asarray([1.0, 2.0], device=standin)
    y = hal.zeros(2, device=standin)
    stream = standin.current_stream()
    runtime = standin.runtime

    def enqueue():
        y[...] = x

    recording = runtime.capture(stream.handle, enqueue)
    np.testing.assert_array_equal(y.numpy(), [0, 0])
    x[...] = hal.asarray([5.0, 6.0], device=standin)
    runtime.replay(recording, stream.handle)
    np.testing.assert_array_equal(y.numpy(), [5, 6])


def test_work_that_waits_for_the_device_is_not_captured(standin):
    x = hal.asarray([1.0, 2.0], dtype=hal.float32, device=standin)
    runtime, stream = standin.runtime, standin.current_stream()
    seen = []

    def enqueue():
        seen.append(runtime.driver.fetch(runtime.address(x._array), 8, stream.handle))

    assert runtime.capture(stream.handle, enqueue) is None
    assert not seen
    enqueue()
    assert seen[0].view(np.float32).tolist() == [1, 2]
    with pytest.raises(KeyError):
        runtime.capture(stream.handle, lambda: {}["another failure"])


def test_threads_run_the_same_kernel_with_their_own_arguments(standin):
    given = [hal.full(500, float(i), device=standin) for i in range(4)]
    results = [None] * len(given)

    def work(i):
        for _ in range(20):
            results[i] = given[i] + given[i]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(given))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, result in enumerate(results):
        np.testing.assert_array_equal(result.numpy(), np.full(500, 2.0 * i))


def test_memory_of_another_library_is_seen_where_it_lies(standin):
    runtime = standin.runtime
    owner = hal.asarray([1.0, 2.0, 3.0], dtype=hal.float32, device=standin)
    address = runtime.address(owner._array)
    view = runtime.view(runtime.borrow(address, 12), hal.float32, (2,), (1,), 1)
    assert runtime.address(view) == address + 4


def test_streams_are_handed_over_by_the_rules_of_dlpack(standin):
    runtime = standin.runtime
    assert runtime.stream_number(runtime.foreign_stream(None)) == 1
    assert runtime.stream_number(runtime.foreign_stream(2)) == 2
    assert runtime.stream_number(runtime.foreign_stream(0x7F00)) == 0x7F00
    with pytest.raises(ValueRangeError, match="either default stream"):
        runtime.foreign_stream(0)


def test_a_compiled_function_is_fused_and_replayed(standin, driver):
    @hal.compile
    def f(x, y):
        return hal.sum(hal.nn.softmax(hal.nn.softmax(hal.exp(x * 2 + y) - 1, -1), -1), axis=0)

    given = [np.random.default_rng(i).random((3, 8), dtype=np.float32) for i in range(2)]
    x, y = (hal.asarray(g, device=standin) for g in given)
    grown = np.exp(np.exp(given[0] * 2 + given[1]) - 1)
    for _ in range(3):
        driver.launches.clear()
        with hal.fallback("error"):
            found = f(x, y).numpy()
        once = grown / grown.sum(-1, keepdims=True)
        twice = np.exp(once) / np.exp(once).sum(-1, keepdims=True)
        np.testing.assert_allclose(found, twice.sum(0), rtol=1e-5)
        assert driver.launches.count("rows") == 2
        assert driver.launches.count("loop") <= 1 + 3  # the chain, and the copies around a replay


def test_tensors_go_from_gpu_to_gpu_without_the_host(standin, driver, monkeypatch):
    def through_the_host(*arguments):
        raise AssertionError("the copy went through the host")

    x = hal.asarray([[1.0, 2.0], [3.0, 4.0]], device=standin)
    other = hal.device("cuda_standin:1")
    for staging in (standin.runtime._down, other.runtime._up):
        monkeypatch.setattr(staging, "upload", through_the_host)
        monkeypatch.setattr(staging, "download", through_the_host)
    y = x.to_device(other)
    monkeypatch.undo()
    assert y.device is other
    np.testing.assert_array_equal(y.numpy(), x.numpy())
    np.testing.assert_array_equal(x.T.to_device(other).numpy(), x.T.numpy())


@pytest.fixture
def threaded(standin, monkeypatch):
    """A stand-in with a default stream for each thread."""

    class Threaded(type(standin.backend)):
        name = "cuda_threads"

    class Plugin:
        @hookimpl
        def hal_backend(self):
            return Threaded()

    monkeypatch.setenv("HAL_CUDA_PER_THREAD_DEFAULT_STREAM", "1")
    register(Plugin(), "cuda_threads")
    yield hal.device("cuda_threads:0")
    unregister("cuda_threads")


def test_threads_have_default_streams_of_their_own_where_the_user_wants_it(threaded, standin):
    x = hal.asarray([1.0, 2.0], device=threaded)
    found = {}

    def work(number):
        numbers = [device.runtime.stream_number(device.current_stream().handle)
                   for device in (threaded, standin)]  # fmt: skip
        found[number] = (*numbers, (x * number).numpy(), threaded.current_stream())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({numbers[0] for numbers in found.values()}) == 3
    assert len({numbers[1] for numbers in found.values()}) == 1
    for number, (*_, result, _) in found.items():
        np.testing.assert_array_equal(result, [number, 2 * number])


def test_a_library_is_told_the_stream_of_the_thread_that_asks(threaded):
    x = hal.asarray([1.0, 2.0], device=threaded)
    found = []

    def work():
        stream = threaded.current_stream()
        number = threaded.runtime.stream_number(stream.handle)
        found.append((number, x.__cuda_array_interface__["stream"]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    ((own, told),) = found
    assert own == told != threaded.runtime.stream_number(threaded.default_stream.handle)
