"""Copies between host and device, in every layout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from hal.device import Device
from hal.dispatch import write
from hal.dtypes import DType
from hal.memory import from_host, to_host
from hal.testing.arrangement import ARRANGEMENTS, Arrangement, place
from hal.testing.bench import Bench
from hal.testing.rule import rule
from hal.testing.values import ordinary

_SHARED = ("repeated", "overlapping")


def _dtypes(device: Device) -> Iterable[DType]:
    return device.info.dtypes


def _bits(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Any:
    """Return values of any bits at all: NaN with every payload, subnormal numbers."""
    if dtype.kind == "bool" or dtype.bits < 8:
        return ordinary(rng, shape, dtype)
    count = int(np.prod(shape)) * dtype.itemsize
    return rng.integers(0, 256, count, np.uint8).view(dtype.numpy).reshape(shape)


@rule(over=_dtypes)
def every_bit_survives_a_round_trip(bench: Bench, dtype: DType) -> None:
    """Shapes of every kind, with NaN payloads and subnormal numbers."""
    rng = np.random.default_rng(2)
    for shape in ((), (1,), (0,), (3, 0), (5,), (3, 7), (2, 3, 4), (4099,)):
        host = _bits(rng, shape, dtype)
        back = to_host(from_host(host, bench.device))
        assert back.shape == shape, f"shape {shape} came back as {back.shape}"
        assert back.tobytes() == host.tobytes(), f"bits of shape {shape} came back changed"


@rule(over=_dtypes)
def every_layout_comes_back_as_it_looks(bench: Bench, dtype: DType) -> None:
    """Strided, reversed, transposed, repeated and overlapping views are downloaded."""
    rng = np.random.default_rng(3)
    for arrangement in ARRANGEMENTS:
        for shape in ((5,), (3, 4), (2, 3, 5)):
            if not arrangement.fits(shape):
                continue
            placed = place(_bits(rng, shape, dtype), bench.device, arrangement)
            back = to_host(placed.tensor)
            assert back.tobytes() == np.ascontiguousarray(placed.host).tobytes(), (
                f"a view of shape {shape}, {arrangement.name}, came back changed"
            )


@rule(over=_dtypes)
def writing_through_a_view_changes_nothing_else(bench: Bench, dtype: DType) -> None:
    """Values are copied into strided, reversed and transposed views of other memory."""
    rng = np.random.default_rng(4)
    for arrangement in ARRANGEMENTS:
        if arrangement.name in _SHARED:
            continue
        for shape in ((5,), (3, 4)):
            if arrangement.fits(shape):
                _write(bench, arrangement, rng, shape, dtype)


def _write(bench: Bench, arrangement: Arrangement, rng: np.random.Generator,
           shape: tuple[int, ...], dtype: DType) -> None:  # fmt: skip
    placed = place(_bits(rng, shape, dtype), bench.device, arrangement)
    values = _bits(rng, shape, dtype)
    write(placed.tensor, from_host(values, bench.device))
    base = np.array(placed.base_host, copy=True)
    _through(arrangement, base, shape)[...] = values
    after = to_host(placed.base)
    assert to_host(placed.tensor).tobytes() == values.tobytes(), (
        f"what was written through a view of shape {shape}, {arrangement.name}, is not there"
    )
    assert after.tobytes() == base.tobytes(), (
        f"writing through a view of shape {shape}, {arrangement.name}, changed its neighbours"
    )


def _through(arrangement: Arrangement, base: Any, shape: tuple[int, ...]) -> Any:
    from hal.ops import operators

    def take(name: str, x: Any, **attributes: Any) -> Any:
        return operators[name].reference(x, **attributes)

    return arrangement.look(take, base, shape)


@rule()
def the_host_array_may_change_as_soon_as_upload_returns(bench: Bench) -> None:
    """Each upload is followed by other values in the same host array."""
    stream = bench.device.current_stream()
    for size in (3, 1000, 300_007):
        nbytes = size * bench.dtype.itemsize
        buffers = [bench.runtime.allocate(nbytes, stream.handle) for _ in range(3)]
        host = np.empty(size, bench.dtype.numpy)
        arrays = []
        for number, buffer in enumerate(buffers):
            host[...] = bench.counting(size, number)
            arrays.append(bench.array(buffer, (size,)))
            bench.runtime.upload(arrays[-1], host, stream.handle)
            host[...] = 0
        for number, array in enumerate(arrays):
            found = bench.download(array, (size,), stream)
            bench.equal(found, bench.counting(size, number), f"upload {number} of {size} elements")
        for buffer in buffers:
            bench.runtime.free(buffer, stream.handle)


@rule()
def an_upload_into_the_middle_of_a_buffer_stays_there(bench: Bench) -> None:
    """Offsets are in elements, for uploads and for downloads."""
    stream = bench.device.current_stream()
    size = 40
    buffer = bench.runtime.allocate(size * bench.dtype.itemsize, stream.handle)
    whole = bench.upload(buffer, bench.counting(size), stream)
    expected = bench.counting(size)
    for offset, count in ((0, 3), (7, 1), (11, 13), (39, 1)):
        values = bench.counting(count, 50 + offset)
        part = bench.array(buffer, (count,), offset)
        bench.runtime.upload(part, values, stream.handle)
        expected[offset : offset + count] = values
        found = bench.download(part, (count,), stream)
        bench.equal(found, values, f"{count} elements at offset {offset}")
    bench.equal(bench.download(whole, (size,), stream), expected, "the whole buffer")
    bench.runtime.free(buffer, stream.handle)


@rule()
def host_arrays_of_every_layout_are_taken(bench: Bench) -> None:
    """Fortran order, reversed, strided, read-only and big-endian arrays become tensors."""
    base = bench.counting(60).reshape(5, 12)
    frozen = base.copy()
    frozen.flags.writeable = False
    for what, host in {
        "Fortran order": np.asfortranarray(base),
        "a transpose": base.T,
        "reversed": base[::-1, ::-1],
        "strided": base[::2, 1::3],
        "broadcast": np.broadcast_to(base[0], (3, 12)),
        "read-only": frozen,
    }.items():
        bench.same(from_host(host, bench.device), host, f"a host array in {what}")


@rule()
def a_host_copy_is_its_own_memory(bench: Bench) -> None:
    """Changing it does not change the tensor."""
    x = bench.tensor([1, 2, 3])
    copy = to_host(x)
    copy[...] = 0
    bench.same(x, [1, 2, 3], "the tensor after its host copy changed")
