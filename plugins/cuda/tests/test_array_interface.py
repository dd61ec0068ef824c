"""Memory is shared by the CUDA array interface both ways, and its rules are kept."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.errors import ExchangeError


class Theirs:
    """An array of a library that knows the interface and not DLPack."""

    def __init__(self, x, **changed):
        self.keep = x
        self.__cuda_array_interface__ = {**x.__cuda_array_interface__, **changed}


def test_a_tensor_says_where_it_lies_and_on_which_stream(standin):
    x = hal.asarray(np.ones((3, 4), np.float32), device=standin)
    found = x.T.__cuda_array_interface__
    assert found["shape"] == (4, 3)
    assert found["strides"] == (4, 16)
    assert found["typestr"] == "<f4"
    assert found["data"] == (x._array.pointer, False)
    assert found["version"] == 3
    assert found["stream"] == standin.current_stream().handle.address


def test_an_empty_tensor_has_no_address(standin):
    assert hal.zeros((0, 3), device=standin).__cuda_array_interface__["data"] == (0, False)


def test_dtypes_without_a_name_in_the_interface_are_not_exported(standin):
    assert not hasattr(hal.ones(2, dtype=hal.bfloat16, device=standin), "__cuda_array_interface__")


def test_other_devices_and_other_names_have_no_such_attribute(standin):
    assert not hasattr(hal.ones(2, device="cpu:0"), "__cuda_array_interface__")
    with pytest.raises(AttributeError, match="no attribute '__other__'"):
        _ = hal.ones(2, device=standin).__other__


def test_memory_of_another_library_becomes_a_tensor_without_a_copy(standin):
    x = hal.asarray(np.arange(6, dtype=np.int32).reshape(2, 3), device=standin)
    y = hal.from_dlpack(Theirs(x.T), device=standin)
    x += 1
    standin.synchronize()
    np.testing.assert_array_equal(y.numpy(), (np.arange(6).reshape(2, 3) + 1).T)
    plain = hal.from_dlpack(Theirs(x, strides=None, stream=None), device=standin)
    np.testing.assert_array_equal(plain.numpy(), x.numpy())


def test_memory_that_may_only_be_read_is_copied(standin):
    x = hal.ones(3, device=standin)
    data = (x._array.pointer, True)
    y = hal.from_dlpack(Theirs(x, data=data), device=standin)
    y += 1
    assert x.tolist() == [1, 1, 1]
    with pytest.raises(ExchangeError, match="read-only"):
        hal.from_dlpack(Theirs(x, data=data), device=standin, copy=False)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mask": object()}, "mask"),
        ({"stream": 0}, "stream 0"),
        ({"typestr": ">f4"}, "'>f4'"),
        ({"typestr": "|V8"}, "V8"),
        ({"strides": (3,)}, "no multiples"),
    ],
)
def test_what_hal_cannot_hold_is_refused(standin, changed, said):
    with pytest.raises(ExchangeError, match=said):
        hal.from_dlpack(Theirs(hal.ones(3, device=standin), **changed), device=standin)
