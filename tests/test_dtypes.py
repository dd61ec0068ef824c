"""Data types: identity, conversion, promotion."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hal
from hal.dtypes import ALL, COMPUTE, STORAGE, as_dtype, integer_range, promote, promote_scalar

compute = st.sampled_from(COMPUTE)


def numpys(dtype):
    return dtype.numpy


@given(compute, compute)
def test_promotion_is_commutative_and_never_narrows(a, b):
    try:
        result = promote(a, b)
    except hal.DTypeError:
        assert {a.kind, b.kind} == {"int", "uint"}
        with pytest.raises(hal.DTypeError):
            promote(b, a)
        return
    assert result is promote(b, a)
    if a.kind == b.kind:
        assert result.bits >= max(a.bits, b.bits)


@pytest.mark.parametrize("kind", [{"int", "uint"}, {"float"}, {"complex"}, {"float", "complex"}])
def test_promotion_within_a_kind_is_numpys(kind):
    for a in COMPUTE:
        for b in COMPUTE:
            if {a.kind, b.kind} <= kind and hal.bfloat16 not in (a, b):
                expected = np.promote_types(a.numpy, b.numpy)
                if {a.kind, b.kind} == {"int", "uint"} and expected.kind == "f":
                    with pytest.raises(hal.DTypeError, match="no integer dtype holds both"):
                        promote(a, b)
                elif {a, b} != {hal.float16, hal.complex64}:
                    assert promote(a, b).numpy == expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (hal.float16, hal.bfloat16, hal.float32),
        (hal.int64, hal.float16, hal.float16),
        (hal.bool, hal.int8, hal.int8),
        (hal.bool, hal.bfloat16, hal.bfloat16),
        (hal.float64, hal.complex64, hal.complex128),
        (hal.int64, hal.complex64, hal.complex64),
    ],
)
def test_across_kinds_the_higher_kind_decides(a, b, expected):
    assert promote(a, b) is expected


@pytest.mark.parametrize(
    ("dtype", "number", "expected"),
    [
        (hal.float16, 1, hal.float16),
        (hal.float64, 1.5, hal.float64),
        (hal.int8, True, hal.int8),
        (hal.int8, 1, hal.int8),
        (hal.int8, 1.5, hal.float32),
        (hal.bool, 1, hal.int64),
        (hal.float64, 1j, hal.complex128),
        (hal.bfloat16, 1j, hal.complex64),
    ],
)
def test_a_number_never_widens_its_own_kind(dtype, number, expected):
    assert promote_scalar(dtype, number) is expected


@pytest.mark.parametrize("dtype", STORAGE, ids=str)
def test_storage_types_do_not_promote(dtype):
    assert promote(dtype, dtype) is dtype
    with pytest.raises(hal.DTypeError, match="astype"):
        promote(dtype, hal.float32)
    with pytest.raises(hal.DTypeError, match="astype"):
        promote_scalar(dtype, 1)


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_a_dtype_is_one_object_by_any_of_its_names(dtype):
    assert as_dtype(dtype) is as_dtype(dtype.name) is as_dtype(dtype.numpy) is dtype
    assert np.dtype(dtype) == dtype.numpy
    assert pickle.loads(pickle.dumps(dtype)) is dtype
    assert repr(dtype) == f"hal.{dtype.name}"


def test_python_types_stand_for_the_defaults():
    assert [as_dtype(t) for t in (bool, int, float, complex)] == [
        hal.bool,
        hal.int64,
        hal.float32,
        hal.complex64,
    ]


@pytest.mark.parametrize("given", ["float31", None, len, "O", np.dtype("U3"), 7], ids=repr)
def test_what_is_no_dtype_is_refused_with_the_list(given):
    with pytest.raises(hal.DTypeError, match="use one of: bool, int8"):
        as_dtype(given)


def test_integer_ranges():
    for dtype in (hal.int8, hal.uint16, hal.int64):
        info = np.iinfo(dtype.numpy)
        assert integer_range(dtype) == (info.min, info.max)
    assert integer_range(hal.uint4) == (0, 15)
