"""What NCCL is told; shown without it."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

import hal
from hal.errors import DeviceError, Unsupported
from hal_cuda.collectives import NcclCommunicator, element

NAMES = ("Int8", "Uint8", "Int32", "Uint32", "Int64", "Uint64", "Float16", "Float32", "Float64")
TYPES = SimpleNamespace(**{name: number for number, name in enumerate(NAMES)}, Bfloat16=9)


@pytest.fixture
def api():
    return MagicMock(DataType=TYPES, RedOp=SimpleNamespace(Sum=0, Prod=1, Max=2, Min=3))


@pytest.fixture
def group(api):
    return NcclCommunicator(MagicMock(), api, MagicMock(ptr=0xC), rank=1, size=2)


def array(dtype, shape, pointer):
    return SimpleNamespace(dtype=dtype, shape=shape, pointer=pointer)


STREAM = SimpleNamespace(handle=7)


def test_a_reduction_combines_elements(group, api):
    group.all_reduce(array(hal.bfloat16, (3, 4), 0x2), array(hal.bfloat16, (3, 4), 0x1), "max",
                     STREAM)  # fmt: skip
    api.all_reduce.assert_called_once_with(0x1, 0x2, 12, 9, 2, 0xC, 7)


def test_a_scattered_reduction_counts_what_each_device_gets(group, api):
    group.reduce_scatter(array(hal.float32, (2,), 0x2), array(hal.float32, (4,), 0x1), "sum",
                         STREAM)  # fmt: skip
    api.reduce_scatter.assert_called_once_with(0x1, 0x2, 2, 7, 0, 0xC, 7)


def test_a_sum_of_complex_numbers_is_one_of_their_parts(group, api):
    x = array(hal.complex128, (5,), 0x1)
    group.all_reduce(x, x, "sum", STREAM)
    api.all_reduce.assert_called_once_with(0x1, 0x1, 10, 8, 0, 0xC, 7)


def test_what_only_moves_is_moved_as_bytes_of_any_dtype(group, api):
    x = array(hal.int16, (5,), 0x1)
    group.all_gather(array(hal.int16, (10,), 0x2), x, STREAM)
    api.all_gather.assert_called_once_with(0x1, 0x2, 10, 1, 0xC, 7)
    group.broadcast(x, 0, STREAM)
    api.broadcast.assert_called_once_with(0x1, 0x1, 10, 1, 0, 0xC, 7)
    group.send(x, 0, STREAM)
    api.send.assert_called_once_with(0x1, 10, 1, 0, 0xC, 7)
    group.receive(x, 0, STREAM)
    api.recv.assert_called_once_with(0x1, 10, 1, 0, 0xC, 7)


def test_what_nccl_does_not_combine_says_what_it_does():
    with pytest.raises(Unsupported, match="does not combine int16 by sum; convert to one of: int8"):
        element(hal.int16, "sum")


def test_a_group_that_was_left_says_so(group):
    group.close()
    group.close()
    with pytest.raises(DeviceError, match="has left this group"):
        group.broadcast(array(hal.int8, (1,), 1), 0, STREAM)


def test_a_refusal_keeps_the_librarys_text(group, api):
    api.broadcast.side_effect = RuntimeError("NCCL_INVALID_ARGUMENT (4)")
    with pytest.raises(DeviceError, match="NCCL_INVALID_ARGUMENT"):
        group.broadcast(array(hal.int8, (1,), 1), 0, STREAM)
