"""The order of work: streams, events, and the waits between streams."""

from __future__ import annotations

import time
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from hal.device import Event
from hal.dispatch import write
from hal.memory import to_host
from hal.testing.bench import Bench, NotOffered
from hal.testing.rule import rule

_SIZE = 1000


@rule()
def work_on_one_stream_runs_in_order(bench: Bench) -> None:
    """Each of many short operations sees what the one before it wrote."""
    one = bench.tensor([1])
    for stream in (bench.device.default_stream, bench.stream()):
        with stream:
            x = bench.tensor(np.zeros(33))
            for _ in range(80):
                x = bench.call("add", x, one)
            bench.same(x, 80, "0 + 1, 80 times")


@rule()
def a_write_stays_behind_the_reads_before_it(bench: Bench) -> None:
    """A tensor that is overwritten right after it was read was read as it was."""
    x = bench.tensor(bench.counting(_SIZE))
    zeros = bench.tensor(np.zeros(_SIZE))
    bench.busy()(bench.device.current_stream())
    y = bench.call("copy", x)
    write(x, zeros)
    bench.same(y, bench.counting(_SIZE), "the copy made before the write")
    bench.same(x, 0, "the tensor after the write")


@rule()
def a_tensor_read_on_another_stream_is_waited_for(bench: Bench) -> None:
    """Hal inserts the wait; the device must keep it."""
    load = bench.busy()
    first, second = bench.stream(), bench.stream()
    one = bench.tensor([1])
    x = bench.tensor(bench.counting(_SIZE))
    for step in range(6):
        load(first)
        with first:
            y = bench.call("add", x, one)
        with second:
            z = bench.call("add", y, one)
        with first:
            x = bench.call("copy", z)
        bench.same(z, bench.counting(_SIZE) + 2 * (step + 1), f"step {step}")


@rule()
def a_write_on_another_stream_waits_for_reads(bench: Bench) -> None:
    """A stream that overwrites a tensor waits for one that still reads it."""
    load = bench.busy()
    reader, writer = bench.stream(), bench.stream()
    zeros = bench.tensor(np.zeros(_SIZE))
    for _ in range(4):
        x = bench.tensor(bench.counting(_SIZE))
        load(reader)
        with reader:
            y = bench.call("copy", x)
        with writer:
            write(x, zeros)
        bench.same(y, bench.counting(_SIZE), "what was read before the write")
        bench.same(x, 0, "what was written")


@rule(over=lambda device: range(6))
def programs_on_several_streams_mean_what_they_say(bench: Bench, seed: int) -> None:
    """Sums, copies and writes between tensors, each on a random one of three streams."""
    rng = np.random.default_rng(seed)
    streams = [bench.stream() for _ in range(3)]
    host = [bench.counting(_SIZE, i) for i in range(5)]
    tensors = [bench.tensor(h) for h in host]
    load = bench.busy()
    for _ in range(60):
        target, first, second = (int(i) for i in rng.integers(0, 5, 3))
        stream = streams[rng.integers(0, 3)]
        if rng.uniform() < 0.1:
            load(stream)
        with stream:
            kind = rng.integers(0, 3)
            if kind == 0:
                tensors[target] = bench.call("maximum", tensors[first], tensors[second])
                host[target] = np.maximum(host[first], host[second])
            elif kind == 1:
                tensors[target] = bench.call("subtract", tensors[first], tensors[second])
                host[target] = host[first] - host[second]
            else:
                write(tensors[target], tensors[first])
                host[target] = host[first].copy()
    for number, (tensor, expected) in enumerate(zip(tensors, host, strict=True)):
        bench.same(tensor, expected, f"tensor {number}")


# Through the contract alone: nothing waits but what is told to.


class _Copies:
    """Three buffers; the first holds values, which are copied to the second and to the third."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.copy = bench.copier((_SIZE,))
        self.home = bench.device.default_stream
        self.buffers = [bench.allocate(_SIZE, self.home) for _ in range(3)]
        self.expected = bench.counting(_SIZE, 5)
        self.first = bench.upload(self.buffers[0], self.expected, self.home)
        zeros = np.zeros(_SIZE, bench.dtype.numpy)
        self.second, self.third = (bench.upload(b, zeros, self.home) for b in self.buffers[1:])
        bench.runtime.synchronize(self.home.handle)

    def check(self, stream: Any, what: str) -> None:
        """Copy the second to the third on a stream, and see there what the first held."""
        self.copy(stream, self.third, self.second)
        found = self.bench.download(self.third, (_SIZE,), stream)
        for buffer in self.buffers:
            self.bench.runtime.free(buffer, self.home.handle)
        self.bench.equal(found, self.expected, what)


@rule()
def a_stream_waits_for_an_event_it_was_told_to(bench: Bench) -> None:
    """``wait`` holds back what is enqueued after it."""
    load = bench.busy()
    for _ in range(4):
        copies = _Copies(bench)
        a, b, event = bench.stream(), bench.stream(), bench.runtime.event()
        load(a)
        copies.copy(a, copies.second, copies.first)
        bench.runtime.record(event, a.handle)
        bench.runtime.wait(event, b.handle)
        copies.check(b, "a copy behind the wait for another stream's event")


@rule()
def an_event_is_complete_only_when_the_work_before_it_is(bench: Bench) -> None:
    """Both ``synchronize_event`` and a ``query`` that says True mean that the work is done."""
    load = bench.busy()
    for way in ("synchronize_event", "query"):
        for _ in range(3):
            copies = _Copies(bench)
            a, event = bench.stream(), bench.runtime.event()
            load(a)
            copies.copy(a, copies.second, copies.first)
            bench.runtime.record(event, a.handle)
            if way == "query":
                bench.until(partial(bench.runtime.query, event), "query of a recorded event")
            else:
                bench.runtime.synchronize_event(event)
            copies.check(bench.stream(), f"a copy behind {way}")


@rule()
def an_event_may_be_recorded_again(bench: Bench) -> None:
    """The last record counts."""
    load = bench.busy()
    for _ in range(3):
        copies = _Copies(bench)
        a, b, event = bench.stream(), bench.stream(), bench.runtime.event()
        bench.runtime.record(event, a.handle)
        bench.runtime.synchronize_event(event)
        load(a)
        copies.copy(a, copies.second, copies.first)
        bench.runtime.record(event, a.handle)
        bench.runtime.wait(event, b.handle)
        copies.check(b, "a copy behind the second record of an event")


@rule()
def synchronizing_a_stream_waits_for_all_of_it(bench: Bench) -> None:
    """After ``synchronize`` another stream finds the work done."""
    load = bench.busy()
    for _ in range(4):
        copies = _Copies(bench)
        a = bench.stream()
        load(a)
        copies.copy(a, copies.second, copies.first)
        bench.runtime.synchronize(a.handle)
        copies.check(bench.stream(), "a copy after synchronize")


@rule()
def a_download_waits_for_its_stream(bench: Bench) -> None:
    """The host finds what the stream's work writes, however long it takes."""
    load = bench.busy()
    for _ in range(4):
        copies = _Copies(bench)
        a = bench.stream()
        load(a)
        copies.copy(a, copies.second, copies.first)
        found = bench.download(copies.second, (_SIZE,), a)
        bench.equal(found, copies.expected, "a download behind work")
        copies.check(a, "a copy after the download")


@rule()
def two_streams_that_wait_in_turn_take_turns(bench: Bench) -> None:
    """One array goes back and forth between two streams, with an event at each turn."""
    copies = _Copies(bench)
    a, b = bench.stream(), bench.stream()
    arrays = (copies.first, copies.second)
    last = None
    for turn in range(40):
        stream = (a, b)[turn % 2]
        if last is not None:
            bench.runtime.wait(last, stream.handle)
        copies.copy(stream, arrays[(turn + 1) % 2], arrays[turn % 2])
        last = bench.runtime.event()
        bench.runtime.record(last, stream.handle)
    copies.check(stream, "an array that went back and forth 40 times")


@rule()
def a_query_turns_true_once_the_work_is_done(bench: Bench) -> None:
    """And an event that was never recorded holds nothing back."""
    stream = bench.stream()
    bench.busy()(stream)
    event = stream.record_event()
    event.synchronize()
    assert event.query() is True, "query() is not True after the event was synchronized"
    never = Event(bench.device)
    assert never.query() is True, "query() is not True for an event that was never recorded"
    never.wait(stream)
    stream.synchronize()


@rule()
def time_between_events_is_in_milliseconds(bench: Bench) -> None:
    """It is compared with the host's clock around the same work."""
    if bench.runtime.simulated:
        raise NotOffered("the device's time is simulated")
    stream, load = bench.stream(), bench.busy()
    load(stream)
    stream.synchronize()
    best = 0.0
    for attempt in range(8):
        start, end = Event(bench.device), Event(bench.device)
        stream.synchronize()
        begun = time.perf_counter()
        start.record(stream)
        for _ in range(1 + attempt):
            load(stream)
        end.record(stream)
        end.synchronize()
        wall = (time.perf_counter() - begun) * 1e3
        device = start.elapsed_time(end)
        assert device >= 0, f"{device} ms between an event and one after it"
        assert device <= wall * 1.1 + 1, f"the device says {device} ms, the host's clock {wall} ms"
        best = max(best, device / wall)
        if best > 0.3:
            return
    assert best > 0.02, f"the device says {best:.2%} of the time by the host's clock, at most"


@rule()
def times_between_events_add_up(bench: Bench) -> None:
    """From the first to the last is the sum of the parts."""
    stream, load = bench.stream(), bench.busy()
    events = [stream.record_event()]
    for _ in range(3):
        load(stream)
        events.append(stream.record_event())
    stream.synchronize()
    parts = sum(a.elapsed_time(b) for a, b in pairwise(events))
    whole = events[0].elapsed_time(events[-1])
    assert abs(parts - whole) <= 0.02 * whole + 0.05, f"{parts} ms in parts, {whole} ms as a whole"


@rule()
def a_stream_that_was_left_finishes_its_work(bench: Bench) -> None:
    """Work goes on when nothing holds the stream's object any more."""
    load = bench.busy()
    x = bench.tensor(bench.counting(_SIZE))
    stream = bench.stream()
    load(stream)
    with stream:
        y = bench.call("add", x, x)
    del stream
    bench.same(y, bench.counting(_SIZE) * 2, "work on a stream that was left")


@rule()
def an_asynchronous_device_does_not_hold_up_the_host(bench: Bench) -> None:
    """Enqueuing a lot of work takes less time than the work."""
    if bench.runtime.synchronous:
        raise NotOffered("the runtime is synchronous")
    stream, load = bench.stream(), bench.busy()
    x = bench.tensor(bench.counting(3))
    ahead = False
    for _ in range(10):
        for _ in range(4):
            load(stream)
        event = stream.record_event()
        ahead = ahead or not event.query()
        event.synchronize()
    assert ahead, "every event was complete as soon as it was recorded; is it synchronous?"
    bench.equal(to_host(x), bench.counting(3), "a tensor beside the work")
