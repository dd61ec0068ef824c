"""Threads: every method of a runtime may be called from any of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from hal.memory import to_host
from hal.testing.bench import Bench
from hal.testing.rule import rule

_THREADS = 6


def _together(work: Callable[[int], None], count: int = _THREADS) -> None:
    """Run work in threads that start at the same moment; raise the first error of any."""
    start = threading.Barrier(count)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            start.wait()
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        # A barrier that broke tells only that another thread failed.
        raise min(failures, key=lambda error: isinstance(error, threading.BrokenBarrierError))


def _chain(bench: Bench, number: int, rounds: int) -> None:
    host = bench.counting(503, number)
    x = bench.tensor(host)
    for step in range(rounds):
        y = bench.call("add", x, x)
        z = bench.call("subtract", y, x)
        bench.same(bench.call("maximum", z, x), host, f"thread {number}, round {step}")


@rule()
def threads_with_streams_of_their_own_do_not_disturb_each_other(bench: Bench) -> None:
    """Each calculates with its own values on its own stream."""

    def work(number: int) -> None:
        with bench.stream():
            _chain(bench, number, 25)

    _together(work)


@rule()
def threads_share_the_default_stream(bench: Bench) -> None:
    """Each calculates with its own values on the one stream."""
    _together(lambda number: _chain(bench, number, 25))


@rule()
def threads_enter_one_stream_at_the_same_time(bench: Bench) -> None:
    """``with stream:`` belongs to the thread that says it."""
    stream = bench.stream()

    def work(number: int) -> None:
        for _ in range(10):
            with stream:
                _chain(bench, number, 1)
            assert bench.device.current_stream() is not stream

    _together(work)


@rule()
def threads_share_a_tensor(bench: Bench) -> None:
    """Many read one tensor on streams of their own."""
    host = bench.counting(2003)
    shared = bench.tensor(host)

    def work(number: int) -> None:
        with bench.stream():
            for _ in range(20):
                found = to_host(bench.call("add", shared, shared))
                bench.equal(found, host * 2, f"thread {number}")

    _together(work)
    bench.same(shared, host, "the tensor they shared")


@rule()
def threads_hand_tensors_to_each_other(bench: Bench) -> None:
    """A tensor made in one thread is used and dropped in another."""
    slots: list[Any] = [bench.tensor(bench.counting(257, n)) for n in range(_THREADS)]
    turn = threading.Barrier(_THREADS)

    def hand_on(number: int) -> None:
        with bench.stream():
            for _ in range(8):
                taken = slots[(number + 1) % _THREADS]
                turn.wait()
                slots[number] = bench.call("add", taken, taken)
                del taken
                turn.wait()

    def work(number: int) -> None:
        try:
            hand_on(number)
        except BaseException:
            turn.abort()  # The others must not wait for a thread that is gone.
            raise

    before = [to_host(s) for s in slots]
    _together(work)
    for number, tensor in enumerate(slots):
        expected = before[(number + 8) % _THREADS] * 2**8
        bench.same(tensor, expected, f"the tensor of slot {number} after 8 turns")


@rule()
def threads_allocate_and_free_at_the_same_time(bench: Bench) -> None:
    """No buffer is given to two of them; the statistics are as before in the end."""
    has_stats = bench.runtime.memory_stats() is not None
    before = bench.stats() if has_stats else None

    def work(number: int) -> None:
        stream = bench.stream()
        for step in range(40):
            size = 1 + (step * 37 + number) % 2000
            buffers = [bench.allocate(size, stream) for _ in range(3)]
            values = [np.full(size, 3 * number + i, bench.dtype.numpy) for i in range(3)]
            arrays = [bench.upload(b, v, stream) for b, v in zip(buffers, values, strict=True)]
            for array, value in zip(arrays, values, strict=True):
                found = bench.download(array, (size,), stream)
                bench.equal(found, value, f"a buffer of thread {number}")
            for buffer in buffers:
                bench.runtime.free(buffer, stream.handle)

    _together(work)
    if before is not None:
        after = bench.stats()
        assert after.allocated == before.allocated, "allocated differs after the threads are done"
        assert after.allocations == before.allocations, "allocations differ after the threads"


@rule()
def threads_ask_for_kernels_at_the_same_time(bench: Bench) -> None:
    """Signatures nobody asked for before, from several threads."""

    def work(number: int) -> None:
        for size in range(3, 30):
            x = bench.tensor(bench.counting(size * 11))
            bench.same(bench.call("add", x, x), bench.counting(size * 11) * 2, f"size {size * 11}")

    _together(work)
