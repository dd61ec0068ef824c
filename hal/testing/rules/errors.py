"""Errors: wrong calls early, failed work at the next synchronisation, and what comes after."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from hal.device import Stream
from hal.dispatch import write
from hal.dtypes import int64
from hal.errors import DeviceError, DeviceLost, HalError, HalIndexError
from hal.memory import to_host
from hal.testing.bench import Bench, NotOffered
from hal.testing.rule import rule


def _works(bench: Bench, what: str) -> None:
    x = bench.tensor(bench.counting(100))
    bench.same(bench.call("add", x, x), bench.counting(100) * 2, what)


@rule()
def a_wrong_call_raises_at_once_and_changes_nothing(bench: Bench) -> None:
    """Shapes that do not fit, axes that are not there, attributes without meaning."""
    x, y = bench.tensor(bench.counting(3)), bench.tensor(bench.counting(4))
    has_stats = bench.runtime.memory_stats() is not None
    before = bench.stats() if has_stats else None
    wrong: dict[str, Callable[[], Any]] = {
        "x + y of 3 and 4 elements": lambda: bench.call("add", x, y),
        "the sum over an axis that is not there": lambda: bench.call("sum", x, axis=5),
        "an attribute that is not there": lambda: bench.call("add", x, x, axis=1),
        "a shape of another size": lambda: bench.call("reshape", x, shape=(7,)),
    }
    for what, attempt in wrong.items():
        with bench.raises(HalError, what):
            attempt()
    if before is not None:
        after = bench.stats()
        assert after.allocated == before.allocated, "a call that raised left memory behind"
    bench.same(x, bench.counting(3), "an input of calls that raised")
    _works(bench, "x + x after calls that raised")


@rule()
def an_index_outside_never_leaves_the_tensor(bench: Bench) -> None:
    """It raises, or reads another element of the same tensor; never memory beside it."""
    if int64 not in bench.device.info.dtypes:
        raise NotOffered("the device has no int64")
    whole = bench.tensor(np.full(3000, 77))
    x = bench.call("slice", whole, start=(1000,), stop=(1010,), step=(1,))
    x_values = bench.call("copy", bench.tensor(bench.counting(10)))
    write(x, x_values)
    index = bench.tensor([3, 10, -11, 500, -900], int64)
    try:
        found = to_host(bench.call("take", x, index, axis=0))
    except (HalIndexError, DeviceError):
        found = None
    if found is not None:
        stray = set(found.tolist()) - set(bench.counting(10).tolist())
        assert not stray, f"take read {stray}, which are no elements of the tensor"
    _works(bench, "x + x after indices outside")


@rule()
def failed_work_is_reported_at_the_next_synchronization(bench: Bench) -> None:
    """The error names the device and the earliest operation that can have failed."""
    for synchronize in ("stream", "download", "event"):
        stream = bench.stream()
        x = bench.tensor(bench.counting(10))
        with stream:
            first = bench.call("maximum", x, x)
            _fail(bench, stream)
            second = bench.call("add", first, x)
        with bench.raises(
            DeviceError, f"synchronizing a {synchronize} after failed work"
        ) as caught:
            if synchronize == "stream":
                stream.synchronize()
            elif synchronize == "download":
                to_host(second)
            else:
                stream.record_event().synchronize()
                stream.synchronize()
        error = caught[0]
        assert isinstance(error, DeviceError)
        assert error.device == bench.device.name, f"the error names the device {error.device}"
        assert error.operation == "maximum", f"the error names the operation {error.operation}"
        if isinstance(error, DeviceLost):
            raise NotOffered("the device is lost after failed work, and says so")


@rule()
def failed_work_is_reported_once_and_survived(bench: Bench) -> None:
    """The next synchronisation is quiet again, other streams never hear of it, work goes on."""
    stream, other = bench.stream(), bench.stream()
    _fail(bench, stream)
    _until_it_failed(bench, stream)
    try:
        other.synchronize()
    except DeviceError as error:
        raise AssertionError(f"another stream reports the failure: {error}") from None
    with bench.raises(DeviceError, "synchronizing after failed work") as caught:
        stream.synchronize()
    if isinstance(caught[0], DeviceLost):
        raise NotOffered("the device is lost after failed work, and says so")
    for _ in range(3):
        stream.synchronize()
    with stream:
        _works(bench, "x + x on the stream on which work failed")
    _works(bench, "x + x on the default stream after failed work")


@rule()
def failed_work_is_heard_of_by_who_waited_for_it(bench: Bench) -> None:
    """A stream that read what failed work should have written must not pass for good."""
    for way in ("stream", "download"):
        first, second = bench.stream(), bench.stream()
        with first:
            x = bench.tensor(bench.counting(10))
            _fail(bench, first)
            y = bench.call("add", x, x)
        with second:
            z = bench.call("add", y, x)
        with bench.raises(DeviceError, f"a {way} that waited for failed work") as caught:
            second.synchronize() if way == "stream" else to_host(z)
        if isinstance(caught[0], DeviceLost):
            raise NotOffered("the device is lost after failed work, and says so")
        with contextlib.suppress(DeviceError):  # Where it happened it may be heard of as well.
            first.synchronize()
        with second:
            _works(bench, "x + x on the stream that waited for failed work")


def _until_it_failed(bench: Bench, stream: Stream) -> None:
    event = bench.runtime.event()
    bench.runtime.record(event, stream.handle)
    try:
        bench.until(lambda: bench.runtime.query(event), "query of an event behind failed work")
    except DeviceError:  # A device may say so here already.
        return


def _fail(bench: Bench, stream: Stream) -> None:
    try:
        bench.runtime.fail(stream.handle)
    except NotImplementedError:
        raise NotOffered("the runtime has no work that fails on purpose") from None
