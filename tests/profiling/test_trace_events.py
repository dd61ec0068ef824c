"""A saved profile is a valid trace: metadata, complete events on tracks, counters."""

from __future__ import annotations

import json
import threading

import pytest

import hal


@pytest.fixture
def trace(cpu, clocked, tmp_path):
    x, y = hal.ones((64, 300), device=cpu), hal.ones(300, device=clocked)
    with hal.fallback("allow"), hal.profile() as profile, hal.profile.scope("layer 3"):
        big = x + x
        y * y
        with hal.Stream(clocked):
            y + y
        thread = threading.Thread(target=lambda: big * 2)
        thread.start()
        thread.join()
        hal.nn.softplus(y)
    profile.save(tmp_path / "trace.json")
    return json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def tracks(trace):
    processes = {e["pid"]: e["args"]["name"] for e in trace if e["name"] == "process_name"}
    return {
        (processes[e["pid"]].split(" ")[0], e["args"]["name"]): (e["pid"], e["tid"])
        for e in trace
        if e["name"] == "thread_name"
    }


def on(trace, track):
    return [e["name"] for e in trace if e["ph"] == "X" and (e["pid"], e["tid"]) == track]


def test_each_stream_and_thread_has_a_track_of_its_own(trace):
    found = tracks(trace)
    assert on(trace, found["cpu:0", "stream 0"]) == ["add"]
    assert on(trace, found["cpu:0", "stream 0, thread 1"]) == ["multiply"]
    assert on(trace, found["clocked:0", "stream 1"]) == ["add"]
    assert "multiply" in on(trace, found["clocked:0", "stream 0"])
    assert {"layer 3", "softplus"} <= set(on(trace, found["host", "Python thread 0"]))


def test_every_event_has_what_the_format_asks_for(trace):
    for e in trace:
        assert e["ph"] in "XMC"
        assert isinstance(e["name"], str)
        assert isinstance(e["pid"], int)
        assert isinstance(e["tid"], int)
        if e["ph"] == "X":
            assert e["dur"] >= 0
            assert e["ts"] >= 0
            assert isinstance(e["cat"], str)
        if e["ph"] == "C":
            assert all(isinstance(v, int) and v >= 0 for v in e["args"].values())


def test_events_of_a_track_nest(trace):
    by_track = {}
    for e in trace:
        if e["ph"] == "X":
            by_track.setdefault((e["pid"], e["tid"]), []).append((e["ts"], e["ts"] + e["dur"]))
    for spans in by_track.values():
        open_ends = []
        for start, end in spans:
            while open_ends and open_ends[-1] <= start:
                open_ends.pop()
            assert not open_ends or end <= open_ends[-1] + 1e-3
            open_ends.append(end)


def test_memory_is_a_counter_of_its_device(trace):
    counters = [e for e in trace if e["ph"] == "C"]
    devices = {e["pid"] for e in counters}
    assert len(devices) == 2
    assert all(set(e["args"]) == {"allocated", "cached"} for e in counters)


def test_devices_say_what_they_are_and_what_is_emulated(trace):
    names = [e["args"]["name"] for e in trace if e["name"] == "process_name"]
    assert "clocked:0 (a clock, emulated: time)" in names


def test_calls_tell_shapes_routes_and_scopes(trace):
    event = next(e for e in trace if e["ph"] == "X" and e["name"] == "add")
    assert event["args"]["inputs"] == ["float32[64x300]"] * 2
    assert event["args"]["kind"] == "native"
    assert event["args"]["scope"] == "layer 3"
    assert event["args"]["allocated bytes"] >= 64 * 300 * 4


def test_a_file_that_cannot_be_written_is_an_error_of_hal(cpu, tmp_path):
    with hal.profile() as profile:
        hal.ones(2, device=cpu)
    with pytest.raises(hal.ValueRangeError, match="cannot be written"):
        profile.save(tmp_path / "no" / "trace.json")
