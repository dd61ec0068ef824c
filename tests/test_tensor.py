"""Tensors: operators, views, conversion, bad input."""

from __future__ import annotations

import copy
import operator
import pickle

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hal
from hal import dtypes

BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
]
BITWISE = [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("other", [2, 2.5, True], ids=repr)
def test_arithmetic_with_numbers_is_numpys(cpu, function, other):
    values = np.array([0.5, 1.0, 2.0, 3.0], np.float32)
    x = hal.asarray(values, device=cpu)
    for pair, expected in (
        ((x, other), function(values, np.float32(other))),
        ((other, x), function(np.float32(other), values)),
    ):
        result = function(*pair)
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6)
        assert result.dtype in (hal.float32, hal.bool)


@pytest.mark.parametrize("function", BITWISE, ids=lambda f: f.__name__)
def test_bits_are_numpys(cpu, function):
    a, b = np.array([1, 2, 12], np.int32), np.array([3, 1, 2], np.int32)
    x, y = hal.asarray(a, device=cpu), hal.asarray(b, device=cpu)
    np.testing.assert_array_equal(function(x, y).numpy(), function(a, b))
    np.testing.assert_array_equal(function(x, 2).numpy(), function(a, 2))
    np.testing.assert_array_equal(function(7, y).numpy(), function(7, b))


@pytest.mark.parametrize(
    ("number", "quotient"), [(0.0, float("inf")), (-0.0, float("-inf")), (0, float("inf"))]
)
def test_the_sign_of_a_zero_operand_is_kept(cpu, number, quotient):
    one = hal.ones(2, device=cpu)
    for _ in range(3):
        assert (one / number).tolist() == [quotient] * 2


def test_nan_as_an_operand_is_nan(cpu):
    for _ in range(2):
        assert np.isnan((hal.ones(2, device=cpu) * float("nan")).numpy()).all()


def test_in_place_operators_write_into_the_same_memory(cpu):
    x = hal.zeros((2, 3), device=cpu)
    row, same = x[1], x
    x += 1
    x *= hal.asarray([1.0, 2.0, 3.0], device=cpu)
    x -= 0.5
    assert same is x
    assert row.tolist() == [0.5, 1.5, 2.5]


def test_in_place_operators_keep_shape_and_dtype(cpu):
    x = hal.ones((1, 3), dtype=hal.int32, device=cpu)
    with pytest.raises(hal.ShapeError):
        x += hal.ones((2, 3), dtype=hal.int32, device=cpu)
    with pytest.raises(hal.DTypeError, match="without loss"):
        x += 0.5
    assert x.tolist() == [[1, 1, 1]]


@given(
    st.sampled_from(dtypes.COMPUTE),
    st.sampled_from(dtypes.COMPUTE),
)
def test_operations_have_the_dtype_their_operands_promote_to(a, b):
    x, y = hal.ones(2, dtype=a, device="cpu:0"), hal.ones(2, dtype=b, device="cpu:0")
    try:
        expected = dtypes.promote(a, b)
    except hal.DTypeError:
        with pytest.raises(hal.DTypeError):
            x == y  # noqa: B015
        return
    if expected is hal.bool:
        assert (x & y).dtype is hal.bool
    else:
        assert (x + y).dtype is expected
    assert (x == y).tolist() == [True, True]


@pytest.mark.parametrize("dtype", dtypes.STORAGE, ids=str)
def test_storage_types_are_held_moved_and_converted_but_not_calculated_with(cpu, dtype):
    x = hal.asarray([0.0, 1.0, 2.0, 3.0], device=cpu).astype(dtype)
    assert x.dtype is dtype
    held = np.float32([0.0, 1.0, 2.0, 3.0]).astype(dtype.numpy).astype(np.float32).tolist()
    assert x[::-2].astype(hal.float32).tolist() == [held[3], held[1]]
    assert x.numpy().dtype == dtype.numpy
    x[0] = x[3]
    assert x.astype(hal.float32).tolist() == [held[3], *held[1:]]
    with pytest.raises(hal.DTypeError, match="astype"):
        x + x
    with pytest.raises(hal.DTypeError, match="astype"):
        x * 2
    with pytest.raises(hal.DTypeError):
        x.sum()


@pytest.mark.parametrize("dtype", dtypes.COMPUTE, ids=str)
def test_values_survive_the_way_to_a_device_and_back(cpu, dtype):
    host = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype.numpy)
    x = hal.asarray(host, device=cpu)
    assert x.dtype is dtype
    for view, expected in ((x, host), (x.T, host.T), (x[:, ::-1], host[:, ::-1])):
        np.testing.assert_array_equal(view.numpy(), expected)
        assert view.numpy().flags.c_contiguous


def test_numpy_gives_a_copy(cpu):
    x = hal.zeros(3, device=cpu)
    x.numpy()[0] = 1
    assert x.tolist() == [0.0, 0.0, 0.0]


def test_views_share_memory_and_never_copy(cpu):
    x = hal.asarray(np.arange(24.0).reshape(2, 3, 4), copy=True, device=cpu)
    before = cpu.memory_stats().allocated
    views = [x[0], x[..., ::-1], x[:, None], x.mT, x.reshape(6, 4), x[1, 1:, 2], x[:]]
    assert cpu.memory_stats().allocated == before
    x[...] = 7.0
    for view in views:
        assert view.numpy().min() == 7.0


def test_a_view_keeps_its_memory_alive(cpu):
    view = hal.asarray(np.arange(100_000.0), copy=True, device=cpu)[::50_000]
    others = [hal.full(100_000, -1.0, dtype=hal.float64, device=cpu) for _ in range(3)]
    assert view.tolist() == [0.0, 50_000.0]
    assert len(others) == 3


@given(
    hnp.arrays(
        np.int64, hnp.array_shapes(min_dims=0, max_dims=3, max_side=4), elements=st.integers(-5, 5)
    ),
    st.data(),
)
def test_overlapping_writes_read_before_they_write(host, data):
    if host.ndim == 0 or host.shape[0] < 2:
        return
    expected = host.copy()
    x = hal.asarray(host, copy=True, device="cpu:0")
    if data.draw(st.booleans()):
        expected[1:] = expected[:-1].copy()
        x[1:] = x[:-1]
    else:
        expected[...] = expected[::-1].copy()
        x[...] = x[::-1]
    np.testing.assert_array_equal(x.numpy(), expected)


def test_scalars_convert_to_python_numbers(cpu):
    assert float(hal.asarray(2.5, device=cpu)) == 2.5
    assert int(hal.asarray(2.5, device=cpu)) == 2
    assert complex(hal.asarray(1 + 2j, device=cpu)) == 1 + 2j
    assert bool(hal.asarray(0, device=cpu)) is False
    assert [10, 20][hal.asarray(1, device=cpu)] == 20
    assert hal.asarray([[3]], device=cpu).item() == 3
    assert hal.asarray(1.5, device=cpu).astype(hal.bfloat16).item() == 1.5


def test_what_is_no_scalar_does_not_convert(cpu):
    x = hal.ones(2, device=cpu)
    for convert in (bool, int, float, complex, operator.index):
        with pytest.raises(TypeError):
            convert(x)
    with pytest.raises(ValueError, match="one element"):
        x.item()
    with pytest.raises(TypeError, match="integer"):
        operator.index(hal.asarray(1.0, device=cpu))


def test_a_tensor_prints_values_dtype_and_device(cpu):
    text = repr(hal.asarray([1.0, -2.5], device=cpu))
    assert text == "Tensor([ 1. , -2.5], dtype=float32, device='cpu:0')"
    assert "bfloat16" in repr(hal.ones(2, dtype=hal.bfloat16, device=cpu))
    assert "..." in repr(hal.zeros(100_000, device=cpu))


def test_a_tensor_of_any_dtype_prints_numbers_of_its_kind():
    for dtype in dtypes.ALL:
        shown = repr(hal.full((1, 2), dtype.kind == "bool" or 1, dtype=dtype, device="cpu:0"))
        number = {"bool": "True", "float": "1.", "complex": "1.+0.j"}.get(dtype.kind, "1")
        expected = f"Tensor([[{number},{number}]],dtype={dtype},device='cpu:0')"
        assert shown.replace(" ", "") == expected


def test_an_empty_tensor_prints_its_shape(cpu):
    assert "shape=(0, 3)" in repr(hal.zeros((0, 3), device=cpu))
    assert "shape" not in repr(hal.zeros(0, device=cpu))


def test_a_tensor_without_axes_is_formatted_as_its_number(cpu):
    x = hal.asarray(2.5, device=cpu)
    assert f"{x:.2f}" == "2.50"
    assert f"{x}" == repr(x)
    with pytest.raises(hal.ValueRangeError, match="float32 has no format 'x'"):
        f"{x:x}"
    with pytest.raises(hal.DTypeError, match="without axes"):
        f"{hal.zeros(2, device=cpu):.2f}"


def test_a_tensor_is_no_dictionary_key(cpu):
    with pytest.raises(TypeError):
        hash(hal.ones(1, device=cpu))


def test_a_tensor_is_not_constructed_by_hand():
    with pytest.raises(hal.DTypeError, match=r"hal.asarray"):
        hal.Tensor()


@pytest.mark.parametrize("other", ["text", [1, 2], {}, len, np.ones(2)], ids=str)
def test_mixing_with_what_is_no_tensor_is_a_type_error(cpu, other):
    x = hal.ones(2, device=cpu)
    for function in (operator.add, operator.matmul, operator.lt):
        with pytest.raises(TypeError):
            function(x, other)
        with pytest.raises(TypeError):
            function(other, x)


@pytest.mark.parametrize("function", [*BINARY, *BITWISE, operator.matmul])
@pytest.mark.parametrize("swapped", [False, True])
def test_arrays_of_numpy_are_refused_with_what_to_do(cpu, function, swapped):
    x, array = hal.ones(3, device=cpu), np.ones(3, np.float32)
    with pytest.raises(hal.DTypeError, match=r"ndarray is no hal tensor; .*hal\.asarray"):
        function(array, x) if swapped else function(x, array)


@pytest.mark.parametrize("number", [np.float32(2), np.int8(2), np.float64(2)])
def test_numbers_of_numpy_are_numbers(cpu, number):
    x = hal.asarray([1.0, 2.0], dtype=hal.float16, device=cpu)
    assert (x * number).dtype is hal.float16
    assert (number * x).tolist() == [2.0, 4.0]
    assert (x == number).tolist() == [False, True]
    x += number
    assert x.tolist() == [3.0, 4.0]


def test_a_tensor_contains_nothing_that_is_no_number(cpu):
    assert "a" not in hal.ones(2, device=cpu)
    assert None not in hal.ones(2, device=cpu)


@pytest.mark.parametrize("shape", [(2.0, 3), (True + 0.5,), ("6",), (None,)])
def test_a_shape_is_made_of_integers(cpu, shape):
    x = hal.ones(6, device=cpu)
    x.reshape(2, 3)  # so that what equals this shape was seen before
    with pytest.raises(hal.DTypeError, match="a shape is made of integers"):
        x.reshape(shape)
    with pytest.raises(hal.DTypeError, match="a shape is made of integers"):
        hal.zeros(shape, device=cpu)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: hal.zeros((1,) * 65),
        lambda x: x.reshape((1,) * 64 + (6,)),
        lambda x: x[(None,) * 64],
        lambda x: hal.zeros((2**63, 0)),
        lambda x: hal.broadcast_to(x, (2**62, 6)),
    ],
)
def test_a_shape_beyond_any_array_is_refused(make):
    with pytest.raises(hal.ShapeError, match=r"at most 64 axes|too large"):
        make(hal.ones(6, device="cpu:0"))


@pytest.mark.parametrize(
    ("number", "dtype", "kind"),
    [
        (8, hal.int4, hal.HalOverflowError),
        (-1, hal.uint4, hal.HalOverflowError),
        (0.5, hal.int4, hal.DTypeError),
        (1j, hal.float8_e5m2, hal.DTypeError),
        (1j, hal.float32, hal.DTypeError),
        (0.5, hal.int32, hal.DTypeError),
    ],
)
def test_a_fill_value_that_would_change_is_refused(cpu, number, dtype, kind):
    with pytest.raises(kind):
        hal.full(2, number, dtype=dtype, device=cpu)


def test_numbers_that_a_dtype_cannot_mean_are_refused(cpu):
    with pytest.raises(hal.HalOverflowError, match="NaN and infinity do not fit int32"):
        hal.asarray([1.0, float("nan")], dtype=hal.int32, device=cpu)
    for values in ([1j], np.array([1j])):
        with pytest.raises(hal.DTypeError, match=r"complex.* do not convert to float32"):
            hal.asarray(values, dtype=hal.float32, device=cpu)


def test_lists_that_nest_without_end_are_refused(cpu):
    endless = []
    endless.append(endless)
    with pytest.raises(hal.DTypeError, match="nest at most 64 deep"):
        hal.asarray(endless, device=cpu)


def test_an_integer_that_does_not_fit_is_an_overflow(cpu):
    with pytest.raises(OverflowError, match="uint8"):
        hal.ones(2, dtype=hal.uint8, device=cpu) + 256
    with pytest.raises(OverflowError):
        hal.ones(2, device=cpu) + 10**400


@pytest.mark.parametrize(
    ("a", "b", "shape"),
    [
        ((2, 3), (3, 4), (2, 4)),
        ((3,), (3,), ()),
        ((5, 2, 3), (3,), (5, 2)),
        ((3,), (5, 3, 2), (5, 2)),
        ((5, 1, 2, 3), (4, 3, 2), (5, 4, 2, 2)),
        ((2, 0), (0, 3), (2, 3)),
    ],
)
def test_matrix_products_have_numpys_shapes_and_values(cpu, a, b, shape):
    rng = np.random.default_rng(0)
    x, y = rng.random(a, np.float32), rng.random(b, np.float32)
    result = hal.asarray(x, device=cpu) @ hal.asarray(y, device=cpu)
    assert result.shape == shape
    np.testing.assert_allclose(result.numpy(), x @ y, rtol=1e-5)


@pytest.mark.parametrize(("a", "b"), [((2, 3), (2, 3)), ((), (3,)), ((2, 2, 3), (3, 3, 2))])
def test_matrix_products_that_do_not_fit_say_why(cpu, a, b):
    with pytest.raises(hal.ShapeError, match="matmul"):
        hal.ones(a, device=cpu) @ hal.ones(b, device=cpu)


def test_precision_is_checked_where_it_is_chosen():
    with pytest.raises(hal.ValueRangeError, match="highest"), hal.precision("exact"):
        pass


def test_half_precision_products_are_accumulated_in_float32(cpu):
    x = hal.ones((1, 4096), dtype=hal.float16, device=cpu)
    assert (x @ x.T).tolist() == [[4096.0]]
    y = hal.ones((1, 512), dtype=hal.bfloat16, device=cpu)
    assert (y @ y.T).numpy().dtype == ml_dtypes.bfloat16
    assert (y @ y.T).tolist() == [[512.0]]


@pytest.mark.parametrize(
    "make", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_tensor_can_be_copied_and_pickled(cpu, make):
    x = hal.asarray([[1.0, 2.0]], device=cpu).mT
    y = make(x)
    assert y.tolist() == x.tolist()
    assert y.device is cpu
    x[0] = 9.0
    assert y.tolist() == [[1.0], [2.0]]


def test_iteration_and_membership_work_as_for_sequences(cpu):
    x = hal.asarray([1, 2, 3], device=cpu)
    assert [int(v) for v in x] == [1, 2, 3]
    assert 2 in x
    assert 5 not in x
    assert len(x) == 3
    scalar = hal.asarray(1, device=cpu)
    with pytest.raises(TypeError):
        len(scalar)
    with pytest.raises(TypeError):
        iter(scalar)


def test_conversion_to_a_dtype_copies_unless_told_otherwise(cpu):
    x = hal.ones(2, device=cpu)
    assert x.astype(hal.float32, copy=False) is x
    y = x.astype("float32")
    y[0] = 5.0
    assert x.tolist() == [1.0, 1.0]
    with pytest.raises(hal.DTypeError, match=r"real\(x\)"):
        hal.ones(2, dtype=hal.complex64, device=cpu).astype(hal.float32)
    with pytest.raises(hal.DTypeError, match="is not a dtype of hal"):
        x.astype("float31")


def test_a_stream_to_copy_on_is_one_of_the_target(cpu):
    with pytest.raises(hal.DTypeError, match="must be one of cpu:0, not 3"):
        hal.ones(2, device=cpu).to_device(cpu, stream=3)


def test_moving_to_the_same_device_is_the_tensor_itself(cpu):
    x = hal.ones(2, device=cpu)
    assert x.to_device("cpu:0") is x
    with pytest.raises(hal.PluginMissing):
        x.to_device("quantum:0")


def test_a_special_name_that_no_protocol_has_is_no_attribute():
    x = hal.ones(2, device="cpu:0")
    assert not hasattr(x, "__some_vendors_interface__")
    with pytest.raises(AttributeError, match="shap"):
        _ = x.shap
