"""Recordings: what is captured does not run, and runs again and again when it is replayed."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import hal
from hal.ops import operators
from hal.plugin import Layout, Signature

X = np.arange(8, dtype=np.float32).reshape(2, 4)


class Program:
    """Two kernels on given arrays: softmax of x + x, the second with room to work in."""

    def __init__(self, device):
        self.runtime, self.stream = device.runtime, device.default_stream.handle
        layout = Layout(hal.float32, X.shape)
        self.x, self.y, self.z = (hal.asarray(X * 0, device=device) for _ in range(3))
        self.add = self.kernel("add", (layout, layout), {})
        self.softmax = self.kernel("softmax", (layout,), {"axis": 1})

    def kernel(self, name, layouts, attributes):
        signature = Signature(layouts, (layouts[0],), attributes)
        return self.runtime.kernel(operators[name], signature)

    def enqueue(self):
        self.add.into(self.stream, [self.y._array], [self.x._array, self.x._array])
        self.softmax.into(self.stream, [self.z._array], [self.y._array])


def expected(x):
    grown = np.exp(2 * x - (2 * x).max(1, keepdims=True))
    return grown / grown.sum(1, keepdims=True)


@pytest.fixture
def program(ascend):
    return Program(ascend)


def test_a_recording_runs_only_when_it_is_replayed(ascend, program):
    program.x[...] = hal.asarray(X, device=ascend)
    recording = program.runtime.capture(program.stream, program.enqueue)
    assert (program.z.numpy() == 0).all()
    for factor in (1, 2, 3):
        program.x[...] = hal.asarray(X * factor, device=ascend)
        program.runtime.replay(recording, program.stream)
        np.testing.assert_allclose(program.z.numpy(), expected(X * factor), rtol=1e-6)


def test_work_between_replays_does_not_disturb_them(ascend, program):
    program.x[...] = hal.asarray(X, device=ascend)
    recording = program.runtime.capture(program.stream, program.enqueue)
    for _ in range(5):
        hal.nn.softmax(hal.asarray(X, device=ascend), 0).numpy()
        program.runtime.replay(recording, program.stream)
        np.testing.assert_allclose(program.z.numpy(), expected(X), rtol=1e-6)


def test_an_error_inside_ends_the_capture_and_passes_through(ascend, program):
    def broken():
        program.enqueue()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        program.runtime.capture(program.stream, broken)
    assert program.runtime.capture(program.stream, program.enqueue) is not None


def test_what_cannot_be_captured_says_so(ascend, program):
    with pytest.raises(hal.Unsupported, match="a copy from the host cannot be captured"):
        program.runtime.capture(program.stream, lambda: hal.asarray(X, device=ascend))
    with pytest.raises(hal.DeviceError, match="the stream is being captured"):
        program.runtime.capture(program.stream, lambda: program.runtime.synchronize(program.stream))


def test_a_recording_that_is_dropped_is_destroyed(ascend, program, control):
    gc.collect()
    ascend.synchronize()
    program.runtime.reap()
    recording = program.runtime.capture(program.stream, program.enqueue)
    program.runtime.replay(recording, program.stream)
    assert control.live()["model"] == 1
    del recording
    gc.collect()
    ascend.synchronize()
    program.runtime.reap()
    assert "model" not in control.live()


def test_a_failure_in_a_replay_is_an_error(ascend, program, control):
    recording = program.runtime.capture(program.stream, program.enqueue)
    ascend.synchronize()
    control.faults(task=0)
    program.runtime.replay(recording, program.stream)
    with pytest.raises(hal.DeviceError, match="a kernel on the AI core failed"):
        ascend.synchronize()


def test_a_compiled_function_is_replayed(ascend, control):
    weight = hal.asarray(np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8), device=ascend)

    def layer(x):
        return hal.nn.gelu(hal.nn.linear(x, weight)) + x

    compiled = hal.compile(layer)
    for number in range(5):
        x = hal.asarray(np.full((3, 8), number / 4, np.float32), device=ascend)
        control.faults()
        found = compiled(x)
        calls = control.calls()
        control.no_faults()
        np.testing.assert_allclose(found.numpy(), layer(x).numpy(), rtol=1e-5, atol=1e-6)
    assert "aclmdlRIExecuteAsync" in calls
    assert "aclnnGeluV2" not in calls


def test_a_recording_that_is_kept_to_the_end_is_destroyed_there(in_python):
    out = in_python(
        "import hal\n"
        "f = hal.compile(lambda x: x * 2 + 1)\n"
        "for _ in range(4):\n"
        "    y = f(hal.ones(3, device='ascend:0'))\n"
        "print(y.numpy())"
    )
    assert out.strip() == "[3. 3. 3.]"
