"""Every call of CANN's interface fails once, at each place where it is made, and every task late.

No call may hang, leak, or end in anything but a clear error of hal's; the device works afterwards.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import subprocess
import sys
import time

import numpy as np
import pytest

import hal
from hal.dispatch import plans
from hal.errors import HalError
from hal.ops import operators

A = np.arange(12, dtype=np.float32).reshape(3, 4)
# Kinds of objects that must not be left over. Memory stays with the pool for the next time.
KINDS = ("stream", "event", "executor", "tensor", "tensor list", "scalar", "integer array", "model")


def forget():
    """Let hal forget its kernels, so that a run makes every executor anew."""
    for op in operators.values():
        plans(op).clear()
    gc.collect()


MUST_FAIL = {
    "aclrtMemcpyAsync",
    "aclrtSynchronizeStreamWithTimeout",
    "aclrtRecordEvent",
    "aclrtStreamWaitEvent",
    "aclCreateTensor",
    "aclCreateTensorList",
    "aclSetTensorAddr",
    "aclnnMatmul",
    "aclnnCat",
    "aclnnCatGetWorkspaceSize",
    "aclrtCreateStream",
    "aclrtCreateEvent",
}


def workload(device):
    """Use every way in which the plugin calls CANN."""
    x = hal.asarray(A, device=device)
    stream = hal.Stream(device)
    with stream:
        y = x[:, 1:] + x[:, :3]
        event = stream.record_event()
    event.query()
    z = hal.concat([y, y * y], axis=1)
    total = hal.sum(z, axis=1)
    product = hal.nn.linear(z, hal.asarray(np.ones((2, 6), np.float32), device=device))
    start, end = hal.Event(device), hal.Event(device)
    start.record()
    z[::-1, 2:4] = x[:, :2]
    end.record()
    start.elapsed_time(end)
    return total.numpy(), product.numpy(), z.numpy()


def run(device):
    """Return what a workload gave, an error among it.

    The host may take over: an operator that refuses its arguments is one the device lacks.
    """
    error = None
    try:
        with hal.fallback("allow"):
            found = workload(device)
    except HalError as caught:
        found, error = None, caught
    return found, error


def alive(device, control):
    live = control.live()
    found = {kind: live.get(kind, 0) for kind in KINDS}
    # Pinned memory is kept for the next copies, each piece with its event.
    found["event"] -= live.get("pinned block", 0)
    return found


def settle(device, control, wanted=None):
    """Take the faults away, wait until nothing else changes, and return what is alive."""
    control.no_faults()
    until = time.perf_counter() + 3
    while True:
        forget()
        # What failed late may be reported here; the next wait finds the device usable.
        with contextlib.suppress(hal.DeviceError):
            device.synchronize()
        device.runtime.reap()
        found = alive(device, control)
        if found == wanted or time.perf_counter() > until:
            return found
        if wanted is None and not device.runtime._retired:
            return found
        time.sleep(0.005)


def check(found, error, expected):
    """A workload gave the right result, or an error that says what and where."""
    if error is None:
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)
        return
    text = str(error)
    assert "failed" in text or "bytes were asked for" in text, text
    assert isinstance(error, hal.DeviceError), repr(error)
    assert error.code is not None, text
    assert error.text, text


@pytest.fixture
def expected(ascend):
    forget()
    return workload(ascend)


@pytest.mark.slow
def test_every_call_may_fail(ascend, control, expected):
    base = settle(ascend, control)
    control.faults()
    workload(ascend)
    names = control.calls()
    forget()
    assert len(names) > 80
    failed = set()
    # Copies reuse what is idle, so that no two runs make the same calls: a call that was another
    # when it was its turn gets a second one.
    for turn, number in itertools.product(range(3), range(len(names))):
        if turn and failed >= MUST_FAIL:
            break
        control.faults(call=number)
        start = time.perf_counter()
        found, error = run(ascend)
        if not control.fired():
            continue
        name = control.calls()[number]
        failed.add(name)
        assert time.perf_counter() - start < 10, f"{name}, call {number}, took long"
        check(found, error, expected)
        del found, error
        kept = "Destroy" in name  # What CANN refuses to destroy stays.
        live = settle(ascend, control, None if kept else base)
        base = live if kept else base
        assert live == base, f"{name}, call {number}, left objects behind: {live}, not {base}"
    assert failed >= MUST_FAIL
    check(*run(ascend), expected)


def test_every_task_may_fail_late(ascend, control, expected):
    base = settle(ascend, control)
    control.faults()
    workload(ascend)
    ascend.synchronize()
    count = control.tasks()
    assert count > 8
    for number in range(count):
        control.faults(task=number)
        found, error = run(ascend)
        assert error is not None, f"task {number} failed and nobody said so"
        check(found, error, expected)
        del found, error
        assert settle(ascend, control, base) == base
    check(*run(ascend), expected)


@pytest.mark.slow
def test_every_task_may_hang(ascend, control, expected, monkeypatch):
    base = settle(ascend, control)
    control.faults()
    workload(ascend)
    ascend.synchronize()
    count = control.tasks()
    monkeypatch.setattr(ascend.runtime, "_timeout", 150)
    for number in range(count):
        control.faults(hang=number)
        start = time.perf_counter()
        found, error = run(ascend)
        assert time.perf_counter() - start < 10
        assert error is not None
        assert error.code in (507046, 507047)
        assert "was not" in str(error)
        del found, error
        assert settle(ascend, control, base) == base
    check(*run(ascend), expected)


@pytest.mark.slow
def test_every_call_of_starting_up_may_fail(ascend):
    code = (
        "import hal\n"
        "from hal_ascend_standin.control import Control\n"
        "try:\n"
        "    print(hal.ones(2, device='ascend:0').numpy())\n"
        "except hal.HalError as error:\n"
        "    print('error:', error)\n"
    )
    for number in range(12):
        environment = {**os.environ, "HAL_STANDIN_FAIL_CALL": str(number)}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
            env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "alive at aclFinalize" not in done.stderr
        assert "[1. 1.]" in done.stdout or "error: " in done.stdout
