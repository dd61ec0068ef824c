"""The stand-in is as strict as CANN: contexts, handles, memory, executors, with CANN's codes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest

import hal


@pytest.fixture
def cann(ascend):
    ascend.runtime.enter()
    return ascend.runtime.cann


@pytest.fixture
def memory(cann):
    address = ctypes.c_void_p()
    assert cann.aclrtMalloc(ctypes.byref(address), 256, 0) == 0
    yield address.value
    cann.aclrtFree(address)


def stream_of(cann):
    handle = ctypes.c_void_p()
    assert cann.aclrtCreateStream(ctypes.byref(handle)) == 0
    return handle.value


def tensor_of(cann, address, size=4, strides=None, offset=0):
    sizes = (ctypes.c_int64 * 1)(size)
    steps = (ctypes.c_int64 * 1)(strides or 1)
    return cann.aclCreateTensor(sizes, 1, 0, steps, offset, 2, sizes, 1, address)


def prepared(cann, address, repeatable=False):
    """Return the executor of exp on a tensor, its tensors, and the second phase."""
    first, second = cann.operator("Exp")
    tensors = [tensor_of(cann, address), tensor_of(cann, address)]
    size, executor = ctypes.c_uint64(), ctypes.c_void_p()
    assert first(*tensors, ctypes.byref(size), ctypes.byref(executor)) == 0
    if repeatable:
        assert cann.aclSetAclOpExecutorRepeatable(executor) == 0
    return executor.value, tensors, second, size.value


def test_the_host_cannot_touch_device_memory(in_python):
    code = (
        "import hal, ctypes\n"
        "x = hal.ones(4, device='ascend:0')\n"
        "x.numpy()\n"
        "ctypes.string_at(x._array.address, 1)"
    )
    out = in_python(code, expect=-11)
    assert "the host touched device memory without a copy" in out


def test_a_thread_without_a_context_is_refused(cann):
    codes = []

    def work():
        handle = ctypes.c_void_p()
        codes.append(cann.aclrtCreateStream(ctypes.byref(handle)))
        codes.append(cann.aclGetRecentErrMsg().decode())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert codes[0] == 107002
    assert "no context" in codes[1]


def test_a_stream_of_another_context_is_refused(cann):
    stream = stream_of(cann)
    mine, other = ctypes.c_void_p(), ctypes.c_void_p()
    library = ctypes.CDLL(str(cann.installation.libraries["runtime"]))
    assert cann.aclrtGetCurrentContext(ctypes.byref(mine)) == 0
    assert library.aclrtCreateContext(ctypes.byref(other), 0) == 0
    assert cann.aclrtSynchronizeStreamWithTimeout(stream, 100) == 107003
    assert cann.aclrtSetCurrentContext(mine) == 0
    assert library.aclrtDestroyContext(other) == 0
    assert cann.aclrtDestroyStream(stream) == 0


def test_a_handle_that_was_destroyed_is_refused(cann):
    stream = stream_of(cann)
    assert cann.aclrtDestroyStream(stream) == 0
    assert cann.aclrtDestroyStream(stream) == 107017
    assert cann.aclrtSynchronizeStreamWithTimeout(stream, 100) == 107017
    event = ctypes.c_void_p()
    assert cann.aclrtCreateEvent(ctypes.byref(event)) == 0
    assert cann.aclrtDestroyEvent(event) == 0
    assert cann.aclrtDestroyEvent(event) == 107017


def test_a_handle_of_another_kind_is_refused(cann):
    stream = stream_of(cann)
    assert cann.aclrtDestroyEvent(stream) == 107017
    assert cann.aclrtDestroyStream(stream) == 0


def test_memory_is_freed_once(cann):
    address = ctypes.c_void_p()
    assert cann.aclrtMalloc(ctypes.byref(address), 100, 0) == 0
    assert cann.aclrtFree(address) == 0
    assert cann.aclrtFree(address) == 107000


def test_a_copy_that_leaves_its_allocation_is_refused(cann, memory):
    stream = stream_of(cann)
    host = ctypes.c_void_p()
    assert cann.aclrtMallocHost(ctypes.byref(host), 4096) == 0
    assert cann.aclrtMemcpyAsync(memory, 4096, host, 4096, 1, stream) == 107000
    assert cann.aclrtMemcpyAsync(memory, 64, host, 64, 2, stream) == 107016
    assert cann.aclrtMemcpyAsync(memory, 64, host, 64, 1, stream) == 0
    pageable = ctypes.create_string_buffer(64)
    assert cann.aclrtMemcpyAsync(memory, 64, ctypes.addressof(pageable), 64, 1, stream) == 107000
    assert cann.aclrtSynchronizeStreamWithTimeout(stream, 1000) == 0
    assert cann.aclrtFreeHost(host) == 0
    assert cann.aclrtDestroyStream(stream) == 0


def test_an_executor_that_is_not_repeatable_runs_once(cann, memory):
    stream = stream_of(cann)
    executor, tensors, second, size = prepared(cann, memory)
    block = ctypes.c_void_p()
    assert cann.aclrtMalloc(ctypes.byref(block), max(size, 1), 0) == 0
    assert second(block, size, executor, stream) == 0
    assert second(block, size, executor, stream) == 561103
    assert cann.aclDestroyAclOpExecutor(executor) == 561103
    assert cann.aclrtDestroyStream(stream) == 0
    assert cann.aclrtFree(block) == 0
    assert [cann.aclDestroyTensor(t) for t in tensors] == [0, 0]


def test_a_repeatable_executor_takes_new_addresses(cann, memory):
    executor, tensors, _, _ = prepared(cann, memory, repeatable=True)
    assert cann.aclSetTensorAddr(executor, 0, tensors[0], memory) == 0
    assert cann.aclSetTensorAddr(executor, 0, tensors[0], memory + 8) == 161002
    assert cann.aclSetTensorAddr(executor, 2, tensors[0], memory) == 161002
    assert cann.aclSetTensorAddr(None, 0, tensors[0], memory) == 561103
    assert cann.aclDestroyAclOpExecutor(executor) == 0
    assert [cann.aclDestroyTensor(t) for t in tensors] == [0, 0]


def test_only_a_repeatable_executor_takes_new_addresses(cann, memory):
    executor, tensors, _, _ = prepared(cann, memory)
    assert cann.aclSetTensorAddr(executor, 0, tensors[0], memory) == 161002
    assert cann.aclDestroyAclOpExecutor(executor) == 0
    assert [cann.aclDestroyTensor(t) for t in tensors] == [0, 0]


def test_a_workspace_that_is_too_small_is_refused(cann, memory):
    names = ("Exp", "Abs", "Neg", "Sin", "Cos", "Tan", "Sqrt", "Log")
    stream = stream_of(cann)
    wanted = []
    for name in names:
        first, second = cann.operator(name)
        tensors = [tensor_of(cann, memory), tensor_of(cann, memory)]
        size, executor = ctypes.c_uint64(), ctypes.c_void_p()
        assert first(*tensors, ctypes.byref(size), ctypes.byref(executor)) == 0
        wanted.append(size.value)
        if size.value:
            assert second(None, size, executor, stream) == 161002
            assert second(memory, 32, executor, stream) == 161002
        cann.aclDestroyAclOpExecutor(executor)
        assert [cann.aclDestroyTensor(t) for t in tensors] == [0, 0]
    assert any(wanted)
    assert cann.aclrtDestroyStream(stream) == 0


def test_the_fifth_argument_of_a_tensor_is_its_offset(ascend, cann, control):
    """A format passed there shifts the data, as on the hardware; the plugin does not."""
    x = hal.asarray(np.arange(8, dtype=np.float32), device=ascend)
    np.testing.assert_array_equal((x[2:] + 0).numpy(), np.arange(2, 8, dtype=np.float32))


def test_a_kernel_outside_every_allocation_fails_on_the_device(cann, memory):
    stream = stream_of(cann)
    first, second = cann.operator("Neg")
    tensors = [tensor_of(cann, memory, size=4096), tensor_of(cann, memory, size=4096)]
    size, executor = ctypes.c_uint64(), ctypes.c_void_p()
    assert first(*tensors, ctypes.byref(size), ctypes.byref(executor)) == 0
    block = ctypes.c_void_p()
    assert cann.aclrtMalloc(ctypes.byref(block), max(size.value, 1), 0) == 0
    assert second(block, size, executor, stream) == 0
    assert cann.aclrtSynchronizeStreamWithTimeout(stream, 5000) == 507015
    assert b"outside an allocation" in cann.aclGetRecentErrMsg()
    assert cann.aclrtDestroyStream(stream) == 0
    assert cann.aclrtFree(block) == 0
    assert [cann.aclDestroyTensor(t) for t in tensors] == [0, 0]


def test_the_last_message_is_given_out_once(cann):
    assert cann.aclrtFree(12345) == 107000
    assert b"no allocation" in cann.aclGetRecentErrMsg()
    assert cann.aclGetRecentErrMsg() is None


def test_what_is_left_alive_is_reported_at_the_end(in_python):
    out = in_python(
        "import ctypes, hal\n"
        "d = hal.device('ascend:0'); d.runtime.enter()\n"
        "e = ctypes.c_void_p()\n"
        "d.runtime.cann.aclrtCreateEvent(ctypes.byref(e))"
    )
    assert "alive at aclFinalize: event=1" in out


# Built in other ways


@pytest.mark.slow
def test_the_stand_in_agrees_with_canns_own_headers(ascend, tmp_path):
    """Compiled against the headers inside a wheel on PyPI: a disagreement is a compile error."""
    from hal_ascend_standin.build import build

    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
               "torch-npu==2.14.0", "-d", str(tmp_path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"the wheel with CANN's headers cannot be had: {done.stderr.strip()[-200:]}")
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = [n for n in archive.namelist() if "/include/third_party/" in n or
                  "/include/acl/" in n]  # fmt: skip
        archive.extractall(tmp_path, inside)
    top = tmp_path / "torch_npu" / "include"
    folders = [top, top / "third_party/acl/inc", top / "third_party/hccl/inc"]
    place = build(headers=";".join(map(str, folders)), target=tmp_path / "built")
    assert (place / "libascendcl.so").exists()
    shutil.rmtree(tmp_path / "torch_npu")


SANITIZED = """
import hal, numpy as np, threading
from hal_ascend_standin.control import Control
d = "ascend:0"
x = hal.asarray(np.ones((8, 8), np.float32), device=d)
def work():
    with hal.Stream(d):
        y = x
        for _ in range(20):
            y = hal.sin(y @ x) + x[::2, ::2].sum()
        y.numpy()
threads = [threading.Thread(target=work) for _ in range(3)]
[t.start() for t in threads]; [t.join() for t in threads]
control = Control.attach()
control.faults(task=2)
try:
    (x * 3).numpy()
except hal.DeviceError as error:
    print("failed as asked")
control.no_faults()
print("clean", (x * 2).numpy().sum())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("sanitizer", "library"), [("address", "libasan"), ("thread", "libtsan")])
def test_a_build_with_a_sanitizer_finds_nothing(in_python, sanitizer, library):
    found = subprocess.run(
        ["g++", f"-print-file-name={library}.so"], capture_output=True, text=True
    )
    runtime = found.stdout.strip()
    if found.returncode or "/" not in runtime:
        pytest.skip(f"g++ has no {library}.so")
    from hal_ascend_standin.build import build

    build(sanitizer)
    out = in_python(
        SANITIZED,
        STANDIN_SANITIZE=sanitizer,
        STANDIN_DELAY_US=200,
        preload=runtime,
    )
    assert "clean 128.0" in out
    assert "ERROR: AddressSanitizer" not in out
    assert "WARNING: ThreadSanitizer" not in out
