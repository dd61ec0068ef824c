"""The vendor's errors become hal's: out of memory, a lost device, or a failure with its code."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.errors import DeviceError, DeviceLost, OutOfMemory
from hal_cuda.errors import failure, translated
from hal_cuda.standin import StandinDriver


def test_an_error_after_which_nothing_works_means_a_lost_device():
    error = failure("CUDA_ERROR_ILLEGAL_ADDRESS", 700, "an illegal memory access")
    assert isinstance(error, DeviceLost)
    assert error.code == 700
    assert "an illegal memory access" in error.text


def test_a_library_without_memory_is_out_of_memory_too():
    assert isinstance(translated(RuntimeError("CUBLAS_STATUS_ALLOC_FAILED (3)")), OutOfMemory)


def test_any_other_failure_keeps_the_vendors_text():
    error = translated(ValueError("something odd"), "a kernel did not compile")
    assert type(error) is DeviceError
    assert "something odd" in str(error)
    assert "a kernel did not compile" in str(error)


def test_an_error_of_hal_passes_through():
    error = OutOfMemory("no room")
    assert translated(error) is error


def test_a_bad_kernel_loses_the_device_at_the_next_synchronisation(standin, driver):
    x = hal.asarray([1.0, 2.0], device=standin)
    standin.synchronize()
    y = x + x
    driver.failure = failure("CUDA_ERROR_ILLEGAL_ADDRESS", 700, "an illegal memory access")
    with pytest.raises(DeviceLost, match=r"operation: add.*cuda_standin:0.*700"):
        standin.synchronize()
    with pytest.raises(DeviceLost, match="start a new one"):
        y + y


def test_a_refused_launch_names_the_operation_and_leaves_the_device_usable(standin, driver):
    x = hal.asarray([1.0, 2.0], device=standin)
    driver.failure = failure("CUDA_ERROR_INVALID_VALUE", 1, "invalid argument")
    with pytest.raises(DeviceError, match=r"operation: multiply.*vendor code: 1"):
        x * x
    np.testing.assert_array_equal((x * x).numpy(), [1, 4])


def test_no_room_says_how_much_there_was():
    driver = StandinDriver(total=1000)
    driver.allocate(900, None)
    with pytest.raises(OutOfMemory, match="500 bytes were asked for, 100 of 1000 are free"):
        driver.allocate(500, None)
