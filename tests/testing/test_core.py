"""hal's own order of work, on a device that is no kinder than it must be."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

import hal


@pytest.fixture
def device(faulty):
    faulty.latency = 0.01
    return faulty.device


def counting(device, size=500):
    host = np.arange(size, dtype=np.float32)
    return host, hal.asarray(host, device=device)


def test_a_tensor_keeps_no_stream_that_read_it(device):
    _, x = counting(device)
    seen = []
    for _ in range(5):
        stream = hal.Stream(device)
        with stream:
            x + x
        seen.append(weakref.ref(stream))
        del stream
    gc.collect()
    assert [s() for s in seen] == [None] * 5


def read_on_a_stream_that_is_gone(device, x):
    """Copy x on a stream, and return the copy once nothing holds that stream any more."""
    copied = hal.zeros(x.shape, device=device)
    one = hal.ones(1, device=device)
    device.synchronize()
    stream, other = hal.Stream(device), hal.Stream(device)
    with stream:
        copied[...] = x
    with other:
        copied[:1] = one
    gone = weakref.ref(stream)
    del stream
    gc.collect()
    assert gone() is None
    return copied


def test_a_write_waits_for_a_reader_whose_stream_is_gone(device):
    host, x = counting(device)
    zeros = hal.zeros(500, device=device)
    copied = read_on_a_stream_that_is_gone(device, x)
    with hal.Stream(device):
        x[...] = zeros
    np.testing.assert_array_equal(copied.numpy()[1:], host[1:])
    np.testing.assert_array_equal(x.numpy(), 0)


def test_memory_is_not_used_again_while_a_stream_that_is_gone_reads_it(device):
    host, x = counting(device)
    copied = read_on_a_stream_that_is_gone(device, x)
    del x
    with hal.Stream(device):
        others = [hal.full(500, 7.0, device=device) for _ in range(4)]
    np.testing.assert_array_equal(copied.numpy()[1:], host[1:])
    del others


def test_a_backends_own_memory_goes_back_behind_its_readers(faulty, device, monkeypatch):
    waits = []
    _, x = counting(device)
    y = hal.maximum(x, x)  # its kernel makes the result itself
    reader = hal.Stream(device)
    with reader:
        y + y
    monkeypatch.setattr(faulty, "wait", lambda event, stream: waits.append(stream))
    del y
    assert waits == [device.default_stream.handle]


def test_threads_read_and_write_one_tensor(device):
    _, x = counting(device)
    failures = []

    def work(number):
        try:
            with hal.Stream(device):
                for step in range(20):
                    if number == 0:
                        x[step] = 0.0
                    else:
                        x + x
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("seed", range(3))
def test_compiled_programs_run_behind_what_they_read_and_before_what_reads_them(device, seed):
    @hal.compile
    def centred(x, y):
        z = x * 2.0 + y
        return z - z.max(axis=-1, keepdims=True), z.sum()

    rng = np.random.default_rng(seed)
    for _ in range(6):
        a, b = rng.standard_normal((2, 64, 33)).astype(np.float32)
        first, second, third = (hal.Stream(device) for _ in range(3))
        with first:
            x = hal.asarray(a, device=device) + 0.0
        with second:
            y = hal.asarray(b, device=device) + 0.0
            shifted, total = centred(x, y)
        with third:
            found = shifted + 1.0
        del x, y, shifted
        expected = a * 2 + b
        np.testing.assert_allclose(
            found.numpy(), expected - expected.max(-1, keepdims=True) + 1, atol=1e-5
        )
        assert float(total) == pytest.approx(float(expected.sum()), rel=1e-3, abs=1e-3)


@pytest.fixture
def threaded(faulty):
    """The device with a default stream for each thread."""
    faulty.thread_streams = True
    faulty.latency = 0.01
    return faulty.device


def in_threads(count, work):
    failures = []

    def guarded(number):
        try:
            work(number)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_each_thread_has_a_default_stream_where_the_backend_wants_it(threaded):
    seen = {}
    both = threading.Barrier(2)

    def work(number):
        seen[number] = threaded.current_stream()
        assert threaded.current_stream() is seen[number]
        both.wait()

    in_threads(2, work)
    seen["main"] = threaded.current_stream()
    assert seen["main"] is threaded.default_stream
    assert len({id(stream) for stream in seen.values()}) == 3
    with hal.Stream(threaded) as chosen:
        assert threaded.current_stream() is chosen


def test_a_thread_sees_what_others_wrote_and_they_what_it_wrote(threaded):
    host, x = counting(threaded)
    made = {}

    def work(number):
        for _ in range(5):
            made[number] = x + float(number)

    in_threads(3, work)
    for number, y in made.items():
        np.testing.assert_array_equal((y + y).numpy(), 2 * (host + number))


def test_what_a_thread_that_is_gone_enqueued_is_done(threaded):
    x = hal.zeros(500, device=threaded)

    def work(number):
        x[...] = hal.full(500, 7.0, device=threaded)

    in_threads(1, work)
    gc.collect()
    np.testing.assert_array_equal(x.numpy(), 7)


def test_a_stream_waits_for_what_it_reads_once(faulty, device, monkeypatch):
    _, x = counting(device)
    waits = []
    wait = faulty.wait
    monkeypatch.setattr(faulty, "wait", lambda *given: waits.append(given) or wait(*given))
    with hal.Stream(device):
        for _ in range(3):
            x + x
        assert len(waits) == 1
    x += 1
    with hal.Stream(device):
        x + x
    assert len(waits) > 1
