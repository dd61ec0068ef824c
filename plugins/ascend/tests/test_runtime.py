"""The device: what it says about itself, memory, copies, order, errors."""

from __future__ import annotations

import gc
import threading
import time

import numpy as np
import pytest

import hal


def test_a_stand_in_says_that_it_is_one(ascend):
    assert ascend.info.emulated == "stand-in for 910B3"
    assert ascend.info.description == "Ascend910B3"
    assert ascend.info.memory == 64 << 30
    assert ascend.info.properties["AI cores"] == 20


@pytest.mark.parametrize("nbytes", [1, 4096, (4 << 20) - 1, 9 << 20])
def test_bytes_survive_the_way_there_and_back(ascend, nbytes):
    host = np.random.default_rng(1).integers(0, 256, nbytes, np.uint8)
    np.testing.assert_array_equal(hal.asarray(host, device=ascend).numpy(), host)


def test_a_host_array_may_change_as_soon_as_the_upload_returns(ascend, control):
    control.configure("delay_us", 2000)
    host = np.ones(1000, np.float32)
    x = hal.asarray(host, device=ascend)
    host[:] = 7
    control.configure("delay_us", 0)
    assert (x.numpy() == 1).all()


def test_work_on_another_stream_sees_what_was_written_before(ascend, control):
    control.configure("delay_us", 1000)
    x = hal.zeros(100, dtype=hal.float32, device=ascend)
    for _ in range(10):
        with hal.Stream(ascend):
            x = x + 1
    control.configure("delay_us", 0)
    assert (x.numpy() == 10).all()


def test_without_the_wait_the_stand_in_shows_wrong_data(ascend, control):
    """What the wait between streams is for: order is real on the stand-in."""
    runtime = ascend.runtime
    first, second = runtime.stream(), runtime.stream()
    control.faults(hang=0)
    block = runtime.allocate(512, first)
    array = runtime.view(block, hal.float32, (16,), (1,), 0)
    runtime.upload(array, np.ones(16, np.float32), first)
    while control.tasks() < 1:  # The upload has begun, and hangs.
        time.sleep(0.001)
    host = np.zeros(16, np.float32)
    runtime.download(array, host, second)
    assert (host != 1).all()
    control.no_faults()


def test_memory_is_reused_in_the_order_of_its_stream(ascend):
    x = hal.zeros(12345, device=ascend)
    ascend.synchronize()
    address = x._array.address
    reserved = ascend.memory_stats().reserved
    del x
    y = hal.zeros(12345, device=ascend)
    assert y._array.address == address
    assert ascend.memory_stats().reserved == reserved


def test_statistics_count_what_is_alive(ascend):
    gc.collect()
    before = ascend.memory_stats()
    x = hal.zeros((256, 1024), dtype=hal.float32, device=ascend)
    during = ascend.memory_stats()
    assert during.allocated - before.allocated == x.nbytes
    assert during.allocations - before.allocations == 1
    assert during.total == 64 << 30
    del x
    assert ascend.memory_stats().allocated == before.allocated


def test_a_device_that_is_full_says_how_full(in_python):
    out = in_python(
        "import hal\n"
        "kept = hal.zeros(1 << 20, dtype=hal.uint8, device='ascend:0')\n"
        "try:\n"
        "    hal.zeros(1 << 30, dtype=hal.uint8, device='ascend:0')\n"
        "except hal.OutOfMemory as error:\n"
        "    print(error)\n"
        "print((kept + 1).numpy().sum())",
        STANDIN_MEMORY=64 << 20,
    )
    assert "1073741824 bytes were asked for" in out
    assert "vendor code: 207001" in out
    assert "1048576" in out


def test_freed_memory_is_given_back_before_memory_runs_out(in_python):
    out = in_python(
        "import hal\n"
        "for n in range(1, 30):\n"
        "    x = hal.zeros(n << 20, dtype=hal.uint8, device='ascend:0')\n"
        "    del x\n"
        "print('all fitted')",
        STANDIN_MEMORY=96 << 20,
    )
    assert "all fitted" in out


def test_every_thread_can_use_the_device(ascend):
    found = []

    def work(n):
        x = hal.full((50,), n, dtype=hal.float32, device=ascend)
        found.append(float((x * 2).numpy()[0]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert sorted(found) == [2.0 * n for n in range(8)]


def test_events_measure_time(ascend, control):
    control.configure("delay_us", 3000)
    start, end = hal.Event(ascend), hal.Event(ascend)
    start.record()
    x = hal.ones(10, device=ascend)
    for _ in range(20):
        x = x + 1
    end.record()
    control.configure("delay_us", 0)
    assert start.elapsed_time(end) > 0.5


def test_a_late_failure_names_the_operation_and_canns_code(ascend, control):
    x = hal.ones(3, device=ascend)
    ascend.synchronize()
    control.faults(task=0)
    y = x * 2
    with pytest.raises(hal.DeviceError) as caught:
        y.numpy()
    assert caught.value.operation == "multiply"
    assert caught.value.code == 507015
    assert "a kernel on the AI core failed" in str(caught.value)
    assert "injected fault" in caught.value.text
    control.no_faults()
    assert ((x * 2).numpy() == 2).all()


def test_a_stream_that_hangs_ends_in_an_error_after_the_time_allowed(in_python):
    out = in_python(
        "import hal\n"
        "from hal_ascend_standin.control import Control\n"
        "x = hal.ones(3, device='ascend:0')\n"
        "x.numpy()\n"
        "Control.attach().faults(hang=0)\n"
        "try:\n"
        "    (x * 2).numpy()\n"
        "except hal.DeviceError as error:\n"
        "    print(error, flush=True)\n"
        "import os; os._exit(0)",
        ASCEND_TIMEOUT=0.3,
    )
    assert "the stream was not done in time" in out
    assert "vendor code: 507046" in out


def test_a_lost_device_says_so_at_every_use(in_python):
    out = in_python(
        "import hal\n"
        "from hal_ascend_standin.control import Control\n"
        "x = hal.ones(3, device='ascend:0')\n"
        "x.numpy()\n"
        "Control.attach().faults(task=0, code=507010)\n"
        "for _ in range(2):\n"
        "    try:\n"
        "        (x * 2).numpy()\n"
        "    except hal.DeviceLost as error:\n"
        "        print(error)\n"
        "    else:\n"
        "        print('no error')\n"
    )
    assert out.count("the device lost its heartbeat") >= 2
    assert "no error" not in out


def test_a_timeout_that_is_no_number_is_refused(in_python):
    out = in_python(
        "import hal\n"
        "try:\n"
        "    hal.zeros(1, device='ascend:0')\n"
        "except hal.HalError as error:\n"
        "    print(error)",
        ASCEND_TIMEOUT="soon",
    )
    assert "HAL_ASCEND_TIMEOUT is 'soon'; it must be a number of seconds" in out


def test_a_process_that_ends_leaves_nothing_alive(in_python):
    out = in_python(
        "import hal\n"
        "x = hal.ones((4, 4), device='ascend:0')\n"
        "print((x @ x).numpy()[0, 0])\n"
        "with hal.Stream('ascend:0'):\n"
        "    y = x + 1"
    )
    assert out.strip() == "4.0"


def test_a_stream_that_was_finalised_first_is_not_waited_for(ascend):
    """In a cycle of garbage a stream may go before what still orders itself behind it."""
    runtime = ascend.runtime
    first, second = runtime.stream(), runtime.stream()
    first.__del__()
    event = runtime.event()
    runtime.record(event, first)
    runtime.wait(event, second)
    runtime.reap()
    runtime.synchronize(second)
    runtime.record(event, first)
    runtime.wait(event, second)
    runtime.synchronize(second)


def test_the_failure_of_a_stream_that_is_gone_is_raised_at_the_next_wait(ascend, control):
    runtime = ascend.runtime
    lost = runtime.stream()
    control.faults(task=0)
    block = runtime.allocate(64, lost)
    array = runtime.view(block, hal.uint8, (64,), (1,), 0)
    runtime.upload(array, np.zeros(64, np.uint8), lost)
    runtime.free(block, lost)
    while control.tasks() < 1:
        time.sleep(0.001)
    del lost, array, block
    gc.collect()
    until = time.perf_counter() + 10
    while runtime._retired and time.perf_counter() < until:
        runtime.reap()
    with pytest.raises(hal.DeviceError, match="a kernel on the AI core failed"):
        ascend.synchronize()
    control.no_faults()
    ascend.synchronize()


def test_devices_that_reach_each_others_memory_are_linked(in_python):
    out = in_python(
        "import hal; print(*[hal.device(f'ascend:{i}').info.links for i in range(3)])",
        STANDIN_DEVICES=3,
    )
    assert "{'ascend:1': 'peer access', 'ascend:2': 'peer access'}" in out
    assert out.count("peer access") == 6


def test_what_a_program_still_holds_at_its_end_is_given_back(in_python):
    out = in_python(
        "import hal\n"
        "d = hal.device('ascend:0')\n"
        "x = hal.ones(4, device=d) + 1\n"
        "stream = hal.Stream(d)\n"
        "kept = [stream.record_event(), hal.Event(d), hal.compile(lambda x: x * 2)]\n"
        "print(kept[-1](x).tolist(), kept[-1](x).tolist())"
    )
    assert out.split("\n") == ["[4.0, 4.0, 4.0, 4.0] [4.0, 4.0, 4.0, 4.0]", ""]
