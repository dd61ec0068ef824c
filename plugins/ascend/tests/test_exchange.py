"""Sharing memory through DLPack, as Ascend's own kind of device."""

from __future__ import annotations

import numpy as np
import pytest

import hal

ASCEND = 21


class Foreign:
    """Another library's array on the device."""

    def __init__(self, x):
        self.x = x
        self.asked = None

    def __dlpack_device__(self):
        return self.x.__dlpack_device__()

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        self.asked = stream
        return self.x.__dlpack__(
            stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
        )


def test_a_tensor_lies_on_dlpacks_ascend(ascend):
    assert hal.ones(3, device=ascend).__dlpack_device__() == (ASCEND, 0)


def test_memory_is_shared_not_copied(ascend):
    x = hal.asarray(np.arange(12, dtype=np.float32).reshape(3, 4), device=ascend)
    foreign = Foreign(x[1:, ::2])
    y = hal.from_dlpack(foreign)
    assert y.device is ascend
    np.testing.assert_array_equal(y.numpy(), [[4, 6], [8, 10]])
    y[0, 0] = 99.0
    assert x[1, 0].item() == 99.0
    assert foreign.asked == ascend.current_stream().handle.handle


def test_what_another_stream_writes_is_waited_for(ascend, control):
    control.configure("delay_us", 3000)
    try:
        stream = hal.Stream(ascend)
        with stream:
            x = hal.ones(1000, device=ascend) * 3
        y = hal.from_dlpack(Foreign(x)) + 1
        assert set(y.tolist()) == {4.0}
    finally:
        control.configure("delay_us", 0)


def test_a_stream_of_another_library_waits_for_a_tensor(ascend):
    x = hal.ones(3, device=ascend)
    handle = hal.Stream(ascend).handle
    x.__dlpack__(stream=handle.handle)
    x.__dlpack__(stream=-1)
    with pytest.raises(hal.HalError, match="named by its aclrtStream"):
        x.__dlpack__(stream=0)


def test_a_copy_on_the_host_is_had_by_asking(ascend):
    x = hal.asarray(np.arange(3), device=ascend)
    assert np.from_dlpack(x, device="cpu").tolist() == [0, 1, 2]
