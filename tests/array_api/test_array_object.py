"""The array object: its operators, attributes and conversions."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import REALS, arrays, assert_same, on

import hal

OPERATORS = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "mod": operator.mod,
    "floordiv": operator.floordiv, "eq": operator.eq, "ne": operator.ne, "lt": operator.lt,
    "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip
STANDARD_METHODS = [
    "__abs__", "__add__", "__and__", "__array_namespace__", "__bool__", "__complex__",
    "__dlpack__", "__dlpack_device__", "__eq__", "__float__", "__floordiv__", "__ge__",
    "__getitem__", "__gt__", "__index__", "__int__", "__invert__", "__le__", "__lshift__",
    "__lt__", "__matmul__", "__mod__", "__mul__", "__ne__", "__neg__", "__or__", "__pos__",
    "__pow__", "__rshift__", "__setitem__", "__sub__", "__truediv__", "__xor__", "to_device",
    "dtype", "device", "mT", "ndim", "shape", "size", "T", "__iadd__", "__isub__", "__imul__",
    "__itruediv__", "__ifloordiv__", "__ipow__", "__imatmul__", "__imod__", "__iand__",
    "__ior__", "__ixor__", "__ilshift__", "__irshift__", "__radd__", "__rsub__", "__rmul__",
    "__rtruediv__", "__rfloordiv__", "__rpow__", "__rmatmul__", "__rmod__", "__rand__",
    "__ror__", "__rxor__", "__rlshift__", "__rrshift__",
]  # fmt: skip


@pytest.mark.parametrize("name", STANDARD_METHODS)
def test_the_tensor_has_what_the_standard_gives_an_array(name):
    assert hasattr(hal.Tensor, name)


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=25)
@given(x=arrays(REALS), number=st.sampled_from([1, 2, 3]))
def test_operators_take_numbers_on_both_sides(device, name, x, number):
    apply, tensor = OPERATORS[name], on(device, x)
    x = np.where(x == 0, 1, x).astype(x.dtype)
    tensor = on(device, x)
    if name in ("mod", "floordiv") and x.dtype.kind == "f":
        return  # Special values are not NumPy's; they have a table of their own.
    with np.errstate(all="ignore"):
        assert_same(apply(tensor, number), apply(x, number))
        assert_same(apply(number, tensor), apply(number, x))
        assert_same(apply(tensor, tensor), apply(x, x))


def test_in_place_operators_keep_dtype_and_memory(device):
    x = hal.asarray([1, 2], dtype=hal.int8, device=device)
    view = x[:1]
    x += 1
    x *= hal.asarray(2, dtype=hal.int8, device=device)
    assert (x.dtype, x.tolist(), view.tolist()) == (hal.int8, [4, 6], [4])
    with pytest.raises(hal.DTypeError):
        x += 0.5
    with pytest.raises(hal.DTypeError):
        x += hal.asarray([1, 2], device=device)
    with pytest.raises(hal.ShapeError):
        x += hal.ones((3, 2), dtype=hal.int8, device=device)


def test_the_namespace_is_hal(device):
    x = hal.ones(2, device=device)
    assert x.__array_namespace__() is hal
    assert x.__array_namespace__(api_version="2022.12") is hal
    with pytest.raises(ValueError, match=r"no version '1999\.1'.*it has 2021\.12"):
        x.__array_namespace__(api_version="1999.1")


def test_numbers_come_out_of_tensors_without_axes(device):
    x = hal.asarray(3.7, device=device)
    assert (int(x), bool(x)) == (3, True)
    assert float(x) == pytest.approx(3.7)
    assert complex(hal.asarray(1 + 2j, device=device)) == 1 + 2j
    assert [10, 20, 30][hal.asarray(1, device=device)] == 20


@pytest.mark.parametrize(
    ("convert", "x", "error"),
    [
        (float, 1j, hal.DTypeError),
        (int, 1j, hal.DTypeError),
        (int, float("nan"), hal.ValueRangeError),
        (int, float("inf"), hal.HalOverflowError),
        (operator.index, 1.0, hal.DTypeError),
        (float, [1.0, 2.0], hal.DTypeError),
        (bool, [True, False], hal.DTypeError),
    ],
)
def test_what_is_no_number_is_refused(device, convert, x, error):
    with pytest.raises(error):
        convert(hal.asarray(x, device=device))


def test_other_libraries_do_not_take_tensors_apart(device):
    x = hal.ones(2, device=device)
    for other in (np.ones(2), [1.0, 2.0], "a", None):
        with pytest.raises(TypeError):
            x + other
        with pytest.raises(TypeError):
            other + x
