"""Reading the bits of elements as another dtype."""

import numpy as np
import pytest

import hal
from hal.dispatch import call
from hal.ops import operators


def bitcast(x, dtype):
    return call(operators["bitcast"], x, dtype=dtype)


def test_bits_stay_and_their_meaning_changes(cpu):
    x = hal.asarray([1.0, -2.0], device=cpu)
    assert bitcast(x, hal.uint32).tolist() == [0x3F800000, 0xC0000000]
    assert bitcast(bitcast(x, hal.int32), hal.float32).tolist() == [1.0, -2.0]


def test_the_result_is_a_view(cpu):
    x = hal.zeros(2, device=cpu)
    bits = bitcast(x, hal.int32)
    x[0] = 1.0
    assert bits.tolist() == [0x3F800000, 0]


def test_a_strided_view_is_read_in_place(cpu):
    x = hal.asarray(np.arange(6, dtype=np.float32).reshape(2, 3), device=cpu)
    expected = np.arange(6, dtype=np.float32).reshape(2, 3).T.view(np.int32)
    np.testing.assert_array_equal(bitcast(x.T, hal.int32).numpy(), expected)


@pytest.mark.parametrize("dtype", [hal.int16, hal.float64, hal.int4], ids=str)
def test_sizes_must_be_equal(cpu, dtype):
    with pytest.raises(hal.DTypeError, match="float32 has 32 bits"):
        bitcast(hal.zeros(2, device=cpu), dtype)
