"""The device as a user meets it through hal: order, memory, errors, threads."""

from __future__ import annotations

import gc
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pyopencl as cl
import pytest

import hal
from hal_opencl.backend import OpenClBackend


def test_devices_are_described(device):
    assert device.info.memory > 0
    assert hal.float32 in device.info.dtypes
    assert device.info.properties["compute units"] >= 1


def test_without_pyopencl_the_list_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyopencl", None)
    state = OpenClBackend().devices()
    assert state.found == ()
    assert "pyopencl" in state.reason
    assert "pip install" in state.remedy


def test_without_a_driver_the_list_says_what_to_install(monkeypatch):
    monkeypatch.setattr(cl, "get_platforms", list)
    state = OpenClBackend().devices()
    assert state.found == ()
    assert "platform" in state.reason
    assert "pocl" in state.remedy


def slow(device, size=900):
    """Return a tensor whose values take the device a while."""
    x = hal.ones((size, size), device=device)
    return x @ x


@contextmanager
def held(stream):
    """Hold back what is enqueued on a stream inside the block, until the block ends."""
    gate = cl.UserEvent(stream.handle.handle.context)
    cl.enqueue_barrier(stream.handle.handle, wait_for=[gate])
    try:
        yield
    finally:
        gate.set_status(cl.command_execution_status.COMPLETE)


def test_a_call_returns_before_its_work_is_done(device):
    stream = hal.Stream(device)
    with stream:
        x = hal.ones(3, device=device)
        with held(stream):
            y = x + 1
            assert not stream.query()
        stream.synchronize()
        assert stream.query()
        assert y.tolist() == [2, 2, 2]


def test_the_host_array_may_change_as_soon_as_it_was_given(device):
    host = np.arange(100_000, dtype=np.float32)
    slow(device)
    x = hal.asarray(host, device=device)
    host[:] = -1
    np.testing.assert_array_equal(x.numpy(), np.arange(100_000))


def test_work_on_another_stream_waits_for_what_it_reads(device):
    first, second = hal.Stream(device), hal.Stream(device)
    x = hal.zeros(3, device=device)
    with held(first):
        with first:
            y = x + 1
        with second:
            z = y + 1
        assert not second.query()
    assert z.tolist() == [2, 2, 2]


def test_streams_do_not_wait_for_each_other_without_a_reason(device):
    first, second = hal.Stream(device), hal.Stream(device)
    x = hal.zeros(3, device=device)
    device.synchronize()
    with held(first):
        with first:
            y = x + 1
        with second:
            assert (x + 2).tolist() == [2, 2, 2]
        assert not first.query()
    assert y.tolist() == [1, 1, 1]


def test_memory_is_not_reused_before_another_stream_has_read_it(device):
    first, second = hal.Stream(device), hal.Stream(device)
    for _ in range(20):
        with first:
            x = hal.full((300, 300), 2.0, device=device)
        with second:
            y = slow(device, 300) @ x
        del x
        with first:
            hal.full((300, 300), -1.0, device=device)
        np.testing.assert_array_equal(y.numpy(), 300 * 300 * 2.0)


def test_events_measure_the_work_between_them(device):
    start, middle, end = (hal.Event(device) for _ in range(3))
    device.synchronize()
    start.record()
    middle.record()
    slow(device)
    end.record()
    assert start.elapsed_time(middle) < start.elapsed_time(end)
    assert end.query()


def test_a_stream_waits_for_an_event_of_another(device):
    first, second = hal.Stream(device), hal.Stream(device)
    with first:
        slow(device)
    done = first.record_event()
    second.wait_event(done)
    second.synchronize()
    assert done.query()


def test_freed_memory_is_used_again(device):
    x = hal.ones(1 << 18, device=device)
    before = device.memory_stats()
    for _ in range(50):
        x = x + 1
    after = device.memory_stats()
    assert after.allocated == before.allocated
    assert after.reserved <= before.reserved + (4 << 20)
    assert float(x[0]) == 51


def test_a_stream_that_goes_takes_its_free_memory_along(device):
    stream = hal.Stream(device)
    with stream:
        x = hal.asarray(np.ones(1 << 20, np.float32), device=device)
        x.numpy()
    del x
    kept = device.memory_stats().reserved
    del stream
    gc.collect()
    assert device.memory_stats().reserved <= kept - (1 << 20) * 4


def test_too_large_a_tensor_is_refused_and_the_device_stays_usable(device):
    largest = device.info.properties["largest tensor"]
    with pytest.raises(hal.OutOfMemory, match="smaller"):
        hal.zeros(largest + 1, dtype=hal.uint8, device=device)
    assert float(hal.ones(3, device=device).sum()) == 3


def test_memory_that_is_held_counts_and_runs_out(device, monkeypatch):
    room = device.memory_stats().allocated + (64 << 20)
    monkeypatch.setattr(device.runtime._pool, "_total", room)
    tensors = [hal.zeros(20 << 20, dtype=hal.uint8, device=device) for _ in range(3)]
    with pytest.raises(hal.OutOfMemory, match="free tensors"):
        hal.zeros(20 << 20, dtype=hal.uint8, device=device)
    assert device.memory_stats().reserved <= room
    tensors.clear()
    assert float(hal.zeros(20 << 18, device=device).sum()) == 0


class Failed:
    """A command that OpenCL accepted and then failed."""

    command_execution_status = -5


@pytest.mark.parametrize("finish", ["synchronize", "download"])
def test_a_late_failure_is_raised_with_its_code_at_the_next_synchronization(device, finish):
    stream = hal.Stream(device)
    with stream:
        x = hal.ones(3, device=device) + 1
        stream.handle.track(Failed())
        with pytest.raises(hal.DeviceError) as caught:
            x.numpy() if finish == "download" else stream.synchronize()
        assert caught.value.code == -5
        assert caught.value.text == "OUT_OF_RESOURCES"
        assert caught.value.device == device.name
        assert caught.value.operation is not None
        assert float(x.sum()) == 6


def test_many_commands_can_be_under_way(device):
    x = hal.zeros(4, device=device)
    for _ in range(3000):
        x = x + 1
    np.testing.assert_array_equal(x.numpy(), 3000)


def test_threads_share_the_device(device):
    wrong = []

    def work(number):
        with hal.Stream(device):
            for turn in range(50):
                x = hal.asarray(np.full((64, 64), float(number)), device=device)
                y = (x @ x + turn).sum(axis=0)
                if not (y.numpy() == 64 * (64 * number**2 + turn)).all():
                    wrong.append((number, turn))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_views_are_read_and_written_in_place(device):
    host = np.arange(24.0).reshape(4, 6)
    x = hal.asarray(host.copy(), device=device)
    x[::2, ::-3] = 7
    host[::2, ::-3] = 7
    x[1:] += x[:-1]
    host[1:] += host[:-1].copy()
    np.testing.assert_array_equal(x.T[1:].numpy(), host.T[1:])


def test_what_no_kernel_does_is_told(device):
    x = hal.ones((3, 3), device=device)
    hal.reset_report()
    hal.nn.softmax(x, dim=-1)
    assert {r.route for r in hal.report().rows if r.device == device.name} == {"native"}


def test_a_dtype_the_device_lacks_is_refused(device):
    with pytest.raises(hal.Unsupported, match="float32"):
        hal.zeros(3, dtype=hal.complex64, device=device)
