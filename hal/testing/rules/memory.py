"""Memory: who owns it, when it is used again, what the statistics say, what happens without it."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np

from hal.errors import HalError, OutOfMemory
from hal.memory import allocate, to_host
from hal.testing.bench import Bench, NotOffered
from hal.testing.rule import rule

_SIZE = 5000


@rule()
def freed_memory_is_not_used_again_before_work_on_it_is_done(bench: Bench) -> None:
    """A buffer is freed and asked for again, on its stream and on another, while it is read."""
    load, copy = bench.busy(), bench.copier((_SIZE,))
    home = bench.device.default_stream
    for where in ("the same stream", "another stream"):
        for _ in range(4):
            a = bench.stream()
            b = a if where == "the same stream" else bench.stream()
            source, target = bench.allocate(_SIZE, a), bench.allocate(_SIZE, home)
            x = bench.upload(source, bench.counting(_SIZE), a)
            y = bench.upload(target, np.zeros(_SIZE, bench.dtype.numpy), home)
            bench.runtime.synchronize(a.handle)
            bench.runtime.synchronize(home.handle)
            load(a)
            copy(a, y, x)
            bench.runtime.free(source, a.handle)
            others = [bench.allocate(_SIZE, b) for _ in range(3)]
            for other in others:
                bench.upload(other, np.full(_SIZE, 55, bench.dtype.numpy), b)
            bench.runtime.synchronize(b.handle)
            found = bench.download(y, (_SIZE,), a)
            for other in others:
                bench.runtime.free(other, b.handle)
            bench.runtime.free(target, home.handle)
            bench.equal(found, bench.counting(_SIZE), f"a copy of memory freed behind it ({where})")


@rule()
def a_tensor_may_be_dropped_while_work_reads_it(bench: Bench) -> None:
    """On its own stream and on another; new tensors come right after."""
    load = bench.busy()
    for streams in (1, 2):
        for _ in range(4):
            a = bench.stream()
            b = a if streams == 1 else bench.stream()
            x = bench.tensor(bench.counting(_SIZE))
            load(b)
            with b:
                y = bench.call("add", x, x)
            del x
            with a:
                others = [bench.tensor(np.full(_SIZE, 55)) for _ in range(3)]
            bench.same(y, bench.counting(_SIZE) * 2, "the sum of a tensor that was dropped")
            del others


@rule()
def a_view_keeps_its_memory(bench: Bench) -> None:
    """After the tensor it is a view of is gone, and other tensors were made."""
    x = bench.call("add", bench.tensor(bench.counting(_SIZE)), bench.tensor([0]))
    view = bench.call("slice", x, start=(_SIZE - 1,), stop=(-1,), step=(-1,))
    del x
    gc.collect()
    others = [bench.tensor(np.full(_SIZE, 55)) for _ in range(4)]
    bench.same(view, bench.counting(_SIZE)[::-1], "a view of a tensor that is gone")
    del others


@rule()
def new_buffers_do_not_overlap(bench: Bench) -> None:
    """Buffers of odd sizes, one element and none, each filled to its end."""
    stream = bench.device.default_stream
    sizes = [0, 1, 2, 3, 7, 16, 17, 63, 64, 65, 1000, 4097, 1, 2, 3]
    buffers = [bench.allocate(n, stream) for n in sizes]
    arrays = [
        bench.upload(b, np.full(n, i + 1, bench.dtype.numpy), stream) if n else None
        for i, (b, n) in enumerate(zip(buffers, sizes, strict=True))
    ]
    for i, (array, n) in enumerate(zip(arrays, sizes, strict=True)):
        if n:
            found = bench.download(array, (n,), stream)
            bench.equal(found, i + 1, f"buffer {i} of {n} elements, after others were filled")
    for buffer in buffers:
        bench.runtime.free(buffer, stream.handle)


@rule()
def buffers_are_aligned_as_the_runtime_says(bench: Bench) -> None:
    """Wherever the address can be asked for."""
    stream = bench.device.default_stream
    assert bench.runtime.alignment >= 1
    buffers = [bench.allocate(n, stream) for n in (1, 3, 65, 1000, 100_003)]
    try:
        for buffer in buffers:
            address = _address(bench, bench.array(buffer, (1,)))
            off = address % bench.runtime.alignment
            assert off == 0, f"a buffer starts {off} bytes behind a multiple of the alignment"
    finally:
        for buffer in buffers:
            bench.runtime.free(buffer, stream.handle)


def _address(bench: Bench, array: Any) -> int:
    try:
        return bench.runtime.address(array)
    except (NotImplementedError, HalError):
        shared = bench.runtime.expose(array)
    if shared is None:
        raise NotOffered("the runtime tells no addresses")
    return int(shared.ctypes.data)


@rule()
def statistics_count_what_is_allocated(bench: Bench) -> None:
    """Bytes and buffers go up with an allocation, and back down when it is freed."""
    stream = bench.device.default_stream
    before = bench.stats()
    for size in (1, 1000, 300_007):
        buffer = bench.allocate(size, stream)
        during = bench.stats()
        grown = during.allocated - before.allocated
        nbytes = size * bench.dtype.itemsize
        assert grown >= nbytes, f"allocated grew by {grown} with a buffer of {nbytes} bytes"
        assert during.allocations == before.allocations + 1, "allocations did not grow by 1"
        bench.runtime.free(buffer, stream.handle)
        after = bench.stats()
        assert after.allocated == before.allocated, (
            f"allocated is {after.allocated} after freeing, it was {before.allocated}"
        )
        assert after.allocations == before.allocations, "allocations did not go back"


@rule()
def statistics_fit_together(bench: Bench) -> None:
    """The peak is never below what is allocated, and allocated never above reserved or total."""
    x = bench.tensor(np.zeros(100_003))
    found = bench.stats()
    assert 0 <= found.allocated <= found.reserved, f"{found}"
    assert found.allocated <= found.peak, f"{found}"
    assert found.allocated <= found.total, f"{found}"
    y = [bench.tensor(np.zeros(100_003)) for _ in range(4)]
    more = bench.stats()
    assert more.peak >= more.allocated, f"peak is {more.peak}, allocated {more.allocated}"
    assert more.total == found.total, "total changed"
    del x, y
    assert bench.stats().peak >= more.allocated, "peak went down"


@rule()
def many_operations_leave_nothing_behind(bench: Bench) -> None:
    """Tensors, views, sums and host copies by the hundred; statistics are then as before."""

    def work(times: int) -> None:
        x = bench.tensor(np.ones(20_011))
        for _ in range(times):
            y = bench.call("add", x, x)
            view = bench.call("slice", y, start=(0,), stop=(20_011,), step=(3,))
            x = bench.call("maximum", x, bench.call("subtract", y, x))
            del y, view
        to_host(x)

    work(3)
    before = bench.stats()
    work(200)
    after = bench.stats()
    grown = after.allocated - before.allocated
    assert grown == 0, f"{grown} bytes are still allocated after 200 rounds of operations"
    assert after.allocations == before.allocations, (
        f"{after.allocations - before.allocations} buffers are left after 200 rounds of operations"
    )


@rule()
def freed_memory_is_used_again(bench: Bench) -> None:
    """What the system gave does not grow with the number of allocations."""
    size = 1 << 18
    stream = bench.device.default_stream

    def work(times: int) -> None:
        for _ in range(times):
            buffer = bench.allocate(size, stream)
            bench.upload(buffer, np.zeros(size, bench.dtype.numpy), stream)
            bench.runtime.free(buffer, stream.handle)

    work(4)
    before = bench.stats()
    work(60)
    grown = bench.stats().reserved - before.reserved
    most = 16 * size * bench.dtype.itemsize
    assert grown <= most, f"reserved grew by {grown} bytes though all was freed each time"


@rule()
def out_of_memory_is_said_and_survived(bench: Bench) -> None:
    """An allocation beyond the device's memory raises OutOfMemory; then all is as before."""
    stream = bench.device.default_stream
    has_stats = bench.runtime.memory_stats() is not None
    before = bench.stats() if has_stats else None
    total = before.total if before is not None else bench.device.info.memory
    for _ in range(3):
        with bench.raises(OutOfMemory, f"allocating {total + 1} bytes of {total}") as caught:
            bench.runtime.allocate(total + 1, stream.handle)
        assert str(caught[0]).strip(), "OutOfMemory says nothing"
    spec = bench.device.spec(bench.dtype, (2 * total // bench.dtype.itemsize,))
    with bench.raises(OutOfMemory, "making a tensor larger than the device"):
        allocate(spec, stream)
    if before is not None:
        after = bench.stats()
        assert after.allocated == before.allocated, (
            f"allocated is {after.allocated} after OutOfMemory, it was {before.allocated}"
        )
        assert after.allocations == before.allocations, "allocations changed with OutOfMemory"
    x = bench.tensor(bench.counting(_SIZE))
    bench.same(bench.call("add", x, x), bench.counting(_SIZE) * 2, "x + x after OutOfMemory")


@rule()
def exhausted_memory_is_there_again_once_freed(bench: Bench) -> None:
    """A small device is filled up, emptied, and filled with one large block."""
    found = bench.stats()
    if found.total > 256 << 20:
        raise NotOffered("the device has too much memory to fill it up")
    stream = bench.device.default_stream
    block = found.total // 8
    buffers: list[Any] = []
    with bench.raises(OutOfMemory, "allocating without end"):
        while len(buffers) < 64:
            buffers.append(bench.runtime.allocate(block, stream.handle))
    full = len(buffers)
    for buffer in buffers:
        bench.runtime.free(buffer, stream.handle)
    assert full >= 4, f"only {full} blocks of an eighth of the memory could be had"
    large = bench.runtime.allocate(found.total // 2, stream.handle)
    bench.runtime.free(large, stream.handle)
    after = bench.stats()
    assert after.allocated == found.allocated, "allocated did not go back after all was freed"
