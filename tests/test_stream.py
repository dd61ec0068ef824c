"""Streams and events: order, waiting, time."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest

import hal


def test_a_stream_is_current_inside_its_block_and_in_its_thread_only(cpu):
    stream = hal.Stream(cpu)
    seen = []
    with stream:
        assert cpu.current_stream() is stream
        thread = threading.Thread(target=lambda: seen.append(cpu.current_stream()))
        thread.start()
        thread.join()
    assert seen == [cpu.default_stream]
    assert cpu.current_stream() is cpu.default_stream


def test_blocks_of_streams_nest(cpu):
    outer, inner = hal.Stream(cpu), hal.Stream(cpu)
    with outer:
        with inner, outer:
            assert cpu.current_stream() is outer
        assert cpu.current_stream() is outer


@pytest.mark.parametrize(
    "use",
    [
        lambda stream, event: stream.wait_event(stream),
        lambda stream, event: stream.wait_stream(event),
        lambda stream, event: event.record(3),
        lambda stream, event: event.wait("cpu:0"),
        lambda stream, event: event.elapsed_time(stream),
    ],
)
def test_streams_and_events_are_not_taken_for_each_other(cpu, use):
    event = hal.Event(cpu)
    event.record()
    with pytest.raises(hal.DTypeError, match="is needed, not"):
        use(hal.Stream(cpu), event)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize("kind", [hal.Stream, hal.Event])
def test_streams_and_events_are_not_copied(cpu, kind, copied):
    with pytest.raises(hal.DTypeError, match="cannot be copied or pickled"):
        copied(kind(cpu))


def test_events_measure_time_in_milliseconds(cpu):
    start, end = hal.Event(cpu), hal.Event(cpu)
    start.record()
    hal.ones(1000, device=cpu).sum()
    end.record()
    assert 0 <= start.elapsed_time(end) < 10_000
    assert end.query()


def test_time_between_events_that_were_not_recorded_is_an_error(cpu):
    with pytest.raises(hal.ValueRangeError, match="record"):
        hal.Event(cpu).elapsed_time(hal.Event(cpu))


def test_an_unrecorded_event_is_complete(cpu):
    event = hal.Event(cpu)
    assert event.query()
    event.wait()
    event.synchronize()


def test_a_stream_can_wait_for_another_and_for_itself(cpu):
    one, two = hal.Stream(cpu), hal.Stream(cpu)
    one.wait_stream(two)
    one.wait_stream(one)
    one.wait_event(two.record_event())
    one.synchronize()
    assert one.query()
    cpu.synchronize()


def test_a_backend_may_answer_itself_whether_a_stream_is_done(cpu, monkeypatch):
    stream = hal.Stream(cpu)
    monkeypatch.setattr(cpu.runtime, "query_stream", lambda handle: False, raising=False)
    assert not stream.query()


def test_threads_choose_the_same_stream_at_the_same_time(cpu):
    stream = hal.Stream(cpu)
    inside, left = threading.Barrier(2), []

    def work(first):
        with stream:
            inside.wait()
            if not first:
                left.append(cpu.current_stream() is stream)
        left.append(cpu.current_stream() is not stream)

    threads = [threading.Thread(target=work, args=(n == 0,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left == [True] * 3
