"""What only misuse of the driver would show; run by test_driver.py above the tests' libcuda."""

from __future__ import annotations

import gc
import os
import sys
import threading

import pytest

import hal
from hal.errors import DeviceLost

on_libcuda = sys.modules.get("on_libcuda")
pytestmark = pytest.mark.skipif(
    getattr(on_libcuda, "library", None) is None, reason="test_driver.py runs it on its libcuda"
)


@pytest.fixture(scope="module")
def device():
    """The first device of the tests' libcuda."""
    return hal.device("cuda:0")


def test_a_thread_that_comes_later_makes_streams_and_events(device):
    found = []

    def work():
        with hal.Stream(device):
            start, end = hal.Event(device), hal.Event(device)
            start.record()
            x = hal.ones(3, device=device) + 1
            end.record()
            found.append((x.tolist(), start.elapsed_time(end) > 0))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [([2, 2, 2], True)]


def test_threads_share_a_default_stream_unless_each_is_to_have_its_own(device):
    x = hal.ones(500, device=device)
    found = {}

    def work(number):
        y = x
        for _ in range(10):
            y = y + 1
        stream = device.current_stream()
        found[number] = (stream, device.runtime.stream_number(stream.handle), y)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    each = os.environ.get("HAL_CUDA_PER_THREAD_DEFAULT_STREAM") == "1"
    assert len({number for _, number, _ in found.values()}) == (3 if each else 1)
    assert (device.current_stream() in [stream for stream, *_ in found.values()]) != each
    for *_, y in found.values():
        assert (y + x).tolist() == [12] * 500


def test_two_devices_are_used_by_turns(device):
    second = hal.device("cuda:1")
    x, y = hal.ones(3, device=device), hal.ones(3, device=second)
    for _ in range(3):
        x, y = x + 1, y + x.to_device(second)
    assert x.tolist() == [4, 4, 4]
    assert y.tolist() == [7, 7, 7]


def test_a_capture_that_fails_is_ended_and_its_stream_works_on(device):
    runtime, stream = device.runtime, hal.Stream(device)

    def enqueue():
        raise KeyError("what was enqueued")

    with pytest.raises(KeyError, match="what was enqueued"):
        runtime.capture(stream.handle, enqueue)
    with stream:
        assert (hal.ones(2, device=device) + 1).tolist() == [2, 2]


def test_work_that_waits_for_the_device_leaves_the_capture(device):
    runtime, stream = device.runtime, hal.Stream(device)
    with stream:
        x = hal.ones(2, dtype=hal.float32, device=device)
        given = runtime.address(x._array), 8, stream.handle
        assert runtime.capture(stream.handle, lambda: runtime.driver.fetch(*given)) is None
        assert runtime.driver.fetch(*given).view("f4").tolist() == [1, 1]
        assert (x + 1).tolist() == [2, 2]


def test_no_garbage_is_collected_into_a_capture(device):
    found = []
    stream = hal.Stream(device)
    device.runtime.capture(stream.handle, lambda: found.append(gc.isenabled()))
    assert found == [False]
    assert gc.isenabled()


def test_a_recording_keeps_its_scratch_memory_when_more_is_asked_for(device):
    driver, stream = device.runtime.driver, device.runtime.stream()
    small = driver.workspace(stream, 1000)
    large = driver.workspace(stream, 1_000_000)
    driver.clear(small, 1000, stream)  # The tests' libcuda refuses memory that was given back.
    driver.clear(large, 1_000_000, stream)
    assert driver.workspace(stream, 1000) == large


def test_streams_of_others_are_taken_by_their_numbers(device):
    theirs = hal.Stream(device)
    number = device.runtime.stream_number(theirs.handle)
    x = hal.ones(3, device=device)
    for given in (None, 1, 2, number):
        assert "dltensor" in repr(x.__dlpack__(stream=given))


def test_the_cuda_array_interface_finds_the_device_of_the_memory():
    x = hal.arange(6, dtype=hal.float32, device="cuda:1")
    theirs = type("Theirs", (), {"__cuda_array_interface__": x.__cuda_array_interface__})()
    y = hal.from_dlpack(theirs)
    assert y.device is x.device
    x += 1
    assert y.tolist() == [1, 2, 3, 4, 5, 6]


def test_memory_goes_back_to_the_pool_and_not_twice(device):
    device.synchronize()
    gc.collect()
    before = device.memory_stats().allocations
    x = hal.ones((100, 100), device=device)
    for _ in range(10):
        x = x + 1
    del x
    gc.collect()
    assert device.memory_stats().allocations <= before + 1  # the constant 1 may stay


def test_an_error_that_stays_loses_the_device_and_says_why():
    device = hal.device("cuda:1")
    x = hal.ones(3, device=device)
    on_libcuda.lose(700)
    try:
        with pytest.raises(DeviceLost, match="CUDA_ERROR_ILLEGAL_ADDRESS") as caught:
            (x + x).numpy()
        assert caught.value.code == 700
        assert device.lost is not None
    finally:
        on_libcuda.lose(0)
        device.lost = None


def test_the_driver_was_used_as_it_wants_to_be():
    assert on_libcuda.misuses() == (0, "")
