"""Dispatch: native, else decomposed, else host, and never silently."""

from __future__ import annotations

import threading
import types
import warnings

import numpy as np
import pytest

import hal
from hal.dispatch import call, plans
from hal.ops import operators
from hal.plugin import Backend, DeviceInfo, Devices, Kernel, Runtime, hookimpl, register, unregister


class Recorder(Runtime):
    """A host device whose kernels a test chooses, and which remembers what it was asked."""

    def __init__(self):
        self.offered = {}
        self.asked = []

    def allocate(self, nbytes, stream):
        return np.full(max(nbytes, 1), 0xFF, np.uint8)

    def free(self, buffer, stream):
        buffer[...] = 0xEE

    def view(self, buffer, dtype, shape, strides, offset):
        size = dtype.itemsize
        return np.ndarray(shape, dtype.numpy, buffer, offset * size, [s * size for s in strides])

    def upload(self, array, host, stream):
        assert host.flags.c_contiguous
        array[...] = host

    def download(self, array, host, stream):
        assert array.flags.c_contiguous
        host[...] = array

    def kernel(self, op, signature):
        self.asked.append((op.name, signature))
        offered = self.offered.get(op.name)
        return offered(signature) if offered else None


def elementwise(function, contiguous_only=False):
    def offer(signature):
        if contiguous_only and not all(x.contiguous for x in signature.inputs):
            return None
        return Kernel(lambda stream, outputs, inputs: function(*inputs, out=outputs[0]))

    return offer


def copying(signature):
    return Kernel(lambda stream, outputs, inputs: np.copyto(outputs[0], inputs[0]))


@pytest.fixture
def recorder():
    runtime = Recorder()

    class Recording(Backend):
        name = "recorder"

        def devices(self):
            dtypes = (hal.bool, hal.int32, hal.int64, hal.float32)
            return Devices((DeviceInfo(0, "recorder", "none", 1 << 30, dtypes),))

        def open(self, index):
            return runtime

    module = types.ModuleType("recording")
    module.hal_backend = hookimpl(lambda: Recording())
    register(module)
    hal.reset_report()
    runtime.device = hal.device("recorder:0")
    yield runtime
    unregister("recorder")
    for cache in (plans(op) for op in operators.values()):
        cache.clear()


def routes(operator):
    return {
        r.route: r.calls
        for r in hal.report().rows
        if r.operator == operator and r.device == "recorder:0"
    }


def test_a_native_kernel_is_asked_for_once_per_signature(recorder):
    recorder.offered["add"] = elementwise(np.add)
    x = hal.asarray([1.0, 2.0], device=recorder.device)
    for _ in range(3):
        assert (x + x).tolist() == [2.0, 4.0]
    assert [name for name, _ in recorder.asked].count("add") == 1
    assert routes("add") == {"native": 3}


def test_a_signature_tells_layouts_dtypes_and_canonical_attributes(recorder):
    recorder.offered["sum"] = lambda s: Kernel(
        lambda stream, outputs, inputs: np.sum(inputs[0], s.attributes["axis"], out=outputs[0])
    )
    x = hal.asarray([[1.0, 2.0], [3.0, 4.0]], device=recorder.device)
    assert x.T.sum(axis=-1).tolist() == [4.0, 6.0]
    signature = dict(recorder.asked)["sum"]
    assert signature.inputs[0].strides == (1, 2)
    assert signature.outputs[0].shape == (2,)
    assert signature.attributes == {"axis": (1,), "keepdims": False, "dtype": hal.float32}


def test_strided_inputs_are_packed_for_a_kernel_that_wants_them_contiguous(recorder):
    recorder.offered["add"] = elementwise(np.add, contiguous_only=True)
    recorder.offered["copy"] = copying
    x = hal.asarray([[1.0, 2.0], [3.0, 4.0]], device=recorder.device)
    assert (x.T + x).tolist() == [[2.0, 5.0], [5.0, 8.0]]
    assert routes("add") == {"native": 1}
    assert routes("copy") == {"native": 1}


def test_what_has_no_kernel_is_decomposed_on_the_device(recorder):
    recorder.offered["multiply"] = elementwise(np.multiply)
    x = hal.asarray([1.0, 3.0], device=recorder.device)
    assert call(operators["square"], x).tolist() == [1.0, 9.0]
    assert routes("square") == {"decomposed": 1}
    assert routes("multiply") == {"native": 1}


def test_a_missing_primitive_runs_on_the_host_and_warns_once(recorder):
    x = hal.asarray([0.0, 1.0], device=recorder.device)
    with pytest.warns(hal.HalWarning, match="recorder:0 has no exp; the host runs it"):
        assert call(operators["exp"], x).shape == (2,)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call(operators["exp"], x)
    assert routes("exp") == {"host": 2}


def test_the_policy_decides_about_the_host(recorder, monkeypatch):
    x = hal.asarray([0.0, 1.0], device=recorder.device)
    with hal.fallback("error"), pytest.raises(hal.Unsupported, match="recorder:0 has no exp"):
        call(operators["exp"], x)
    with hal.fallback("allow"), warnings.catch_warnings():
        warnings.simplefilter("error")
        call(operators["exp"], x)
    monkeypatch.setenv("HAL_FALLBACK", "error")
    with pytest.raises(NotImplementedError):
        call(operators["exp"], x)
    monkeypatch.setenv("HAL_FALLBACK", "sometimes")
    with pytest.raises(hal.ValueRangeError, match="HAL_FALLBACK"):
        call(operators["exp"], x)
    with pytest.raises(hal.ValueRangeError), hal.fallback("never"):
        pass


def test_writes_without_a_copy_kernel_go_through_the_host_exactly(recorder):
    x = hal.asarray(np.arange(12, dtype=np.float32).reshape(3, 4), device=recorder.device)
    x[::2, ::-2] = hal.asarray([[-1.0, -2.0], [-3.0, -4.0]], device=recorder.device)
    expected = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected[::2, ::-2] = [[-1, -2], [-3, -4]]
    np.testing.assert_array_equal(x.numpy(), expected)


def test_a_dtype_the_device_lacks_is_unsupported_and_names_the_others(recorder):
    for make in (
        lambda: hal.zeros(2, dtype=hal.float64, device=recorder.device),
        lambda: hal.asarray([1.0], device=recorder.device).astype(hal.float64),
        lambda: hal.asarray([1.0], dtype=hal.float64, device="cpu").to_device(recorder.device),
    ):
        with pytest.raises(hal.Unsupported, match=r"no float64; convert to one of: bool, int32"):
            make()


def test_tensors_of_two_devices_do_not_mix(recorder):
    x, y = hal.ones(2, device="cpu:0"), hal.asarray([1.0, 2.0], device=recorder.device)
    with pytest.raises(hal.DeviceError, match="cpu:0 and recorder:0; move one with to_device"):
        x + y


def test_an_error_in_a_kernel_names_operation_and_device(recorder):
    def broken(signature):
        def into(stream, outputs, inputs):
            raise hal.DeviceError("the launch failed", code=719, text="unspecified launch failure")

        return Kernel(into)

    recorder.offered["add"] = broken
    x = hal.asarray([1.0], device=recorder.device)
    with pytest.raises(hal.DeviceError) as error:
        x + x
    assert str(error.value) == (
        "the launch failed; operation: add; device: recorder:0; vendor code: 719; "
        "vendor text: unspecified launch failure"
    )


def test_any_exception_of_a_kernel_becomes_a_hal_error(recorder):
    recorder.offered["add"] = lambda s: Kernel(lambda stream, outputs, inputs: 1 / 0)
    x = hal.asarray([1.0], device=recorder.device)
    with pytest.raises(hal.DeviceError, match="ZeroDivisionError"):
        x + x


def test_freed_memory_is_not_touched_again(recorder):
    recorder.offered["add"] = elementwise(np.add)
    x = hal.asarray(np.arange(4, dtype=np.float32), device=recorder.device)
    y = (x + x)[1:] + x[:-1]
    del x
    assert y.tolist() == [2.0, 5.0, 8.0]


def test_unknown_attributes_and_missing_ones_are_named(cpu):
    x = hal.ones(2, device=cpu)
    with pytest.raises(hal.DTypeError, match="unknown attributes axes; it has: axis, keepdims"):
        call(operators["max"], x, axes=0)
    with pytest.raises(hal.DTypeError, match="'dtype' must be given"):
        call(operators["cast"], x)
    with pytest.raises(hal.DTypeError, match="hashable"):
        call(operators["max"], x, axis=[[0]])


def test_the_plan_cache_is_bounded(cpu, monkeypatch):
    monkeypatch.setattr("hal.dispatch._PLAN_LIMIT", 8)
    for size in range(1, 50):
        x = hal.ones(size, device=cpu)
        assert (x + x).size == size
    assert len(plans(operators["add"])) <= 8


def test_many_threads_share_a_device(cpu):
    x = hal.asarray(np.arange(2000.0, dtype=np.float32), device=cpu)
    expected = np.arange(2000.0, dtype=np.float32) * 3 / 0.5
    failures = []

    def work():
        for _ in range(200):
            with np.errstate(all="raise"):
                result = (x * 3 / 0.5).numpy()
            if not np.array_equal(result, expected):
                failures.append(result)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_numpys_warnings_and_settings_do_not_reach_the_user(cpu):
    for size in (3, 1000, 100_000):
        x = hal.zeros(size, device=cpu)
        with warnings.catch_warnings(), np.errstate(all="raise"):
            warnings.simplefilter("error")
            assert np.isnan((x / 0.0).numpy()).all()
            assert np.isneginf(call(operators["log"], x).numpy()).all()
            assert call(operators["exp"], x + 1e4).numpy().max() == np.inf
