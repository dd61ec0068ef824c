"""Data type functions: conversion, promotion, limits, kinds."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import ALL, NUMBERS, arrays, assert_same, on

import hal
from hal.dtypes import COMPUTE


@given(arrays(ALL), st.sampled_from(ALL))
def test_astype_converts_as_numpy_does(device, x, dtype):
    tensor = on(device, x)
    if x.dtype.kind == "c" and dtype.kind != "c":
        with pytest.raises(hal.DTypeError, match="real"):
            hal.astype(tensor, str(dtype))
    elif x.dtype.kind in "bi" or dtype.kind in "fcb":
        with np.errstate(all="ignore"):
            assert_same(hal.astype(tensor, str(dtype)), x.astype(dtype))


def test_astype_copies_unless_told_not_to(device):
    x = hal.ones(2, device=device)
    assert hal.astype(x, hal.float32, copy=False) is x
    copied = hal.astype(x, hal.float32)
    copied[0] = 5.0
    assert x.tolist() == [1.0, 1.0]
    assert hal.astype(x, hal.int8, device="cpu:0").device is hal.device("cpu:0")


STANDARD = [d for d in COMPUTE if d.name not in ("float16", "bfloat16")]


@pytest.mark.parametrize(("first", "second"), list(itertools.product(STANDARD, STANDARD)), ids=str)
def test_promotion_of_one_kind_is_numpys(first, second):
    # Across kinds the standard leaves promotion open and NumPy widens more than hal does.
    kinds = {first.kind, second.kind}
    if not (len(kinds) == 1 or kinds == {"int", "uint"} or kinds == {"float", "complex"}):
        return
    if kinds == {"int", "uint"} and hal.uint64 in (first, second):
        with pytest.raises(hal.DTypeError):
            hal.result_type(first, second)
        return
    assert hal.result_type(first, second).numpy == np.result_type(first.numpy, second.numpy)
    assert hal.can_cast(first, second) == (hal.result_type(first, second) is second)


@pytest.mark.parametrize(
    ("given_types", "expected"),
    [
        ((hal.int8, 1), hal.int8),
        ((hal.uint8, True), hal.uint8),
        ((hal.float16, 1.0), hal.float16),
        ((hal.float64, 1j), hal.complex128),
        ((hal.float32, 1j), hal.complex64),
        ((1.0, hal.int32), hal.float32),
        ((hal.bool, 1), hal.int64),
        ((hal.int8, hal.int16, 2), hal.int16),
        (("float32", hal.float64), hal.float64),
    ],
    ids=str,
)
def test_numbers_promote_by_their_kind_alone(given_types, expected):
    assert hal.result_type(*given_types) is expected


@given(arrays(NUMBERS))
def test_tensors_stand_for_their_dtype(device, x):
    tensor = on(device, x)
    assert hal.result_type(tensor, tensor.dtype) is tensor.dtype
    assert hal.can_cast(tensor, tensor.dtype)


@pytest.mark.parametrize(
    "dtype", [hal.float16, hal.bfloat16, hal.float32, hal.float64, hal.complex64, hal.complex128]
)
def test_finfo_tells_the_limits_of_the_parts(dtype):
    found, expected = hal.finfo(dtype), ml_dtypes.finfo(hal.finfo(dtype).dtype.numpy)
    assert found.bits == expected.bits
    for name in ("eps", "max", "min", "smallest_normal"):
        assert type(getattr(found, name)) is float
        assert getattr(found, name) == float(getattr(expected, name))
    assert found.dtype.kind == "float"
    assert hal.finfo(hal.ones(1, dtype=dtype)) == found


@pytest.mark.parametrize("dtype", [hal.int8, hal.uint8, hal.int64, hal.uint64, hal.int4])
def test_iinfo_tells_the_limits(dtype):
    found = hal.iinfo(dtype)
    assert (found.max - found.min, found.dtype) == (2**found.bits - 1, dtype)


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("bool", ["bool"]),
        ("signed integer", ["int"]),
        ("unsigned integer", ["uint"]),
        ("integral", ["int", "uint"]),
        ("real floating", ["float"]),
        ("complex floating", ["complex"]),
        ("numeric", ["int", "uint", "float", "complex"]),
        (("bool", "integral"), ["bool", "int", "uint"]),
    ],
    ids=str,
)
def test_isdtype_knows_the_kinds(kind, members):
    for dtype in COMPUTE:
        assert hal.isdtype(dtype, kind) == (dtype.kind in members)
        assert hal.isdtype(dtype, (dtype, "bool"))


@pytest.mark.parametrize(
    "call",
    [
        lambda: hal.isdtype(hal.int8, "floaty"),
        lambda: hal.finfo(hal.int8),
        lambda: hal.iinfo(hal.float32),
        lambda: hal.result_type(1, 2.0),
        lambda: hal.result_type(hal.int64, hal.uint64),
        lambda: hal.can_cast(hal.int8, "no dtype"),
        lambda: hal.astype(hal.ones(1), "no dtype"),
        lambda: hal.astype([1], hal.int8),
    ],
)
def test_what_is_no_dtype_is_refused(call):
    with pytest.raises((hal.DTypeError, hal.ValueRangeError)):
        call()


def test_dtypes_that_only_store_promote_with_nothing():
    assert not hal.can_cast(hal.float8_e5m2, hal.float32)
    assert hal.can_cast(hal.float8_e5m2, hal.float8_e5m2)
