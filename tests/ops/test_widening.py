"""Half precision is calculated in float32 and rounded once."""

from __future__ import annotations

import ml_dtypes
import numpy as np

import hal
from hal.ops import ReferenceEvaluator
from hal.ops.widening import narrow, wide, wide_dtype, widen

F = ReferenceEvaluator()


def test_half_precision_is_widened_and_the_rest_kept() -> None:
    for given, expected in (
        (hal.float16, hal.float32),
        (hal.bfloat16, hal.float32),
        (hal.float32, hal.float32),
        (hal.float64, hal.float64),
        (hal.int8, hal.int8),
    ):
        x = np.ones(2, given.numpy)
        assert wide_dtype(given) is expected
        assert wide(x).dtype == expected.numpy
        assert widen(F, x).dtype == expected.numpy
        assert narrow(F, widen(F, x), given).dtype == given.numpy


def test_a_missing_input_stays_missing() -> None:
    assert wide(None) is None
    assert widen(F, None) is None


def test_what_needs_no_conversion_is_not_copied() -> None:
    x = np.ones(2, np.float32)
    assert wide(x) is x
    assert widen(F, x) is x
    assert narrow(F, x, hal.float32) is x


def test_narrowing_rounds_to_the_nearest() -> None:
    x = np.float32([1 + 2**-8, 1 + 3 * 2**-8])
    expected = np.array([1.0, 1 + 2**-6], ml_dtypes.bfloat16)
    np.testing.assert_array_equal(narrow(F, x, hal.bfloat16), expected)
