"""Calls that follow one another in their places are one step, where the device joins them."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.errors import HalError
from hal.plugin import Backend, DeviceInfo, Devices, Kernel

from .conftest import SmallRuntime


class JoiningRuntime(SmallRuntime):
    """Places additions and products, joins what is placed, and counts what runs how."""

    def __init__(self):
        self.joined = []
        self.alone = 0
        self.fails = False

    def kernel(self, op, signature):
        kernel = super().kernel(op, signature)
        if kernel is None or op.name == "exp":
            return kernel

        def place(outs, ins):
            def run(stream, outputs, inputs):
                self.alone += 1
                kernel.into(stream, outs, ins)

            run.kernel = lambda stream: kernel.into(stream, outs, ins)
            return run

        return Kernel(kernel.into, place=place)

    def join(self, steps):
        self.joined.append(len(steps))

        def run(stream, outputs, inputs):
            if self.fails:
                raise ValueError("it failed")
            for step in steps:
                step.kernel(stream)

        return run


class JoiningBackend(Backend):
    name = "joining"

    def devices(self):
        return Devices((DeviceInfo(0, "joins", "none", 1 << 30),))

    def open(self, index):
        return JoiningRuntime()


@pytest.fixture
def joining(plugged):
    return plugged(JoiningBackend())


HALVES = np.full(4, 0.5, np.float32)


def chain(x):
    y = x + x
    for _ in range(3):
        y = y * y
    y = hal.exp(y + y)
    return (y + y) * y + y


def expected():
    y = np.float32(0.5) * 2
    y = np.exp(2 * y**8)
    return np.full(4, 2 * y * y + y, np.float32)


def test_what_follows_one_another_is_one_step(joining):
    x = hal.asarray(HALVES, device=joining)
    compiled = hal.compile(chain)
    for _ in range(2):
        np.testing.assert_allclose(compiled(x).numpy(), expected(), rtol=1e-5)
    # The first call reads an argument, the last writes a result: both change from run to run.
    assert joining.runtime.joined == [4, 2]
    assert joining.runtime.alone == 0


def test_a_profile_still_sees_each_call(joining):
    x = hal.asarray(HALVES, device=joining)
    compiled = hal.compile(chain)
    compiled(x)
    with hal.profile() as profile:
        found = compiled(x)
    np.testing.assert_allclose(found.numpy(), expected(), rtol=1e-5)
    assert joining.runtime.alone == 6
    assert len([event for event in profile.events if event.operator in ("add", "multiply")]) == 8


def test_a_step_that_fails_says_where_it_begins(joining):
    x = hal.asarray(HALVES, device=joining)
    joining.runtime.fails = True
    with pytest.raises(HalError, match=r"multiply.*joining:0"):
        hal.compile(chain)(x)
