"""Exchange of memory with NumPy and PyTorch, by DLPack's protocol and its C structures."""

from __future__ import annotations

import gc
import subprocess
import sys
import types
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hal
from hal.dlpack import HOST, Foreign, pack
from hal.dtypes import ALL, COMPUTE, STORAGE
from hal.plugin import (
    Backend,
    DeviceInfo,
    Devices,
    Kernel,
    Runtime,
    hookimpl,
    register,
    unregister,
)

NUMPYS = [d for d in COMPUTE if d is not hal.bfloat16]
CARRIED = [*COMPUTE, *[d for d in STORAGE if d.bits == 8]]
REST = [d for d in ALL if d not in CARRIED]


class Producer:
    """An array of another library that knows as much of the protocol as a test wants."""

    def __init__(self, array, device=HOST, newest=True):
        self.array = array
        self.device = device
        self.newest = newest
        self.asked = None

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **wanted):
        if not self.newest and "max_version" in wanted:
            raise TypeError("unexpected keyword argument 'max_version'")
        self.asked = wanted
        return self.array.__dlpack__(max_version=wanted.get("max_version"))


def strided():
    """Return views of every kind."""
    base = np.arange(24.0).reshape(2, 3, 4)
    return [
        base[:, ::2],
        base[::-1],
        base.T,
        base[1, :, 3],
        base[:, 1:1],
        base[0, 0, 0:1].reshape(()),
    ]


# Views of NumPy arrays


@pytest.mark.parametrize("array", strided(), ids=lambda a: f"{a.shape}{a.strides}")
@pytest.mark.parametrize("take", [hal.asarray, hal.from_dlpack])
def test_a_strided_numpy_array_shares_its_memory(take, array, cpu):
    x = take(array, device=cpu)
    np.testing.assert_array_equal(x.numpy(), array)
    array[...] = -1
    np.testing.assert_array_equal(x.numpy(), array)
    x[...] = 5
    np.testing.assert_array_equal(array, np.full(array.shape, 5))


@given(
    hnp.arrays(st.sampled_from([d.numpy for d in NUMPYS]), hnp.array_shapes(max_side=4)),
    st.data(),
)
def test_any_view_of_any_array_means_the_same_in_hal(array, data):
    view = array[data.draw(hnp.basic_indices(array.shape))]
    if not isinstance(view, np.ndarray):
        return
    view = np.transpose(view, data.draw(st.permutations(range(view.ndim))))
    x = hal.from_dlpack(view, device="cpu:0")
    np.testing.assert_array_equal(x.numpy(), view)
    np.testing.assert_array_equal(np.from_dlpack(x), view)
    np.testing.assert_array_equal(hal.asarray(view, device="cpu:0").numpy(), view)


@pytest.mark.parametrize(
    "array",
    [
        np.broadcast_to(np.float32(3), (2, 2)),
        np.arange(3, dtype=np.dtype(np.float32).newbyteorder()),
        np.frombuffer(bytes(9), np.float32, 2, offset=1),
        np.zeros(2, np.dtype([("flag", np.int8), ("value", np.float32)]))["value"],
    ],
    ids=["read-only", "byte order", "bytes", "unaligned"],
)
def test_what_cannot_be_shared_is_copied_unless_that_is_forbidden(array, cpu):
    np.testing.assert_array_equal(hal.asarray(array, device=cpu).numpy(), array)
    with pytest.raises(hal.ExchangeError, match="allow a copy"):
        hal.asarray(array, device=cpu, copy=False)
    with pytest.raises(ValueError, match="cannot share"):
        hal.asarray(array, device=cpu, copy=False)


def test_a_read_only_array_is_copied_or_refused(cpu):
    array = np.arange(3.0)
    array.flags.writeable = False
    x = hal.from_dlpack(array, device=cpu)
    x[0] = 9
    assert array[0] == 0
    with pytest.raises(BufferError, match="cannot share"):
        hal.from_dlpack(array, device=cpu, copy=False)


def test_copy_true_copies(cpu):
    array = np.zeros(3)
    for x in (hal.from_dlpack(array, copy=True), hal.asarray(array, device=cpu, copy=True)):
        x[0] = 1
    assert array[0] == 0
    x = hal.zeros(3, device=cpu)
    hal.from_dlpack(x, copy=True)[0] = 1
    hal.from_dlpack(x)[1] = 2
    assert x.tolist() == [0, 2, 0]


def test_the_memory_of_an_array_lives_as_long_as_a_view_of_its_tensor(cpu):
    array = np.arange(1000.0)
    alive = weakref.ref(array)
    view = hal.from_dlpack(array, device=cpu)[500:]
    del array
    gc.collect()
    assert alive() is not None
    assert view[0].item() == 500
    del view
    gc.collect()
    assert alive() is None


def test_the_memory_of_a_tensor_lives_as_long_as_its_export(cpu):
    x = hal.zeros(1_000_000, device=cpu)
    gc.collect()
    before = cpu.memory_stats().allocated
    array = np.from_dlpack(x)
    x += 1
    del x
    gc.collect()
    assert cpu.memory_stats().allocated == before
    assert array.sum() == 1_000_000
    del array
    gc.collect()
    assert cpu.memory_stats().allocated <= before - 4_000_000


@pytest.mark.parametrize("max_version", [None, (0, 8), (1, 0), (2, 0)])
@pytest.mark.parametrize("copy", [None, False, True])
def test_a_capsule_that_nobody_takes_releases_its_memory(max_version, copy, cpu):
    x = hal.zeros(1_000_000, device=cpu)
    alive = weakref.ref(x)
    capsule = x.__dlpack__(max_version=max_version, copy=copy)
    versioned = max_version is not None and max_version[0] >= 1
    assert ("dltensor_versioned" in repr(capsule)) == versioned
    del x, capsule
    gc.collect()
    assert alive() is None


# The protocol


def test_a_capsule_says_version_flags_and_layout(cpu):
    x = hal.asarray(np.arange(12.0).reshape(3, 4), device=cpu)[1:, ::2]
    shared = Foreign(x.__dlpack__(max_version=(1, 0)))
    assert (shared.shape, shared.strides, shared.dtype) == ((2, 2), (4, 2), hal.float64)
    assert (shared.device, shared.read_only, shared.copied) == (HOST, False, False)
    assert Foreign(x.__dlpack__(max_version=(1, 0), copy=True)).copied


def test_a_capsule_is_used_once(cpu):
    capsule = hal.ones(2, device=cpu).__dlpack__()
    Foreign(capsule)
    with pytest.raises(hal.ExchangeError, match="only once"):
        Foreign(capsule)
    with pytest.raises(hal.ExchangeError, match="no unused DLPack capsule"):
        Foreign("a capsule")


@pytest.mark.parametrize("newest", [True, False])
def test_old_and_new_producers_are_understood(newest, cpu):
    array = np.arange(4.0)
    producer = Producer(array, newest=newest)
    x = hal.from_dlpack(producer)
    assert producer.asked == ({"max_version": (1, 0)} if newest else {})
    x[0] = 7
    assert array[0] == 7


def test_a_view_that_runs_backwards_is_exported_as_a_copy(cpu):
    x = hal.asarray([1.0, 2.0], device=cpu)[::-1]
    assert Foreign(x.__dlpack__(max_version=(1, 0))).copied
    with pytest.raises(BufferError, match="copy is False"):
        x.__dlpack__(copy=False)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"dl_device": (2, 0)}, r"only to \(1, 0\)"),
        ({"dl_device": "host"}, "two integers"),
        ({"max_version": 1}, "two integers"),
        ({"stream": 1}, "has no stream"),
    ],
)
def test_an_export_that_cannot_be_is_refused(wanted, message, cpu):
    with pytest.raises(BufferError, match=message):
        hal.ones(2, device=cpu).__dlpack__(**wanted)


@pytest.mark.parametrize(
    ("given_object", "error", "message"),
    [
        ([1.0], AttributeError, "asarray"),
        (Producer(np.ones(2), device=(99, 3)), BufferError, "no device of hal shares"),
        (Producer(np.ones(2), device=None), BufferError, "two integers"),
        (Producer(np.array(["text"])), BufferError, "could not be exported"),
    ],
)
def test_an_import_that_cannot_be_is_refused(given_object, error, message):
    with pytest.raises(hal.HalError, match=message) as caught:
        hal.from_dlpack(given_object)
    assert isinstance(caught.value, error)


def test_memory_of_an_unknown_device_comes_through_the_host_when_a_device_is_named(cpu):
    producer = Producer(np.ones(2), device=(99, 3))
    assert hal.from_dlpack(producer, device=cpu).tolist() == [1, 1]
    assert producer.asked["dl_device"] == HOST
    with pytest.raises(BufferError, match="no device of hal shares"):
        hal.from_dlpack(producer, device=cpu, copy=False)


@pytest.mark.parametrize("dtype", REST, ids=str)
def test_dtypes_that_dlpack_lacks_are_refused(dtype, cpu):
    with pytest.raises(BufferError, match="astype"):
        hal.ones(2, device=cpu).astype(dtype).__dlpack__(max_version=(1, 0))


def test_types_that_hal_lacks_are_refused_and_released(monkeypatch, cpu):
    owner = hal.ones(2, device=cpu)
    alive = weakref.ref(owner)
    capsule = pack(64, HOST, hal.float32, (2,), (1,), owner, versioned=True, copied=False)
    del owner
    monkeypatch.setattr("hal.dlpack._CODES", {})
    with pytest.raises(hal.ExchangeError, match="type code 2 with 32 bits"):
        Foreign(capsule)
    gc.collect()
    assert alive() is None


# PyTorch


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)], ids=str)
@pytest.mark.parametrize("dtype", CARRIED, ids=str)
def test_pytorch_and_hal_share_memory_both_ways(dtype, shape, torch, cpu):
    theirs = getattr(torch, dtype.name)
    tensor = torch.zeros(shape).to(theirs)
    x = hal.from_dlpack(tensor, device=cpu)
    assert (x.dtype, x.shape) == (dtype, shape)
    back = torch.from_dlpack(x)
    assert (back.dtype, tuple(back.shape)) == (theirs, shape)
    x[...] = hal.ones(shape, device=cpu).astype(dtype)
    assert bool((back.to(torch.complex128) == 1).all())
    if x.size:
        assert back.data_ptr() == tensor.data_ptr()


def test_a_strided_bfloat16_tensor_of_pytorch_is_shared(torch, cpu):
    tensor = torch.arange(12, dtype=torch.bfloat16).reshape(3, 4).T[1:, ::2]
    x = hal.from_dlpack(tensor, device=cpu)
    np.testing.assert_array_equal(x.astype(hal.float32).numpy(), tensor.float().numpy())
    tensor.fill_(2)
    assert x.astype(hal.float32).sum().item() == 2 * x.size
    assert torch.equal(torch.from_dlpack(x), tensor)


def test_pytorch_keeps_a_tensors_memory_and_hal_keeps_pytorchs(torch, cpu):
    x = hal.zeros(1_000_000, device=cpu)
    gc.collect()
    before = cpu.memory_stats().allocated
    theirs = torch.from_dlpack(x)[5:]
    del x
    again = hal.from_dlpack(theirs, device=cpu)
    del theirs
    gc.collect()
    assert cpu.memory_stats().allocated == before
    assert again.sum().item() == 0
    del again
    gc.collect()
    assert cpu.memory_stats().allocated <= before - 4_000_000


def test_many_exchanges_leave_nothing_behind(torch, cpu):
    x = hal.zeros((64, 1024), device=cpu)

    def work():
        for _ in range(2000):
            hal.from_dlpack(torch.from_dlpack(x[:, ::2].T), device=cpu)
            hal.from_dlpack(np.from_dlpack(x[1:]), device=cpu)
            x.__dlpack__(max_version=(1, 0))

    work()
    gc.collect()
    before = sys.getallocatedblocks()
    work()
    gc.collect()
    assert sys.getallocatedblocks() - before < 1000


def test_tensors_shared_at_exit_end_the_process_well(torch):
    code = (
        "import hal, torch, numpy as np; x = hal.ones(5, device='cpu:0'); "
        "t = torch.from_dlpack(x); a = np.from_dlpack(x); "
        "y = hal.from_dlpack(torch.ones(3)); c = x.__dlpack__()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


# A device with memory and streams of its own


class ApartRuntime(Runtime):
    """Memory that is not the host's by name, and streams that write down what they were told."""

    synchronous = False

    def __init__(self):
        self.log = []
        self.memory = {}
        self.count = 0

    def allocate(self, nbytes, stream):
        return np.zeros(max(nbytes, 1), np.uint8)

    def free(self, buffer, stream):
        self.log.append(("free",))

    def view(self, buffer, dtype, shape, strides, offset):
        size = dtype.itemsize
        return np.ndarray(shape, dtype.numpy, buffer, offset * size, [s * size for s in strides])

    def upload(self, array, host, stream):
        array[...] = host

    def download(self, array, host, stream):
        host[...] = array

    def kernel(self, op, signature):
        if op.name != "copy":
            return None
        return Kernel(lambda stream, outputs, inputs: np.copyto(outputs[0], inputs[0]))

    def stream(self):
        self.count += 1
        return f"stream {self.count}"

    def record(self, event, stream):
        super().record(event, stream)
        self.log.append(("record", stream))

    def wait(self, event, stream):
        self.log.append(("wait", stream))

    def synchronize(self, stream):
        self.log.append(("synchronize", stream))

    def address(self, array):
        return array.__array_interface__["data"][0]

    def borrow(self, address, nbytes):
        from hal.dlpack import host_array

        return host_array(address, np.dtype(np.uint8), (nbytes,), (1,), None)

    def foreign_stream(self, number):
        if number == 0:
            raise hal.ValueRangeError("stream 0 is ambiguous; use 1")
        return f"foreign {number}"

    def stream_number(self, stream):
        return 1000 + int(stream.split()[1])


APART = (12, 0)


@pytest.fixture
def apart():
    runtime = ApartRuntime()

    class ApartBackend(Backend):
        name = "apart"

        def devices(self):
            return Devices((DeviceInfo(0, "apart", "none", 1 << 20, dlpack=APART),))

        def open(self, index):
            return runtime

    module = types.ModuleType("apart")
    module.hal_backend = hookimpl(lambda: ApartBackend())
    register(module)
    yield hal.device("apart:0")
    unregister("apart")


class ApartArray:
    """Another library's array in the same kind of memory."""

    def __init__(self, host):
        self.host = host
        self.asked = None
        self.strides = tuple(s // host.itemsize for s in host.strides)

    def __dlpack_device__(self):
        return APART

    def __dlpack__(self, *, max_version=None, stream=None, dl_device=None, copy=None):
        self.asked = {"max_version": max_version, "stream": stream}
        address = self.host.__array_interface__["data"][0]
        dtype = hal.dtypes.as_dtype(self.host.dtype)
        return pack(address, APART, dtype, self.host.shape, self.strides, self, True, False)


def test_device_memory_is_exported_in_the_consumers_order(apart):
    x = hal.asarray([1.0, 2.0, 3.0], device=apart)
    assert x.__dlpack_device__() == APART
    apart.runtime.log.clear()
    shared = Foreign(x[1:].__dlpack__(stream=7, max_version=(1, 0)))
    assert apart.runtime.log == [("record", "stream 1"), ("wait", "foreign 7")]
    assert shared.device == APART
    assert shared.address == apart.runtime.address(x._array) + 4
    apart.runtime.log.clear()
    Foreign(x.__dlpack__(stream=-1))
    assert apart.runtime.log == []
    with pytest.raises(hal.ValueRangeError, match="ambiguous"):
        x.__dlpack__(stream=0)
    with pytest.raises(hal.ExchangeError, match="an integer or None"):
        x.__dlpack__(stream="7")


def test_a_copy_of_device_memory_is_made_where_it_is_wanted(apart):
    x = hal.asarray([1.0, 2.0], device=apart)
    host = Foreign(x.__dlpack__(dl_device=HOST, max_version=(1, 0)))
    assert (host.device, host.copied) == (HOST, True)
    with pytest.raises(hal.ExchangeError, match="by copy only"):
        x.__dlpack__(dl_device=HOST, copy=False)
    there = Foreign(x.__dlpack__(copy=True, max_version=(1, 0)))
    assert (there.device, there.copied) == (APART, True)
    assert there.address != apart.runtime.address(x._array)


def test_device_memory_is_imported_in_this_devices_order_and_kept_until_its_work_is_done(apart):
    array = ApartArray(np.arange(6.0, dtype=np.float32)[::-2])
    alive = weakref.ref(array)
    x = hal.from_dlpack(array)
    assert x.device is apart
    assert array.asked == {"max_version": (1, 0), "stream": 1001}
    x[0] = 9
    assert array.host.tolist() == [9, 3, 1]
    apart.runtime.log.clear()
    del x, array
    gc.collect()
    assert apart.runtime.log == [("synchronize", "stream 1")]
    assert alive() is None


def test_device_memory_moves_to_another_device_by_copy_only(apart, cpu):
    array = ApartArray(np.arange(3.0, dtype=np.float32))
    x = hal.from_dlpack(array, device=cpu)
    assert (x.device, x.tolist()) == (cpu, [0, 1, 2])
    copied = hal.from_dlpack(array, copy=True)
    copied[0] = 5
    assert array.host[0] == 0
    with pytest.raises(hal.ExchangeError, match="copy is False"):
        hal.from_dlpack(array, device=cpu, copy=False)
    empty = hal.from_dlpack(ApartArray(np.empty((0, 3), np.float32)))
    assert (empty.device, empty.shape) == (apart, (0, 3))


def test_a_device_that_shares_nothing_says_so():
    class Alone(Backend):
        name = "alone"

        def devices(self):
            return Devices((DeviceInfo(0, "alone", "none", 1 << 20),))

        def open(self, index):
            return ApartRuntime()

    module = types.ModuleType("alone")
    module.hal_backend = hookimpl(lambda: Alone())
    register(module)
    try:
        x = hal.asarray([1.0], device="alone:0")
        with pytest.raises(hal.ExchangeError, match=r"use numpy\(\)"):
            x.__dlpack_device__()
        with pytest.raises(hal.ExchangeError, match=r"use numpy\(\)"):
            x.__dlpack__()
        assert Foreign(x.__dlpack__(dl_device=HOST, max_version=(1, 0))).copied
        a = np.ones(2, np.float32)
        hal.from_dlpack(a, device="alone:0")[0] = 5
        assert a[0] == 1
        with pytest.raises(hal.ExchangeError, match="cannot share"):
            hal.from_dlpack(a, device="alone:0", copy=False)
    finally:
        unregister("alone")
